//! Tasks and the rules that they live by; `step` has those of their states.

mod step;

use kit::{Error, Result, Timestamp, access::Role, etag, mask::Mask};

use super::{
    equipment::EquipmentId,
    task_event::{Kind, TaskEvent},
};

kit::id!(
    /// Names one task, for ever.
    TaskId
);

kit::id!(
    /// Names an alert of the telemetry service.
    AlertId
);

kit::names! {
    /// Where the work stands.
    pub enum Status {
        /// Waits for somebody.
        Pending = "PENDING",
        /// Somebody holds it.
        InProgress = "IN_PROGRESS",
        /// Begun, and waiting for something.
        OnHold = "ON_HOLD",
        /// Done.
        Completed = "COMPLETED",
        /// Not to be done any more.
        Cancelled = "CANCELLED",
    }
}

kit::names! {
    /// How soon it should be done.
    pub enum Priority {
        /// Can wait.
        Low = "LOW",
        /// The ordinary case.
        Medium = "MEDIUM",
        /// Before the ordinary.
        High = "HIGH",
        /// Before all else.
        Critical = "CRITICAL",
    }
}

kit::names! {
    /// What made the task.
    pub enum Source {
        /// A person.
        Manual = "MANUAL",
        /// An alert.
        Alert = "ALERT",
        /// A maintenance plan.
        Plan = "PLAN",
    }
}

/// Work that was authorised (work order) or asked for (fault report).
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Task {
    pub id: TaskId,
    pub title: String,
    pub description: String,
    pub equipment_id: Option<EquipmentId>,
    pub status: Status,
    pub priority: Priority,
    /// The day by which it should be done, `YYYY-MM-DD`.
    pub due_date: Option<String>,
    /// The user who holds it, or for whom it waits.
    pub assignee_id: Option<String>,
    /// A user's id, or `service:<name>`.
    pub created_by: String,
    pub source: Source,
    pub alert_id: Option<AlertId>,
    /// How often it was completed: a task that is reopened may be again.
    pub completions: i64,
    /// Set while it is completed, as is `completed_by`.
    pub completed_at: Option<Timestamp>,
    pub completed_by: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub revision: i64,
}

/// Somebody who may work, and wants to change a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    pub id: String,
    /// May act for whoever holds a task.
    pub is_admin: bool,
}

/// A task as somebody wants it to be, as far as a mask names its fields.
#[derive(Clone, Debug)]
pub struct Wish {
    pub title: String,
    pub description: String,
    pub equipment_id: Option<EquipmentId>,
    pub priority: Priority,
    pub due_date: Option<String>,
    /// Can't be wished for: it is what the caller takes it to be.
    pub status: Option<Status>,
    /// Can't be wished for: it is whom the caller takes it to be.
    pub assignee_id: Option<String>,
}

impl Task {
    /// Refuses a write that was made for an older state of the task; no `etag` is for any.
    pub fn check_etag(&self, etag: &str) -> Result<()> {
        etag::check(etag, self.revision, "the task was changed meanwhile")
    }

    /// Changes what `mask` names to what the `wish` has, for an admin or who created the task; answers what happened, if
    /// anything did. What was worked on stays while a record says so.
    pub fn edit(
        &mut self,
        wish: Wish,
        mask: &Mask,
        is_recorded: bool,
        worker: &Worker,
        now: Timestamp,
    ) -> Result<Option<TaskEvent>> {
        self.check_is_theirs(worker, "an admin changes a task, or who created it")?;
        self.check_steps(&wish, mask)?;
        if is_recorded && mask.names("equipment_id") && wish.equipment_id != self.equipment_id {
            return Err(recorded("a maintenance record says what the task was for"));
        }
        let mut names = Vec::new();
        set(&mut self.title, wish.title, "title", mask, &mut names);
        set(&mut self.description, wish.description, "description", mask, &mut names);
        set(&mut self.equipment_id, wish.equipment_id, "equipment_id", mask, &mut names);
        set(&mut self.priority, wish.priority, "priority", mask, &mut names);
        set(&mut self.due_date, wish.due_date, "due_date", mask, &mut names);
        if names.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.happened(Kind::Updated, worker, &names.join(", "), now)))
    }

    /// Refuses a wish for another status or holder. It counts where the mask names it, in no update of everything: a client
    /// that sends back what it read may have read it before somebody claimed the task.
    fn check_steps(&self, wish: &Wish, mask: &Mask) -> Result<()> {
        if mask.lists("status") && wish.status.is_some_and(|status| status != self.status) {
            return Err(Error::invalid("task.status", BY_ITS_STATUS));
        }
        if mask.lists("assignee_id") && wish.assignee_id != self.assignee_id {
            return Err(Error::invalid("task.assignee_id", BY_ITS_HOLDER));
        }
        Ok(())
    }

    /// Refuses that `worker` deletes the task: it is its creator's and the admins', and no history. What others have done is not its
    /// creator's any more.
    pub fn check_deletable(&self, is_recorded: bool, worker: &Worker) -> Result<()> {
        self.check_is_theirs(worker, "an admin deletes a task, or who created it")?;
        if !worker.is_admin && self.completed_by.as_ref().is_some_and(|by| *by != worker.id) {
            return Err(self.completed());
        }
        if is_recorded {
            return Err(recorded("the task has a maintenance record: cancel it instead"));
        }
        if self.alert_id.is_some() {
            // The alert would open another one if it were asked for its task again.
            let message = "an alert opened the task: cancel it instead";
            return Err(Error::refused("TASK_OF_ALERT", message));
        }
        Ok(())
    }

    /// A refusal of what comes too late.
    fn completed(&self) -> Error {
        let completed_by = self.completed_by.as_deref().unwrap_or_default();
        Error::refused("TASK_COMPLETED", "the task is completed").with("completed_by", completed_by)
    }

    fn check_is_theirs(&self, worker: &Worker, otherwise: &'static str) -> Result<()> {
        let may = worker.is_admin || self.created_by == worker.id;
        if may { Ok(()) } else { Err(Error::Forbidden(otherwise)) }
    }

    /// Counts a change that `worker` made, and says what it was. `now` was read before it waited for its turn: it is not before
    /// what was changed meanwhile.
    fn happened(&mut self, kind: Kind, worker: &Worker, detail: &str, now: Timestamp) -> TaskEvent {
        let now = now.max(self.updated_at);
        self.updated_at = now;
        self.revision += 1;
        TaskEvent::new(self, kind, &worker.id, detail, now)
    }
}

/// Refuses that a technician gives a new task to somebody else.
pub fn check_assignee(assignee_id: Option<&str>, role: Role, caller: &str) -> Result<()> {
    match assignee_id {
        Some(id) if role == Role::Technician && id != caller => {
            Err(Error::invalid("task.assignee_id", "an admin gives tasks to others"))
        }
        _ => Ok(()),
    }
}

/// Sets a field, if `mask` names it, and notes its name if that made a difference.
fn set<T: PartialEq>(
    field: &mut T,
    value: T,
    name: &'static str,
    mask: &Mask,
    changed: &mut Vec<&'static str>,
) {
    if mask.put(name, field, value) {
        changed.push(name);
    }
}

const BY_ITS_STATUS: &str = "is changed by SetTaskStatus, PATCH /api/tasks/{id}/status";
const BY_ITS_HOLDER: &str =
    "is changed by ClaimTask, ReleaseTask and AssignTask, POST /api/tasks/{id}/claim and so on";

fn recorded(message: &str) -> Error {
    Error::refused("TASK_RECORDED", message)
}

/// What made a task. A person is the source of theirs, whatever they say; a service says it, and an alert goes with the
/// source `ALERT` and only with it.
pub fn origin(
    role: Role,
    source: Option<Source>,
    alert_id: Option<AlertId>,
) -> Result<(Source, Option<AlertId>)> {
    if role != Role::Service {
        return Ok((Source::Manual, None));
    }
    match (source, alert_id) {
        (Some(Source::Alert) | None, Some(_)) => Ok((Source::Alert, alert_id)),
        (Some(_), Some(_)) => Err(Error::invalid("task.source", "must be ALERT with an alert_id")),
        (Some(Source::Alert), None) => {
            Err(Error::invalid("task.alert_id", "is required with the source ALERT"))
        }
        (source, None) => Ok((source.unwrap_or(Source::Manual), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_goes_with_its_source() {
        use Source::{Alert, Manual, Plan};
        let alert = Some(AlertId::new());
        for (source, alert_id, expected) in [
            (None, None, Some((Manual, None))),
            (Some(Manual), None, Some((Manual, None))),
            (Some(Plan), None, Some((Plan, None))),
            (Some(Alert), None, None),
            (None, alert, Some((Alert, alert))),
            (Some(Alert), alert, Some((Alert, alert))),
            (Some(Manual), alert, None),
            (Some(Plan), alert, None),
        ] {
            let told = origin(Role::Service, source, alert_id).ok();
            assert_eq!(told, expected, "{source:?} {alert_id:?}");
        }
    }

    #[test]
    fn a_person_is_the_source_of_their_task() {
        for role in [Role::Admin, Role::Technician] {
            for source in [None, Some(Source::Manual), Some(Source::Alert), Some(Source::Plan)] {
                let told = origin(role, source, Some(AlertId::new())).unwrap();
                assert_eq!(told, (Source::Manual, None), "{role:?} {source:?}");
            }
        }
    }

    #[test]
    fn a_technician_gives_a_new_task_to_nobody_else() {
        for (assignee, role, may) in [
            (None, Role::Technician, true),
            (Some("ana"), Role::Technician, true),
            (Some("bob"), Role::Technician, false),
            (Some("bob"), Role::Admin, true),
            (Some("bob"), Role::Service, true),
        ] {
            assert_eq!(check_assignee(assignee, role, "ana").is_ok(), may, "{assignee:?} {role:?}");
        }
    }
}
