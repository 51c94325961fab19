pub mod step;
mod wire;

use kit::{
    Call, Error, Result, Timestamp, changes,
    db::Tx,
    mask::Mask,
    once::{Once, replayed, tried},
    time::parse_date,
};
use proto::maintenance::v1 as pb;
use tonic::Response;

use super::{Service, equipment, user};
use crate::{
    domain::{
        equipment::EquipmentId,
        task::{Priority, Status, Task, TaskId, Worker, check_assignee},
        task_event::TaskEvent,
    },
    store,
};

/// The kind of this noun's entries in the change log; of a deletion, the task as it was.
const CHANGE: &str = "task";
const DELETION: &str = "task_deleted";

pub async fn create(
    service: &Service,
    mut call: Call<pb::CreateTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let is_trial = std::mem::take(&mut call.message.validate_only);
    let once = Once::new(&call, &call.message.request_id);
    let task = wire::read(call.message.task.unwrap_or_default(), &call.caller, now)?;
    check_assignee(task.assignee_id.as_deref(), call.caller.role, &call.caller.id)?;
    let (field, equipment_id) = ("task.equipment_id", task.equipment_id);
    let in_service = equipment::check_in_service(service, &call.caller, field, equipment_id).await;
    let (field, assignee_id) = ("task.assignee_id", task.assignee_id.as_deref());
    let may_work = user::check_may_work(service, &call.caller, field, assignee_id).await;

    let mut tx = service.db.begin("create task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let kept = store::task::insert(&mut tx, &task).await?;
    if kept.id != task.id {
        return Ok(replayed(kept.into()));
    }
    // Refused or only tried, the transaction is dropped, and the task with it.
    in_service?;
    may_work?;
    for event in TaskEvent::of_new(&task) {
        store::task_event::insert(&mut tx, &event).await?;
    }
    let answer = tell(&mut tx, &task, now).await?;
    if is_trial {
        return Ok(tried(answer));
    }
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
    let day = request.due_before.as_deref().map(|day| parse_date("due_before", day)).transpose()?;
    let today = request.overdue.then(|| service.suite.clock.now().date());
    let filter = store::task::Filter {
        status: Status::from_name(request.status().as_str_name()),
        priority: Priority::from_name(request.priority().as_str_name()),
        equipment_id: EquipmentId::parse_optional("equipment_id", request.equipment_id.as_deref())?,
        // Ids of users are kept as their tokens write them: in lower case.
        assignee_id: request.assignee_id.as_deref().map(str::to_ascii_lowercase),
        due_before: day.into_iter().chain(today).min(),
        is_open: request.overdue,
        title: Some(request.title.clone()).filter(|title| !title.is_empty()),
    };
    let page = kit::ordered_page!(service.db, request, store::task::ORDERS, filter.order())?;

    let rows = store::task::list(&mut service.db.read().await?, &filter, &page).await?;
    let (tasks, next_page_token) = page.cut(rows, |task| task.id, pb::Task::from)?;
    Ok(pb::ListTasksResponse { tasks, next_page_token })
}

pub async fn list_completed(
    service: &Service,
    call: Call<pb::ListCompletedTasksRequest>,
) -> Result<pb::ListTasksResponse> {
    let mut request = call.message;
    let page = kit::page!(service.db, request)?;
    let filter = store::task::History {
        completed_by: request.completed_by.map(|id| id.to_ascii_lowercase()),
        equipment_id: EquipmentId::parse_optional("equipment_id", request.equipment_id.as_deref())?,
        from: Timestamp::parse_optional("from", request.from.as_ref())?,
        to: Timestamp::parse_optional("to", request.to.as_ref())?,
    };

    let rows = store::task::list_completed(&mut service.db.read().await?, &filter, &page).await?;
    let (tasks, next_page_token) =
        page.cut(rows, |task| (task.completed_at, task.id), pb::Task::from)?;
    Ok(pb::ListTasksResponse { tasks, next_page_token })
}

pub async fn update(service: &Service, call: Call<pb::UpdateTaskRequest>) -> Result<pb::Task> {
    let now = service.suite.clock.now();
    let worker = Worker::from(&call.caller);
    let mask = Mask::parse("task", call.message.update_mask, &wire::MUTABLE, &wire::GIVEN)?;
    let wire = call.message.task.unwrap_or_default();
    let (id, etag) = (TaskId::parse("task.id", &wire.id)?, wire.etag.clone());
    let wish = wire::wish(wire::only_named(wire, &mask))?;
    let (field, equipment_id) = ("task.equipment_id", wish.equipment_id);
    let in_service = equipment::check_in_service(service, &call.caller, field, equipment_id).await;

    let mut tx = service.db.begin("update task").await?;
    let mut task = lock(&mut tx, id, &etag).await?;
    let is_recorded = store::maintenance::exists_of(&mut tx, id).await?;
    let before = task.equipment_id;
    let Some(event) = task.edit(wish, &mask, is_recorded, &worker, now)? else {
        return Ok(task.into());
    };
    if task.equipment_id != before {
        in_service?;
    }
    let answer = keep(&mut tx, &task, &event).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn delete(service: &Service, call: Call<pb::DeleteTaskRequest>) -> Result<()> {
    let now = service.suite.clock.now();
    let worker = Worker::from(&call.caller);
    let id = TaskId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("delete task").await?;
    let task = lock(&mut tx, id, &call.message.etag).await?;
    let is_recorded = store::maintenance::exists_of(&mut tx, id).await?;
    task.check_deletable(is_recorded, &worker)?;
    store::task_event::delete_of(&mut tx, id).await?;
    store::comment::delete_of(&mut tx, id).await?;
    store::task::delete(&mut tx, id).await?;
    changes::append(&mut tx, now, DELETION, id.uuid(), &pb::Task::from(task)).await?;
    tx.commit().await
}

/// The task, which nobody else changes until the transaction ends, in the state that `etag` is for.
async fn lock(tx: &mut Tx, id: TaskId, etag: &str) -> Result<Task> {
    let task = store::task::lock(tx, id).await?.ok_or_else(|| no_task(id))?;
    task.check_etag(etag)?;
    Ok(task)
}

/// Keeps a changed task and what happened to it, and tells the change log; answers what it told.
pub async fn keep(tx: &mut Tx, task: &Task, event: &TaskEvent) -> Result<pb::Task> {
    store::task::update(tx, task).await?;
    store::task_event::insert(tx, event).await?;
    tell(tx, task, event.at).await
}

/// Tells the change log of `task`; answers what it told.
async fn tell(tx: &mut Tx, task: &Task, now: Timestamp) -> Result<pb::Task> {
    let wire = pb::Task::from(task.clone());
    changes::append(tx, now, CHANGE, task.id.uuid(), &wire).await?;
    Ok(wire)
}

fn no_task(id: TaskId) -> Error {
    Error::not_found("task", id)
}
