//! What is said of the work when its task is completed.

use kit::{Result, Timestamp, db::Tx};
use proto::maintenance::v1 as pb;

use super::{read, tell};
use crate::{
    domain::{
        comment::{Comment, CommentId},
        maintenance::{Maintenance, Work},
        task::{Task, Worker},
    },
    rpc::comment,
    store,
};

/// Characters that a comment holds at most: what is said of the work can take more than one.
const COMMENT_LETTERS: usize = 10_000;

/// What the completion of a task says of the work.
#[derive(Default)]
pub struct Completion {
    work: Work,
    /// The same in words; empty if it says nothing.
    words: String,
}

impl Completion {
    /// Its fields are those of a record.
    pub fn read(wire: pb::CompleteTaskRequest, now: Timestamp) -> Result<Self> {
        let is_kind_said = wire.kind != 0;
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
        let words = words(&work, is_kind_said);
        Ok(Self { work, words })
    }

    /// Records the work that completed `task`; where that has no equipment, and so no record, comments keep what is said. The
    /// caller changed the task, and keeps it.
    pub async fn record(
        self,
        tx: &mut Tx,
        task: &Task,
        worker: &Worker,
        now: Timestamp,
    ) -> Result<()> {
        let Some(equipment_id) = task.equipment_id else {
            return self.comment(tx, task, worker, now).await;
        };
        let record = Maintenance::new(self.work, worker.id.clone(), equipment_id, Some(task), now);
        store::maintenance::insert(tx, &record).await?;
        tell(tx, &record, now).await?;
        Ok(())
    }

    async fn comment(
        self,
        tx: &mut Tx,
        task: &Task,
        worker: &Worker,
        now: Timestamp,
    ) -> Result<()> {
        let letters: Vec<char> = self.words.chars().collect();
        for part in letters.chunks(COMMENT_LETTERS) {
            let comment = Comment {
                id: CommentId::new(),
                task_id: task.id,
                author_id: worker.id.clone(),
                text: part.iter().collect(),
                created_at: now,
            };
            store::comment::insert(tx, &comment).await?;
            comment::tell(tx, &comment, now).await?;
        }
        Ok(())
    }
}

/// What a record would say, a line a field.
fn words(work: &Work, is_kind_said: bool) -> String {
    let line = |name: &str, text: String| (!text.is_empty()).then(|| format!("{name}: {text}"));
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let kind = if is_kind_said { work.kind.name() } else { "" };
    let lines = [
        Some(work.work_done.clone()).filter(|text| !text.is_empty()),
        line("Kind", kind.to_owned()),
        line("Started at", time(work.started_at)),
        line("Finished at", time(work.finished_at)),
        line("Parts used", work.parts_used.clone()),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
