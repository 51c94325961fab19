//! Tasks and the rules that they live by.

use kit::{Error, Result, Timestamp, access::Role};

use super::equipment::EquipmentId;

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

/// What nobody works on any more: such a task is never overdue.
pub const OVER: [Status; 2] = [Status::Completed, Status::Cancelled];

/// Somebody who may work, and wants to change a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    pub id: String,
    /// May act for whoever holds a task.
    pub is_admin: bool,
}

impl Task {
    /// Gives the task to `worker`; answers whether that changed it: its holder may claim it again.
    pub fn claim(&mut self, worker: &Worker, now: Timestamp) -> Result<bool> {
        self.check_open()?;
        match &self.assignee_id {
            Some(holder) if *holder != worker.id => return Err(held(holder)),
            Some(_) if self.status != Status::Pending => return Ok(false),
            _ => {}
        }
        self.status = Status::InProgress;
        self.assignee_id = Some(worker.id.clone());
        self.changed(now);
        Ok(true)
    }

    /// Notes that `worker` has done the work.
    pub fn complete(&mut self, worker: &Worker, now: Timestamp) -> Result<()> {
        self.check_open()?;
        match &self.assignee_id {
            Some(holder) if *holder != worker.id && !worker.is_admin => return Err(held(holder)),
            _ => {}
        }
        self.status = Status::Completed;
        self.completions += 1;
        self.completed_at = Some(now);
        self.completed_by = Some(worker.id.clone());
        self.changed(now);
        Ok(())
    }

    fn check_open(&self) -> Result<()> {
        match self.status {
            Status::Completed => Err(Error::refused("TASK_COMPLETED", "the task is completed")),
            Status::Cancelled => Err(Error::refused("TASK_CANCELLED", "the task is cancelled")),
            Status::Pending | Status::InProgress | Status::OnHold => Ok(()),
        }
    }

    fn changed(&mut self, now: Timestamp) {
        self.updated_at = now;
        self.revision += 1;
    }
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

fn held(holder: &str) -> Error {
    Error::refused("TASK_HELD", "somebody else holds the task").with("holder_id", holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn task(status: Status, assignee_id: Option<&str>) -> Task {
        Task {
            id: TaskId::new(),
            title: String::new(),
            description: String::new(),
            equipment_id: None,
            status,
            priority: Priority::Medium,
            due_date: None,
            assignee_id: assignee_id.map(str::to_owned),
            created_by: "eve".into(),
            source: Source::Manual,
            alert_id: None,
            completions: 0,
            completed_at: None,
            completed_by: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
            revision: 1,
        }
    }

    fn worker(id: &str) -> Worker {
        Worker { id: id.into(), is_admin: id == "admin" }
    }

    /// Why it was refused.
    fn reason<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
        match result.unwrap_err() {
            Error::Refused { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

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
    fn an_assigned_task_waits_for_its_assignee() {
        let mut task = task(Status::Pending, Some("ana"));
        assert_eq!(reason(task.claim(&worker("bob"), NOW)), "TASK_HELD");
        assert_eq!(reason(task.claim(&worker("admin"), NOW)), "TASK_HELD");
        assert!(task.claim(&worker("ana"), NOW).unwrap());
        assert_eq!(task.status, Status::InProgress);
    }

    #[test]
    fn the_holders_repeated_claim_changes_nothing() {
        for status in [Status::InProgress, Status::OnHold] {
            let mut task = task(status, Some("ana"));
            let before = task.clone();
            assert!(!task.claim(&worker("ana"), NOW).unwrap());
            assert_eq!(task, before);
        }
    }

    #[test]
    fn what_is_over_is_neither_claimed_nor_completed() {
        let over = [(Status::Completed, "TASK_COMPLETED"), (Status::Cancelled, "TASK_CANCELLED")];
        for (status, why) in over {
            let mut task = task(status, None);
            assert_eq!(reason(task.claim(&worker("ana"), NOW)), why);
            assert_eq!(reason(task.complete(&worker("admin"), NOW)), why);
        }
    }

    #[test]
    fn a_held_task_is_completed_by_its_holder_or_an_admin() {
        for (by, may) in [("ana", true), ("admin", true), ("bob", false)] {
            let mut task = task(Status::InProgress, Some("ana"));
            assert_eq!(task.complete(&worker(by), NOW).is_ok(), may, "{by}");
            assert_eq!(task.completed_by.as_deref(), may.then_some(by));
            assert_eq!(task.completions, i64::from(may));
        }
    }
}
