//! Raises alerts of silence when it has lasted.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use kit::{
    Clock, Db, Result, Timestamp,
    db::{Conn, Tx},
};

use crate::{
    domain::{
        alert::Alert,
        course::Breach,
        journal::{Marks, encode_marks},
        reading::EquipmentId,
        replay::Outcome,
        rule::{Rule, RuleId},
    },
    ingest::judge::{keep, replay},
    recent::Recent,
    register::Register,
    store,
};

/// Alerts that one transaction raises, so that readings don't wait for long.
const GROUP: usize = 50;

/// When to look at which series again: not before silence can have lasted since its last reading.
#[derive(Default)]
pub struct Silence {
    rules: HashMap<RuleId, Watch>,
}

/// One rule, and the equipment where it looks.
struct Watch {
    rule: Rule,
    /// Whether the equipment is still to be chosen.
    is_new: bool,
    /// When each is due.
    covered: HashMap<EquipmentId, Timestamp>,
    /// The same, in order; what isn't the same as above was put off, or is looked at no more.
    due: BinaryHeap<Reverse<(Timestamp, EquipmentId)>>,
}

/// Before all other times: what is due at once.
const AT_ONCE: Timestamp = Timestamp::MIN;

impl Silence {
    /// What was read of the equipment has changed where the rule looks: silence may begin earlier than was thought.
    pub fn disturb(&mut self, rule: RuleId, id: EquipmentId) {
        if let Some(watch) = self.rules.get_mut(&rule)
            && watch.covered.contains_key(&id)
        {
            watch.plan(id, AT_ONCE);
        }
    }

    /// The register has changed: which equipment a rule looks at is to be chosen anew.
    pub fn cover_anew(&mut self) {
        for watch in self.rules.values_mut() {
            watch.is_new = true;
        }
    }

    /// Looks once at all that is due.
    pub async fn look(
        &mut self,
        db: &Db,
        clock: &Clock,
        register: &Register,
        recent: &Recent,
    ) -> Result<()> {
        self.follow_rules(store::rule::on_silence(&mut db.read().await?).await?);
        let mut silent = Vec::new();
        for watch in self.rules.values_mut() {
            watch.cover(register).await;
            watch.look(db, clock.now(), (register, recent), &mut silent).await?;
        }
        for group in silent.chunks(GROUP) {
            raise(db, clock, (register, recent), group).await?;
        }
        Ok(())
    }

    fn follow_rules(&mut self, rules: Vec<Rule>) {
        let revisions: HashMap<_, _> = rules.iter().map(|rule| (rule.id, rule.revision)).collect();
        self.rules.retain(|id, watch| revisions.get(id) == Some(&watch.rule.revision));
        for rule in rules {
            self.rules.entry(rule.id).or_insert_with(|| Watch {
                rule,
                is_new: true,
                covered: HashMap::new(),
                due: BinaryHeap::new(),
            });
        }
    }
}

impl Watch {
    /// Chooses the equipment anew, if that is to be done.
    async fn cover(&mut self, register: &Register) {
        if !std::mem::take(&mut self.is_new) {
            return;
        }
        let covered: HashSet<_> = register.covered(&self.rule).await.into_iter().collect();
        self.covered.retain(|id, _| covered.contains(id));
        for id in covered {
            if !self.covered.contains_key(&id) {
                self.plan(id, AT_ONCE);
            }
        }
    }

    fn plan(&mut self, id: EquipmentId, due: Timestamp) {
        self.covered.insert(id, due);
        self.due.push(Reverse((due, id)));
    }

    /// Looks at the equipment that is due, and adds that which is silent at `now`.
    async fn look(
        &mut self,
        db: &Db,
        now: Timestamp,
        (register, recent): (&Register, &Recent),
        silent: &mut Vec<(Rule, EquipmentId)>,
    ) -> Result<()> {
        while let Some(Reverse((due, id))) = self.due.peek().copied()
            && due < now
        {
            if self.covered.get(&id) != Some(&due) {
                self.due.pop();
                continue;
            }
            let mut conn = db.read().await?;
            recent.catch_up(&mut conn).await?;
            let last = last_seen(&mut conn, recent, &self.rule, id).await?;
            let since = begin(&self.rule, id, last, register).await.plus(self.rule.on_delay.0);
            let next = if since < now {
                let last = last.unwrap_or(Timestamp::MIN);
                if !store::alert::stands(&mut conn, &self.rule, id, last).await? {
                    silent.push((self.rule.clone(), id));
                }
                now.plus(self.rule.on_delay.0)
            } else {
                since
            };
            self.due.pop();
            self.plan(id, next);
        }
        Ok(())
    }
}

/// Raises what is silent, in one transaction, which has the last word on it.
async fn raise(
    db: &Db,
    clock: &Clock,
    (register, recent): (&Register, &Recent),
    silent: &[(Rule, EquipmentId)],
) -> Result<()> {
    let mut tx = db.begin("raise silence").await?;
    store::journal::take_turn(&mut tx).await?;
    recent.catch_up(&mut tx).await?;
    let now = clock.now();
    let mut marks = Marks::default();
    for (rule, id) in silent {
        let current = store::rule::find(&mut tx, rule.id).await?;
        if current.is_none_or(|current| current.revision != rule.revision) {
            continue;
        }
        let (outcome, series_id) = judge(&mut tx, rule, *id, (register, recent), now).await?;
        keep(&mut tx, rule, outcome, now).await?;
        marks.series.extend(series_id);
    }
    if !marks.series.is_empty() {
        store::journal::append(&mut tx, &encode_marks(&marks), now).await?;
    }
    tx.commit().await
}

/// What has to change because nothing came until `now`, and the series that didn't.
async fn judge(
    tx: &mut Tx,
    rule: &Rule,
    id: EquipmentId,
    (register, recent): (&Register, &Recent),
    now: Timestamp,
) -> Result<(Outcome, Option<i64>)> {
    let series_id = series(tx, rule, id).await?;
    let last = last_seen(tx, recent, rule, id).await?;
    if let (Some(series_id), Some(last)) = (series_id, last) {
        let outcome = replay(tx, recent, rule, (series_id, id), (last, last), now).await?;
        return Ok((outcome, Some(series_id)));
    }
    let mut outcome = Outcome::default();
    let raised_at = begin(rule, id, None, register).await.plus(rule.on_delay.0);
    let first = Timestamp::MIN;
    if raised_at < now && !store::alert::stands(tx, rule, id, first).await? {
        let silence = Breach { raised_at, value: None, cleared_at: None };
        outcome.raised.push(Alert::raised(rule, id, silence));
    }
    Ok((outcome, series_id))
}

/// When the silence began: with the last reading or, if the rule has seen none, when it was made or the equipment became
/// what it is.
async fn begin(
    rule: &Rule,
    id: EquipmentId,
    last: Option<Timestamp>,
    register: &Register,
) -> Timestamp {
    if let Some(last) = last {
        return last;
    }
    let entry = register.entry(id).await.filter(|_| rule.equipment_id.is_none());
    entry.map_or(rule.updated_at, |entry| entry.since.max(rule.updated_at))
}

async fn series(db: &mut Conn, rule: &Rule, id: EquipmentId) -> Result<Option<i64>> {
    let series = store::reading::series_of(db, &[id], std::slice::from_ref(&rule.metric)).await?;
    Ok(series.first().map(|series| series.id))
}

/// The last reading that the rule has seen of the equipment.
async fn last_seen(
    db: &mut Conn,
    recent: &Recent,
    rule: &Rule,
    id: EquipmentId,
) -> Result<Option<Timestamp>> {
    let Some(series_id) = series(db, rule, id).await? else { return Ok(None) };
    store::reading::last_before(db, recent, series_id, rule.updated_at, Timestamp::MAX).await
}
