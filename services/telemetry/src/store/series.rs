//! The values of a series, summed up.

use kit::{Error, Result, Timestamp, db::Conn};

use super::{
    chunk::{self, Part},
    reading::{after, unpack},
};
use crate::{
    domain::{
        chunk::{Chunk, merge},
        series::{Bucket, Buckets, Grid},
    },
    recent::Recent,
};

/// Chunks that are read at a time.
const CHUNKS: i64 = 64;

/// The values of a series in the buckets of `grid` from `from` on.
///
/// # Errors
///
/// More than `budget` values have to be looked at, which is lessened by those that were.
pub async fn buckets(
    db: &mut Conn,
    recent: &Recent,
    series_id: i64,
    grid: &Grid,
    from: Timestamp,
    budget: &mut Budget,
) -> Result<Vec<Bucket>> {
    let mut from = from.max(grid.start);
    let rows = recent.rows(series_id, (from, grid.end));
    let mut rows = rows.as_slice();
    let none = (Timestamp::from_micros(1), Timestamp::from_micros(0));
    let apart = rows.first().zip(rows.last()).map_or(none, |(first, last)| (first.at, last.at));
    let mut buckets = Buckets::new(grid);
    loop {
        let parts = chunk::summaries(db, series_id, grid, from, apart, CHUNKS).await?;
        let is_end = i64::try_from(parts.len()).is_ok_and(|parts| parts < CHUNKS);
        for Part { summary, data } in parts {
            // All recent rows are before it or after it, or it came with its data.
            let (mine, rest) = rows.split_at(rows.partition_point(|row| row.at <= summary.last_at));
            rows = rest;
            if let Some(data) = data {
                budget.spend(usize::try_from(summary.count).unwrap_or(usize::MAX) + mine.len())?;
                let sealed = unpack(&Chunk { summary, data }, (from, grid.end))?;
                buckets.extend(&merge(&sealed, mine));
            } else {
                budget.spend(1 + mine.len())?;
                buckets.extend(mine);
                buckets.add(&summary);
            }
            from = after(summary.last_at);
        }
        if is_end {
            budget.spend(rows.len())?;
            buckets.extend(rows);
            return Ok(buckets.filled());
        }
    }
}

/// How many values one query may still look at.
pub struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    pub fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    fn spend(&mut self, values: usize) -> Result<()> {
        let left = self.left.checked_sub(values).ok_or_else(|| {
            let problem = format!(
                "more than {} values lie between, the most that one query reads",
                self.limit
            );
            Error::invalid("end_time", problem)
        })?;
        self.left = left;
        Ok(())
    }
}
