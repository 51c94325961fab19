//! What is said of the work when its task is completed.

use kit::{Error, Result, Timestamp, db::Tx};
use proto::maintenance::v1 as pb;

use super::{read, tell};
use crate::{
    domain::{
        maintenance::{Maintenance, Work},
        task::{Task, Worker},
    },
    store,
};

/// What the completion of a task says of the work.
#[derive(Default)]
pub struct Completion {
    work: Work,
    /// The fields that say it.
    said: Vec<&'static str>,
}

impl Completion {
    /// Its fields are those of a record.
    pub fn read(wire: pb::CompleteTaskRequest, now: Timestamp) -> Result<Self> {
        let said = said(&wire);
        let work = read(
            "",
            pb::MaintenanceRecord {
                kind: wire.kind,
                work_done: wire.work_done,
                started_at: wire.started_at,
                finished_at: wire.finished_at,
                parts_used: wire.parts_used,
                ..Default::default()
            },
        )?;
        work.check_times("", now)?;
        Ok(Self { work, said })
    }

    /// Records the work that completed `task`, if that has equipment; the caller changed the task, and keeps it.
    pub async fn record(
        self,
        tx: &mut Tx,
        task: &Task,
        worker: &Worker,
        now: Timestamp,
    ) -> Result<()> {
        let Some(equipment_id) = task.equipment_id else { return self.check_silent() };
        let record = Maintenance::new(self.work, worker.id.clone(), equipment_id, Some(task), now);
        store::maintenance::insert(tx, &record).await?;
        tell(tx, &record, now).await?;
        Ok(())
    }

    /// Refuses what no record would keep.
    fn check_silent(&self) -> Result<()> {
        let Some(first) = self.said.first() else { return Ok(()) };
        let all = self.said.join(", ");
        let problem = format!(
            "can't be kept: a task without equipment has no maintenance record. Leave out {all}, or give the task its \
             equipment_id first"
        );
        Err(Error::invalid(*first, problem))
    }
}

/// The fields in which a completion says something of the work.
fn said(wire: &pb::CompleteTaskRequest) -> Vec<&'static str> {
    [
        ("work_done", !wire.work_done.is_empty()),
        ("kind", wire.kind != 0),
        ("started_at", wire.started_at.is_some()),
        ("finished_at", wire.finished_at.is_some()),
        ("parts_used", !wire.parts_used.is_empty()),
    ]
    .into_iter()
    .filter_map(|(field, is_said)| is_said.then_some(field))
    .collect()
}
