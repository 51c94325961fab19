use kit::{
    Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    journal::Write,
    reading::{EquipmentId, Key, Sample},
    replay::Start,
};

/// How many rows one statement writes to SQLite: more gains nothing.
const ROWS: usize = 500;

/// One metric of one piece of equipment.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Series {
    #[sqlx(rename = "series_id")]
    pub id: i64,
    pub equipment_id: EquipmentId,
    pub metric: String,
}

/// The number of the series, which is made if it is new.
pub async fn ensure_series(tx: &mut Tx, equipment_id: EquipmentId, metric: &str) -> Result<i64> {
    on!(tx, c => sqlx::query(
            "insert into series (equipment_id, metric)
             values ($1, $2)
             on conflict do nothing",
        )
        .bind(equipment_id)
        .bind(metric)
        .execute(c).await.map(drop))?;
    Ok(on!(tx, c => sqlx::query_scalar(
            "select series_id
             from series
             where equipment_id = $1 and metric = $2",
        )
        .bind(equipment_id)
        .bind(metric)
        .fetch_one(c).await)?)
}

/// Writes those of `writes` that set a value; they are sorted by series and time and without repetition. A value that is
/// there is replaced.
pub async fn upsert(tx: &mut Tx, writes: &[Write], arrived_at: Timestamp) -> Result<()> {
    let rows: Vec<(i64, Timestamp, f64)> =
        writes.iter().filter_map(|write| Some((write.series_id, write.at, write.value?))).collect();
    match tx.engine() {
        Engine::Sqlite(c) => {
            for rows in rows.chunks(ROWS) {
                let mut query =
                    QueryBuilder::new("insert into samples (series_id, at, value, arrived_at) ");
                query.push_values(rows, |mut values, (series_id, at, value)| {
                    values
                        .push_bind(series_id)
                        .push_bind(at)
                        .push_bind(value)
                        .push_bind(arrived_at);
                });
                query.push(
                    " on conflict (series_id, at) do update
                      set value = excluded.value, arrived_at = excluded.arrived_at",
                );
                // Only full statements are worth keeping prepared.
                query.build().persistent(rows.len() == ROWS).execute(&mut *c).await?;
            }
        }
        Engine::Postgres(c) => {
            sqlx::query(
                "insert into samples (series_id, at, value, arrived_at)
                 select series_id, at, value, $4
                 from unnest($1::bigint[], $2::bigint[], $3::double precision[])
                      as new (series_id, at, value)
                 on conflict (series_id, at) do update
                 set value = excluded.value, arrived_at = excluded.arrived_at",
            )
            .bind(rows.iter().map(|(series_id, ..)| *series_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, at, _)| at.micros()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(.., value)| *value).collect::<Vec<_>>())
            .bind(arrived_at)
            .execute(c)
            .await?;
        }
    }
    Ok(())
}

/// Deletes what those of `writes` name that set none.
pub async fn delete(tx: &mut Tx, writes: &[Write]) -> Result<()> {
    for write in writes.iter().filter(|write| write.value.is_none()) {
        on!(tx, c => sqlx::query("delete from samples where series_id = $1 and at = $2")
            .bind(write.series_id)
            .bind(write.at)
            .execute(c).await.map(drop))?;
    }
    Ok(())
}

/// The values of a reading, by metric.
pub async fn find(db: &mut Conn, key: Key) -> Result<Vec<(String, f64)>> {
    Ok(on!(db, c => sqlx::query_as(
            "select series.metric, samples.value
             from series
             join samples on samples.series_id = series.series_id
             where series.equipment_id = $1 and samples.at = $2
             order by series.metric",
        )
        .bind(key.equipment_id)
        .bind(key.recorded_at)
        .fetch_all(c).await)?)
}

/// All series from `first` on, by equipment; of one piece of equipment or metric alone, if asked.
pub async fn list_series(
    db: &mut Conn,
    equipment_id: Option<EquipmentId>,
    metric: Option<&str>,
    first: Option<EquipmentId>,
) -> Result<Vec<Series>> {
    Ok(on!(db, c => {
        let mut query =
            QueryBuilder::new("select series_id, equipment_id, metric from series where true");
        if let Some(equipment_id) = equipment_id {
            query.push(" and equipment_id = ").push_bind(equipment_id);
        }
        if let Some(metric) = metric {
            query.push(" and metric = ").push_bind(metric);
        }
        if let Some(first) = first {
            query.push(" and equipment_id >= ").push_bind(first);
        }
        query.push(" order by equipment_id, metric");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The series of these pieces of equipment, by equipment and metric; of these metrics alone, if any are named.
pub async fn series_of(
    db: &mut Conn,
    equipment_ids: &[EquipmentId],
    metrics: &[String],
) -> Result<Vec<Series>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select series_id, equipment_id, metric from series where equipment_id in (",
        );
        let mut ids = query.separated(", ");
        for id in equipment_ids {
            ids.push_bind(*id);
        }
        query.push(")");
        if !metrics.is_empty() {
            query.push(" and metric in (");
            let mut names = query.separated(", ");
            for metric in metrics {
                names.push_bind(metric);
            }
            query.push(")");
        }
        query.push(" order by equipment_id, metric");
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

/// The series of these numbers.
pub async fn series_by_id(db: &mut Conn, ids: &[i64]) -> Result<Vec<Series>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select series_id, equipment_id, metric from series where series_id in (",
        );
        let mut numbers = query.separated(", ");
        for id in ids {
            numbers.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

/// The last sample of a series.
pub async fn last(db: &mut Conn, series_id: i64) -> Result<Option<Sample>> {
    Ok(on!(db, c => sqlx::query_as(
            "select at, value
             from samples
             where series_id = $1
             order by at desc
             limit 1",
        )
        .bind(series_id)
        .fetch_optional(c).await)?)
}

/// Samples of a series at or after `from` and before `to`, oldest first.
pub async fn range(
    db: &mut Conn,
    series_id: i64,
    (from, to): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<Sample>> {
    Ok(on!(db, c => sqlx::query_as(
            "select at, value
             from samples
             where series_id = $1 and at >= $2 and at < $3
             order by at
             limit $4",
        )
        .bind(series_id)
        .bind(from)
        .bind(to)
        .bind(limit)
        .fetch_all(c).await)?)
}

/// Samples of a series that arrived at `arrived_since` or later, from `start` on, oldest first.
pub async fn seen(
    db: &mut Conn,
    series_id: i64,
    arrived_since: Timestamp,
    start: Start,
    limit: i64,
) -> Result<Vec<Sample>> {
    // Times are whole microseconds: after one is from the next one on.
    let from = match start {
        Start::At(at) => at.micros(),
        Start::After(at) => at.micros().saturating_add(1),
    };
    Ok(on!(db, c => sqlx::query_as(
            "select at, value
             from samples
             where series_id = $1 and at >= $2 and arrived_at >= $3
             order by at
             limit $4",
        )
        .bind(series_id)
        .bind(from)
        .bind(arrived_since)
        .bind(limit)
        .fetch_all(c).await)?)
}

/// The time of the last sample before `before` that arrived at `arrived_since` or later.
pub async fn last_before(
    db: &mut Conn,
    series_id: i64,
    arrived_since: Timestamp,
    before: Timestamp,
) -> Result<Option<Timestamp>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select at
             from samples
             where series_id = $1 and at < $2 and arrived_at >= $3
             order by at desc
             limit 1",
        )
        .bind(series_id)
        .bind(before)
        .bind(arrived_since)
        .fetch_optional(c).await)?)
}
