pub mod batch;
mod list;
pub mod watch;

use std::collections::{BTreeMap, HashSet};

use kit::{
    Call, Caller, Error, Result, Timestamp,
    access::Role,
    once::{Once, replayed},
};
pub use list::list;
use proto::telemetry::v1 as pb;
use tonic::Response;

use super::Service;
use crate::{
    domain::{
        reading::{Edit, EquipmentId, Key, Reading},
        series::check_latest,
    },
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
    check_kept(service, &reading).map_err(inside_reading)?;
    if let Err(error) = check_known(service, reading.key.equipment_id).await {
        return first_answer(service, &once).await?.ok_or_else(|| inside_reading(error));
    }

    let answer = pb::Reading::from(reading.clone());
    let single = Single { once, answer: answer.clone() };
    match service.ingest.write(vec![reading], Some(single)).await? {
        Written::Merged => Ok(replayed(whole(service, answer).await)),
        Written::Replayed(first) => {
            let (metadata, first, extensions) = first.into_parts();
            Ok(Response::from_parts(metadata, whole(service, first).await, extensions))
        }
        Written::Kept | Written::Partly(_) | Written::Changed(_) => Ok(answer.into()),
    }
}

/// What was `sent` with what the reading holds beside: it is kept already, so that no failure of this is one of the call.
async fn whole(service: &Service, sent: pb::Reading) -> pb::Reading {
    find(service, &sent.id).await.unwrap_or(sent)
}

pub async fn get(service: &Service, call: Call<pb::GetReadingRequest>) -> Result<pb::Reading> {
    find(service, &call.message.id).await
}

async fn find(service: &Service, id: &str) -> Result<pb::Reading> {
    let key = key(id)?;

    let mut db = service.read().await?;
    let mut metrics = store::reading::find(&mut db, &service.recent, key).await?;
    metrics.retain(|(metric, _)| service.begin(metric) <= key.recorded_at);
    if metrics.is_empty() {
        return Err(Error::not_found("reading", id));
    }
    Ok(Reading { key, metrics: metrics.into_iter().collect() }.into())
}

pub async fn update(
    service: &Service,
    call: Call<pb::UpdateReadingRequest>,
) -> Result<pb::Reading> {
    let mut wire = call.message.reading.unwrap_or_default();
    let mask = call.message.update_mask.unwrap_or_default().paths;
    let edit = edit(std::mem::take(&mut wire.metrics), &mask)?;
    edit.check().map_err(inside_reading)?;
    let key = key(&wire.id)?;
    check_same(key, &wire).map_err(inside_reading)?;
    look_up(service, key).await?;

    match service.ingest.change(key, edit).await.map_err(inside_reading)? {
        Written::Changed(metrics) => Ok(Reading { key, metrics }.into()),
        _ => Err(anyhow::anyhow!("a change was not taken for one").into()),
    }
}

pub async fn delete(service: &Service, call: Call<pb::DeleteReadingRequest>) -> Result<()> {
    let key = key(&call.message.id)?;
    look_up(service, key).await?;

    service.ingest.change(key, Edit::Delete).await?;
    Ok(())
}

/// Has the register know the equipment of `key`, so that the rules that look there are found.
async fn look_up(service: &Service, key: Key) -> Result<()> {
    service.register.find(key.equipment_id).await.map(drop)
}

pub async fn list_latest(
    service: &Service,
    call: Call<pb::ListLatestRequest>,
) -> Result<pb::ListLatestResponse> {
    let ids = equipment_ids(&call.message.equipment_ids)?;

    let mut db = service.read().await?;
    let all = store::reading::series_of(&mut db, &ids, &call.message.metrics).await?;
    check_latest(all.len())?;
    let mut latest = store::reading::latest(&mut db, &service.recent, all).await?;
    latest.retain(|(series, sample)| service.begin(&series.metric) <= sample.at);
    let readings = store::reading::readings(latest).into_iter().map(pb::Reading::from);
    Ok(pb::ListLatestResponse { readings: readings.collect() })
}

/// The key that a reading's id holds.
fn key(id: &str) -> Result<Key> {
    Key::from_id(id).ok_or_else(|| Error::not_found("reading", id))
}

/// Refuses that a reading becomes another's, or of another time.
fn check_same(key: Key, wire: &pb::Reading) -> Result<()> {
    let equipment_id = &wire.equipment_id;
    if !equipment_id.is_empty()
        && EquipmentId::parse("equipment_id", equipment_id)? != key.equipment_id
    {
        return Err(Error::invalid("equipment_id", CANNOT_CHANGE));
    }
    if let Some(at) = &wire.recorded_at
        && Timestamp::parse("recorded_at", at)? != key.recorded_at
    {
        return Err(Error::invalid("recorded_at", CANNOT_CHANGE));
    }
    Ok(())
}

const CANNOT_CHANGE: &str = "cannot change; send another reading and delete this one";

/// What to change: the metrics that `mask` names, or all.
fn edit(mut metrics: BTreeMap<String, f64>, mask: &[String]) -> Result<Edit> {
    /// Fields that can't change or that the service gives; what a client read before holds them, too.
    const GIVEN: [&str; 3] = ["id", "equipment_id", "recorded_at"];
    if mask.is_empty() || mask == ["*"] {
        return Ok(Edit::Replace(metrics));
    }
    let mut values = BTreeMap::new();
    let all = mask.iter().any(|path| path == "metrics");
    for path in mask.iter().filter(|path| *path != "metrics" && !GIVEN.contains(&path.as_str())) {
        let Some(metric) = path.strip_prefix("metrics.") else {
            let problem = format!("a reading has no {path} to change");
            return Err(Error::invalid("update_mask", problem));
        };
        values.insert(metric.to_owned(), metrics.remove(metric));
    }
    if all {
        values.extend(metrics.into_iter().map(|(metric, value)| (metric, Some(value))));
    }
    Ok(Edit::Merge(values))
}

/// The equipment that a query asks for, each once.
pub fn equipment_ids(texts: &[String]) -> Result<Vec<EquipmentId>> {
    let mut seen = HashSet::new();
    let ids: Vec<EquipmentId> =
        texts.iter().map(|id| EquipmentId::parse("equipment_ids", id)).collect::<Result<_>>()?;
    Ok(ids.into_iter().filter(|id| seen.insert(*id)).collect())
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
    caller.role != Role::Device || caller.equipment_ids.contains(&id.to_string())
}

fn check_equipment(entry: Option<&register::Entry>) -> Result<()> {
    register::check("equipment_id", entry)
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

/// Refuses a reading of a time that is not kept any more: nobody would see it, and what alerts once stood on is gone.
fn check_kept(service: &Service, reading: &Reading) -> Result<()> {
    let mut begins = reading.metrics.keys().map(|metric| service.begin(metric));
    if begins.all(|begin| begin <= reading.key.recorded_at) {
        return Ok(());
    }
    Err(Error::invalid("recorded_at", "lies before the time from which readings are kept"))
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
