use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use kit::{
    Call, Caller, Error, Page, Result, Timestamp,
    access::Role,
    db::Conn,
    once::{Once, replayed},
};
use proto::telemetry::v1 as pb;
use tonic::Response;

use super::Service;
use crate::{
    domain::reading::{EquipmentId, Key, Reading},
    ingest::{Single, Written},
    register, store,
};

/// What a machine is told that speaks of another's equipment, there or not.
const NOT_BOUND: &str = "the key is not bound to this equipment";

pub async fn create(
    service: &Service,
    call: Call<pb::CreateReadingRequest>,
) -> Result<Response<pb::Reading>> {
    let once = Once::new(&call, &call.message.request_id);
    let wire = call.message.reading.unwrap_or_default();
    let reading = read(wire, service.suite.clock.now()).map_err(inside_reading)?;
    if !may_send(&call.caller, reading.key.equipment_id) {
        return Err(Error::Forbidden(NOT_BOUND));
    }
    if let Err(error) = check_known(service, reading.key.equipment_id).await {
        return first_answer(service, &once).await?.ok_or_else(|| inside_reading(error));
    }

    let answer = pb::Reading::from(reading.clone());
    let single = Single { once, answer: answer.clone() };
    match service.ingest.write(vec![reading], Some(single)).await? {
        Written::Kept => Ok(answer.into()),
        Written::Replaced => Ok(replayed(answer)),
        Written::Replayed(first) => Ok(first),
    }
}

pub async fn batch_create(
    service: &Service,
    call: Call<pb::BatchCreateReadingsRequest>,
) -> Result<pb::BatchCreateReadingsResponse> {
    let now = service.suite.clock.now();
    let known = look_up(service, &call.message.readings).await?;
    let (mut readings, mut refused) = (Vec::new(), Vec::new());
    for (index, wire) in (0..).zip(call.message.readings) {
        match read_known(&call.caller, wire, now, &known) {
            Ok(reading) => readings.push(reading),
            Err(Error::Invalid { field, problem }) => {
                refused.push(pb::RefusedReading { index, field, message: problem });
            }
            Err(error) => return Err(error),
        }
    }

    let accepted = i32::try_from(readings.len()).unwrap_or(i32::MAX);
    if !readings.is_empty() {
        service.ingest.write(readings, None).await?;
    }
    Ok(pb::BatchCreateReadingsResponse { accepted, refused })
}

pub async fn get(service: &Service, call: Call<pb::GetReadingRequest>) -> Result<pb::Reading> {
    let not_found = || Error::not_found("reading", &call.message.id);
    let key = Key::from_id(&call.message.id).ok_or_else(not_found)?;

    let metrics = store::reading::find(&mut service.db.read().await?, key).await?;
    if metrics.is_empty() {
        return Err(not_found());
    }
    Ok(Reading { key, metrics: metrics.into_iter().collect() }.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListReadingsRequest>,
) -> Result<pb::ListReadingsResponse> {
    let mut request = call.message;
    let page: Page<Key> = kit::page!(request)?;
    let equipment_id = request.equipment_id.as_deref();
    let equipment_id = equipment_id.map(|id| EquipmentId::parse("equipment_id", id)).transpose()?;
    let metric = Some(request.metric.as_str()).filter(|metric| !metric.is_empty());
    let span = span(&request)?;

    let mut db = service.db.read().await?;
    let first = page.after.map(|key| key.equipment_id);
    let series = store::reading::list_series(&mut db, equipment_id, metric, first).await?;
    let rows = collect(&mut db, &series, span, &page).await?;
    let (rows, next_page_token) = page.cut(rows, |reading| reading.key)?;
    Ok(pb::ListReadingsResponse {
        readings: rows.into_iter().map(pb::Reading::from).collect(),
        next_page_token,
    })
}

/// The readings that `series` make up, equipment by equipment, until the page is full.
async fn collect(
    db: &mut Conn,
    series: &[store::reading::Series],
    (from, to): (Timestamp, Timestamp),
    page: &Page<Key>,
) -> Result<Vec<Reading>> {
    let limit = page.limit();
    let mut readings = Vec::new();
    for series in series.chunk_by(|one, other| one.equipment_id == other.equipment_id) {
        let equipment_id = series[0].equipment_id;
        let from = match page.after {
            Some(after) if after.equipment_id == equipment_id => {
                from.max(Timestamp::from_micros(after.recorded_at.micros().saturating_add(1)))
            }
            _ => from,
        };
        // The first `limit` times of all series are among the first `limit` of each.
        let mut by_time = BTreeMap::<Timestamp, BTreeMap<String, f64>>::new();
        for series in series {
            for sample in store::reading::range(db, series.id, (from, to), limit).await? {
                by_time.entry(sample.at).or_default().insert(series.metric.clone(), sample.value);
            }
        }
        readings.extend(by_time.into_iter().map(|(recorded_at, metrics)| Reading {
            key: Key { equipment_id, recorded_at },
            metrics,
        }));
        if limit <= i64::try_from(readings.len()).unwrap_or(i64::MAX) {
            break;
        }
    }
    Ok(readings)
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

/// What is known of the equipment that `readings` name; several are asked for at once.
async fn look_up(service: &Service, readings: &[pb::Reading]) -> Result<Known> {
    let id = |reading: &pb::Reading| EquipmentId::parse("equipment_id", &reading.equipment_id).ok();
    let ids: HashSet<EquipmentId> = readings.iter().filter_map(id).collect();
    let found = stream::iter(ids)
        .map(async |id| Ok::<_, Error>((id, service.register.find(id).await?)))
        .buffer_unordered(LOOK_UPS);
    found.try_collect().await
}

/// What the register answered, by id.
type Known = HashMap<EquipmentId, Option<register::Entry>>;

/// Look-ups in the register that one batch may have under way.
const LOOK_UPS: usize = 16;

/// A checked reading of equipment that is there.
fn read_known(
    caller: &Caller,
    wire: pb::Reading,
    now: Timestamp,
    known: &Known,
) -> Result<Reading> {
    let reading = read(wire, now)?;
    let id = reading.key.equipment_id;
    if !may_send(caller, id) {
        return Err(Error::invalid("equipment_id", NOT_BOUND));
    }
    check_equipment(known.get(&id).and_then(Option::as_ref))?;
    Ok(reading)
}

async fn check_known(service: &Service, id: EquipmentId) -> Result<()> {
    check_equipment(service.register.find(id).await?.as_ref())
}

/// What the first call with the same key was answered, if this is not the first.
async fn first_answer(service: &Service, once: &Once) -> Result<Option<Response<pb::Reading>>> {
    let mut tx = service.db.begin("recall reading").await?;
    once.recall(&mut tx, service.suite.clock.now()).await
}

/// Whether the caller may send readings of the equipment: a machine only of what its key is bound to.
fn may_send(caller: &Caller, id: EquipmentId) -> bool {
    let id = id.to_string();
    caller.role != Role::Device || caller.equipment_ids.contains(&id)
}

fn check_equipment(entry: Option<&register::Entry>) -> Result<()> {
    match entry {
        Some(entry) if entry.in_service => Ok(()),
        Some(_) => Err(Error::invalid("equipment_id", "is decommissioned")),
        None => Err(Error::invalid("equipment_id", "there is no such equipment")),
    }
}

/// A checked reading; fields are named relative to it.
fn read(wire: pb::Reading, now: Timestamp) -> Result<Reading> {
    let equipment_id = EquipmentId::parse("equipment_id", &wire.equipment_id)?;
    let recorded_at = match &wire.recorded_at {
        Some(at) => Timestamp::parse("recorded_at", at)?,
        None => now,
    };
    let reading = Reading { key: Key { equipment_id, recorded_at }, metrics: wire.metrics };
    reading.check(now)?;
    Ok(reading)
}

/// The same error with its field inside the request's `reading`.
fn inside_reading(error: Error) -> Error {
    match error {
        Error::Invalid { field, problem } => Error::invalid(format!("reading.{field}"), problem),
        other => other,
    }
}

impl From<Reading> for pb::Reading {
    fn from(reading: Reading) -> Self {
        Self {
            id: reading.key.id(),
            equipment_id: reading.key.equipment_id.to_string(),
            recorded_at: Some(reading.key.recorded_at.into()),
            metrics: reading.metrics,
        }
    }
}
