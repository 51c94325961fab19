//! The steps that a task takes from state to state, and who may take them. An admin may take every one, but claims, as
//! everybody, only what waits for nobody else.
//!
//! | step | from | to | who, beside an admin |
//! | --- | --- | --- | --- |
//! | claim | `PENDING` | `IN_PROGRESS` | for whom it waits; anybody, if for nobody |
//! | start | `PENDING` | `IN_PROGRESS` | its holder |
//! | hold | `IN_PROGRESS` | `ON_HOLD` | its holder |
//! | resume | `ON_HOLD` | `IN_PROGRESS` | its holder |
//! | release | `PENDING`, `IN_PROGRESS`, `ON_HOLD` | `PENDING`, with nobody | its holder |
//! | assign | `PENDING`, `IN_PROGRESS`, `ON_HOLD` | `PENDING`, with the assignee | nobody |
//! | complete | `PENDING`, `IN_PROGRESS`, `ON_HOLD` | `COMPLETED` | its holder; anybody, if it is with nobody |
//! | reopen | `COMPLETED` | `PENDING`, with nobody | who completed it |
//! | cancel | `PENDING`, `IN_PROGRESS`, `ON_HOLD` | `CANCELLED` | who created it, who could as well have deleted it |
//! | cancel | `COMPLETED` | `CANCELLED` | who completed it: nobody else takes back their word |
//!
//! The holder is whom the task is with: `assignee_id`, in every state. Steps that have no method of their own are taken by
//! [`Task::set_status`], which takes the others, too, where they are the step between two states; but what is with nobody
//! is completed by the method, not by its status.

use kit::{Error, Result, Timestamp};

use super::{Status, Task, Worker};
use crate::domain::task_event::{Kind, TaskEvent};

impl Task {
    /// Gives the task to `worker`; answers what happened, if anything did: its holder may claim it again.
    pub fn claim(&mut self, worker: &Worker, now: Timestamp) -> Result<Option<TaskEvent>> {
        self.check_open(Status::InProgress).map_err(|refusal| self.naming_holder(refusal))?;
        match &self.assignee_id {
            Some(holder) if *holder != worker.id => return Err(held(holder)),
            Some(_) if self.status != Status::Pending => return Ok(None),
            _ => {}
        }
        self.status = Status::InProgress;
        self.assignee_id = Some(worker.id.clone());
        Ok(Some(self.happened(Kind::Claimed, worker, "", now)))
    }

    /// Gives the task back, so that it waits for nobody.
    pub fn release(&mut self, worker: &Worker, now: Timestamp) -> Result<TaskEvent> {
        self.check_open(Status::Pending)?;
        self.check_not_held(worker)?;
        let Some(holder) = self.assignee_id.take() else {
            return Err(Error::refused("TASK_NOT_HELD", "the task is with nobody"));
        };
        self.status = Status::Pending;
        Ok(self.happened(Kind::Released, worker, &holder, now))
    }

    /// Has the task wait for `assignee_id`; answers what happened, if anything did: it may be with them already.
    pub fn assign(
        &mut self,
        assignee_id: &str,
        worker: &Worker,
        now: Timestamp,
    ) -> Result<Option<TaskEvent>> {
        self.check_open(Status::Pending)?;
        if self.assignee_id.as_deref() == Some(assignee_id) {
            return Ok(None);
        }
        self.status = Status::Pending;
        self.assignee_id = Some(assignee_id.to_owned());
        Ok(Some(self.happened(Kind::Assigned, worker, assignee_id, now)))
    }

    /// Notes that `worker` has done the work.
    pub fn complete(&mut self, worker: &Worker, now: Timestamp) -> Result<TaskEvent> {
        self.check_open(Status::Completed)?;
        self.check_not_held(worker)?;
        self.status = Status::Completed;
        self.completions += 1;
        self.completed_by = Some(worker.id.clone());
        let event = self.happened(Kind::Completed, worker, "", now);
        self.completed_at = Some(event.at);
        Ok(event)
    }

    /// Takes the work up again.
    pub fn reopen(&mut self, worker: &Worker, now: Timestamp) -> Result<TaskEvent> {
        if self.status != Status::Completed {
            let refusal = Error::refused("TASK_NOT_COMPLETED", "the task is not completed");
            return Err(self.between(refusal, Status::Pending));
        }
        self.check_completed(worker, "an admin reopens a task, or who completed it")?;
        self.status = Status::Pending;
        self.assignee_id = None;
        self.completed_at = None;
        self.completed_by = None;
        Ok(self.happened(Kind::Reopened, worker, "", now))
    }

    /// Takes the step from the status that the task has to `to`; answers what happened, if anything did.
    pub fn set_status(
        &mut self,
        to: Status,
        worker: &Worker,
        now: Timestamp,
    ) -> Result<Option<TaskEvent>> {
        use Status::{Cancelled, Completed, InProgress, OnHold, Pending};

        self.check_concerns(worker)?;
        let event = match (self.status, to) {
            (from, to) if from == to => return Ok(None),
            (Pending, InProgress) => self.move_on(to, Kind::Started, worker, now)?,
            (InProgress, OnHold) => self.move_on(to, Kind::PutOnHold, worker, now)?,
            (OnHold, InProgress) => self.move_on(to, Kind::Resumed, worker, now)?,
            (InProgress | OnHold, Pending) => self.release(worker, now)?,
            (Pending | InProgress | OnHold, Completed) => {
                self.check_holds(worker)?;
                self.complete(worker, now)?
            }
            (Completed, Pending) => self.reopen(worker, now)?,
            (_, Cancelled) => self.cancel(worker, now)?,
            _ => {
                let message = "a task takes no such step";
                return Err(self.between(Error::refused("TASK_TRANSITION", message), to));
            }
        };
        Ok(Some(event))
    }

    /// From one state of its holder's work to another. Work that begins with nobody is the one's who began it.
    fn move_on(
        &mut self,
        to: Status,
        kind: Kind,
        worker: &Worker,
        now: Timestamp,
    ) -> Result<TaskEvent> {
        self.check_holds(worker)?;
        self.status = to;
        self.assignee_id.get_or_insert_with(|| worker.id.clone());
        Ok(self.happened(kind, worker, "", now))
    }

    /// Notes that the work is not to be done any more; what was done stays on record.
    fn cancel(&mut self, worker: &Worker, now: Timestamp) -> Result<TaskEvent> {
        if self.status == Status::Completed {
            let message = "an admin cancels a task that is completed, or who completed it";
            self.check_completed(worker, message)?;
        } else {
            self.check_is_theirs(worker, "an admin cancels a task, or who created it")?;
        }
        self.status = Status::Cancelled;
        self.completed_at = None;
        self.completed_by = None;
        Ok(self.happened(Kind::Cancelled, worker, "", now))
    }

    /// Refuses whoever has nothing to say about the status: who neither holds, nor completed, nor created the task.
    fn check_concerns(&self, worker: &Worker) -> Result<()> {
        let theirs =
            [self.assignee_id.as_ref(), self.completed_by.as_ref(), Some(&self.created_by)];
        let may = worker.is_admin || theirs.contains(&Some(&worker.id));
        if may { Ok(()) } else { Err(Error::Forbidden(NOT_THEIRS)) }
    }

    /// Refuses whoever did not complete the task.
    fn check_completed(&self, worker: &Worker, otherwise: &'static str) -> Result<()> {
        let may = worker.is_admin || self.completed_by.as_ref() == Some(&worker.id);
        if may { Ok(()) } else { Err(Error::Forbidden(otherwise)) }
    }

    /// Refuses whoever the task is not with, also while it is with nobody.
    fn check_holds(&self, worker: &Worker) -> Result<()> {
        match &self.assignee_id {
            _ if worker.is_admin => Ok(()),
            Some(holder) if *holder == worker.id => Ok(()),
            Some(_) => Err(Error::Forbidden(NOT_THEIRS)),
            None => {
                Err(Error::Forbidden("the task is with nobody: claim it first, or complete it"))
            }
        }
    }

    /// Refuses whoever the task is not with while it is with somebody.
    fn check_not_held(&self, worker: &Worker) -> Result<()> {
        match &self.assignee_id {
            Some(holder) if *holder != worker.id && !worker.is_admin => Err(held(holder)),
            _ => Ok(()),
        }
    }

    /// Refuses what is over, on its way `to` another state.
    fn check_open(&self, to: Status) -> Result<()> {
        let refusal = match self.status {
            Status::Completed => self.completed(),
            Status::Cancelled => Error::refused("TASK_CANCELLED", "the task is cancelled"),
            Status::Pending | Status::InProgress | Status::OnHold => return Ok(()),
        };
        Err(self.between(refusal, to))
    }

    /// A refusal of a claim that comes too late, naming who held the task to its end, or who completed it without.
    fn naming_holder(&self, refusal: Error) -> Error {
        match self.assignee_id.as_ref().or(self.completed_by.as_ref()) {
            Some(holder) => refusal.with("holder_id", holder),
            None => refusal,
        }
    }

    /// A refusal that names the two states.
    fn between(&self, refusal: Error, to: Status) -> Error {
        refusal.with("from", self.status.name()).with("to", to.name())
    }
}

const NOT_THEIRS: &str = "the status of a task is set by who holds it, of a completed one by who completed it, or by an admin; \
                          who created a task may cancel it until it is completed";

fn held(holder: &str) -> Error {
    Error::refused("TASK_HELD", "somebody else holds the task").with("holder_id", holder)
}

#[cfg(test)]
mod tests;
