//! The values of series, from both levels: sealed chunks, and recent rows, which count where both speak of one time. Whoever
//! reads has the recent level [catch up](Recent::catch_up) first.

mod last;
mod present;

use std::collections::{BTreeMap, HashSet};

use kit::{
    Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};
pub use last::{last_seen, latest, tails};
pub use present::present;
use sqlx::QueryBuilder;

use super::chunk;
use crate::{
    domain::{
        chunk::{Chunk, Row, merge},
        reading::{EquipmentId, Key, Reading, Sample},
        replay::Start,
    },
    recent::Recent,
};

/// Chunks that are read at a time.
const CHUNKS: i64 = 64;
/// Series that one statement asks of.
const SERIES: usize = 1000;
/// Rows of one statement on SQLite.
const ROWS: usize = 500;
/// Arrivals from here on are all there are.
const EVER: Timestamp = Timestamp::MIN;

/// One metric of one piece of equipment.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Series {
    #[sqlx(rename = "series_id")]
    pub id: i64,
    pub equipment_id: EquipmentId,
    pub metric: String,
}

/// Makes these series, and answers them with their numbers, in any order. Who looked in its [turn](super::journal::take_turn)
/// that they are new may do so.
pub async fn insert_series(tx: &mut Tx, series: &[(EquipmentId, String)]) -> Result<Vec<Series>> {
    match tx.engine() {
        Engine::Sqlite(c) => {
            let mut made = Vec::with_capacity(series.len());
            for rows in series.chunks(ROWS) {
                let mut query = QueryBuilder::new("insert into series (equipment_id, metric) ");
                query.push_values(rows, |mut values, (equipment_id, metric)| {
                    values.push_bind(*equipment_id).push_bind(metric);
                });
                query.push(" returning series_id, equipment_id, metric");
                let query = query.build_query_as().persistent(rows.len() == ROWS);
                made.extend(query.fetch_all(&mut *c).await?);
            }
            Ok(made)
        }
        Engine::Postgres(c) => Ok(sqlx::query_as(
            "insert into series (equipment_id, metric)
             select *
             from unnest($1::uuid[], $2::text[])
             returning series_id, equipment_id, metric",
        )
        .bind(series.iter().map(|(equipment_id, _)| equipment_id.uuid()).collect::<Vec<_>>())
        .bind(series.iter().map(|(_, metric)| metric.as_str()).collect::<Vec<_>>())
        .fetch_all(c)
        .await?),
    }
}

/// The next pieces of equipment after `last` of which anything was ever measured, in order.
pub async fn equipment_after(
    db: &mut Conn,
    last: EquipmentId,
    limit: i64,
) -> Result<Vec<EquipmentId>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select distinct equipment_id
             from series
             where equipment_id > $1
             order by equipment_id
             limit $2",
        )
        .bind(last)
        .bind(limit)
        .fetch_all(c).await)?)
}

/// The series of these pieces of equipment, by equipment and metric; of these metrics alone, if any are named.
pub async fn series_of(
    db: &mut Conn,
    equipment_ids: &[EquipmentId],
    metrics: &[String],
) -> Result<Vec<Series>> {
    Ok(match db.engine() {
        Engine::Sqlite(c) => {
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
            query.build_query_as().persistent(false).fetch_all(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(
                "select series_id, equipment_id, metric
                 from series
                 where equipment_id = any($1::uuid[])
                   and (cardinality($2::text[]) = 0 or metric = any($2))
                 order by equipment_id, metric",
            )
            .bind(equipment_ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
            .bind(metrics)
            .fetch_all(c)
            .await?
        }
    })
}

/// Those of `series` that may have values at or after `from` and before `to`.
pub async fn within(
    db: &mut Conn,
    recent: &Recent,
    mut series: Vec<Series>,
    span: (Timestamp, Timestamp),
) -> Result<Vec<Series>> {
    // Recent rows before chunks.
    let ids = series.iter().map(|series| series.id);
    let mut held: HashSet<i64> = ids.clone().filter(|id| recent.has_rows(*id, span)).collect();
    let others: Vec<i64> = ids.filter(|id| !held.contains(id)).collect();
    for others in others.chunks(SERIES) {
        held.extend(chunk::within(db, others, span).await?);
    }
    series.retain(|series| held.contains(&series.id));
    Ok(series)
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

/// The values of a reading, by metric.
pub async fn find(db: &mut Conn, recent: &Recent, key: Key) -> Result<Vec<(String, f64)>> {
    // Recent rows before chunks; which series there are is known only with the chunks.
    let known = series_of(db, &[key.equipment_id], &[]).await?;
    let of_recent: BTreeMap<i64, Row> = known
        .iter()
        .filter_map(|series| Some((series.id, recent.row(series.id, key.recorded_at)?)))
        .collect();
    let mut values = Vec::new();
    for (series_id, metric, chunk) in chunk::at(db, key.equipment_id, key.recorded_at).await? {
        let value = match (of_recent.get(&series_id), chunk) {
            (Some(row), _) => row.value(),
            (None, Some(chunk)) => value_at(&chunk, key.recorded_at)?,
            (None, None) => None,
        };
        values.extend(value.map(|value| (metric, value)));
    }
    Ok(values)
}

fn value_at(chunk: &Chunk, at: Timestamp) -> Result<Option<f64>> {
    let rows = chunk.rows()?;
    let place = rows.binary_search_by_key(&at, |row| row.at).ok();
    Ok(place.and_then(|place| rows[place].value()))
}

/// Samples of a series at or after `from` and before `to`, oldest first.
pub async fn range(
    db: &mut Conn,
    recent: &Recent,
    series_id: i64,
    span: (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<Sample>> {
    walk(db, recent, series_id, span, EVER, limit).await
}

/// Samples of a series that arrived at `arrived_since` or later, from `start` on, oldest first.
pub async fn seen(
    db: &mut Conn,
    recent: &Recent,
    series_id: i64,
    arrived_since: Timestamp,
    start: Start,
    limit: i64,
) -> Result<Vec<Sample>> {
    // Times are whole microseconds: after one is from the next one on.
    let from = match start {
        Start::At(at) => at,
        Start::After(at) => after(at),
    };
    let span = (from, Timestamp::MAX);
    walk(db, recent, series_id, span, arrived_since, limit).await
}

/// The time of the last sample before `before` that arrived at `arrived_since` or later.
pub async fn last_before(
    db: &mut Conn,
    recent: &Recent,
    series_id: i64,
    arrived_since: Timestamp,
    before: Timestamp,
) -> Result<Option<Timestamp>> {
    let sample = last_sample(db, recent, series_id, arrived_since, before).await?;
    Ok(sample.map(|sample| sample.at))
}

pub fn after(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.micros().saturating_add(1))
}

async fn walk(
    db: &mut Conn,
    recent: &Recent,
    series_id: i64,
    (mut from, to): (Timestamp, Timestamp),
    arrived_since: Timestamp,
    limit: i64,
) -> Result<Vec<Sample>> {
    let enough = usize::try_from(limit).unwrap_or_default();
    let rows = recent.rows(series_id, (from, to));
    let mut rows = rows.as_slice();
    let mut samples = Vec::new();
    let take = |rows: &[Row], samples: &mut Vec<Sample>| {
        let seen = rows.iter().filter(|row| arrived_since <= row.arrived_at);
        samples.extend(seen.filter_map(Row::sample));
        enough <= samples.len()
    };
    let chunks = (limit / 512 + 1).min(CHUNKS);
    loop {
        let list = chunk::list(db, series_id, (from, to), arrived_since, chunks).await?;
        let is_end = i64::try_from(list.len()).is_ok_and(|listed| listed < chunks);
        for chunk in list {
            let last_at = chunk.summary.last_at;
            let (mine, rest) = rows.split_at(rows.partition_point(|row| row.at <= last_at));
            let sealed = unpack(&chunk, (from, to))?;
            from = after(last_at);
            rows = rest;
            if take(&merge(&sealed, mine), &mut samples) {
                samples.truncate(enough);
                return Ok(samples);
            }
        }
        if is_end {
            take(rows, &mut samples);
            samples.truncate(enough);
            return Ok(samples);
        }
    }
}

/// The rows of a chunk that lie at or after `from` and before `to`.
pub fn unpack(chunk: &Chunk, (from, to): (Timestamp, Timestamp)) -> Result<Vec<Row>> {
    let mut rows = chunk.rows()?;
    rows.truncate(rows.partition_point(|row| row.at < to));
    rows.drain(..rows.partition_point(|row| row.at < from));
    Ok(rows)
}

async fn last_sample(
    db: &mut Conn,
    recent: &Recent,
    series_id: i64,
    arrived_since: Timestamp,
    before: Timestamp,
) -> Result<Option<Sample>> {
    let is_seen = |row: &Row| arrived_since <= row.arrived_at && row.value().is_some();
    let rows = recent.backwards(series_id, before, is_seen);
    let last = rows.last().filter(|row| is_seen(row));
    let mut end = before;
    while let Some(chunk) = chunk::last_before(db, series_id, end, arrived_since).await? {
        if last.is_some_and(|last| chunk.summary.last_at <= last.at) {
            break;
        }
        let counts = |row: &Row| row.at < before && is_seen(row);
        if let Some(row) = last_sealed(&chunk, &rows, counts)? {
            return Ok(last.filter(|last| row.at < last.at).unwrap_or(&row).sample());
        }
        end = chunk.summary.first_at;
    }
    Ok(last.and_then(Row::sample))
}

/// The last row of a chunk that counts, unless one of the `recent` ones says something of its time: that was said later.
fn last_sealed(
    chunk: &Chunk,
    recent: &[Row],
    counts: impl Fn(&Row) -> bool,
) -> Result<Option<Row>> {
    let sealed = chunk.rows()?;
    let is_last = |row: &&Row| counts(row) && !recent.iter().any(|recent| recent.at == row.at);
    Ok(sealed.iter().rev().find(is_last).copied())
}

/// The readings that values of several series make up.
pub fn readings(values: Vec<(Series, Sample)>) -> Vec<Reading> {
    let mut readings = BTreeMap::<Key, BTreeMap<String, f64>>::new();
    for (series, Sample { at, value }) in values {
        let key = Key { equipment_id: series.equipment_id, recorded_at: at };
        readings.entry(key).or_default().insert(series.metric, value);
    }
    readings.into_iter().map(|(key, metrics)| Reading { key, metrics }).collect()
}
