use kit::{Call, Error, Result, Timestamp, changes, db::Tx, once::Once};
use proto::maintenance::v1 as pb;
use tonic::Response;

use super::{Service, equipment, task};
use crate::{
    domain::{
        equipment::EquipmentId,
        maintenance::{Kind, Maintenance, MaintenanceId, Work, equipment_of},
        task::{Task, TaskId, Worker},
    },
    store,
};

/// The kind of this noun's entries in the change log.
const CHANGE: &str = "maintenance";

pub async fn record(
    service: &Service,
    call: Call<pb::RecordMaintenanceRequest>,
) -> Result<Response<pb::MaintenanceRecord>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let worker = Worker::from(&call.caller);
    let wire = call.message.record.unwrap_or_default();
    let task_id = TaskId::parse_optional("record.task_id", wire.task_id.as_deref())?;
    let (field, named) = ("record.equipment_id", Some(wire.equipment_id.as_str()));
    let named = EquipmentId::parse_optional(field, named.filter(|id| !id.is_empty()))?;
    let work = read("record.", wire, now)?;
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
    Ok(record.ok_or_else(|| Error::not_found("maintenance record", id))?.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListMaintenanceRequest>,
) -> Result<pb::ListMaintenanceResponse> {
    let mut request = call.message;
    let page = kit::page!(request)?;
    let filter = store::maintenance::Filter {
        equipment_id: EquipmentId::parse_optional("equipment_id", request.equipment_id.as_deref())?,
        task_id: TaskId::parse_optional("task_id", request.task_id.as_deref())?,
        // Ids of users are kept as their tokens write them: in lower case.
        technician_id: request.technician_id.map(|id| id.to_ascii_lowercase()),
    };

    let rows = store::maintenance::list(&mut service.db.read().await?, &filter, &page).await?;
    let (rows, next_page_token) = page.cut(rows, |record| record.id)?;
    Ok(pb::ListMaintenanceResponse {
        records: rows.into_iter().map(pb::MaintenanceRecord::from).collect(),
        next_page_token,
    })
}

/// What a record says of the work; its fields are the request's below `path` (`record.`).
fn read(path: &str, wire: pb::MaintenanceRecord, now: Timestamp) -> Result<Work> {
    let time =
        |field, at: &Option<_>| Timestamp::parse_optional(&format!("{path}{field}"), at.as_ref());
    let work = Work {
        kind: Kind::from_name(wire.kind().as_str_name()).unwrap_or_default(),
        work_done: wire.work_done,
        started_at: time("started_at", &wire.started_at)?,
        finished_at: time("finished_at", &wire.finished_at)?,
        parts_used: wire.parts_used,
    };
    work.check_times(path, now)?;
    Ok(work)
}

/// What the completion of a task says of the work: its fields are those of a record.
pub fn read_completion(wire: pb::CompleteTaskRequest, now: Timestamp) -> Result<Work> {
    let wire = pb::MaintenanceRecord {
        kind: wire.kind,
        work_done: wire.work_done,
        started_at: wire.started_at,
        finished_at: wire.finished_at,
        parts_used: wire.parts_used,
        ..Default::default()
    };
    read("", wire, now)
}

/// Records the work that completed `task`, if that has equipment; the caller changed the task, and keeps it.
pub async fn record_completion(
    tx: &mut Tx,
    task: &Task,
    work: Work,
    worker: &Worker,
    now: Timestamp,
) -> Result<()> {
    let Some(equipment_id) = task.equipment_id else { return Ok(()) };
    let record = Maintenance::new(work, worker.id.clone(), equipment_id, Some(task), now);
    store::maintenance::insert(tx, &record).await?;
    tell(tx, &record, now).await?;
    Ok(())
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
