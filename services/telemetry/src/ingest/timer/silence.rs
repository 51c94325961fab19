//! Raises alerts of silence when it has lasted.

use std::collections::{BTreeSet, HashMap, HashSet};

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

/// Places that are looked at together.
const STEP: usize = 250;
/// Places that one look of the timer looks at, and alerts that it raises, about: what is left is due at the next one.
const LOOK: usize = 10_000;
const RAISE: usize = 500;
/// Alerts that one transaction raises, so that readings don't wait for long.
const GROUP: usize = 50;

/// A rule, and equipment where it looks.
type Place = (RuleId, EquipmentId);

/// When to look at which series again: not before silence can have lasted since its last reading.
#[derive(Default)]
pub struct Silence {
    rules: HashMap<RuleId, Watch>,
    /// Each place, by when it is due.
    due: BTreeSet<(Timestamp, Place)>,
}

/// One rule, and the equipment where it looks.
struct Watch {
    rule: Rule,
    /// Whether the equipment is still to be chosen.
    is_new: bool,
    /// When each is due.
    covered: HashMap<EquipmentId, Timestamp>,
}

/// What a look at some places comes to.
#[derive(Default)]
struct Found {
    silent: Vec<(Rule, EquipmentId)>,
    /// When to look at each place again.
    next: Vec<(Place, Timestamp)>,
}

/// Before all other times: what is due at once.
const AT_ONCE: Timestamp = Timestamp::MIN;

impl Silence {
    /// What was read of the equipment has changed where the rule looks: silence may begin earlier than was thought.
    pub fn disturb(&mut self, (rule, id): Place) {
        if self.rules.get(&rule).is_some_and(|watch| watch.covered.contains_key(&id)) {
            self.plan((rule, id), AT_ONCE);
        }
    }

    /// The register has changed: which equipment a rule looks at is to be chosen anew.
    pub fn cover_anew(&mut self) {
        for watch in self.rules.values_mut() {
            watch.is_new = true;
        }
    }

    /// Looks once at what is due, step by step, and raises what each finds silent. What fails stays due.
    pub async fn look(
        &mut self,
        db: &Db,
        clock: &Clock,
        (register, recent): (&Register, &Recent),
    ) -> Result<()> {
        self.follow_rules(store::rule::on_silence(&mut db.read().await?).await?);
        self.cover(register).await;
        let now = clock.now();
        let (mut looked, mut raised) = (0, 0);
        while looked < LOOK && raised < RAISE {
            let due = self.due.iter().take_while(|(due, _)| *due < now).take(STEP);
            let due: Vec<Place> = due.map(|(_, place)| *place).collect();
            if due.is_empty() {
                break;
            }
            let mut conn = db.read().await?;
            let Found { silent, next } =
                self.find(&mut conn, &due, now, (register, recent)).await?;
            drop(conn);
            for group in silent.chunks(GROUP) {
                raise(db, clock, (register, recent), group).await?;
            }
            for (place, due) in next {
                self.plan(place, due);
            }
            looked += due.len();
            raised += silent.len();
        }
        Ok(())
    }

    fn follow_rules(&mut self, rules: Vec<Rule>) {
        let revisions: HashMap<_, _> = rules.iter().map(|rule| (rule.id, rule.revision)).collect();
        let before = self.rules.len();
        self.rules.retain(|id, watch| revisions.get(id) == Some(&watch.rule.revision));
        if self.rules.len() < before {
            self.drop_uncovered();
        }
        for rule in rules {
            let covered = HashMap::new();
            self.rules.entry(rule.id).or_insert_with(|| Watch { rule, is_new: true, covered });
        }
    }

    /// Chooses the equipment anew of the rules where that is to be done.
    async fn cover(&mut self, register: &Register) {
        let new = self.rules.iter_mut().filter(|(_, watch)| watch.is_new);
        let mut fresh = Vec::new();
        let mut is_any_new = false;
        for (rule, watch) in new {
            (watch.is_new, is_any_new) = (false, true);
            let covered: HashSet<_> = register.covered(&watch.rule).await.into_iter().collect();
            watch.covered.retain(|id, _| covered.contains(id));
            let others = covered.into_iter().filter(|id| !watch.covered.contains_key(id));
            fresh.extend(others.map(|id| (*rule, id)));
        }
        if is_any_new {
            self.drop_uncovered();
        }
        for place in fresh {
            self.plan(place, AT_ONCE);
        }
    }

    /// Forgets the places where no rule looks any more.
    fn drop_uncovered(&mut self) {
        let rules = &self.rules;
        self.due.retain(|(_, (rule, id))| {
            rules.get(rule).is_some_and(|watch| watch.covered.contains_key(id))
        });
    }

    fn plan(&mut self, place: Place, due: Timestamp) {
        let Some(watch) = self.rules.get_mut(&place.0) else { return };
        if let Some(before) = watch.covered.insert(place.1, due) {
            self.due.remove(&(before, place));
        }
        self.due.insert((due, place));
    }

    /// Looks at the places that are `due` for what is silent at `now`.
    async fn find(
        &self,
        db: &mut Conn,
        due: &[Place],
        now: Timestamp,
        (register, recent): (&Register, &Recent),
    ) -> Result<Found> {
        recent.catch_up(db).await?;
        let place = |(rule, id): &Place| Some((&self.rules.get(rule)?.rule, *id));
        let places: Vec<(&Rule, EquipmentId)> = due.iter().filter_map(place).collect();
        let (mut found, mut lasting) = (Found::default(), Vec::new());
        let last = last_seen(db, recent, &places).await?;
        for ((rule, id), last) in places.into_iter().zip(last) {
            let since = begin(rule, id, last, register).await.plus(rule.on_delay.0);
            let next = if since < now {
                lasting.push((rule, id, last.unwrap_or(Timestamp::MIN)));
                now.plus(rule.on_delay.0)
            } else {
                since
            };
            found.next.push(((rule.id, id), next));
        }
        let standing = store::alert::standing(db, &lasting).await?;
        lasting.retain(|(rule, id, _)| !standing.contains(&(rule.id, *id)));
        found.silent = lasting.into_iter().map(|(rule, id, _)| (rule.clone(), id)).collect();
        Ok(found)
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
    let (series_id, since) = (series(tx, rule, id).await?, register.since(id).await);
    if let Some(series_id) = series_id
        && let Some(last) =
            store::reading::last_before(tx, recent, series_id, rule.updated_at, Timestamp::MAX)
                .await?
    {
        let place = (series_id, id);
        let outcome = replay(tx, recent, rule, place, (last, last), since, now).await?;
        return Ok((outcome, Some(series_id)));
    }
    let mut outcome = Outcome::default();
    let raised_at = begin(rule, id, None, register).await.plus(rule.on_delay.0);
    let before = store::alert::lock_around(tx, rule, id, Timestamp::MAX).await?.pop();
    // What stands, or was ended by a person, ends with a reading. This process may have yet to hear why the same was left.
    let is_another = |before: &Alert| {
        before.cleared_at.is_some() && before.cleared_by.is_none() && before.raised_at < raised_at
    };
    if raised_at < now && before.as_ref().is_none_or(is_another) {
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
    match rule.equipment_id {
        Some(_) => rule.updated_at,
        None => register.since(id).await.max(rule.updated_at),
    }
}

async fn series(db: &mut Conn, rule: &Rule, id: EquipmentId) -> Result<Option<i64>> {
    let series = store::reading::series_of(db, &[id], std::slice::from_ref(&rule.metric)).await?;
    Ok(series.first().map(|series| series.id))
}

/// The last reading that each rule has seen of the equipment beside it.
async fn last_seen(
    db: &mut Conn,
    recent: &Recent,
    places: &[(&Rule, EquipmentId)],
) -> Result<Vec<Option<Timestamp>>> {
    let ids: HashSet<EquipmentId> = places.iter().map(|(_, id)| *id).collect();
    let metrics: HashSet<&String> = places.iter().map(|(rule, _)| &rule.metric).collect();
    let ids: Vec<EquipmentId> = ids.into_iter().collect();
    let metrics: Vec<String> = metrics.into_iter().cloned().collect();
    let series = store::reading::series_of(db, &ids, &metrics).await?;
    let series: HashMap<(EquipmentId, &str), i64> =
        series.iter().map(|it| ((it.equipment_id, it.metric.as_str()), it.id)).collect();
    let seen = |(rule, id): &(&Rule, EquipmentId)| {
        Some((*series.get(&(*id, rule.metric.as_str()))?, rule.updated_at))
    };
    let seen: Vec<Option<(i64, Timestamp)>> = places.iter().map(seen).collect();
    let wanted: Vec<(i64, Timestamp)> = seen.iter().flatten().copied().collect();
    let last = store::reading::last_seen(db, recent, &wanted).await?;
    Ok(seen.into_iter().map(|seen| last.get(&seen?).copied()).collect())
}

#[cfg(test)]
mod tests;
