//! The way in for readings: one writer takes all that waits into one transaction, which also holds them against the
//! rules, and answers when it is committed.

mod judge;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

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
    /// Nothing was kept: too much is waiting (`RESOURCE_EXHAUSTED`), or storage is away.
    pub async fn write(&self, readings: Vec<Reading>, single: Option<Single>) -> Result<Written> {
        let values = readings.iter().map(|reading| reading.metrics.len()).sum::<usize>();
        // A batch larger than the whole room takes all of it.
        let values = u32::try_from(values.min(WAITING_VALUES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(values);
        let room = room.map_err(|_| Error::Exhausted("too many readings are waiting"))?;
        let (done, written) = oneshot::channel();
        let ended = || Error::Unavailable("the writer has ended");
        self.jobs.send(Job { readings, single, done, _room: room }).map_err(|_| ended())?;
        written.await.map_err(|_| ended())?
    }
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
        while let Some(job) = queue.recv().await {
            let mut values = job.readings.len();
            let mut group = vec![job];
            while values < GROUP_VALUES {
                let Ok(job) = queue.try_recv() else { break };
                values += job.readings.len();
                group.push(job);
            }
            self.answer(group).await;
        }
    }

    /// Writes the group and tells everybody in it. If it fails by our fault, each is tried alone, so that one can't spoil
    /// the others.
    async fn answer(&mut self, group: Vec<Job>) {
        match self.write(&group).await {
            Ok(all) => {
                for (job, written) in group.into_iter().zip(all) {
                    // The sender may have gone; what it sent is kept all the same.
                    let _ = job.done.send(Ok(written));
                }
            }
            Err(Error::Internal(cause)) if 1 < group.len() => {
                tracing::error!(error = format!("{cause:#}"), "a group of readings failed");
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

    async fn write(&mut self, group: &[Job]) -> Result<Vec<Written>> {
        let now = self.clock.now();
        let mut tx = self.db.begin("write readings").await?;
        let mut all = Vec::with_capacity(group.len());
        for job in group {
            all.push(before(&mut tx, job, now).await?);
        }
        let fresh = group.iter().zip(&all).filter(|(_, written)| !is_replay(written));
        let changed = self.by_series(&mut tx, fresh.flat_map(|(job, _)| &job.readings)).await?;

        let rows: Vec<Row> = rows(&changed).collect();
        store::reading::upsert(&mut tx, &rows, now).await?;
        judge::judge(&mut tx, &self.register, &changed, now).await?;
        for (job, written) in group.iter().zip(&all) {
            if let Some(single) = job.single.as_ref().filter(|_| !is_replay(written)) {
                single.once.remember(&mut tx, &single.answer).await?;
            }
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

/// What is true of a job before its readings are written.
async fn before(tx: &mut Tx, job: &Job, now: Timestamp) -> Result<Written> {
    let (Some(single), Some(reading)) = (&job.single, job.readings.first()) else {
        return Ok(Written::Kept);
    };
    if let Some(answer) = single.once.recall(tx, now).await? {
        return Ok(Written::Replayed(answer));
    }
    let found = store::reading::find(tx, reading.key).await?;
    Ok(if found.is_empty() { Written::Kept } else { Written::Replaced })
}

fn is_replay(written: &Written) -> bool {
    matches!(written, Written::Replayed(_))
}

fn rows(changed: &Changed) -> impl Iterator<Item = Row> {
    changed.iter().flat_map(|(series_id, series)| {
        let samples = series.samples.iter().map(|(at, value)| Sample { at: *at, value: *value });
        samples.map(|sample| Row { series_id: *series_id, sample })
    })
}
