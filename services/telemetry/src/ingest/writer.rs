//! The one writer: takes all that waits into one transaction, which also holds it against the rules, and answers when it is
//! committed.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;
use kit::{Clock, Db, Error, Result, Timestamp, db::Tx};
use tokio::sync::{mpsc, watch};

use super::{Job, Single, Work, Written, judge};
use crate::{
    domain::{
        journal::{self, Write},
        reading::{EquipmentId, Key, Reading},
    },
    register::Register,
    store,
};

/// Values in one transaction: a group larger than this gains nothing and makes others wait.
const GROUP_VALUES: usize = 20_000;

pub struct Writer {
    db: Db,
    clock: Clock,
    register: Arc<Register>,
    /// Numbers of the series that are known to be committed.
    series: HashMap<(EquipmentId, String), i64>,
    written: watch::Sender<i64>,
}

/// A series whose samples came, changed or went, by its number.
pub type Changed = BTreeMap<i64, Series>;

pub struct Series {
    pub equipment_id: EquipmentId,
    pub metric: String,
    /// None where there is to be no sample any more.
    pub samples: BTreeMap<Timestamp, Option<f64>>,
}

/// A value on its way in.
struct Value<'j> {
    equipment_id: EquipmentId,
    metric: Cow<'j, str>,
    at: Timestamp,
    number: Option<f64>,
}

/// What a job comes to, and the values that are to be written for it.
type Outcome<'j> = (Written, Vec<Value<'j>>);

impl Writer {
    pub fn new(
        db: &Db,
        clock: &Clock,
        register: Arc<Register>,
        written: watch::Sender<i64>,
    ) -> Self {
        let (db, clock) = (db.clone(), clock.clone());
        Self { db, clock, register, series: HashMap::new(), written }
    }

    pub async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Job>) {
        let mut put_aside = None;
        loop {
            let first = match put_aside.take() {
                Some(job) => Some(job),
                None => queue.recv().await,
            };
            let Some(first) = first else { return };
            let group;
            (group, put_aside) = gather(first, &mut queue);
            // Whoever is in a group that brings the writer down is told so; the writer goes on.
            if AssertUnwindSafe(self.answer(group)).catch_unwind().await.is_err() {
                tracing::error!("a group of readings brought the writer down");
            }
        }
    }

    /// Writes the group and tells everybody in it. If it fails by what is in it, each is tried alone, so that one can't
    /// spoil the others.
    async fn answer(&mut self, group: Vec<Job>) {
        match self.write(&group).await {
            Ok(all) => {
                for (job, written) in group.into_iter().zip(all) {
                    // The sender may have gone; what it sent is kept all the same.
                    let _ = job.done.send(written);
                }
            }
            Err(error) if 1 < group.len() && !matches!(error, Error::Unavailable(_)) => {
                tracing::error!(%error, "a group of readings failed; each is tried alone");
                for job in group {
                    Box::pin(self.answer(vec![job])).await;
                }
            }
            Err(error) => {
                let status = tonic::Status::from(error);
                for job in group {
                    let _ = job.done.send(Err(status.clone().into()));
                }
            }
        }
    }

    async fn write(&mut self, group: &[Job]) -> Result<Vec<Result<Written>>> {
        let now = self.clock.now();
        let mut tx = self.db.begin("write readings").await?;
        store::journal::take_turn(&mut tx).await?;
        let (mut all, mut values) = (Vec::new(), Vec::new());
        for job in group {
            let written = match job.outcome(&mut tx, now).await {
                // That concerns the others, too.
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                Err(refusal) => Err(refusal),
                Ok((written, of_job)) => {
                    values.extend(of_job);
                    Ok(written)
                }
            };
            all.push(written);
        }

        let changed = self.by_series(&mut tx, values).await?;
        let sequence = self.keep(&mut tx, &changed, now).await?;
        for (job, written) in group.iter().zip(&all) {
            if let (Work::Add { single: Some(single), .. }, Ok(Written::Kept | Written::Replaced)) =
                (&job.work, written)
            {
                single.once.remember(&mut tx, &single.answer).await?;
            }
        }
        tx.commit().await?;

        for (series_id, series) in changed {
            self.series.insert((series.equipment_id, series.metric), series_id);
        }
        if let Some(sequence) = sequence {
            self.written.send_replace(sequence);
        }
        Ok(all)
    }

    /// Stores what has changed and holds it against the rules. Answers its place in the journal, if there is anything.
    async fn keep(&self, tx: &mut Tx, changed: &Changed, now: Timestamp) -> Result<Option<i64>> {
        let writes: Vec<Write> = writes(changed).collect();
        if writes.is_empty() {
            return Ok(None);
        }
        // Rules before samples: what arrives in this transaction arrives after each of them was made, whatever the clocks of
        // replicas say.
        let metrics = changed.values().map(|series| series.metric.as_str());
        let rules = store::rule::looking(tx, metrics).await?;
        let arrived_at = rules.iter().map(|rule| rule.updated_at).fold(now, Timestamp::max);

        store::reading::upsert(tx, &writes, arrived_at).await?;
        store::reading::delete(tx, &writes).await?;
        judge::judge(tx, &self.register, &rules, changed, now).await?;
        let sequence = store::journal::append(tx, &journal::encode(writes), now).await?;
        Ok(Some(sequence))
    }

    /// Sorts values into their series, which it makes if they are new.
    async fn by_series(&self, tx: &mut Tx, values: Vec<Value<'_>>) -> Result<Changed> {
        let mut samples =
            BTreeMap::<(EquipmentId, Cow<'_, str>), BTreeMap<Timestamp, Option<f64>>>::new();
        for value in values {
            let series = samples.entry((value.equipment_id, value.metric)).or_default();
            series.insert(value.at, value.number);
        }
        let mut changed = Changed::new();
        for ((equipment_id, metric), samples) in samples {
            let metric = metric.into_owned();
            let known = self.series.get(&(equipment_id, metric.clone()));
            let series_id = match known {
                Some(series_id) => *series_id,
                None => store::reading::ensure_series(tx, equipment_id, &metric).await?,
            };
            changed.insert(series_id, Series { equipment_id, metric, samples });
        }
        Ok(changed)
    }
}

/// What waits, up to a group's size, and the job that must wait for the next one: its idempotency key is in this one, or it
/// changes a reading and must see all that came before.
fn gather(first: Job, queue: &mut mpsc::UnboundedReceiver<Job>) -> (Vec<Job>, Option<Job>) {
    let mut size = first.values();
    let mut group = vec![first];
    while size < GROUP_VALUES && !group[0].is_change() {
        let Ok(job) = queue.try_recv() else { break };
        if job.is_change()
            || (job.key().is_some() && group.iter().any(|other| other.key() == job.key()))
        {
            return (group, Some(job));
        }
        size += job.values();
        group.push(job);
    }
    (group, None)
}

impl Job {
    async fn outcome(&self, tx: &mut Tx, now: Timestamp) -> Result<Outcome<'_>> {
        match &self.work {
            Work::Add { readings, single } => {
                let written = match (single, readings.first()) {
                    (Some(single), Some(reading)) => single.outcome(tx, reading.key, now).await?,
                    _ => Written::Kept,
                };
                let is_fresh = !matches!(written, Written::Replayed(_));
                let values = readings.iter().filter(|_| is_fresh).flat_map(Value::all).collect();
                Ok((written, values))
            }
            Work::Change { key, edit } => {
                let metrics = store::reading::find(tx, *key).await?;
                if metrics.is_empty() {
                    return Err(Error::not_found("reading", key.id()));
                }
                let (metrics, values) = edit.apply(&metrics.into_iter().collect())?;
                let value = |(metric, value): (String, Option<f64>)| {
                    let Key { equipment_id, recorded_at: at } = *key;
                    Value { equipment_id, metric: metric.into(), at, number: value }
                };
                Ok((Written::Changed(metrics), values.into_iter().map(value).collect()))
            }
        }
    }
}

impl Single {
    async fn outcome(&self, tx: &mut Tx, key: Key, now: Timestamp) -> Result<Written> {
        if let Some(answer) = self.once.recall(tx, now).await? {
            return Ok(Written::Replayed(answer));
        }
        let found = store::reading::find(tx, key).await?;
        Ok(if found.is_empty() { Written::Kept } else { Written::Replaced })
    }
}

impl<'j> Value<'j> {
    fn all(reading: &'j Reading) -> impl Iterator<Item = Self> {
        let Key { equipment_id, recorded_at: at } = reading.key;
        reading.metrics.iter().map(move |(metric, value)| Self {
            equipment_id,
            metric: metric.into(),
            at,
            number: Some(*value),
        })
    }
}

fn writes(changed: &Changed) -> impl Iterator<Item = Write> {
    changed.iter().flat_map(|(series_id, series)| {
        let samples = series.samples.iter();
        samples.map(|(at, value)| Write { series_id: *series_id, at: *at, value: *value })
    })
}
