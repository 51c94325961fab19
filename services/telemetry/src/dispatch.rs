//! Turns alerts into tasks: reads this service's change log and carries its wishes to the maintenance service.
//!
//! The log's entry holds the very request, and the request the alert's id as its key: it may be carried any number of
//! times, by any replica, and makes one task.

use std::{collections::HashMap, time::Duration};

use kit::{
    Db, Error, Result, Suite,
    changes::{self, Change, Position, Reader},
    trace,
    uuid::Uuid,
};
use proto::{
    maintenance::v1::{
        Comment, CreateCommentRequest, CreateTaskRequest, Task,
        task_service_client::TaskServiceClient,
    },
    telemetry::v1 as pb,
};
use tonic::Code;
use tracing::Instrument;

use crate::{change, domain::alert::AlertId, observe, store};

/// This consumer's place in the log.
pub const CURSOR: &str = "dispatch";
/// What is said of a task whose alert never was.
const NEVER_WAS: &str = "The alert that opened this task was removed: readings that arrived later show that it never was.";
/// The first and the longest pause before a call that failed is made again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Dispatches for as long as the process runs.
pub fn start(db: &Db, suite: &Suite) {
    let (db, suite) = (db.clone(), suite.clone());
    let mut dispatcher = Dispatcher { db, suite: suite.clone(), unnoted: HashMap::new() };
    suite.spawn(async move {
        loop {
            let Err(error) = dispatcher.run().await;
            tracing::warn!(%error, "the dispatcher can't read its log; it tries again");
            tokio::time::sleep(PAUSES.1).await;
        }
    });
}

struct Dispatcher {
    db: Db,
    suite: Suite,
    /// Tasks by their alerts, which were removed while they were opened.
    unnoted: HashMap<Uuid, String>,
}

impl Dispatcher {
    async fn run(&mut self) -> Result<std::convert::Infallible> {
        let place = changes::cursor(&mut self.db.read().await?, CURSOR).await?;
        let mut reader = Reader::new(&self.db, place.unwrap_or_default());
        loop {
            let changes = reader.next().await?;
            for change in &changes {
                match change.kind.as_str() {
                    change::TASK_WANTED => {
                        self.open(change).instrument(trace::work("open task")).await?;
                    }
                    change::TASK_UNWARRANTED => {
                        self.explain(change).instrument(trace::work("explain task")).await?;
                    }
                    _ => {}
                }
            }
            // What was carried when the process ends here is carried again, and is there already.
            if let Some(last) = changes.last() {
                self.advance(last.position).await?;
            }
        }
    }

    async fn advance(&self, position: Position) -> Result<()> {
        let mut tx = self.db.begin("advance dispatch").await?;
        changes::set_cursor(&mut tx, CURSOR, position).await?;
        tx.commit().await
    }

    /// Opens the task that `change` wants, and notes it at the alert.
    async fn open(&mut self, change: &Change) -> Result<()> {
        let id = AlertId::from(change.id);
        let request: CreateTaskRequest = change.decode()?;
        let outcome = match self.insist(|| self.open_task(id, request.clone())).await {
            Ok(None) => return Ok(()),
            Ok(Some(task)) => Ok(task),
            Err(refusal) => Err(refusal),
        };
        self.note(id, outcome).await
    }

    /// Notes at the alert what became of its task.
    async fn note(&mut self, id: AlertId, outcome: Result<Task, String>) -> Result<()> {
        let now = self.suite.clock.now();
        let mut tx = self.db.begin("note task").await?;
        let Some(mut alert) = store::alert::lock(&mut tx, id).await? else {
            // It was removed meanwhile. If it never was, an entry in the log follows that says so.
            self.unnoted.extend(outcome.ok().map(|task| (id.uuid(), task.id)));
            return Ok(());
        };
        if alert.task_id.is_some() {
            // Another replica was faster.
            return Ok(());
        }
        match outcome {
            Ok(task) => {
                alert.task_id = Some(task.id);
                observe::Task::Opened.note(&mut tx);
            }
            Err(refusal) => {
                let refusal = format!("No task could be opened: {refusal}");
                if alert.comment.contains(&refusal) {
                    // Another replica was told the same, or this one before it was restarted.
                    return Ok(());
                }
                observe::Task::Refused.note(&mut tx);
                tracing::error!(alert = %alert.id, "{refusal}");
                alert.say(&refusal);
            }
        }
        alert.revision += 1;
        store::alert::update(&mut tx, &alert).await?;
        changes::append(&mut tx, now, change::ALERT, alert.id.uuid(), &pb::Alert::from(alert))
            .await?;
        tx.commit().await
    }

    /// Tells whoever has the task why its alert has gone, if it came to a task.
    async fn explain(&mut self, change: &Change) -> Result<()> {
        let request: CreateTaskRequest = change.decode()?;
        let noted = request.task.map(|task| task.id).filter(|id| !id.is_empty());
        let unnoted = self.unnoted.remove(&change.id);
        let Some(task_id) = noted.or(unnoted) else { return Ok(()) };
        let comment = CreateCommentRequest {
            task_id,
            comment: Some(Comment { text: NEVER_WAS.into(), ..Comment::default() }),
            request_id: format!("{}-never-was", change.id),
        };
        let outcome = self.insist(|| self.create_comment(comment.clone())).await;
        if let Err(refusal) = outcome {
            tracing::error!(alert = %change.id, %refusal, "no comment can be made");
        }
        Ok(())
    }

    /// Opens the task of an alert. None if it has one, because another replica was faster, or this one before it was restarted;
    /// nor if the alert was removed.
    async fn open_task(&self, id: AlertId, request: CreateTaskRequest) -> Result<Option<Task>> {
        let alert = store::alert::find(&mut self.db.read().await?, id).await?;
        if alert.is_none_or(|alert| alert.task_id.is_some()) {
            return Ok(None);
        }
        self.create_task(request).await.map(Some)
    }

    async fn create_task(&self, request: CreateTaskRequest) -> Result<Task> {
        let request = self.suite.identity.request(request).await?;
        let mut client = TaskServiceClient::new(self.suite.peers.maintenance.clone());
        Ok(client.create_task(request).await?.into_inner())
    }

    async fn create_comment(&self, request: CreateCommentRequest) -> Result<()> {
        let request = self.suite.identity.request(request).await?;
        let mut client = TaskServiceClient::new(self.suite.peers.maintenance.clone());
        match client.create_comment(request).await {
            // The task was removed, or a backup from before it was restored: nobody is to be told.
            Err(status) if status.code() == Code::NotFound => Ok(()),
            answer => Ok(answer.map(drop)?),
        }
    }

    /// Makes `call` until it is answered. An error is a refusal for good; anything that may pass is waited out.
    async fn insist<T, F>(&self, call: impl Fn() -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pause = PAUSES.0;
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(Error::Upstream(status)) if is_refusal(status.code()) => {
                    return Err(status.message().to_owned());
                }
                Err(error) if pause < PAUSES.1 => {
                    tracing::debug!(%error, "a task can't be opened or told yet");
                }
                Err(error) => {
                    tracing::warn!(%error, "tasks wait until the maintenance service can be reached");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// Whether the same call will be refused for ever. What a wrong address or an older neighbour answers is not.
fn is_refusal(code: Code) -> bool {
    matches!(code, Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists)
}

#[cfg(test)]
mod tests {
    use kit::Timestamp;

    use super::*;
    use crate::{
        SCHEMA,
        domain::{
            alert::{Alert, Severity},
            reading::EquipmentId,
        },
    };

    /// An alert that a person made.
    fn alert() -> Alert {
        Alert {
            id: AlertId::new(),
            equipment_id: EquipmentId::new(),
            rule_id: None,
            metric: "temperature".into(),
            severity: Severity::Warning,
            message: "Hot".into(),
            value: None,
            threshold: None,
            raised_at: Timestamp::from_micros(0),
            cleared_at: None,
            cleared_by: None,
            cleared_after: None,
            acknowledged_at: None,
            acknowledged_by: None,
            comment: String::new(),
            task_id: None,
            task_requested: true,
            created_by: None,
            occurrences: 1,
            judged_since: None,
            revision: 1,
        }
    }

    testkit::both! {
        async fn what_two_replicas_find_out_is_noted_once(world: World) {
            let db = SCHEMA.open(&world.db).await.unwrap();
            let suite = world.suite.clone();
            let mut dispatcher = Dispatcher { db: db.clone(), suite, unnoted: HashMap::new() };
            let alert = alert();
            let mut tx = db.begin("raise").await.unwrap();
            store::alert::insert(&mut tx, &alert).await.unwrap();
            tx.commit().await.unwrap();
            let refused = || Err("it is too late".to_owned());
            let opened = || Ok(Task { id: "a task".into(), ..Task::default() });

            for (outcome, task_id, revision) in [
                (refused(), None, 2),
                (refused(), None, 2),
                (opened(), Some("a task"), 3),
                (opened(), Some("a task"), 3),
                (Err("it is there".to_owned()), Some("a task"), 3),
            ] {
                dispatcher.note(alert.id, outcome).await.unwrap();

                let noted = store::alert::find(&mut db.read().await.unwrap(), alert.id).await;
                let noted = noted.unwrap().unwrap();
                assert_eq!((noted.task_id.as_deref(), noted.revision), (task_id, revision));
                assert_eq!(noted.comment, "No task could be opened: it is too late");
            }
        }

        async fn a_task_whose_alert_was_removed_while_it_was_opened_is_remembered(world: World) {
            let db = SCHEMA.open(&world.db).await.unwrap();
            let mut dispatcher = Dispatcher { db, suite: world.suite.clone(), unnoted: HashMap::new() };
            let (opened, refused) = (AlertId::new(), AlertId::new());

            let task = Task { id: "a task".into(), ..Task::default() };
            dispatcher.note(opened, Ok(task)).await.unwrap();
            dispatcher.note(refused, Err("it is too late".to_owned())).await.unwrap();

            assert_eq!(dispatcher.unnoted, [(opened.uuid(), "a task".to_owned())].into());
        }
    }
}
