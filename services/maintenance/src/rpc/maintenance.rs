mod completion;

use kit::{
    Call, Caller, Error, Result, Timestamp, changes,
    db::Tx,
    mask::Mask,
    once::{Once, tried},
};
use proto::maintenance::v1 as pb;
use tonic::Response;

pub use self::completion::Completion;
use super::{Service, equipment, task};
use crate::{
    domain::{
        equipment::EquipmentId,
        maintenance::{Kind, Maintenance, MaintenanceId, Work, equipment_of},
        task::{Task, TaskId, Worker},
    },
    store,
};

/// The kind of this noun's entries in the change log; of a deletion, the record as it was.
const CHANGE: &str = "maintenance";
const DELETION: &str = "maintenance_deleted";

/// What an update can change, and what it may name because a client read it.
const MUTABLE: [&str; 5] = ["kind", "work_done", "started_at", "finished_at", "parts_used"];
const GIVEN: [&str; 8] = [
    "id",
    "equipment_id",
    "task_id",
    "technician_id",
    "created_at",
    "updated_at",
    "etag",
    "downtime",
];

pub async fn record(
    service: &Service,
    mut call: Call<pb::RecordMaintenanceRequest>,
) -> Result<Response<pb::MaintenanceRecord>> {
    let now = service.suite.clock.now();
    let is_trial = std::mem::take(&mut call.message.validate_only);
    let once = Once::new(&call, &call.message.request_id);
    let worker = Worker::from(&call.caller);
    let wire = call.message.record.unwrap_or_default();
    let (named, task_id) = subject(&wire)?;
    let work = read("record.", wire)?;
    work.check_times("record.", now)?;
    let field = "record.equipment_id";
    let exists = equipment::check_exists(service, &call.caller, field, named).await;

    let mut tx = service.db.begin("record maintenance").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    exists?;
    let task = match task_id {
        Some(id) => Some(complete(&mut tx, id, &worker, now).await?),
        None => None,
    };
    let equipment_id = equipment_of(named, task.as_ref())?;
    let record = Maintenance::new(work, worker.id, equipment_id, task.as_ref(), now);
    store::maintenance::insert(&mut tx, &record).await?;
    let answer = tell(&mut tx, &record, now).await?;
    if is_trial {
        // The transaction is dropped, and with it the record and the task's completion.
        return Ok(tried(answer));
    }
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

pub async fn get(
    service: &Service,
    call: Call<pb::GetMaintenanceRequest>,
) -> Result<pb::MaintenanceRecord> {
    let id = MaintenanceId::parse("id", &call.message.id)?;

    let record = store::maintenance::find(&mut service.db.read().await?, id).await?;
    Ok(record.ok_or_else(|| no_record(id))?.into())
}

pub async fn update(
    service: &Service,
    call: Call<pb::UpdateMaintenanceRequest>,
) -> Result<pb::MaintenanceRecord> {
    let now = service.suite.clock.now();
    let mask = Mask::parse("record", call.message.update_mask, &MUTABLE, &GIVEN)?;
    let wire = only_named(call.message.record.unwrap_or_default(), &mask);
    let (id, etag) = (MaintenanceId::parse("record.id", &wire.id)?, wire.etag.clone());
    let (equipment_id, task_id) = subject(&wire)?;
    let work = read("record.", wire)?;

    let mut tx = service.db.begin("update maintenance").await?;
    let mut record = lock(&mut tx, id, &call.caller, &etag).await?;
    record.check_subject(equipment_id, task_id, &mask)?;
    if !record.edit(work, &mask, now)? {
        return Ok(record.into());
    }
    store::maintenance::update(&mut tx, &record).await?;
    let answer = tell(&mut tx, &record, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn delete(service: &Service, call: Call<pb::DeleteMaintenanceRequest>) -> Result<()> {
    let now = service.suite.clock.now();
    let id = MaintenanceId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("delete maintenance").await?;
    let record = lock(&mut tx, id, &call.caller, &call.message.etag).await?;
    store::maintenance::delete(&mut tx, id).await?;
    let wire = pb::MaintenanceRecord::from(record);
    changes::append(&mut tx, now, DELETION, id.uuid(), &wire).await?;
    tx.commit().await
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListMaintenanceRequest>,
) -> Result<pb::ListMaintenanceResponse> {
    let mut request = call.message;
    let page = kit::page!(service.db, request)?;
    let filter = store::maintenance::Filter {
        equipment_id: EquipmentId::parse_optional("equipment_id", request.equipment_id.as_deref())?,
        task_id: TaskId::parse_optional("task_id", request.task_id.as_deref())?,
        // Ids of users are kept as their tokens write them: in lower case.
        technician_id: request.technician_id.map(|id| id.to_ascii_lowercase()),
    };

    let rows = store::maintenance::list(&mut service.db.read().await?, &filter, &page).await?;
    let (records, next_page_token) =
        page.cut(rows, |record| record.id, pb::MaintenanceRecord::from)?;
    Ok(pb::ListMaintenanceResponse { records, next_page_token })
}

/// The record, which nobody else changes until the transaction ends, if it is the caller's and in the state that `etag` is
/// for.
async fn lock(tx: &mut Tx, id: MaintenanceId, caller: &Caller, etag: &str) -> Result<Maintenance> {
    let record = store::maintenance::lock(tx, id).await?.ok_or_else(|| no_record(id))?;
    record.check_owner(&caller.id)?;
    record.check_etag(etag)?;
    Ok(record)
}

fn no_record(id: MaintenanceId) -> Error {
    Error::not_found("maintenance record", id)
}

/// `wire` without what an update does not name, and so does not read either.
fn only_named(mut wire: pb::MaintenanceRecord, mask: &Mask) -> pb::MaintenanceRecord {
    if !mask.names("equipment_id") {
        wire.equipment_id.clear();
    }
    wire.task_id.take_if(|_| !mask.names("task_id"));
    wire.started_at.take_if(|_| !mask.names("started_at"));
    wire.finished_at.take_if(|_| !mask.names("finished_at"));
    wire
}

/// The equipment and the task that a record names.
fn subject(wire: &pb::MaintenanceRecord) -> Result<(Option<EquipmentId>, Option<TaskId>)> {
    let equipment_id = Some(wire.equipment_id.as_str()).filter(|id| !id.is_empty());
    let equipment_id = EquipmentId::parse_optional("record.equipment_id", equipment_id)?;
    Ok((equipment_id, TaskId::parse_optional("record.task_id", wire.task_id.as_deref())?))
}

/// What a record says of the work; its fields are the request's below `path` (`record.`).
fn read(path: &str, wire: pb::MaintenanceRecord) -> Result<Work> {
    let time =
        |field, at: &Option<_>| Timestamp::parse_optional(&format!("{path}{field}"), at.as_ref());
    Ok(Work {
        kind: Kind::from_name(wire.kind().as_str_name()).unwrap_or_default(),
        started_at: time("started_at", &wire.started_at)?,
        finished_at: time("finished_at", &wire.finished_at)?,
        work_done: wire.work_done,
        parts_used: wire.parts_used,
    })
}

/// Tells the change log of `record`; answers what it told.
async fn tell(tx: &mut Tx, record: &Maintenance, now: Timestamp) -> Result<pb::MaintenanceRecord> {
    let wire = pb::MaintenanceRecord::from(record.clone());
    changes::append(tx, now, CHANGE, record.id.uuid(), &wire).await?;
    Ok(wire)
}

/// Completes the task whose work is recorded.
async fn complete(tx: &mut Tx, id: TaskId, worker: &Worker, now: Timestamp) -> Result<Task> {
    let task = store::task::lock(tx, id).await?;
    let mut task = task.ok_or_else(|| Error::invalid("record.task_id", "there is no such task"))?;
    let event = task.complete(worker, now)?;
    task::keep(tx, &task, &event).await?;
    Ok(task)
}

impl From<Maintenance> for pb::MaintenanceRecord {
    fn from(record: Maintenance) -> Self {
        use pb::maintenance_record::Kind;
        let kind = Kind::from_str_name(record.work.kind.name()).unwrap_or_default();
        let downtime = record.work.downtime();
        Self {
            id: record.id.to_string(),
            equipment_id: record.equipment_id.to_string(),
            task_id: record.task_id.map(|id| id.to_string()),
            technician_id: record.technician_id,
            kind: kind.into(),
            work_done: record.work.work_done,
            started_at: record.work.started_at.map(Into::into),
            finished_at: record.work.finished_at.map(Into::into),
            parts_used: record.work.parts_used,
            created_at: Some(record.created_at.into()),
            updated_at: Some(record.updated_at.into()),
            etag: record.revision.to_string(),
            downtime: downtime.and_then(|downtime| downtime.try_into().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_to_the_wire() {
        for kind in Kind::ALL {
            assert!(pb::maintenance_record::Kind::from_str_name(kind.name()).is_some());
        }
    }
}
