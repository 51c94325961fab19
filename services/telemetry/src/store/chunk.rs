//! The sealed level: packed runs of values. Chunks of a series never overlap.

mod around;
mod last;

pub use around::around;
use kit::{
    Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};
pub use last::{Last, LastSeen, last_of, last_seen, last_values};
use sqlx::QueryBuilder;

use crate::domain::{
    chunk::{Chunk, Summary},
    reading::EquipmentId,
    series::Grid,
};

/// Rows of one statement on SQLite.
const ROWS: usize = 50;

/// A chunk that is read for its values, or only what is known of them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Part {
    #[sqlx(flatten)]
    pub summary: Summary,
    /// None where the summary says it all.
    pub data: Option<Vec<u8>>,
}

macro_rules! select {
    ($($rest:literal),+) => {
        concat!(
            "select first_at, last_at, count, min, max, sum, last, first_arrived_at, last_arrived_at,
                    data
             from chunks ",
            $($rest),+
        )
    };
}

/// From where on chunks of `series_id` can hold values of `from` and later: where the one begins that may hold `from`. As a
/// subquery, this is found by the index.
macro_rules! reaching {
    ($series_id:literal, $from:literal) => {
        concat!(
            "series_id = ",
            $series_id,
            " and first_at >= coalesce(
                 (select max(first_at) from chunks where series_id = ",
            $series_id,
            " and first_at <= ",
            $from,
            "),
                 ",
            $from,
            "
             )"
        )
    };
}

pub async fn insert(tx: &mut Tx, chunks: &[(i64, Chunk)]) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite(c) => {
            for rows in chunks.chunks(ROWS) {
                let mut query = QueryBuilder::new(
                    "insert into chunks (
                         series_id, first_at, last_at, count, min, max, sum, last,
                         first_arrived_at, last_arrived_at, data
                     ) ",
                );
                query.push_values(rows, |mut values, (series_id, chunk)| {
                    let Chunk { summary, data } = chunk;
                    values
                        .push_bind(series_id)
                        .push_bind(summary.first_at)
                        .push_bind(summary.last_at)
                        .push_bind(summary.count)
                        .push_bind(summary.min)
                        .push_bind(summary.max)
                        .push_bind(summary.sum)
                        .push_bind(summary.last)
                        .push_bind(summary.first_arrived_at)
                        .push_bind(summary.last_arrived_at)
                        .push_bind(data);
                });
                query.build().persistent(rows.len() == ROWS).execute(&mut *c).await?;
            }
        }
        Engine::Postgres(c) => {
            let ints = |of: fn(&Summary) -> i64| -> Vec<i64> {
                chunks.iter().map(|(_, chunk)| of(&chunk.summary)).collect()
            };
            let floats = |of: fn(&Summary) -> f64| -> Vec<f64> {
                chunks.iter().map(|(_, chunk)| of(&chunk.summary)).collect()
            };
            sqlx::query(
                "insert into chunks (
                     series_id, first_at, last_at, count, min, max, sum, last,
                     first_arrived_at, last_arrived_at, data
                 )
                 select *
                 from unnest(
                     $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[],
                     $5::double precision[], $6::double precision[], $7::double precision[],
                     $8::double precision[], $9::bigint[], $10::bigint[], $11::bytea[]
                 )",
            )
            .bind(chunks.iter().map(|(series_id, _)| *series_id).collect::<Vec<_>>())
            .bind(ints(|it| it.first_at.micros()))
            .bind(ints(|it| it.last_at.micros()))
            .bind(ints(|it| it.count))
            .bind(floats(|it| it.min))
            .bind(floats(|it| it.max))
            .bind(floats(|it| it.sum))
            .bind(floats(|it| it.last))
            .bind(ints(|it| it.first_arrived_at.micros()))
            .bind(ints(|it| it.last_arrived_at.micros()))
            .bind(chunks.iter().map(|(_, chunk)| chunk.data.as_slice()).collect::<Vec<_>>())
            .execute(c)
            .await?;
        }
    }
    Ok(())
}

pub async fn delete(tx: &mut Tx, series_id: i64, first_at: Timestamp) -> Result<()> {
    Ok(on!(tx, c => sqlx::query("delete from chunks where series_id = $1 and first_at = $2")
        .bind(series_id)
        .bind(first_at)
        .execute(c).await.map(drop))?)
}

/// The last chunk that begins before `before` and holds something that arrived at `arrived_since` or later.
pub async fn last_before(
    db: &mut Conn,
    series_id: i64,
    before: Timestamp,
    arrived_since: Timestamp,
) -> Result<Option<Chunk>> {
    Ok(on!(db, c => sqlx::query_as(select!(
            // Most series have none that a new rule has seen, which their newest arrival says at once.
            "where series_id = $1 and first_at < $2 and last_arrived_at >= $3
               and $3 <= (select max(last_arrived_at) from chunks where series_id = $1)
             order by first_at desc
             limit 1"
        ))
        .bind(series_id)
        .bind(before)
        .bind(arrived_since)
        .fetch_optional(c).await)?)
}

/// When the first chunk begins that begins after `after`.
pub async fn next(db: &mut Conn, series_id: i64, after: Timestamp) -> Result<Option<Timestamp>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select min(first_at) from chunks where series_id = $1 and first_at > $2",
        )
        .bind(series_id)
        .bind(after)
        .fetch_one(c).await)?)
}

/// Chunks that may hold values at or after `from` and before `to` that arrived at `arrived_since` or later, in order.
pub async fn list(
    db: &mut Conn,
    series_id: i64,
    (from, to): (Timestamp, Timestamp),
    arrived_since: Timestamp,
    limit: i64,
) -> Result<Vec<Chunk>> {
    Ok(on!(db, c => sqlx::query_as(concat!(
            select!("where "), reaching!("$1", "$2"), " and first_at < $3 and last_at >= $2
               and last_arrived_at >= $4
               and $4 <= (select max(last_arrived_at) from chunks where series_id = $1)
             order by first_at
             limit $5",
        ))
        .bind(series_id)
        .bind(from)
        .bind(to)
        .bind(arrived_since)
        .bind(limit)
        .fetch_all(c).await)?)
}

/// Chunks that may hold values of `grid` at or after `from`, in order. Only summaries of those whose values all lie in one
/// bucket.
pub async fn summaries(
    db: &mut Conn,
    series_id: i64,
    grid: &Grid,
    from: Timestamp,
    limit: i64,
) -> Result<Vec<Part>> {
    Ok(on!(db, c => sqlx::query_as(concat!(
            "select first_at, last_at, count, min, max, sum, last, first_arrived_at, last_arrived_at,
                    case when first_at >= $2 and last_at < $3
                              and (first_at - $4) / $5 = (last_at - $4) / $5
                         then null else data end as data
             from chunks
             where ", reaching!("$1", "$2"), " and first_at < $3 and last_at >= $2
             order by first_at
             limit $6",
        ))
        .bind(series_id)
        .bind(from)
        .bind(grid.end)
        .bind(grid.start)
        .bind(i64::try_from(grid.interval().as_micros()).unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(c).await)?)
}

/// The chunks of a series that begin at these times.
pub async fn beginning_at(
    db: &mut Conn,
    series_id: i64,
    times: &[Timestamp],
) -> Result<Vec<Chunk>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where series_id = "));
        query.push_bind(series_id).push(" and first_at in (");
        let mut list = query.separated(", ");
        for at in times {
            list.push_bind(*at);
        }
        query.push(")");
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

/// Those of these series that have a chunk that may hold values at or after `from` and before `to`.
pub async fn within(
    db: &mut Conn,
    series: &[i64],
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<i64>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new("select series_id from series where series_id in (");
        let mut ids = query.separated(", ");
        for id in series {
            ids.push_bind(*id);
        }
        query
            .push(
                ") and (select last_at
                        from chunks
                        where chunks.series_id = series.series_id and first_at < ",
            )
            .push_bind(to)
            .push(" order by first_at desc limit 1) >= ")
            .push_bind(from);
        query.build_query_scalar().persistent(false).fetch_all(c).await
    })?)
}

/// The series of `equipment_id`, each with the chunk that may hold a value of `at`.
pub async fn at(
    db: &mut Conn,
    equipment_id: EquipmentId,
    at: Timestamp,
) -> Result<Vec<(i64, String, Option<Chunk>)>> {
    let rows: Vec<Holder> = on!(db, c => sqlx::query_as(
            "select series.series_id, series.metric,
                    first_at, last_at, count, min, max, sum, last, first_arrived_at, last_arrived_at,
                    data
             from series
             left join chunks on chunks.series_id = series.series_id
                  and chunks.first_at = (select max(first_at)
                                         from chunks
                                         where chunks.series_id = series.series_id
                                           and first_at <= $2)
                  and last_at >= $2
             where equipment_id = $1
             order by metric",
        )
        .bind(equipment_id)
        .bind(at)
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(|row| (row.series_id, row.metric, row.chunk.0)).collect())
}

#[derive(sqlx::FromRow)]
struct Holder {
    series_id: i64,
    metric: String,
    #[sqlx(flatten)]
    chunk: Perhaps,
}

/// A chunk, or columns of nothing.
struct Perhaps(Option<Chunk>);

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Perhaps
where
    Chunk: sqlx::FromRow<'r, R>,
    Option<Vec<u8>>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'n> &'n str: sqlx::ColumnIndex<R>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let data: Option<Vec<u8>> = row.try_get("data")?;
        Ok(Self(data.is_some().then(|| Chunk::from_row(row)).transpose()?))
    }
}

/// Drops chunks of `metric` whose values are all from before `before`, at most `limit`; says how many went.
pub async fn expire(tx: &mut Tx, metric: &str, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
            "delete from chunks
             where (series_id, first_at) in (
                 select series_id, first_at
                 from series
                 join chunks using (series_id)
                 where metric = $1 and first_at < $2 and last_at < $2
                 limit $3
             )",
        )
        .bind(metric)
        .bind(before)
        .bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?)
}

/// Every metric that was ever measured.
pub async fn metrics(db: &mut Conn) -> Result<Vec<String>> {
    Ok(on!(db, c => sqlx::query_scalar("select distinct metric from series").fetch_all(c).await)?)
}
