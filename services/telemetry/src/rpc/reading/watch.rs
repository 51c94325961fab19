//! Tells of readings as they become durable, whichever replica wrote them: from the journal.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kit::{Call, Clock, Db, Error, Result, Timestamp};
use proto::telemetry::v1 as pb;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::equipment_ids;
use crate::{
    domain::{
        journal::{Write, decode},
        reading::{EquipmentId, Key, Reading},
    },
    rpc::Service,
    store::{self, journal::Entry, reading::Series},
};

/// How long to sleep when nothing in this process wakes: other replicas write too.
const POLL: Duration = Duration::from_millis(250);
/// How old the token of a watcher may get while nothing that is wanted comes: the journal is kept for an hour, and of that at most
/// 256 MiB.
const BEAT: Duration = Duration::from_secs(10);
/// Entries of the journal that are read at a time.
const ENTRIES: i64 = 16;
/// Readings in one message.
const READINGS: usize = 1000;
/// Series that are looked up at a time.
const SERIES: usize = 1000;

/// Messages on their way to the watcher.
pub type WatchStream = ReceiverStream<Result<pb::WatchReadingsResponse, Status>>;

pub async fn watch(service: &Service, call: Call<pb::WatchReadingsRequest>) -> Result<WatchStream> {
    let filter = Filter {
        equipment_ids: equipment_ids(&call.message.equipment_ids)?.into_iter().collect(),
        metrics: call.message.metrics.into_iter().collect(),
    };
    let clock = service.suite.clock.clone();
    let mut told = None;
    let mut db = service.db.read().await?;
    let position = match call.message.resume_token.as_str() {
        "" => store::journal::end(&mut db).await?,
        token => {
            let not_one = || Error::invalid("resume_token", "is not a resume token");
            let position = token.parse().map_err(|_| not_one())?;
            let held = store::journal::after(&mut db, position, 1).await?;
            held.ok_or_else(|| Error::invalid("resume_token", TOO_OLD))?;
            // As when files of an older day were put back: what comes next would lie before it, and not be told.
            if store::journal::last_given(&mut db).await? < position {
                return Err(Error::invalid("resume_token", AHEAD));
            }
            told = Some((position, clock.now()));
            position
        }
    };
    drop(db);

    let (sender, receiver) = mpsc::channel(4);
    let mut watcher = Watcher {
        db: service.db.clone(),
        clock,
        written: service.ingest.written(),
        filter,
        position,
        told,
        series: HashMap::new(),
        sender,
    };
    service.suite.spawn(async move {
        if let Err(error) = watcher.run().await {
            // The watcher may have gone; it resumes from the last token that it kept.
            let _ = watcher.sender.send(Err(error.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

const TOO_OLD: &str = "is older than what can be told again; list the readings that are missing";
const AHEAD: &str = "is ahead of all that was told here; list the readings that are missing";

/// Which readings to tell of; an empty set stands for all.
struct Filter {
    equipment_ids: HashSet<EquipmentId>,
    metrics: HashSet<String>,
}

impl Filter {
    fn takes(&self, series: &Series) -> bool {
        let Self { equipment_ids, metrics } = self;
        (equipment_ids.is_empty() || equipment_ids.contains(&series.equipment_id))
            && (metrics.is_empty() || metrics.contains(&series.metric))
    }
}

struct Watcher {
    db: Db,
    clock: Clock,
    written: watch::Receiver<i64>,
    filter: Filter,
    /// The last entry of the journal that was told.
    position: i64,
    /// The last token that the watcher has, and when it got that; none before the first.
    told: Option<(i64, Timestamp)>,
    /// The series that were met, if the watcher wants them.
    series: HashMap<i64, Option<Arc<Series>>>,
    sender: mpsc::Sender<Result<pb::WatchReadingsResponse, Status>>,
}

impl Watcher {
    /// Tells of every reading until the watcher goes.
    async fn run(&mut self) -> Result<()> {
        loop {
            self.written.mark_unchanged();
            let entries = {
                let mut db = self.db.read().await?;
                store::journal::after(&mut db, self.position, ENTRIES).await?
            };
            let entries = entries.ok_or(Error::Unavailable(TOO_SLOW))?;
            for entry in &entries {
                let readings = self.readings(entry).await?;
                if !self.send(readings, entry.sequence).await {
                    return Ok(());
                }
                self.position = entry.sequence;
            }
            if !self.beat().await {
                return Ok(());
            }
            if entries.is_empty() {
                tokio::select! {
                    // A closed channel means that the process is going down; the poll's pace is then right, too.
                    _ = tokio::time::timeout(POLL, self.written.changed()) => {}
                    () = self.sender.closed() => return Ok(()),
                }
            }
        }
    }

    /// Sends `readings`, which are of the entry `sequence`. Answers whether the watcher is still there.
    async fn send(&mut self, mut readings: Vec<pb::Reading>, sequence: i64) -> bool {
        while !readings.is_empty() {
            let rest = readings.split_off(readings.len().min(READINGS));
            // Who resumes in the middle of an entry is told of all of it again.
            let position = if rest.is_empty() { sequence } else { self.position };
            if !self.tell(readings, position).await {
                return false;
            }
            readings = rest;
        }
        true
    }

    /// Gives a token to a watcher that has none or an old one, so that who was told nothing resumes here as well. Answers
    /// whether the watcher is still there.
    async fn beat(&mut self) -> bool {
        let now = self.clock.now();
        let is_young =
            |(token, at): (i64, Timestamp)| token == self.position || now < at.plus(BEAT);
        self.told.is_some_and(is_young) || self.tell(Vec::new(), self.position).await
    }

    async fn tell(&mut self, readings: Vec<pb::Reading>, position: i64) -> bool {
        self.told = Some((position, self.clock.now()));
        let message = pb::WatchReadingsResponse { readings, resume_token: position.to_string() };
        self.sender.send(Ok(message)).await.is_ok()
    }

    /// The readings of one entry that the watcher wants.
    async fn readings(&mut self, entry: &Entry) -> Result<Vec<pb::Reading>> {
        let writes = decode(&entry.data)?.writes;
        self.look_up(&writes).await?;
        let mut readings = BTreeMap::<Key, BTreeMap<String, f64>>::new();
        for write in writes {
            let Some(Some(series)) = self.series.get(&write.series_id) else { continue };
            if let Some(value) = write.value {
                let key = Key { equipment_id: series.equipment_id, recorded_at: write.at };
                readings.entry(key).or_default().insert(series.metric.clone(), value);
            }
        }
        Ok(readings.into_iter().map(|(key, metrics)| Reading { key, metrics }.into()).collect())
    }

    /// Learns the series of `writes` that were not met before.
    async fn look_up(&mut self, writes: &[Write]) -> Result<()> {
        let ids = writes.iter().map(|write| write.series_id);
        let new: HashSet<i64> = ids.filter(|id| !self.series.contains_key(id)).collect();
        let new: Vec<i64> = new.into_iter().collect();
        for ids in new.chunks(SERIES) {
            let mut db = self.db.read().await?;
            for series in store::reading::series_by_id(&mut db, ids).await? {
                let wanted = self.filter.takes(&series);
                self.series.insert(series.id, wanted.then(|| Arc::new(series)));
            }
        }
        Ok(())
    }
}

const TOO_SLOW: &str = "the watcher is too slow; list the readings that are missing";
