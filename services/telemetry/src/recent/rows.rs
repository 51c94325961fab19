//! Rows of one series, in order.

use kit::Timestamp;

use crate::domain::{
    chunk::{Row, merge},
    journal::Write,
};

/// Adds rows in order to rows in order; of one time, the new row counts.
pub fn add(rows: &mut Vec<Row>, new: impl Iterator<Item = Row>) {
    let new: Vec<Row> = new.collect();
    let Some(first) = new.first() else { return };
    if rows.last().is_none_or(|last| last.at < first.at) {
        rows.extend(new);
        return;
    }
    let tail = rows.split_off(rows.partition_point(|row| row.at < first.at));
    rows.extend(merge(&tail, &new));
}

/// Writes as rows, series by series.
pub fn by_series(
    writes: &[Write],
    arrived_at: Timestamp,
) -> impl Iterator<Item = (i64, impl Iterator<Item = Row>)> {
    let runs = writes.chunk_by(|one, other| one.series_id == other.series_id);
    runs.map(move |run| {
        let rows = run.iter().map(move |write| Row::new(write.at, write.value, arrived_at));
        (run[0].series_id, rows)
    })
}

/// Those at or after `from` and before `to`.
pub fn between(rows: &[Row], from: Timestamp, to: Timestamp) -> &[Row] {
    let rows = until(rows, to);
    &rows[rows.partition_point(|row| row.at < from)..]
}

/// Those before `before`.
pub fn until(rows: &[Row], before: Timestamp) -> &[Row] {
    // Mostly all of them: to look that up in the middle of a thousand series would cost a miss of the cache each.
    if rows.last().is_none_or(|last| last.at < before) {
        return rows;
    }
    &rows[..rows.partition_point(|row| row.at < before)]
}
