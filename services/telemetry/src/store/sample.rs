//! What an older version kept a row a value. It is packed at the start; then there is nothing here any more.

use kit::{Result, Timestamp, db::Tx, on};

use crate::domain::chunk::Row;

/// A series of which there are samples.
pub async fn series(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(on!(tx, c => sqlx::query_scalar("select min(series_id) from samples").fetch_one(c).await)?)
}

/// The first samples of a series, in order.
pub async fn list(tx: &mut Tx, series_id: i64, limit: i64) -> Result<Vec<Row>> {
    let rows: Vec<(Timestamp, f64, Timestamp)> = on!(tx, c => sqlx::query_as(
            "select at, value, arrived_at
             from samples
             where series_id = $1
             order by at
             limit $2",
        )
        .bind(series_id)
        .bind(limit)
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(at, value, arrived)| Row::new(at, Some(value), arrived)).collect())
}

/// Deletes the samples of a series up to `through`.
pub async fn delete(tx: &mut Tx, series_id: i64, through: Timestamp) -> Result<()> {
    Ok(on!(tx, c => sqlx::query("delete from samples where series_id = $1 and at <= $2")
        .bind(series_id)
        .bind(through)
        .execute(c).await.map(drop))?)
}
