use kit::{
    Call, Caller, Error, Result, Timestamp, changes,
    db::Tx,
    once::{Once, replayed},
    time::parse_date,
};
use proto::maintenance::v1 as pb;
use tonic::Response;

use super::{Service, equipment, maintenance};
use crate::{
    domain::{
        equipment::EquipmentId,
        maintenance::Maintenance,
        task::{AlertId, Priority, Source, Status, Task, TaskId, Worker, origin},
    },
    store,
};

/// The kind of this noun's entries in the change log.
const CHANGE: &str = "task";

pub async fn create(
    service: &Service,
    call: Call<pb::CreateTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let task = read(call.message.task.unwrap_or_default(), &call.caller, now)?;
    let (field, equipment_id) = ("task.equipment_id", task.equipment_id);
    let in_service = equipment::check_in_service(service, &call.caller, field, equipment_id).await;

    let mut tx = service.db.begin("create task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let kept = store::task::insert(&mut tx, &task).await?;
    if kept.id != task.id {
        return Ok(replayed(kept.into()));
    }
    // Refused, the transaction is dropped, and the task with it.
    in_service?;
    let answer = tell(&mut tx, &task, now).await?;
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

pub async fn get(service: &Service, call: Call<pb::GetTaskRequest>) -> Result<pb::Task> {
    let id = TaskId::parse("id", &call.message.id)?;

    let task = store::task::find(&mut service.db.read().await?, id).await?;
    Ok(task.ok_or_else(|| no_task(id))?.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListTasksRequest>,
) -> Result<pb::ListTasksResponse> {
    let mut request = call.message;
    let page = kit::page!(request)?;
    let today = service.suite.clock.now().date();
    let due_before = request.due_before.as_deref();
    let filter = store::task::Filter {
        status: Status::from_name(request.status().as_str_name()),
        priority: Priority::from_name(request.priority().as_str_name()),
        equipment_id: EquipmentId::parse_optional("equipment_id", request.equipment_id.as_deref())?,
        // Ids of users are kept as their tokens write them: in lower case.
        assignee_id: request.assignee_id.map(|id| id.to_ascii_lowercase()),
        due_before: due_before.map(|day| parse_date("due_before", day)).transpose()?,
        overdue_on: request.overdue.then_some(today),
        title: Some(request.title).filter(|title| !title.is_empty()),
    };

    let rows = store::task::list(&mut service.db.read().await?, &filter, &page).await?;
    let (rows, next_page_token) = page.cut(rows, |task| task.id)?;
    Ok(pb::ListTasksResponse {
        tasks: rows.into_iter().map(pb::Task::from).collect(),
        next_page_token,
    })
}

pub async fn claim(service: &Service, call: Call<pb::ClaimTaskRequest>) -> Result<pb::Task> {
    let now = service.suite.clock.now();
    let id = TaskId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("claim task").await?;
    let mut task = store::task::lock(&mut tx, id).await?.ok_or_else(|| no_task(id))?;
    if !task.claim(&Worker::from(&call.caller), now)? {
        return Ok(task.into());
    }
    store::task::update(&mut tx, &task).await?;
    let answer = tell(&mut tx, &task, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn complete(
    service: &Service,
    call: Call<pb::CompleteTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let worker = Worker::from(&call.caller);
    let id = TaskId::parse("id", &call.message.id)?;
    let work = maintenance::read_completion(call.message, now)?;

    let mut tx = service.db.begin("complete task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let mut task = store::task::lock(&mut tx, id).await?.ok_or_else(|| no_task(id))?;
    task.complete(&worker, now)?;
    store::task::update(&mut tx, &task).await?;
    let answer = tell(&mut tx, &task, now).await?;
    if let Some(equipment_id) = task.equipment_id {
        let record = Maintenance::new(work, worker.id, equipment_id, Some(&task), now);
        store::maintenance::insert(&mut tx, &record).await?;
        maintenance::tell(&mut tx, &record, now).await?;
    }
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

/// Tells the change log of `task`; answers what it told.
pub async fn tell(tx: &mut Tx, task: &Task, now: Timestamp) -> Result<pb::Task> {
    let wire = pb::Task::from(task.clone());
    changes::append(tx, now, CHANGE, task.id.uuid(), &wire).await?;
    Ok(wire)
}

fn no_task(id: TaskId) -> Error {
    Error::not_found("task", id)
}

/// A new task from what the caller may say of it.
fn read(wire: pb::Task, caller: &Caller, now: Timestamp) -> Result<Task> {
    let date = wire.due_date.as_deref();
    let alert_id = AlertId::parse_optional("task.alert_id", wire.alert_id.as_deref())?;
    let source = Source::from_name(wire.source().as_str_name());
    let (source, alert_id) = origin(caller.role, source, alert_id)?;
    Ok(Task {
        id: TaskId::new(),
        equipment_id: EquipmentId::parse_optional(
            "task.equipment_id",
            wire.equipment_id.as_deref(),
        )?,
        status: Status::Pending,
        priority: Priority::from_name(wire.priority().as_str_name()).unwrap_or(Priority::Medium),
        due_date: date.map(|date| parse_date("task.due_date", date)).transpose()?,
        title: wire.title,
        description: wire.description,
        assignee_id: None,
        created_by: caller.id.clone(),
        source,
        alert_id,
        completions: 0,
        completed_at: None,
        completed_by: None,
        created_at: now,
        updated_at: now,
        revision: 1,
    })
}

impl From<&Caller> for Worker {
    fn from(caller: &Caller) -> Self {
        Self { id: caller.id.clone(), is_admin: caller.is_admin() }
    }
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        use pb::task::{Priority, Source, Status};
        let status = Status::from_str_name(task.status.name()).unwrap_or_default();
        let priority = Priority::from_str_name(task.priority.name()).unwrap_or_default();
        let source = Source::from_str_name(task.source.name()).unwrap_or_default();
        Self {
            id: task.id.to_string(),
            title: task.title,
            description: task.description,
            equipment_id: task.equipment_id.map(|id| id.to_string()),
            status: status.into(),
            priority: priority.into(),
            due_date: task.due_date,
            assignee_id: task.assignee_id,
            created_by: task.created_by,
            source: source.into(),
            alert_id: task.alert_id.map(|id| id.to_string()),
            completed_at: task.completed_at.map(Into::into),
            completed_by: task.completed_by,
            created_at: Some(task.created_at.into()),
            updated_at: Some(task.updated_at.into()),
            etag: task.revision.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_to_the_wire() {
        for status in Status::ALL {
            assert!(pb::task::Status::from_str_name(status.name()).is_some());
        }
        for priority in Priority::ALL {
            assert!(pb::task::Priority::from_str_name(priority.name()).is_some());
        }
        for source in Source::ALL {
            assert!(pb::task::Source::from_str_name(source.name()).is_some());
        }
    }
}
