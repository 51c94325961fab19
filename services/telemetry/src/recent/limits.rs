//! How much is held before it is sealed, and what of it is next.

use std::time::Duration;

use kit::Timestamp;

use super::{Recent, State};

/// How much is held before it is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows that make a chunk.
    pub chunk: usize,
    /// Rows in all. At twice as many, nothing more comes in before some are sealed.
    pub held: usize,
    /// Values that may arrive after one that is not sealed: what a start may have to read again.
    pub behind: u64,
    /// How long a value may wait.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chunk: 1024, held: 2_000_000, behind: 4_000_000, age: Duration::from_mins(15) }
    }
}

impl Recent {
    /// Looks for series that have waited for too long by `now`, and for the largest ones if there is too much in all.
    pub fn ripen(&self, now: Timestamp) {
        self.write().ripen(now);
    }

    /// Whether nothing more may come in before something is sealed.
    pub fn is_overfull(&self) -> bool {
        let state = self.read();
        2 * state.limits.held < state.rows
    }
}

impl State {
    fn ripen(&mut self, now: Timestamp) {
        let Limits { held, behind, age, .. } = self.limits;
        for (series_id, unsealed) in &self.series {
            if unsealed.values + behind < self.values || unsealed.arrived_at.plus(age) <= now {
                self.ripe.insert(*series_id);
            }
        }
        if self.rows <= held {
            return;
        }
        let mut sizes: Vec<(usize, i64)> =
            self.series.iter().map(|(id, unsealed)| (unsealed.rows.len(), *id)).collect();
        sizes.sort_unstable();
        let mut surplus = self.rows - held / 2;
        while let Some((size, series_id)) = sizes.pop()
            && 0 < surplus
        {
            self.ripe.insert(series_id);
            surplus = surplus.saturating_sub(size);
        }
    }
}
