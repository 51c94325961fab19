//! Tasks as the wire has them.

use kit::{Caller, Result, Timestamp, mask::Mask, time::parse_date};
use proto::maintenance::v1 as pb;

use crate::domain::{
    equipment::EquipmentId,
    task::{AlertId, Priority, Source, Status, Task, TaskId, Wish, Worker, origin},
};

/// What an update can change, and what it may name because a client read it.
pub const MUTABLE: [&str; 5] = ["title", "description", "equipment_id", "priority", "due_date"];
pub const GIVEN: [&str; 11] = [
    "id",
    "status",
    "assignee_id",
    "created_by",
    "source",
    "alert_id",
    "completed_at",
    "completed_by",
    "created_at",
    "updated_at",
    "etag",
];

/// A new task from what the caller may say of it.
pub fn read(wire: pb::Task, caller: &Caller, now: Timestamp) -> Result<Task> {
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
        // Ids of users are kept as their tokens write them: in lower case.
        assignee_id: wire.assignee_id.map(|id| id.to_ascii_lowercase()),
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

/// `wire` without what an update does not name, and so does not read either.
pub fn only_named(mut wire: pb::Task, mask: &Mask) -> pb::Task {
    wire.equipment_id.take_if(|_| !mask.names("equipment_id"));
    wire.due_date.take_if(|_| !mask.names("due_date"));
    wire
}

/// What the caller wants a task to be.
pub fn wish(wire: pb::Task) -> Result<Wish> {
    let (equipment_id, date) = (wire.equipment_id.as_deref(), wire.due_date.as_deref());
    Ok(Wish {
        equipment_id: EquipmentId::parse_optional("task.equipment_id", equipment_id)?,
        priority: Priority::from_name(wire.priority().as_str_name()).unwrap_or(Priority::Medium),
        due_date: date.map(|date| parse_date("task.due_date", date)).transpose()?,
        status: Status::from_name(wire.status().as_str_name()),
        assignee_id: wire.assignee_id.map(|id| id.to_ascii_lowercase()),
        title: wire.title,
        description: wire.description,
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
