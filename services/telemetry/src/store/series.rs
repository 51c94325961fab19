//! The values of a series, summed up.

use kit::{Result, Timestamp, db::Conn};

use super::{
    chunk::{self, Part},
    reading::{after, unpack},
};
use crate::{
    domain::{
        chunk::{Chunk, Row, merge},
        series::{Bucket, Buckets, Budget, Grid},
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
    let mut buckets = Buckets::new(grid);
    loop {
        let parts = parts(db, series_id, grid, from, rows).await?;
        let is_end = i64::try_from(parts.len()).is_ok_and(|parts| parts < CHUNKS);
        for Part { summary, data } in parts {
            let (mine, rest) = rows.split_at(rows.partition_point(|row| row.at <= summary.last_at));
            rows = rest;
            if let Some(data) = data {
                budget.spend(usize::try_from(summary.count).unwrap_or(usize::MAX) + mine.len())?;
                let sealed = unpack(&Chunk { summary, data }, (from, grid.end))?;
                // Mostly nothing recent lies there.
                if mine.is_empty() {
                    buckets.extend(&sealed);
                } else {
                    buckets.extend(&merge(&sealed, mine));
                }
            } else {
                // They all lie before it.
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

/// The next chunks of `grid`: with their data where they reach over an edge of a bucket, or one of the recent `rows` lies in
/// them; of the others, the summaries alone.
async fn parts(
    db: &mut Conn,
    series_id: i64,
    grid: &Grid,
    from: Timestamp,
    rows: &[Row],
) -> Result<Vec<Part>> {
    loop {
        let mut parts = chunk::summaries(db, series_id, grid, from, CHUNKS).await?;
        let is_touched = |part: &&Part| part.data.is_none() && part.summary.encloses(rows);
        let touched: Vec<_> =
            parts.iter().filter(is_touched).map(|part| part.summary.first_at).collect();
        if touched.is_empty() {
            return Ok(parts);
        }
        let mut filled = 0;
        for chunk in chunk::beginning_at(db, series_id, &touched).await? {
            if let Some(part) = parts.iter_mut().find(|part| part.summary == chunk.summary) {
                part.data = Some(chunk.data);
                filled += 1;
            }
        }
        if filled == touched.len() {
            return Ok(parts);
        }
        // Somebody sealed in between, and what was one chunk may be two.
    }
}

#[cfg(test)]
mod tests;
