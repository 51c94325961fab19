//! Records of work, and what makes one credible.

use std::time::Duration;

use kit::{Error, Result, Timestamp, etag, mask::Mask};

use super::{
    equipment::EquipmentId,
    task::{Task, TaskId},
};

/// How far ahead of ours a worker's clock may be.
const AHEAD: Duration = Duration::from_mins(10);

kit::id!(
    /// Names one maintenance record.
    MaintenanceId
);

kit::names! {
    /// Why the work was done (EN 13306).
    pub enum Kind {
        /// After a fault was recognised.
        Corrective = "CORRECTIVE",
        /// Before a fault, by plan or by condition.
        Preventive = "PREVENTIVE",
        /// Looking, measuring, testing.
        Inspection = "INSPECTION",
    }
}

impl Default for Kind {
    /// Of work that nobody says more of.
    fn default() -> Self {
        Self::Corrective
    }
}

/// What was done, as whoever did it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
pub struct Work {
    pub kind: Kind,
    pub work_done: String,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub parts_used: String,
}

/// Work that was actually done, on one piece of equipment.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Maintenance {
    pub id: MaintenanceId,
    pub equipment_id: EquipmentId,
    /// The task that the work completed.
    pub task_id: Option<TaskId>,
    /// Which completion of the task it was.
    pub completion: Option<i64>,
    /// The user who did it.
    pub technician_id: String,
    #[sqlx(flatten)]
    pub work: Work,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub revision: i64,
}

impl Work {
    /// Becomes what `other` is in the fields that `mask` names; answers whether that made a difference.
    fn take(&mut self, other: Self, mask: &Mask) -> bool {
        let Self { kind, work_done, started_at, finished_at, parts_used } = other;
        [
            mask.put("kind", &mut self.kind, kind),
            mask.put("work_done", &mut self.work_done, work_done),
            mask.put("started_at", &mut self.started_at, started_at),
            mask.put("finished_at", &mut self.finished_at, finished_at),
            mask.put("parts_used", &mut self.parts_used, parts_used),
        ]
        .contains(&true)
    }

    /// How long the equipment was down for it, as far as it says.
    pub fn downtime(&self) -> Option<Duration> {
        Some(self.finished_at?.since(self.started_at?))
    }

    /// Checks the times, whose fields the request has below `path` (`record.`).
    pub fn check_times(&self, path: &str, now: Timestamp) -> Result<()> {
        let times = [("started_at", self.started_at), ("finished_at", self.finished_at)];
        for (field, at) in times {
            if at.is_some_and(|at| now.plus(AHEAD) < at) {
                return Err(Error::invalid(format!("{path}{field}"), "lies in the future"));
            }
        }
        match (self.started_at, self.finished_at) {
            (Some(started_at), Some(finished_at)) if finished_at < started_at => {
                Err(Error::invalid(format!("{path}finished_at"), "lies before started_at"))
            }
            _ => Ok(()),
        }
    }
}

impl Maintenance {
    /// The record of `work` by `technician_id`, and of the `task` that it completed.
    pub fn new(
        work: Work,
        technician_id: String,
        equipment_id: EquipmentId,
        task: Option<&Task>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: MaintenanceId::new(),
            equipment_id,
            task_id: task.map(|task| task.id),
            completion: task.map(|task| task.completions),
            technician_id,
            work,
            created_at: now,
            updated_at: now,
            revision: 1,
        }
    }

    /// When the work was done, as far as it says.
    pub fn done_at(&self) -> Timestamp {
        self.work.finished_at.or(self.work.started_at).unwrap_or(self.created_at)
    }

    /// Refuses a write that was made for an older state of the record; no `etag` is for any.
    pub fn check_etag(&self, etag: &str) -> Result<()> {
        etag::check(etag, self.revision, "the record was changed meanwhile")
    }

    /// Refuses whoever did not do the work, admins, too: a record is the word of who did it.
    pub fn check_owner(&self, caller: &str) -> Result<()> {
        if self.technician_id == caller {
            return Ok(());
        }
        Err(Error::Forbidden("a record is changed and deleted by who did the work"))
    }

    /// Changes what `mask` names to what the `work` has; answers whether that made a difference.
    pub fn edit(&mut self, work: Work, mask: &Mask, now: Timestamp) -> Result<bool> {
        let differs = self.work.take(work, mask);
        self.work.check_times("record.", now)?;
        if !differs {
            return Ok(false);
        }
        self.updated_at = now.max(self.updated_at);
        self.revision += 1;
        Ok(true)
    }

    /// Refuses a wish for other equipment or another task. They may be left out, but where `mask` names them.
    pub fn check_subject(
        &self,
        equipment_id: Option<EquipmentId>,
        task_id: Option<TaskId>,
        mask: &Mask,
    ) -> Result<()> {
        let refuse = |field: &str| Err(Error::invalid(format!("record.{field}"), "can't change"));
        let own = Some(self.equipment_id);
        if equipment_id != own && (equipment_id.is_some() || mask.lists("equipment_id")) {
            return refuse("equipment_id");
        }
        if task_id != self.task_id && (task_id.is_some() || mask.lists("task_id")) {
            return refuse("task_id");
        }
        Ok(())
    }
}

/// What was worked on: the task's equipment if it has some, else what the record `named`.
pub fn equipment_of(named: Option<EquipmentId>, task: Option<&Task>) -> Result<EquipmentId> {
    let refuse = |problem: &str| Error::invalid("record.equipment_id", problem);
    match (named, task.and_then(|task| task.equipment_id)) {
        (Some(named), Some(own)) if named != own => Err(refuse("is not the task's equipment")),
        (_, Some(own)) => Ok(own),
        (Some(named), None) => Ok(named),
        (None, None) => Err(refuse("is required, unless the task has one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field that is refused, for work between these minutes from now.
    fn refused(started: Option<i64>, finished: Option<i64>) -> Option<String> {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let at = |minutes: i64| Timestamp::from_micros(now.micros() + minutes * 60_000_000);
        let work = Work {
            kind: Kind::Corrective,
            work_done: String::new(),
            started_at: started.map(at),
            finished_at: finished.map(at),
            parts_used: String::new(),
        };
        match work.check_times("record.", now) {
            Err(Error::Invalid { field, .. }) => Some(field),
            other => other.map(|()| None).unwrap(),
        }
    }

    #[test]
    fn work_ends_after_it_began_and_not_in_the_future() {
        let (started, finished) = (Some("record.started_at"), Some("record.finished_at"));
        for (from, to, field) in [
            (None, None, None),
            (Some(-2), Some(-1), None),
            (Some(-1), Some(-1), None),
            (Some(-1), Some(-2), finished),
            (Some(10), None, None),
            (None, Some(10), None),
            (Some(11), None, started),
            (None, Some(11), finished),
        ] {
            assert_eq!(refused(from, to).as_deref(), field, "{from:?} {to:?}");
        }
    }
}
