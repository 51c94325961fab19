//! Brings the alerts to what the readings say, in the transaction that stores the readings.
//!
//! Readings that come in order and turn nothing are held against the rules in memory alone. All others are replayed from the
//! stored values. Where nothing is known yet, the last values of many series are read at once.

mod keep;
mod memory;
mod recall;

use std::{sync::Arc, time::Duration};

use kit::{Result, Timestamp, db::Tx};
use tokio::sync::mpsc;

pub use keep::{keep, remove};

use self::memory::Memory;
use super::{
    timer::Disturbed,
    writer::{Changed, Series},
};
use crate::{
    domain::{
        alert::Alert,
        journal::{decode, decode_marks},
        reading::{EquipmentId, Sample},
        replay::{Outcome, Replay, Start},
        rule::{Condition, Rule},
    },
    recent::Recent,
    register::Register,
    store::{self, journal::Entry},
};

/// Samples that are read from storage at a time.
const SAMPLES: i64 = 4096;
/// How far apart values lie that are looked at by themselves, and how many parts there are of a series at most.
const FAR: Duration = Duration::from_hours(1);
const PARTS: usize = 8;
/// Entries of the journal that are heard, at most: beyond it, all is read anew.
const ENTRIES: i64 = 256;

/// Holds readings against the rules, transaction by transaction.
pub struct Judge {
    register: Arc<Register>,
    memory: Memory,
    /// Up to where in the journal the memory has heard everything; none when it knows nothing yet.
    heard: Option<i64>,
    /// The series that the transaction under way has judged. If it fails, they are forgotten.
    judged: Vec<i64>,
    /// Where rules on silence had to look back: whoever waits for silence is told once the transaction has committed.
    disturbed: Vec<Disturbed>,
    tell: mpsc::UnboundedSender<Disturbed>,
}

impl Judge {
    pub fn new(register: Arc<Register>, tell: mpsc::UnboundedSender<Disturbed>) -> Self {
        let (memory, heard) = (Memory::default(), None);
        Self { register, memory, heard, judged: Vec::new(), disturbed: Vec::new(), tell }
    }

    /// Begins with a transaction whose turn it is: hears what others did since the last one.
    pub async fn begin(&mut self, tx: &mut Tx) -> Result<()> {
        for series_id in self.judged.drain(..) {
            self.memory.forget(series_id);
        }
        self.disturbed.clear();
        self.memory.turn();
        let end = store::journal::end(tx).await?;
        let Some(heard) = self.heard else { return self.begin_anew(tx, end).await };
        if heard == end {
            return Ok(());
        }
        match store::journal::after(tx, heard, ENTRIES).await? {
            Some(entries) if entries.last().is_some_and(|last| last.sequence == end) => {
                // If it fails in between, what was heard is heard again.
                self.heard = None;
                for entry in entries {
                    self.hear(tx, &entry).await?;
                }
                self.heard = Some(end);
                Ok(())
            }
            _ => self.begin_anew(tx, end).await,
        }
    }

    /// Notes that the transaction is committed, whose place in the journal is `sequence`.
    pub fn committed(&mut self, sequence: i64) {
        self.heard = Some(sequence);
        self.judged.clear();
        for disturbed in self.disturbed.drain(..) {
            // The timer ends with the process, a little before.
            let _ = self.tell.send(disturbed);
        }
    }

    /// When the newest rule was made or changed.
    pub fn newest_rule(&self) -> Option<Timestamp> {
        self.memory.newest_rule()
    }

    async fn begin_anew(&mut self, tx: &mut Tx, end: i64) -> Result<()> {
        self.memory = Memory::begin(store::rule::enabled(tx).await?);
        self.heard = Some(end);
        Ok(())
    }

    async fn hear(&mut self, tx: &mut Tx, entry: &Entry) -> Result<()> {
        for write in decode(&entry.data)?.writes {
            self.memory.hear(write);
        }
        let marks = decode_marks(&entry.data)?;
        for series_id in marks.series {
            self.memory.forget(series_id);
        }
        for id in marks.rules {
            let rule = store::rule::find(tx, id).await?;
            self.memory.change_rule(id, rule);
        }
        Ok(())
    }

    /// Brings the alerts to what the readings say.
    pub async fn judge(
        &mut self,
        tx: &mut Tx,
        recent: &Recent,
        changed: &Changed,
        now: Timestamp,
    ) -> Result<()> {
        for (series_id, series) in changed {
            self.judged.push(*series_id);
            let Some(kind) = self.register.kind(series.equipment_id).await else {
                self.memory.forget(*series_id);
                continue;
            };
            let (place, parts) = ((*series_id, series.equipment_id), parts(series));
            let known = self.memory.of(*series_id, series.equipment_id, &series.metric, &kind);
            for look in &mut known.looks {
                // A series without a past has nothing to be read; but silence may have been raised before it began.
                if series.is_new && look.rule.condition != Condition::NoData {
                    look.course.get_or_insert_default();
                }
                let passed = look.course.and_then(|it| it.pass(&look.rule, set(series)?, now));
                if passed.is_some() {
                    look.course = passed;
                    continue;
                }
                if look.rule.condition == Condition::NoData {
                    self.disturbed.push((look.rule.id, series.equipment_id));
                }
                let since = self.register.since(series.equipment_id).await;
                for part in &parts {
                    let outcome = replay(tx, recent, &look.rule, place, *part, since, now).await?;
                    look.course = outcome.course;
                    keep(tx, &look.rule, outcome, now).await?;
                }
            }
        }
        Ok(())
    }
}

/// Between which times to look again for what came of `series`. What came far apart is looked at by itself, and not all that
/// lies between; but where there are many such parts, looking each of them up costs more.
fn parts(series: &Series) -> Vec<(Timestamp, Timestamp)> {
    let mut parts: Vec<(Timestamp, Timestamp)> = Vec::new();
    for at in series.samples.keys() {
        match parts.last_mut() {
            Some((_, last)) if at.since(*last) < FAR => *last = *at,
            _ => parts.push((*at, *at)),
        }
    }
    if let [(first, _), .., (_, last)] = parts[..]
        && PARTS < parts.len()
    {
        parts = vec![(first, last)];
    }
    parts
}

/// The samples of `series`, if all are set.
fn set(series: &Series) -> Option<impl Iterator<Item = Sample>> {
    series.samples.values().all(Option::is_some).then(|| {
        let sample =
            |(at, value): (&Timestamp, &Option<f64>)| Some(Sample { at: *at, value: (*value)? });
        series.samples.iter().filter_map(sample)
    })
}

/// Looks again at what `rule`, which looks at the equipment `since` then, says of a series, whose samples between `first` and `last`
/// came, changed or went.
pub async fn replay(
    tx: &mut Tx,
    recent: &Recent,
    rule: &Rule,
    (series_id, equipment_id): (i64, EquipmentId),
    (first, last): (Timestamp, Timestamp),
    since: Timestamp,
    now: Timestamp,
) -> Result<Outcome> {
    let mut alerts = store::alert::lock_around(tx, rule, equipment_id, first).await?;
    let left =
        alerts.last_mut().filter(|alert| alert.cleared_after.is_some() && alert.is_back(since));
    let resumed = match left.filter(|_| rule.condition == Condition::NoData) {
        Some(left) => resume(tx, recent, rule, series_id, left).await?,
        None => None,
    };
    let mut replay = Replay::new(rule, equipment_id, alerts, (first, last));
    let mut start = Start::At(context(tx, recent, rule, series_id, first).await?);
    loop {
        let samples =
            store::reading::seen(tx, recent, series_id, rule.updated_at, start, SAMPLES).await?;
        let Some(end) = samples.last() else { break };
        start = Start::After(end.at);
        let is_end = i64::try_from(samples.len()).is_ok_and(|read| read < SAMPLES);
        if !samples.into_iter().all(|sample| replay.feed(sample)) || is_end {
            break;
        }
    }
    let mut outcome = replay.outcome(now);
    // It is open again, also where nothing else of it has changed.
    let is_told =
        |alert: &Alert| outcome.changed.iter().chain(&outcome.removed).any(|it| it.id == alert.id);
    let untold = resumed.filter(|alert| !is_told(alert));
    outcome.changed.extend(untold);
    Ok(outcome)
}

/// Silence that was left while it lasted goes on, unless a reading came meanwhile. Answers it as it is then.
async fn resume(
    tx: &mut Tx,
    recent: &Recent,
    rule: &Rule,
    series_id: i64,
    left: &mut Alert,
) -> Result<Option<Alert>> {
    const BACK: &str = "Open again because its rule looks here again, and nothing came meanwhile.";
    let end = Timestamp::MAX;
    let last = store::reading::last_before(tx, recent, series_id, rule.updated_at, end).await?;
    if last.is_none_or(|last| left.raised_at <= last) {
        return Ok(None);
    }
    left.resume(BACK);
    Ok(Some(left.clone()))
}

/// From where samples matter to what those from `first` on come to.
async fn context(
    tx: &mut Tx,
    recent: &Recent,
    rule: &Rule,
    series_id: i64,
    first: Timestamp,
) -> Result<Timestamp> {
    let since = rule.updated_at;
    let Some((delay, samples)) = rule.reach() else { return Ok(first) };
    let previous = store::reading::last_before(tx, recent, series_id, since, first).await?;
    let Some(previous) = previous else { return Ok(first) };
    let mut start = previous.minus(delay);
    let mut before = start.plus(Duration::from_micros(1));
    for _ in 0..samples {
        let Some(at) = store::reading::last_before(tx, recent, series_id, since, before).await?
        else {
            break;
        };
        (start, before) = (at, at);
    }
    Ok(start)
}
