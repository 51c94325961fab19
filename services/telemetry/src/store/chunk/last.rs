//! The last chunks of many series.

use kit::{Result, Timestamp, db::Conn, on};
use sqlx::QueryBuilder;

use crate::domain::{chunk::Chunk, reading::EquipmentId};

/// A series and what its last chunk says of its last value.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Last {
    pub series_id: i64,
    pub equipment_id: EquipmentId,
    pub metric: String,
    /// None if nothing of the series is sealed.
    pub at: Option<Timestamp>,
    pub value: Option<f64>,
}

/// The last chunk of a series.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LastChunk {
    pub series_id: i64,
    /// When the first chunk of the series begins.
    #[sqlx(rename = "begin_at")]
    pub first_at: Timestamp,
    #[sqlx(flatten)]
    pub chunk: Chunk,
}

/// The last chunk of each of these series that has one.
pub async fn last_of(db: &mut Conn, series: &[i64]) -> Result<Vec<LastChunk>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select series.series_id,
                    (select min(first_at) from chunks where chunks.series_id = series.series_id)
                        as begin_at,
                    first_at, last_at, count, min, max, sum, last, first_arrived_at, last_arrived_at,
                    data
             from series
             join chunks on chunks.series_id = series.series_id
                  and chunks.first_at = (select max(first_at)
                                         from chunks
                                         where chunks.series_id = series.series_id)
             where series.series_id in (",
        );
        let mut ids = query.separated(", ");
        for id in series {
            ids.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

/// The series of these pieces of equipment, of these metrics alone, if any are named, each with the last value that is
/// sealed.
pub async fn last_of_each(
    db: &mut Conn,
    equipment_ids: &[EquipmentId],
    metrics: &[String],
) -> Result<Vec<Last>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select series.series_id, series.equipment_id, series.metric,
                    chunks.last_at as at, chunks.last as value
             from series
             left join chunks on chunks.series_id = series.series_id
                  and chunks.first_at = (select max(first_at)
                                         from chunks
                                         where chunks.series_id = series.series_id)
             where series.equipment_id in (",
        );
        let mut ids = query.separated(", ");
        for id in equipment_ids {
            ids.push_bind(*id);
        }
        query.push(")");
        if !metrics.is_empty() {
            query.push(" and series.metric in (");
            let mut names = query.separated(", ");
            for metric in metrics {
                names.push_bind(metric);
            }
            query.push(")");
        }
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}
