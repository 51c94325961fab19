//! The steps that a task takes: each locks it, lets the domain take the step, and keeps what came of it.

use kit::{Call, Result, db::Tx, once::Once};
use proto::maintenance::v1 as pb;
use tonic::Response;

use super::{keep, lock};
use crate::{
    domain::{
        task::{Status, Task, TaskId, Worker},
        task_event::{Kind, TaskEvent},
    },
    rpc::{Service, maintenance::Completion, user},
};

pub async fn claim(
    service: &Service,
    call: Call<pb::ClaimTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let id = TaskId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("claim task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let mut task = lock(&mut tx, id, &call.message.etag).await?;
    let event = task.claim(&Worker::from(&call.caller), now)?;
    settle(tx, &once, task, event).await
}

pub async fn release(
    service: &Service,
    call: Call<pb::ReleaseTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let id = TaskId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("release task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let mut task = lock(&mut tx, id, &call.message.etag).await?;
    let event = task.release(&Worker::from(&call.caller), now)?;
    settle(tx, &once, task, Some(event)).await
}

pub async fn assign(
    service: &Service,
    call: Call<pb::AssignTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let id = TaskId::parse("id", &call.message.id)?;
    // Ids of users are kept as their tokens write them: in lower case.
    let assignee_id = call.message.assignee_id.to_ascii_lowercase();
    let (field, assignee) = ("assignee_id", Some(assignee_id.as_str()));
    let may_work = user::check_may_work(service, &call.caller, field, assignee).await;

    let mut tx = service.db.begin("assign task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    may_work?;
    let mut task = lock(&mut tx, id, &call.message.etag).await?;
    let event = task.assign(&assignee_id, &Worker::from(&call.caller), now)?;
    settle(tx, &once, task, event).await
}

pub async fn complete(
    service: &Service,
    call: Call<pb::CompleteTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let worker = Worker::from(&call.caller);
    let id = TaskId::parse("id", &call.message.id)?;
    let etag = call.message.etag.clone();
    let completion = Completion::read(call.message, now)?;

    let mut tx = service.db.begin("complete task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let mut task = lock(&mut tx, id, &etag).await?;
    let event = task.complete(&worker, now)?;
    completion.record(&mut tx, &task, &worker, now).await?;
    settle(tx, &once, task, Some(event)).await
}

pub async fn reopen(
    service: &Service,
    call: Call<pb::ReopenTaskRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let id = TaskId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("reopen task").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let mut task = lock(&mut tx, id, &call.message.etag).await?;
    let event = task.reopen(&Worker::from(&call.caller), now)?;
    settle(tx, &once, task, Some(event)).await
}

pub async fn set_status(
    service: &Service,
    call: Call<pb::SetTaskStatusRequest>,
) -> Result<Response<pb::Task>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let worker = Worker::from(&call.caller);
    let id = TaskId::parse("id", &call.message.id)?;
    let status = Status::from_name(call.message.status().as_str_name());
    let status = status.ok_or_else(|| kit::Error::invalid("status", "is required"))?;

    let mut tx = service.db.begin("set task status").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let mut task = lock(&mut tx, id, &call.message.etag).await?;
    let event = task.set_status(status, &worker, now)?;
    if event.as_ref().is_some_and(|event| event.kind == Kind::Completed) {
        Completion::default().record(&mut tx, &task, &worker, now).await?;
    }
    settle(tx, &once, task, event).await
}

/// Keeps the task and what happened to it, if anything did, and answers it, now and to whoever repeats the request.
async fn settle(
    mut tx: Tx,
    once: &Once,
    task: Task,
    event: Option<TaskEvent>,
) -> Result<Response<pb::Task>> {
    let answer = match event {
        Some(event) => keep(&mut tx, &task, &event).await?,
        None => task.into(),
    };
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}
