//! The one writer: takes all that waits into one transaction, which also holds it against the rules, and answers when it is
//! committed.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use kit::{Clock, Db, Error, Result, Timestamp, db::Tx};
use tokio::sync::{mpsc, watch};

use super::{Job, Single, Work, Written, judge::Judge, seal::Sealer};
use crate::{
    domain::{
        journal::{self, Write},
        reading::{EquipmentId, Key, Reading},
    },
    recent::Recent,
    register::Register,
    store,
};

/// How often somebody looks for what has waited to be sealed.
const TICK: Duration = Duration::from_secs(1);
/// Values in one transaction: a group larger than this gains nothing and makes others wait.
const GROUP_VALUES: usize = 20_000;

pub struct Writer {
    db: Db,
    clock: Clock,
    judge: Judge,
    recent: Recent,
    sealer: Sealer,
    /// When it last looked for what has waited to be sealed.
    looked: Instant,
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
        recent: Recent,
        written: watch::Sender<i64>,
    ) -> Self {
        let sealer = Sealer::new(db, clock);
        let (db, clock) = (db.clone(), clock.clone());
        Self {
            db,
            clock,
            judge: Judge::new(register),
            recent,
            sealer,
            looked: Instant::now(),
            series: HashMap::new(),
            written,
        }
    }

    pub async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Job>) {
        let mut put_aside = None;
        // Whether there may be something to seal.
        let mut is_ripe = true;
        loop {
            let waiting = put_aside.take().or_else(|| queue.try_recv().ok());
            let first = match waiting {
                Some(job) => job,
                None if is_ripe => {
                    is_ripe = self.seal().await;
                    continue;
                }
                None => tokio::select! {
                    job = queue.recv() => match job {
                        Some(job) => job,
                        None => return,
                    },
                    () = tokio::time::sleep(TICK) => {
                        is_ripe = true;
                        continue;
                    }
                },
            };
            let group;
            (group, put_aside) = gather(first, &mut queue);
            // Whoever is in a group that brings the writer down is told so; the writer goes on.
            if AssertUnwindSafe(self.answer(group)).catch_unwind().await.is_err() {
                tracing::error!("a group of readings brought the writer down");
            }
            // A step after every group, so that no load keeps it from being done.
            is_ripe = self.seal().await;
        }
    }

    /// Takes a step of sealing. Answers whether another may be worth it.
    async fn seal(&mut self) -> bool {
        if TICK <= self.looked.elapsed() {
            self.looked = Instant::now();
            self.recent.ripen(self.clock.now());
        }
        let step = AssertUnwindSafe(self.sealer.step(&self.recent)).catch_unwind().await;
        match step {
            Ok(Ok(more)) => more,
            Ok(Err(error)) => {
                tracing::warn!(%error, "readings can't be sealed; the next second they are");
                false
            }
            Err(_) => {
                tracing::error!("sealing broke down");
                false
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
        // What an attempt before proposed has come to nothing.
        self.recent.forget();
        let now = self.clock.now();
        let mut tx = self.db.begin("write readings").await?;
        store::journal::take_turn(&mut tx).await?;
        self.recent.catch_up(&mut tx).await?;
        let (mut all, mut values) = (Vec::new(), Vec::new());
        for job in group {
            let written = match job.outcome(&mut tx, &self.recent, now).await {
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
        let kept = self.keep(&mut tx, &changed, now).await?;
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
        if let Some((sequence, arrived_at)) = kept {
            self.judge.committed(sequence);
            self.recent.keep(sequence, arrived_at);
            self.written.send_replace(sequence);
        }
        Ok(all)
    }

    /// Stores what has changed and holds it against the rules. Answers its place in the journal, and when it arrived, if
    /// there is anything.
    async fn keep(
        &mut self,
        tx: &mut Tx,
        changed: &Changed,
        now: Timestamp,
    ) -> Result<Option<(i64, Timestamp)>> {
        let writes: Vec<Write> = writes(changed).collect();
        if writes.is_empty() {
            return Ok(None);
        }
        // What arrives in this transaction arrives after every rule was made, whatever the clocks of replicas say.
        self.judge.begin(tx).await?;
        let arrived_at = self.judge.newest_rule().map_or(now, |newest| newest.max(now));

        self.recent.propose(&writes, arrived_at);
        self.judge.judge(tx, &self.recent, changed, now).await?;
        let data = journal::encode(&writes, arrived_at);
        let sequence = store::journal::append(tx, &data, arrived_at).await?;
        Ok(Some((sequence, arrived_at)))
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
    async fn outcome(&self, tx: &mut Tx, recent: &Recent, now: Timestamp) -> Result<Outcome<'_>> {
        match &self.work {
            Work::Add { readings, single } => {
                let written = match (single, readings.first()) {
                    (Some(single), Some(reading)) => {
                        single.outcome(tx, recent, reading.key, now).await?
                    }
                    _ => Written::Kept,
                };
                let is_fresh = !matches!(written, Written::Replayed(_));
                let values = readings.iter().filter(|_| is_fresh).flat_map(Value::all).collect();
                Ok((written, values))
            }
            Work::Change { key, edit } => {
                let metrics = store::reading::find(tx, recent, *key).await?;
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
    async fn outcome(
        &self,
        tx: &mut Tx,
        recent: &Recent,
        key: Key,
        now: Timestamp,
    ) -> Result<Written> {
        if let Some(answer) = self.once.recall(tx, now).await? {
            return Ok(Written::Replayed(answer));
        }
        let found = store::reading::find(tx, recent, key).await?;
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
