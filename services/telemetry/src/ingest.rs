//! The way in for readings: one writer takes all that waits into one transaction, which also holds them against the
//! rules, and answers when it is committed.

mod hand;
mod judge;
mod measure;
mod names;
mod outcome;
mod seal;
mod timer;
mod writer;

use std::{collections::BTreeMap, sync::Arc};

use futures_util::FutureExt;
use kit::{Db, Error, Result, Suite, once::Once};
use proto::telemetry::v1 as pb;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tonic::Response;
use tracing::Span;

pub use self::{
    hand::{last_seen, mark},
    judge::remove,
    measure::{OUTCOMES, refused},
    names::too_many_metrics,
    seal::{Sealer, pack_samples},
};

use crate::{
    domain::{
        reading::{Edit, Key, Reading},
        retention::Retention,
    },
    ingest::{judge::Judge, writer::Writer},
    recent::Recent,
    register::Register,
};

/// Values of calls, and of streams, that may wait for the writer, so that memory has a limit. Calls beyond it are refused;
/// streams wait, and their share is their own, so that they can't keep calls out.
const WAITING_VALUES: usize = 100_000;

/// The queue before the writer.
pub struct Ingest {
    jobs: mpsc::UnboundedSender<Job>,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    written: watch::Receiver<i64>,
}

/// What came of readings that were handed in.
pub enum Written {
    /// They are kept.
    Kept,
    /// They are kept, but for those at these places, whose equipment would have [too many metrics](too_many_metrics).
    Partly(Vec<usize>),
    /// The one reading is kept, and was there before: it may have other values beside.
    Merged,
    /// The idempotency key was used before: the first answer.
    Replayed(Response<pb::Reading>),
    /// The reading was changed, and has these values now.
    Changed(BTreeMap<String, f64>),
}

/// A reading that was sent alone.
pub struct Single {
    pub once: Once,
    /// What its sender is answered.
    pub answer: pb::Reading,
}

enum Work {
    Add { readings: Vec<Reading>, single: Option<Single> },
    Change { key: Key, edit: Edit },
}

struct Job {
    work: Work,
    done: oneshot::Sender<Result<Written>>,
    /// What its sender waits in.
    span: Span,
    _room: OwnedSemaphorePermit,
}

/// Starts the writer. It lives as long as the process: calls that wait for it are drained first.
pub fn start(
    db: &Db,
    suite: &Suite,
    register: Arc<Register>,
    recent: &Recent,
    retention: Arc<Retention>,
) -> Ingest {
    let (jobs, queue) = mpsc::unbounded_channel();
    let (tell, written) = watch::channel(0);
    let shared = Arc::clone(&register);
    let (disturb, disturbed) = mpsc::unbounded_channel();
    let judge = Judge::new(shared, disturb);
    let writer = Writer::new(db, &suite.clock, judge, recent.share(), retention, tell);
    tokio::spawn(writer.run(queue));
    timer::start(db, suite, register, recent.share(), disturbed);
    let room = || Arc::new(Semaphore::new(WAITING_VALUES));
    Ingest { jobs, calls: room(), streams: room(), written }
}

/// How many values of calls and how many of streams wait.
pub type Waiting = [(&'static str, usize); 2];

impl Ingest {
    /// Keeps `readings`, which were checked, and holds them against the rules. Where two say the same of one time, the
    /// later one counts.
    ///
    /// # Errors
    ///
    /// Nothing was kept: it is more than may ever wait, too much is waiting (`RESOURCE_EXHAUSTED`), or storage is away.
    pub async fn write(&self, readings: Vec<Reading>, single: Option<Single>) -> Result<Written> {
        self.call(room(&readings)?, Work::Add { readings, single }).await
    }

    /// Changes the reading `key`, or finds that there is none, and holds what has changed against the rules.
    ///
    /// # Errors
    ///
    /// There is no such reading, nothing would be left of it, or as above.
    pub async fn change(&self, key: Key, edit: Edit) -> Result<Written> {
        self.call(1, Work::Change { key, edit }).await
    }

    /// Waits until there is room for `readings`, and queues them. What this answers is done when they are kept, in the order
    /// in which they were queued.
    ///
    /// # Errors
    ///
    /// It is more than may ever wait, or the process ends.
    pub async fn queue(
        &self,
        readings: Vec<Reading>,
    ) -> Result<impl Future<Output = Result<Written>> + use<>> {
        let room = Arc::clone(&self.streams).acquire_many_owned(room(&readings)?).await;
        let room = room.map_err(|_| ENDED())?;
        self.send(Work::Add { readings, single: None }, room)
    }

    /// Tells the place in the journal of what this process wrote last.
    pub fn written(&self) -> watch::Receiver<i64> {
        self.written.clone()
    }

    async fn call(&self, room: u32, work: Work) -> Result<Written> {
        let room = Arc::clone(&self.calls).try_acquire_many_owned(room);
        let Ok(room) = room else {
            measure::came(&work, "turned_away");
            return Err(Error::Exhausted("too many readings are waiting"));
        };
        self.send(work, room)?.await
    }

    /// What waits for the writer now, or is being written.
    pub fn waiting(&self) -> Waiting {
        [("calls", &self.calls), ("streams", &self.streams)]
            .map(|(kind, room)| (kind, WAITING_VALUES - room.available_permits()))
    }

    fn send(
        &self,
        work: Work,
        room: OwnedSemaphorePermit,
    ) -> Result<impl Future<Output = Result<Written>> + use<>> {
        let (done, written) = oneshot::channel();
        let span = Span::current();
        self.jobs.send(Job { work, done, span, _room: room }).map_err(|_| ENDED())?;
        Ok(written.map(|written| written.map_err(|_| ENDED())?))
    }
}

const ENDED: fn() -> Error = || Error::Unavailable("the writer has ended");

fn count(readings: &[Reading]) -> usize {
    readings.iter().map(|reading| reading.metrics.len()).sum()
}

/// How much room `readings` take while they wait.
fn room(readings: &[Reading]) -> Result<u32> {
    let values = count(readings);
    if WAITING_VALUES < values {
        let problem = format!("must have at most {WAITING_VALUES} values in all");
        return Err(Error::invalid("readings", problem));
    }
    Ok(u32::try_from(values).unwrap_or(u32::MAX))
}

impl Work {
    fn values(&self) -> usize {
        match self {
            Self::Add { readings, .. } => count(readings),
            Self::Change { .. } => 1,
        }
    }
}

impl Job {
    fn values(&self) -> usize {
        self.work.values()
    }

    /// What it adds.
    fn readings(&self) -> &[Reading] {
        match &self.work {
            Work::Add { readings, .. } => readings,
            Work::Change { .. } => &[],
        }
    }

    /// The reading that was sent alone.
    fn single(&self) -> Option<&Reading> {
        match &self.work {
            Work::Add { readings, single: Some(_) } => readings.first(),
            _ => None,
        }
    }

    fn is_change(&self) -> bool {
        matches!(self.work, Work::Change { .. })
    }

    /// What makes it the same as another.
    fn key(&self) -> Option<(&str, &'static str, &str)> {
        match &self.work {
            Work::Add { single: Some(single), .. } => single.once.identity(),
            _ => None,
        }
    }
}
