//! The way in for readings: one writer takes all that waits into one transaction, which also holds them against the
//! rules, and answers when it is committed.

mod judge;

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;
use kit::{Clock, Db, Error, Result, Suite, Timestamp, db::Tx, once::Once};
use proto::telemetry::v1 as pb;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tonic::Response;

use crate::{
    domain::reading::{EquipmentId, Reading, Sample},
    register::Register,
    store::{self, reading::Row},
};

/// Values that may wait for the writer; more are refused at once, so that memory has a limit.
const WAITING_VALUES: usize = 200_000;
/// Values in one transaction: a group larger than this gains nothing and makes others wait.
const GROUP_VALUES: usize = 20_000;

/// The queue before the writer.
pub struct Ingest {
    jobs: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
}

/// What came of readings that were handed in.
pub enum Written {
    /// They are kept.
    Kept,
    /// The one reading is kept, and was there before.
    Replaced,
    /// The idempotency key was used before: the first answer.
    Replayed(Response<pb::Reading>),
}

/// A reading that was sent alone.
pub struct Single {
    pub once: Once,
    /// What its sender is answered.
    pub answer: pb::Reading,
}

struct Job {
    readings: Vec<Reading>,
    single: Option<Single>,
    done: oneshot::Sender<Result<Written>>,
    _room: OwnedSemaphorePermit,
}

/// Starts the writer. It lives as long as the process: calls that wait for it are drained first.
pub fn start(db: &Db, suite: &Suite, register: Arc<Register>) -> Ingest {
    let (jobs, queue) = mpsc::unbounded_channel();
    let writer =
        Writer { db: db.clone(), clock: suite.clock.clone(), register, series: HashMap::new() };
    tokio::spawn(writer.run(queue));
    Ingest { jobs, room: Arc::new(Semaphore::new(WAITING_VALUES)) }
}

impl Ingest {
    /// Keeps `readings`, which were checked, and holds them against the rules. Where two say the same of one time, the
    /// later one counts.
    ///
    /// # Errors
    ///
    /// Nothing was kept: it is more than may ever wait, too much is waiting (`RESOURCE_EXHAUSTED`), or storage is away.
    pub async fn write(&self, readings: Vec<Reading>, single: Option<Single>) -> Result<Written> {
        let values = values(&readings);
        if WAITING_VALUES < values {
            let problem = format!("must have at most {WAITING_VALUES} values in all");
            return Err(Error::invalid("readings", problem));
        }
        let room = u32::try_from(values).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(room);
        let room = room.map_err(|_| Error::Exhausted("too many readings are waiting"))?;
        let (done, written) = oneshot::channel();
        let ended = || Error::Unavailable("the writer has ended");
        self.jobs.send(Job { readings, single, done, _room: room }).map_err(|_| ended())?;
        written.await.map_err(|_| ended())?
    }
}

fn values(readings: &[Reading]) -> usize {
    readings.iter().map(|reading| reading.metrics.len()).sum()
}

struct Writer {
    db: Db,
    clock: Clock,
    register: Arc<Register>,
    /// Numbers of the series that are known to be committed.
    series: HashMap<(EquipmentId, String), i64>,
}

/// A series whose samples came or changed, by its number.
type Changed = BTreeMap<i64, Series>;

struct Series {
    equipment_id: EquipmentId,
    metric: String,
    samples: BTreeMap<Timestamp, f64>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Job>) {
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
        let all = before(&mut tx, group, now).await?;
        let fresh = || group.iter().zip(&all).filter(|(_, written)| is_fresh(written));

        // Rules before samples: what arrives in this transaction arrives after each of them was made, whatever the clocks of
        // replicas say.
        let metrics = fresh().flat_map(|(job, _)| &job.readings).flat_map(|r| r.metrics.keys());
        let rules = store::rule::looking(&mut tx, metrics.map(String::as_str)).await?;
        let arrived_at = rules.iter().map(|rule| rule.updated_at).fold(now, Timestamp::max);

        let readings = fresh().flat_map(|(job, _)| &job.readings);
        let changed = self.by_series(&mut tx, readings).await?;
        let rows: Vec<Row> = rows(&changed).collect();
        store::reading::upsert(&mut tx, &rows, arrived_at).await?;
        judge::judge(&mut tx, &self.register, &rules, &changed, now).await?;
        for single in fresh().filter_map(|(job, _)| job.single.as_ref()) {
            single.once.remember(&mut tx, &single.answer).await?;
        }
        tx.commit().await?;

        for (series_id, series) in changed {
            self.series.insert((series.equipment_id, series.metric), series_id);
        }
        Ok(all)
    }

    /// Sorts readings into their series, which it makes and holds.
    async fn by_series(
        &self,
        tx: &mut Tx,
        readings: impl Iterator<Item = &Reading>,
    ) -> Result<Changed> {
        // In one order everywhere, so that replicas can't wait for each other in a circle.
        let mut samples = BTreeMap::<(EquipmentId, &str), BTreeMap<Timestamp, f64>>::new();
        for reading in readings {
            for (metric, value) in &reading.metrics {
                let series = samples.entry((reading.key.equipment_id, metric)).or_default();
                series.insert(reading.key.recorded_at, *value);
            }
        }
        let mut changed = Changed::new();
        for ((equipment_id, metric), samples) in samples {
            let metric = metric.to_owned();
            let known = self.series.get(&(equipment_id, metric.clone()));
            let series_id = match known {
                Some(series_id) => *series_id,
                None => store::reading::ensure_series(tx, equipment_id, &metric).await?,
            };
            changed.insert(series_id, Series { equipment_id, metric, samples });
        }
        let series_ids: Vec<i64> = changed.keys().copied().collect();
        store::reading::lock_series(tx, &series_ids).await?;
        Ok(changed)
    }
}

/// What waits, up to a group's size, and the job that must wait for the next one: its idempotency key is in this one.
fn gather(first: Job, queue: &mut mpsc::UnboundedReceiver<Job>) -> (Vec<Job>, Option<Job>) {
    let mut size = values(&first.readings);
    let mut group = vec![first];
    while size < GROUP_VALUES {
        let Ok(job) = queue.try_recv() else { break };
        if job.key().is_some() && group.iter().any(|other| other.key() == job.key()) {
            return (group, Some(job));
        }
        size += values(&job.readings);
        group.push(job);
    }
    (group, None)
}

impl Job {
    /// What makes it the same as another.
    fn key(&self) -> Option<(&str, &'static str, &str)> {
        self.single.as_ref()?.once.identity()
    }
}

/// What is true of each job before its readings are written; an idempotency key that was used otherwise concerns its own
/// sender alone. Keys are taken in one order everywhere, so that replicas can't wait for each other in a circle.
async fn before(tx: &mut Tx, group: &[Job], now: Timestamp) -> Result<Vec<Result<Written>>> {
    let mut all: Vec<_> = group.iter().map(|_| Ok(Written::Kept)).collect();
    let mut singles: Vec<_> =
        group.iter().zip(&mut all).filter(|(job, _)| job.single.is_some()).collect();
    singles.sort_by_key(|(job, _)| job.key());
    for (job, written) in singles {
        *written = match single_before(tx, job, now).await {
            Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
            other => other,
        };
    }
    Ok(all)
}

async fn single_before(tx: &mut Tx, job: &Job, now: Timestamp) -> Result<Written> {
    let (Some(single), Some(reading)) = (&job.single, job.readings.first()) else {
        return Ok(Written::Kept);
    };
    if let Some(answer) = single.once.recall(tx, now).await? {
        return Ok(Written::Replayed(answer));
    }
    let found = store::reading::find(tx, reading.key).await?;
    Ok(if found.is_empty() { Written::Kept } else { Written::Replaced })
}

/// Whether the job's readings are still to be written.
fn is_fresh(written: &Result<Written>) -> bool {
    matches!(written, Ok(Written::Kept | Written::Replaced))
}

fn rows(changed: &Changed) -> impl Iterator<Item = Row> {
    changed.iter().flat_map(|(series_id, series)| {
        let samples = series.samples.iter().map(|(at, value)| Sample { at: *at, value: *value });
        samples.map(|sample| Row { series_id: *series_id, sample })
    })
}
