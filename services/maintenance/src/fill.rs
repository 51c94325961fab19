//! A great many tasks at once, for demos and measurements: each lives its life by the rules that every task lives by, and
//! they are written together, far faster than one by one. The change log isn't told: what is filled in has happened long ago.

use kit::{Timestamp, db::Tx};

use crate::{
    domain::{
        comment::{Comment, CommentId},
        equipment::EquipmentId,
        maintenance::{Kind, Maintenance, Work},
        task::{Priority, Source, Status, Task, TaskId, Worker},
        task_event::TaskEvent,
    },
    store,
};

/// Tasks that one transaction writes: other writers wait meanwhile.
const STEP: usize = 5000;

/// What a task is and becomes.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its title.
    pub title: String,
    /// More of it.
    pub description: String,
    /// The equipment's id.
    pub equipment_id: String,
    /// As the contract names it.
    pub priority: &'static str,
    /// `YYYY-MM-DD`.
    pub due_date: Option<String>,
    /// The user who makes it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// The user who takes it, and when.
    pub claimed: Option<(String, Timestamp)>,
    /// How it ends, if it does.
    pub end: Option<End>,
    /// What people say of it.
    pub comments: Vec<(String, String, Timestamp)>,
}

/// How a task ends.
#[derive(Clone, Debug)]
pub enum End {
    /// The work is done, by whoever took the task.
    Done {
        /// When it was begun.
        from: Timestamp,
        /// When it was finished.
        to: Timestamp,
        /// What was done.
        work_done: String,
        /// Whether there had been a fault.
        is_corrective: bool,
    },
    /// Nothing is to be done any more, from this time on.
    Cancelled(Timestamp),
}

/// All that is written of some tasks.
#[derive(Default)]
struct Rows {
    tasks: Vec<Task>,
    events: Vec<TaskEvent>,
    records: Vec<Maintenance>,
    comments: Vec<Comment>,
}

/// Writes them all, in this order; `progress` hears how many it were each time.
///
/// # Errors
///
/// The database can't be opened or written, or a life breaks the rules of tasks.
pub async fn fill(
    db: &kit::db::Config,
    lives: impl Iterator<Item = Life>,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<()> {
    let db = crate::SCHEMA.open(db).await?;
    let mut lives = lives.peekable();
    while lives.peek().is_some() {
        let mut rows = Rows::default();
        for life in lives.by_ref().take(STEP) {
            rows.live(life)?;
        }
        let mut tx = db.begin("fill").await?;
        rows.write(&mut tx).await?;
        tx.commit().await?;
        progress(rows.tasks.len());
    }
    let mut tx = db.begin("analyze what was filled").await?;
    store::analyze(&mut tx).await?;
    tx.commit().await?;
    db.close().await;
    Ok(())
}

impl Rows {
    fn live(&mut self, life: Life) -> kit::Result<()> {
        let mut task = born(&life)?;
        self.events.extend(TaskEvent::of_new(&task));
        let mut worker = Worker { id: life.created_by, is_admin: true };
        if let Some((id, at)) = life.claimed {
            worker.id = id;
            self.events.extend(task.claim(&worker, at)?);
        }
        match life.end {
            None => {}
            Some(End::Cancelled(at)) => {
                self.events.extend(task.set_status(Status::Cancelled, &worker, at)?);
            }
            Some(End::Done { from, to, work_done, is_corrective }) => {
                self.events.push(task.complete(&worker, to)?);
                let kind = if is_corrective { Kind::Corrective } else { Kind::Preventive };
                let (started_at, finished_at) = (Some(from), Some(to));
                let work = Work { kind, work_done, started_at, finished_at, ..Work::default() };
                if let Some(equipment_id) = task.equipment_id {
                    let record = Maintenance::new(work, worker.id, equipment_id, Some(&task), to);
                    self.records.push(record);
                }
            }
        }
        let task_id = task.id;
        self.comments.extend(life.comments.into_iter().map(|(author_id, text, created_at)| {
            Comment { id: CommentId::new(), task_id, author_id, text, created_at }
        }));
        self.tasks.push(task);
        Ok(())
    }

    async fn write(&self, tx: &mut Tx) -> kit::Result<()> {
        store::task::insert_all(tx, &self.tasks).await?;
        store::task_event::insert_all(tx, &self.events).await?;
        store::maintenance::insert_all(tx, &self.records).await?;
        store::comment::insert_all(tx, &self.comments).await
    }
}

/// The task when it is new.
fn born(life: &Life) -> kit::Result<Task> {
    Ok(Task {
        id: TaskId::new(),
        title: life.title.clone(),
        description: life.description.clone(),
        equipment_id: Some(EquipmentId::parse("equipment_id", &life.equipment_id)?),
        status: Status::Pending,
        priority: Priority::from_name(life.priority).unwrap_or(Priority::Medium),
        due_date: life.due_date.clone(),
        assignee_id: None,
        created_by: life.created_by.clone(),
        source: Source::Manual,
        alert_id: None,
        completions: 0,
        completed_at: None,
        completed_by: None,
        created_at: life.created_at,
        updated_at: life.created_at,
        revision: 1,
    })
}
