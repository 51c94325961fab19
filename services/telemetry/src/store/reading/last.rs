//! The last values of many series.

use std::collections::HashMap;

use kit::{Result, Timestamp, db::Conn};

use super::{EVER, SERIES, Series, chunk, last_before, last_sample, last_sealed};
use crate::{
    domain::{
        chunk::{Row, merge},
        reading::Sample,
        tail::Tail,
    },
    recent::Recent,
};

/// The last value of each of these series that has one.
pub async fn latest(
    db: &mut Conn,
    recent: &Recent,
    series: Vec<Series>,
) -> Result<Vec<(Series, Sample)>> {
    let (mut all, mut others) = (Vec::new(), Vec::new());
    for series in series {
        match recent.newest(series.id) {
            Some(sample) => all.push((series, sample)),
            // Recent rows before chunks.
            None => others.push((last_rows(recent, series.id), series)),
        }
    }
    while !others.is_empty() {
        let some: Vec<_> = others.drain(..others.len().min(SERIES)).collect();
        let ids: Vec<i64> = some.iter().map(|(_, series)| series.id).collect();
        let sealed = chunk::last_values(db, &ids).await?;
        let sealed: HashMap<i64, Sample> = sealed.into_iter().map(by_series).collect();
        let end = |id| (id, sealed.get(&id).map_or(EVER, |sample| sample.at));
        recent.note_ends(ids.into_iter().map(end));
        for (rows, series) in some {
            let sealed = sealed.get(&series.id).copied();
            let sample = later(db, recent, series.id, &rows, sealed).await?;
            all.extend(sample.map(|sample| (series, sample)));
        }
    }
    Ok(all)
}

fn by_series(chunk::Last { series_id, at, value }: chunk::Last) -> (i64, Sample) {
    (series_id, Sample { at, value })
}

/// The last value of a series with these recent rows, the last one first, and the last one that is `sealed`, if any is.
async fn later(
    db: &mut Conn,
    recent: &Recent,
    series_id: i64,
    rows: &[Row],
    sealed: Option<Sample>,
) -> Result<Option<Sample>> {
    Ok(match (rows.iter().find_map(Row::sample), sealed) {
        (Some(sample), Some(sealed)) if sealed.at <= sample.at => Some(sample),
        (sample, None) => sample,
        // The sealed one was deleted: what came before it is worth a look of its own.
        (_, Some(sealed)) if rows.iter().any(|row| row.at == sealed.at) => {
            last_sample(db, recent, series_id, EVER, sealed.at).await?
        }
        (_, sealed) => sealed,
    })
}

/// The recent rows of a series, the last one first, down to one that has a value.
fn last_rows(recent: &Recent, series_id: i64) -> Vec<Row> {
    recent.backwards(series_id, Timestamp::MAX, |row| row.value().is_some())
}

/// The time of the last sample of each of these series that arrived at that time or later, by series and time.
pub async fn last_seen(
    db: &mut Conn,
    recent: &Recent,
    wanted: &[(i64, Timestamp)],
) -> Result<HashMap<(i64, Timestamp), Timestamp>> {
    let is_seen = |row: &Row, since| since <= row.arrived_at && row.value().is_some();
    let (mut of_recent, mut last) = (HashMap::new(), HashMap::new());
    for (series_id, since) in wanted {
        let rows = recent.backwards(*series_id, Timestamp::MAX, |row| is_seen(row, *since));
        let seen = rows.last().filter(|row| is_seen(row, *since));
        last.extend(seen.map(|row| ((*series_id, *since), row.at)));
        of_recent.insert((*series_id, *since), rows);
    }
    for chunk::LastSeen { series_id, since, chunk } in chunk::last_seen(db, wanted).await? {
        let key = (series_id, since);
        if last.get(&key).is_some_and(|last| chunk.summary.last_at <= *last) {
            continue;
        }
        let rows = of_recent.get(&key).map_or(&[][..], Vec::as_slice);
        let sealed = match last_sealed(&chunk, rows, |row| is_seen(row, since))? {
            Some(row) => Some(row.at),
            // All that the rule has seen of it was changed or deleted since: what came before is worth a look of its own.
            None => last_before(db, recent, series_id, since, Timestamp::MAX).await?,
        };
        last.extend(sealed.max(last.get(&key).copied()).map(|at| (key, at)));
    }
    Ok(last)
}

/// The last values of each of these series.
pub async fn tails(db: &mut Conn, recent: &Recent, ids: &[i64]) -> Result<HashMap<i64, Tail>> {
    let all = (EVER, Timestamp::MAX);
    let whole = |id: &i64| (*id, Tail { rows: recent.rows(*id, all), is_whole: true });
    let mut tails: HashMap<i64, Tail> = ids.iter().map(whole).collect();
    for last in chunk::last_of(db, ids).await? {
        let Some(tail) = tails.get_mut(&last.series_id) else { continue };
        let begin = last.chunk.summary.first_at;
        tail.is_whole = last.first_at == begin;
        if !tail.is_whole {
            tail.rows.drain(..tail.rows.partition_point(|row| row.at < begin));
        }
        tail.rows = merge(&last.chunk.rows()?, &tail.rows);
    }
    Ok(tails)
}

#[cfg(test)]
mod tests;
