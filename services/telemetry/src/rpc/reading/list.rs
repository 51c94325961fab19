//! Lists readings: equipment by equipment, and of each in the order of their times.

use std::{collections::BTreeMap, time::Duration};

use kit::{Call, Page, Result, Timestamp, db::Conn, uuid::Uuid};
use proto::telemetry::v1 as pb;

use crate::{
    domain::reading::{EquipmentId, Key, Reading},
    rpc::Service,
    store::{self, reading::Series},
};

/// Pieces of equipment that are looked up at a time.
const EQUIPMENT: i64 = 50;
/// Look-ups of one page, and series that it reads: where there is nothing to tell of, it ends there, and the next one goes on.
const LOOK_UPS: usize = 40;
const SERIES: usize = 2000;

pub async fn list(
    service: &Service,
    call: Call<pb::ListReadingsRequest>,
) -> Result<pb::ListReadingsResponse> {
    let mut request = call.message;
    let page: Page<Key> = kit::page!(service.db, request)?;
    let equipment_id =
        EquipmentId::parse_optional("equipment_id", request.equipment_id.as_deref())?;
    let mut list = List {
        service,
        db: service.read().await?,
        span: span(&request)?,
        metrics: Some(request.metric).filter(|metric| !metric.is_empty()).into_iter().collect(),
        after: page.after,
        limit: page.limit(),
        readings: Vec::new(),
        room: SERIES,
    };

    let ended = match equipment_id {
        Some(id) => list.look_at(&[id]).await.map(|_| None)?,
        None => list.look_at_all().await?,
    };
    let (readings, mut next_page_token) =
        page.cut(list.readings, |reading| reading.key, pb::Reading::from)?;
    if let Some(equipment_id) = ended.filter(|_| next_page_token.is_empty()) {
        let recorded_at = Timestamp::MAX;
        next_page_token = page.token(Key { equipment_id, recorded_at })?;
    }
    Ok(pb::ListReadingsResponse { readings, next_page_token })
}

fn span(request: &pb::ListReadingsRequest) -> Result<(Timestamp, Timestamp)> {
    let time = |field, at: &Option<_>, default| match at {
        Some(at) => Timestamp::parse(field, at),
        None => Ok(Timestamp::from_micros(default)),
    };
    Ok((
        time("start_time", &request.start_time, i64::MIN)?,
        time("end_time", &request.end_time, i64::MAX)?,
    ))
}

/// One page, as it is filled.
struct List<'s> {
    service: &'s Service,
    db: Conn,
    span: (Timestamp, Timestamp),
    /// The one that is asked for; none for all.
    metrics: Vec<String>,
    /// The last reading of the page before.
    after: Option<Key>,
    limit: i64,
    readings: Vec<Reading>,
    /// How many series may still be read.
    room: usize,
}

impl List<'_> {
    /// Looks at equipment after equipment until the page is full or has looked at enough. Answers with which one it ended;
    /// none, if that was the last there is.
    async fn look_at_all(&mut self) -> Result<Option<EquipmentId>> {
        let mut last = EquipmentId::from(Uuid::nil());
        if let Some(after) = self.after {
            last = after.equipment_id;
            // It may have more, unless the page before ended with all of it.
            if after.recorded_at < Timestamp::MAX && self.look_at(&[last]).await?.is_some() {
                return Ok(Some(last));
            }
        }
        for _ in 0..LOOK_UPS {
            let ids = store::reading::equipment_after(&mut self.db, last, EQUIPMENT).await?;
            let Some(end) = ids.last() else { return Ok(None) };
            last = *end;
            let ended = self.look_at(&ids).await?;
            if ended.is_some() {
                return Ok(ended);
            }
        }
        Ok(Some(last))
    }

    /// Adds the readings of these pieces of equipment. Answers with which one the page ended, if it did.
    async fn look_at(&mut self, ids: &[EquipmentId]) -> Result<Option<EquipmentId>> {
        let series = store::reading::series_of(&mut self.db, ids, &self.metrics).await?;
        let recent = &self.service.recent;
        let series = store::reading::within(&mut self.db, recent, series, self.span).await?;
        for series in series.chunk_by(|one, other| one.equipment_id == other.equipment_id) {
            self.read(series).await?;
            self.room = self.room.saturating_sub(series.len());
            let is_full = i64::try_from(self.readings.len()).is_ok_and(|read| self.limit <= read);
            if is_full || self.room == 0 {
                return Ok(Some(series[0].equipment_id));
            }
        }
        Ok(None)
    }

    /// Adds the readings that all series of one piece of equipment make up.
    async fn read(&mut self, series: &[Series]) -> Result<()> {
        let equipment_id = series[0].equipment_id;
        let (mut from, mut to) = self.span;
        if let Some(after) = self.after.filter(|after| after.equipment_id == equipment_id) {
            let next = after.recorded_at.micros().saturating_add(1);
            from = from.max(Timestamp::from_micros(next));
        }
        // The first `limit` times of all series are among the first `limit` of each.
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut by_time = BTreeMap::<Timestamp, BTreeMap<String, f64>>::new();
        for series in series {
            let (recent, begin) = (&self.service.recent, self.service.begin(&series.metric));
            let span = (from.max(begin), to);
            let samples =
                store::reading::range(&mut self.db, recent, series.id, span, self.limit).await?;
            for sample in samples {
                by_time.entry(sample.at).or_default().insert(series.metric.clone(), sample.value);
            }
            while limit < by_time.len() {
                by_time.pop_last();
            }
            // What lies behind them is of another page.
            if let Some((last, _)) = by_time.last_key_value().filter(|_| by_time.len() == limit) {
                to = to.min(last.plus(Duration::from_micros(1)));
            }
        }
        self.readings.extend(by_time.into_iter().map(|(recorded_at, metrics)| Reading {
            key: Key { equipment_id, recorded_at },
            metrics,
        }));
        Ok(())
    }
}
