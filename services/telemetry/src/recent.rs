//! The recent level: values that are durable in the journal and lie in no chunk yet, in memory and in order.
//!
//! Every process holds it whole, whoever wrote the values: it follows the journal, in which one transaction after the other
//! says what it wrote and what it sealed. Whoever reads first [catches up](Recent::catch_up), then takes the recent rows, then
//! reads the chunks: what was sealed in between is then seen twice, never not at all, and of one time the recent row counts.

mod limits;
mod reach;
mod rows;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use kit::{Result, Timestamp, db::Conn};

pub use self::limits::Limits;
use self::{
    reach::Reach,
    rows::{add, between, by_series, until},
};
use crate::{
    domain::{
        chunk::{Row, merge},
        journal::{Record, Seal, Write, decode},
    },
    store::{self, journal::Entry},
};

/// Entries of the journal that are read at a time.
const ENTRIES: i64 = 16;

/// The recent level, and what the transaction under way of whoever holds this adds to it.
pub struct Recent {
    shared: Arc<RwLock<State>>,
    pending: HashMap<i64, Vec<Row>>,
}

struct State {
    limits: Limits,
    /// The last entry of the journal that is in here; none before the first was asked for.
    position: Option<i64>,
    series: HashMap<i64, Unsealed>,
    reach: Reach,
    /// Series with enough rows for a chunk, or that waited long enough.
    ripe: BTreeSet<i64>,
    rows: usize,
    /// Counts all values that ever came.
    values: u64,
}

/// What of one series is not sealed.
struct Unsealed {
    rows: Vec<Row>,
    /// The first of it, or something before.
    sequence: i64,
    values: u64,
    arrived_at: Timestamp,
}

impl Recent {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        let state = State {
            limits,
            position: None,
            series: HashMap::new(),
            reach: Reach::default(),
            ripe: BTreeSet::new(),
            rows: 0,
            values: 0,
        };
        Self { shared: Arc::new(RwLock::new(state)), pending: HashMap::new() }
    }

    /// The same level, for somebody else.
    pub fn share(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), pending: HashMap::new() }
    }

    /// Takes in what was committed until now. Answers the last entry of the journal that is in here now.
    pub async fn catch_up(&self, db: &mut Conn) -> Result<i64> {
        loop {
            let position = self.read().position;
            let position = match position {
                Some(position) => position,
                None => self.begin(store::journal::sealed(db).await?),
            };
            let entries = store::journal::after(db, position, ENTRIES).await?;
            if self.follow(position, entries)? {
                return Ok(position);
            }
        }
    }

    /// Takes in the entries that were found after `position`; there is none to be had if some were dropped. Answers whether
    /// there was nothing. Others may have gone on since somebody looked there, or begun anew.
    fn follow(&self, position: i64, entries: Option<Vec<Entry>>) -> Result<bool> {
        let Some(entries) = entries else {
            // We slept for longer than the journal is kept; all that was dropped is sealed.
            self.write().reset(position);
            return Ok(false);
        };
        let Some(last) = entries.last().map(|entry| entry.sequence) else { return Ok(true) };
        // Decoded before anybody has to wait.
        let records = entries.iter().map(|entry| Ok((entry.sequence, decode(&entry.data)?)));
        let records: Vec<_> = records.collect::<Result<_>>()?;
        let mut state = self.write();
        if state.position < Some(position) {
            // What lies before these is missing.
            return Ok(false);
        }
        for (sequence, record) in &records {
            state.take(*sequence, record);
        }
        drop(state);
        tracing::trace!(last, "caught up");
        Ok(false)
    }

    /// Begins to follow the journal after `sealed`, unless somebody has. Answers where it is now.
    fn begin(&self, sealed: i64) -> i64 {
        *self.write().position.get_or_insert(sealed)
    }

    /// The rows of a series from `from` on and before `to`, in order.
    pub fn rows(&self, series_id: i64, (from, to): (Timestamp, Timestamp)) -> Vec<Row> {
        let state = self.read();
        let shared = state.series.get(&series_id).map_or(&[][..], |unsealed| &unsealed.rows);
        let pending = self.pending.get(&series_id).map_or(&[][..], Vec::as_slice);
        let (shared, pending) = (between(shared, from, to), between(pending, from, to));
        if pending.is_empty() { shared.to_vec() } else { merge(shared, pending) }
    }

    /// Whether there are rows of a series from `from` on and before `to`.
    pub fn has_rows(&self, series_id: i64, (from, to): (Timestamp, Timestamp)) -> bool {
        let state = self.read();
        let shared = state.series.get(&series_id).map(|unsealed| &unsealed.rows);
        let pending = self.pending.get(&series_id);
        shared.into_iter().chain(pending).any(|rows| !between(rows, from, to).is_empty())
    }

    /// The last rows of a series before `before`, the last one first, until `enough` says so of one.
    pub fn backwards(
        &self,
        series_id: i64,
        before: Timestamp,
        enough: impl Fn(&Row) -> bool,
    ) -> Vec<Row> {
        let state = self.read();
        let shared = state.series.get(&series_id).map_or(&[][..], |unsealed| &unsealed.rows);
        let pending = self.pending.get(&series_id).map_or(&[][..], Vec::as_slice);
        let mut shared = until(shared, before).iter().rev().peekable();
        let mut pending = until(pending, before).iter().rev().peekable();
        let mut rows = Vec::new();
        loop {
            let next = match (shared.peek(), pending.peek()) {
                (Some(old), Some(new)) if new.at < old.at => shared.next(),
                (_, Some(new)) => {
                    shared.next_if(|old| old.at == new.at);
                    pending.next()
                }
                (_, None) => shared.next(),
            };
            let Some(row) = next else { return rows };
            rows.push(*row);
            if enough(row) {
                return rows;
            }
        }
    }

    /// What the series has at `at`, if that is not sealed.
    pub fn row(&self, series_id: i64, at: Timestamp) -> Option<Row> {
        let end = Timestamp::from_micros(at.micros().saturating_add(1));
        self.rows(series_id, (at, end)).pop()
    }

    /// Adds what the transaction under way writes, which is sorted by series and time.
    pub fn propose(&mut self, writes: &[Write], arrived_at: Timestamp) {
        for (series_id, rows) in by_series(writes, arrived_at) {
            add(self.pending.entry(series_id).or_default(), rows);
        }
    }

    /// The transaction, which caught up with `before`, has committed as `sequence` of the journal. Its turn lasted from the one
    /// to the other: whoever stands elsewhere has it already, or hears of it from the journal.
    pub fn keep(&mut self, (before, sequence): (i64, i64), arrived_at: Timestamp) {
        let pending = std::mem::take(&mut self.pending);
        let mut state = self.write();
        if state.position == Some(before) {
            for (series_id, rows) in pending {
                state.add(series_id, rows, sequence, arrived_at);
            }
            state.position = Some(sequence);
        }
    }

    /// The transaction has not committed, or nobody knows.
    pub fn forget(&mut self) {
        self.pending.clear();
    }

    /// The transaction that sealed these, which caught up with `before`, has committed as `sequence` of the journal.
    pub fn release(&self, (before, sequence): (i64, i64), seals: Vec<Seal>) {
        let arrived_at = Timestamp::from_micros(0);
        let mut state = self.write();
        if state.position == Some(before) {
            state.take(sequence, &Record { writes: Vec::new(), arrived_at, seals });
        }
    }

    /// How many rows there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.read().rows
    }

    /// The next series to seal after `after`.
    pub fn ripe(&self, after: Option<i64>) -> Option<i64> {
        let begin = after.map_or(i64::MIN, |after| after.saturating_add(1));
        self.read().ripe.range(begin..).next().copied()
    }

    /// Rows of a chunk.
    pub fn chunk(&self) -> usize {
        self.read().limits.chunk
    }

    /// Up to where everything in the journal is sealed.
    pub fn sealed(&self) -> i64 {
        let state = self.read();
        let oldest = state.series.values().map(|unsealed| unsealed.sequence - 1).min();
        oldest.or(state.position).unwrap_or_default()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes in an entry of the journal, unless it is in here.
    fn take(&mut self, sequence: i64, record: &Record) {
        if Some(sequence) <= self.position {
            return;
        }
        for seal in &record.seals {
            self.reach.seal(*seal);
            self.release(*seal);
        }
        for (series_id, rows) in by_series(&record.writes, record.arrived_at) {
            self.add(series_id, rows.collect(), sequence, record.arrived_at);
        }
        self.position = Some(sequence);
    }

    fn add(&mut self, series_id: i64, new: Vec<Row>, sequence: i64, arrived_at: Timestamp) {
        self.values += u64::try_from(new.len()).unwrap_or_default();
        let values = self.values;
        let unsealed = self.series.entry(series_id).or_insert_with(|| Unsealed {
            rows: Vec::new(),
            sequence,
            values,
            arrived_at,
        });
        let before = unsealed.rows.len();
        add(&mut unsealed.rows, new.into_iter());
        self.rows += unsealed.rows.len() - before;
        if self.limits.chunk <= unsealed.rows.len() {
            self.ripe.insert(series_id);
        }
    }

    fn release(&mut self, Seal { series_id, through }: Seal) {
        self.ripe.remove(&series_id);
        let Some(unsealed) = self.series.get_mut(&series_id) else { return };
        let sealed = unsealed.rows.partition_point(|row| row.at <= through);
        unsealed.rows.drain(..sealed);
        self.rows -= sealed;
        if unsealed.rows.is_empty() {
            self.series.remove(&series_id);
        } else if sealed != 0 {
            // It was too much for one step; the rest is the next one's.
            self.ripe.insert(series_id);
        }
    }

    /// Begins anew if it still stands at `position`, after which entries are missing. Elsewhere somebody has done it, and what
    /// came since is sealed nowhere.
    fn reset(&mut self, position: i64) {
        if self.position != Some(position) {
            return;
        }
        self.series.clear();
        self.reach.clear();
        self.ripe.clear();
        (self.rows, self.position) = (0, None);
    }
}
