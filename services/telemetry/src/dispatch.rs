//! Turns alerts into tasks: reads this service's change log and carries its wishes to the maintenance service.
//!
//! The log's entry holds the very request, and the request the alert's id as its key: it may be carried any number of
//! times, by any replica, and makes one task.

use std::time::Duration;

use kit::{
    Db, Error, Result, Suite,
    changes::{self, Change, Position, Reader},
    trace,
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
    let dispatcher = Dispatcher { db: db.clone(), suite: suite.clone() };
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
}

impl Dispatcher {
    async fn run(&self) -> Result<std::convert::Infallible> {
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
    async fn open(&self, change: &Change) -> Result<()> {
        let id = AlertId::from(change.id);
        let alert = store::alert::find(&mut self.db.read().await?, id).await?;
        if alert.is_some_and(|alert| alert.task_id.is_some()) {
            // Another replica was faster, or this one before it was restarted.
            return Ok(());
        }
        let request: CreateTaskRequest = change.decode()?;
        let outcome = self.insist(|| self.create_task(request.clone())).await;

        let now = self.suite.clock.now();
        let mut tx = self.db.begin("note task").await?;
        // An alert that was removed meanwhile has nothing to note; its own entry in the log follows.
        let Some(mut alert) = store::alert::lock(&mut tx, id).await? else {
            return Ok(());
        };
        match outcome {
            Ok(task) => {
                alert.task_id = Some(task.id);
                observe::Task::Opened.note(&mut tx);
            }
            Err(refusal) => {
                observe::Task::Refused.note(&mut tx);
                tracing::error!(alert = %alert.id, %refusal, "no task can be opened");
                alert.say(&format!("No task could be opened: {refusal}"));
            }
        }
        alert.revision += 1;
        store::alert::update(&mut tx, &alert).await?;
        changes::append(&mut tx, now, change::ALERT, alert.id.uuid(), &pb::Alert::from(alert))
            .await?;
        tx.commit().await
    }

    /// Tells whoever has the task why its alert has gone.
    async fn explain(&self, change: &Change) -> Result<()> {
        let mut request: CreateTaskRequest = change.decode()?;
        // Not the first request again, whose text may have been another: the alert's id finds the task.
        request.request_id.clear();
        let outcome = self.insist(|| self.create_task(request.clone())).await;
        let Ok(task) = outcome else { return Ok(()) };
        let comment = CreateCommentRequest {
            task_id: task.id,
            comment: Some(Comment { text: NEVER_WAS.into(), ..Comment::default() }),
            request_id: format!("{}-never-was", change.id),
        };
        let outcome = self.insist(|| self.create_comment(comment.clone())).await;
        if let Err(refusal) = outcome {
            tracing::error!(alert = %change.id, %refusal, "no comment can be made");
        }
        Ok(())
    }

    async fn create_task(&self, request: CreateTaskRequest) -> Result<Task> {
        let request = self.suite.identity.request(request).await?;
        let mut client = TaskServiceClient::new(self.suite.peers.maintenance.clone());
        Ok(client.create_task(request).await?.into_inner())
    }

    async fn create_comment(&self, request: CreateCommentRequest) -> Result<()> {
        let request = self.suite.identity.request(request).await?;
        let mut client = TaskServiceClient::new(self.suite.peers.maintenance.clone());
        client.create_comment(request).await?;
        Ok(())
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
                    tracing::debug!(%error, "the maintenance service can't be reached");
                }
                Err(error) => {
                    tracing::warn!(%error, "tasks wait: the maintenance service can't be reached");
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
