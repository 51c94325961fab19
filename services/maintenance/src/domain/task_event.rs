//! What happened to a task: who did it, and when.

use kit::Timestamp;

use super::{
    equipment::EquipmentId,
    task::{Task, TaskId},
};

kit::id!(
    /// Names one event.
    TaskEventId
);

kit::names! {
    /// What happened.
    pub enum Kind {
        /// It came to be.
        Created = "CREATED",
        /// Fields of it were changed.
        Updated = "UPDATED",
        /// It waits for somebody.
        Assigned = "ASSIGNED",
        /// Somebody took it.
        Claimed = "CLAIMED",
        /// It waits for nobody any more.
        Released = "RELEASED",
        /// The work of whom it waited for has begun.
        Started = "STARTED",
        /// The work waits for something.
        PutOnHold = "PUT_ON_HOLD",
        /// The work goes on.
        Resumed = "RESUMED",
        /// The work is done.
        Completed = "COMPLETED",
        /// The work is taken up again.
        Reopened = "REOPENED",
        /// It is not to be done any more.
        Cancelled = "CANCELLED",
    }
}

/// One step in the life of a task.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TaskEvent {
    pub id: TaskEventId,
    pub task_id: TaskId,
    /// What the task was for at that time.
    pub equipment_id: Option<EquipmentId>,
    pub kind: Kind,
    /// A user's id, or `service:<name>`.
    pub actor_id: String,
    pub at: Timestamp,
    /// Of an update the names of the fields, of an assignment for whom it waits, of a release with whom it was.
    pub detail: String,
}

impl TaskEvent {
    /// What happened to a task that is new: it was created, and perhaps given to somebody.
    pub fn of_new(task: &Task) -> Vec<Self> {
        let event = |kind, detail| Self::new(task, kind, &task.created_by, detail, task.created_at);
        let mut events = vec![event(Kind::Created, "")];
        events.extend(task.assignee_id.as_deref().map(|id| event(Kind::Assigned, id)));
        events
    }

    pub fn new(task: &Task, kind: Kind, actor_id: &str, detail: &str, at: Timestamp) -> Self {
        Self {
            id: TaskEventId::new(),
            task_id: task.id,
            equipment_id: task.equipment_id,
            kind,
            actor_id: actor_id.to_owned(),
            at,
            detail: detail.to_owned(),
        }
    }
}
