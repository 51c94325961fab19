//! The one writer: takes all that waits into one transaction, which also holds it against the rules, and answers when it is
//! committed.

use std::{
    collections::{BTreeMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use kit::{Clock, Db, Error, Result, Timestamp, db::Tx, trace};
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::{
    Job, Work, Written,
    judge::Judge,
    measure,
    names::{Names, too_many},
    outcome::Values,
    seal::Sealer,
};
use crate::{
    domain::{
        journal::{self, Write},
        reading::{EquipmentId, Key, Reading},
        retention::Retention,
    },
    recent::Recent,
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
    retention: Arc<Retention>,
    sealer: Sealer,
    /// When it last looked for what has waited to be sealed.
    looked: Instant,
    names: Names,
    written: watch::Sender<i64>,
}

/// A series whose samples came, changed or went, by its number.
pub type Changed = BTreeMap<i64, Series>;

pub struct Series {
    pub equipment_id: EquipmentId,
    pub metric: String,
    /// Whether the transaction under way made it.
    pub is_new: bool,
    /// None where there is to be no sample any more.
    pub samples: BTreeMap<Timestamp, Option<f64>>,
}

impl Writer {
    pub fn new(
        db: &Db,
        clock: &Clock,
        judge: Judge,
        recent: Recent,
        retention: Arc<Retention>,
        written: watch::Sender<i64>,
    ) -> Self {
        let sealer = Sealer::new(db, clock);
        let (db, clock) = (db.clone(), clock.clone());
        Self {
            db,
            clock,
            judge,
            recent,
            retention,
            sealer,
            looked: Instant::now(),
            names: Names::default(),
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
            // What comes faster than it can be sealed has to wait, and memory keeps its limit.
            while self.recent.is_overfull() && self.seal().await {}
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
        if TICK <= self.looked.elapsed() || self.recent.is_overfull() {
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
        let span = trace::shared("write group", group.iter().map(|job| &job.span));
        match self.write(&group).instrument(span).await {
            Ok(all) => {
                measure::group(&group);
                for (job, written) in group.into_iter().zip(all) {
                    measure::told(&job.work, &written);
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
                    measure::came(&job.work, "failed");
                    let _ = job.done.send(Err(status.clone().into()));
                }
            }
        }
    }

    async fn write(&mut self, group: &[Job]) -> Result<Vec<Result<Written>>> {
        // What an attempt before proposed has come to nothing.
        self.recent.forget();
        self.names.forget();
        let now = self.clock.now();
        let mut tx = self.db.begin_reserved("write readings").await?;
        store::journal::take_turn(&mut tx).await?;
        let before = self.recent.catch_up(&mut tx).await?;
        let (mut all, mut writes) = (Vec::new(), Vec::new());
        let mut there = self.there(&mut tx, group).await?;
        for job in group {
            match self.take(&mut tx, &mut writes, job, group, &mut there, now).await {
                // That concerns the others, too.
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                written => all.push(written),
            }
        }
        self.names.make(&mut tx, &mut writes).await?;
        sort(&mut writes);

        let kept = self.keep(&mut tx, &writes, now).await?;
        for (job, written) in group.iter().zip(&all) {
            if let (Work::Add { single: Some(single), .. }, Ok(Written::Kept | Written::Merged)) =
                (&job.work, written)
            {
                single.once.remember(&mut tx, &single.answer).await?;
            }
        }
        tx.commit().await?;

        self.names.keep();
        if let Some((sequence, arrived_at)) = kept {
            self.judge.committed(sequence);
            self.recent.keep((before, sequence), arrived_at);
            self.written.send_replace(sequence);
        }
        Ok(all)
    }

    /// Those of the readings that were sent alone that are there; none if there are none, because only whoever sends a reading
    /// alone is told.
    async fn there(&self, tx: &mut Tx, group: &[Job]) -> Result<Option<HashSet<Key>>> {
        let keys: HashSet<Key> = group.iter().filter_map(Job::single).map(|it| it.key).collect();
        if keys.is_empty() {
            return Ok(None);
        }
        store::reading::present(tx, &self.recent, &keys).await.map(Some)
    }

    /// Adds what is to be written for `job`, which is of `group`, to `writes`. Answers what it comes to where the readings
    /// `there` are, which then become more.
    async fn take(
        &mut self,
        tx: &mut Tx,
        writes: &mut Vec<Write>,
        job: &Job,
        group: &[Job],
        there: &mut Option<HashSet<Key>>,
        now: Timestamp,
    ) -> Result<Written> {
        if let Some(Reading { key, metrics }) = job.single() {
            // Before its idempotency key is taken, which a refusal leaves free.
            let metrics = metrics.keys().map(String::as_str);
            if !self.names.has_room(tx, key.equipment_id, metrics, group).await? {
                return Err(too_many());
            }
        }
        let outcome = job.outcome(tx, &self.recent, &self.retention, there.as_ref(), now).await;
        let (written, values) = outcome?;
        let mut refused = Vec::new();
        match values {
            Values::Readings(readings) => {
                for (place, Reading { key, metrics }) in readings.iter().enumerate() {
                    let values = metrics.iter().map(|(name, value)| (name.as_str(), Some(*value)));
                    if !self.names.add(tx, writes, *key, values, group).await? {
                        refused.push(place);
                    } else if let Some(there) = there {
                        there.insert(*key);
                    }
                }
            }
            Values::Edit(key, values) => {
                let values = values.iter().map(|(metric, value)| (metric.as_str(), *value));
                if !self.names.add(tx, writes, key, values, group).await? {
                    return Err(too_many());
                }
            }
        }
        Ok(if refused.is_empty() { written } else { Written::Partly(refused) })
    }

    /// Stores what has changed and holds it against the rules. Answers its place in the journal, and when it arrived, if
    /// there is anything.
    async fn keep(
        &mut self,
        tx: &mut Tx,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<Option<(i64, Timestamp)>> {
        if writes.is_empty() {
            return Ok(None);
        }
        let changed = self.changed(writes);
        // What arrives in this transaction arrives after every rule was made, whatever the clocks of replicas say.
        self.judge.begin(tx).await?;
        let arrived_at = self.judge.newest_rule().map_or(now, |newest| newest.max(now));

        self.judge.recall(tx, &self.recent, &changed).await?;
        self.recent.propose(writes, arrived_at);
        self.judge.judge(tx, &self.recent, &changed, now).await?;
        let data = journal::encode(writes, arrived_at);
        let sequence = store::journal::append(tx, &data, arrived_at).await?;
        Ok(Some((sequence, arrived_at)))
    }

    /// Sorted writes, series by series.
    fn changed(&self, writes: &[Write]) -> Changed {
        let runs = writes.chunk_by(|one, other| one.series_id == other.series_id);
        let series = runs.filter_map(|run| {
            let number = run[0].series_id;
            let (equipment_id, metric) = self.names.name(number)?.clone();
            let samples = run.iter().map(|write| (write.at, write.value)).collect();
            let is_new = self.names.is_new(number);
            Some((number, Series { equipment_id, metric, is_new, samples }))
        });
        series.collect()
    }
}

/// Sorts `writes` by series and time. Of two that say something of one time, the later one counts.
fn sort(writes: &mut Vec<Write>) {
    writes.sort_by_key(|write| (write.series_id, write.at));
    writes.dedup_by(|later, earlier| {
        let is_same = (later.series_id, later.at) == (earlier.series_id, earlier.at);
        if is_same {
            *earlier = *later;
        }
        is_same
    });
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
