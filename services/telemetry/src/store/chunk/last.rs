//! The last chunks of many series.

use kit::{
    Result, Timestamp,
    db::{Conn, Engine},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::chunk::Chunk;

/// The last value of a series that is sealed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Last {
    pub series_id: i64,
    pub at: Timestamp,
    pub value: f64,
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

/// The last chunk of a series that holds something that arrived at `since` or later.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LastSeen {
    pub series_id: i64,
    pub since: Timestamp,
    #[sqlx(flatten)]
    pub chunk: Chunk,
}

macro_rules! last_seen {
    () => {
        ") select wanted.series_id, wanted.since,
                  first_at, last_at, count, min, max, sum, last, first_arrived_at, last_arrived_at,
                  data
           from wanted
           join chunks on chunks.series_id = wanted.series_id
                and chunks.first_at = (select max(seen.first_at)
                                       from chunks as seen
                                       where seen.series_id = wanted.series_id
                                         and seen.last_arrived_at >= wanted.since)
           where wanted.since <= (select max(newest.last_arrived_at)
                                  from chunks as newest
                                  where newest.series_id = wanted.series_id)"
    };
}

/// For each of these series the last chunk that holds something that arrived at the time beside it or later, if there is one.
pub async fn last_seen(db: &mut Conn, wanted: &[(i64, Timestamp)]) -> Result<Vec<LastSeen>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match db.engine() {
        Engine::Sqlite(c) => {
            let mut query = QueryBuilder::new("with wanted (series_id, since) as (");
            query.push_values(wanted, |mut values, (series_id, since)| {
                values.push_bind(*series_id).push_bind(*since);
            });
            query.push(last_seen!());
            query.build_query_as().persistent(false).fetch_all(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(concat!(
                "with wanted (series_id, since) as (
                     select * from unnest($1::bigint[], $2::bigint[])",
                last_seen!(),
            ))
            .bind(wanted.iter().map(|(series_id, _)| *series_id).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, since)| since.micros()).collect::<Vec<_>>())
            .fetch_all(c)
            .await?
        }
    })
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

/// The last sealed value of each of these series that has one.
pub async fn last_values(db: &mut Conn, series: &[i64]) -> Result<Vec<Last>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select series.series_id, chunks.last_at as at, chunks.last as value
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
