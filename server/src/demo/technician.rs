//! A technician of the demo, who takes the tasks that alerts open, one at a time.

use std::{sync::Arc, time::Duration};

use kit::{
    Clock,
    peer::{Peer, Peers},
};
use proto::maintenance::v1::{
    ClaimTaskRequest, CompleteTaskRequest, Task, maintenance_record::Kind, task,
    task_service_client::TaskServiceClient,
};
use rand::RngExt;
use tokio::{sync::watch, time::sleep};
use tonic::{Code, Status};

use super::{assets::Asset, people::Person};

/// Seconds until a technician has walked to the screen and taken a task.
const NOTICE: std::ops::Range<f64> = 3.0..8.0;
/// Seconds of work.
const WORK: std::ops::Range<f64> = 10.0..18.0;
/// After a call that failed.
const PAUSE: Duration = Duration::from_secs(3);

/// Works until the demo ends.
pub struct Technician {
    person: Person,
    client: TaskServiceClient<Peer>,
    assets: Arc<[Asset]>,
    open: watch::Receiver<Vec<Task>>,
    clock: Clock,
    /// The task that was done last: the list of open ones may be a moment old.
    done: String,
}

impl Technician {
    pub fn new(
        person: Person,
        peers: &Peers,
        assets: Arc<[Asset]>,
        open: watch::Receiver<Vec<Task>>,
        clock: Clock,
    ) -> Self {
        let client = TaskServiceClient::new(peers.maintenance.clone());
        Self { person, client, assets, open, clock, done: String::new() }
    }

    /// Takes task after task, until nobody tells of open ones any more.
    pub async fn run(mut self) {
        while let Some(task) = self.next_task().await {
            match self.work(&task).await {
                // Somebody else was faster, or took it over.
                Err(status) if status.code() == Code::FailedPrecondition => self.done = task.id,
                Err(status) => {
                    let (name, error) = (self.person.name, status.message());
                    tracing::warn!(name, error, "a technician can't work; will try again");
                    sleep(PAUSE).await;
                }
                Ok(()) => self.done = task.id,
            }
        }
    }

    /// A task that this technician holds from an earlier start, or one that waits for anybody.
    async fn next_task(&mut self) -> Option<Task> {
        let (id, done) = (&self.person.id, &self.done);
        let suits = |task: &&Task| {
            let is_mine = task.assignee_id.as_ref() == Some(id);
            let is_free = task.assignee_id.is_none() && task.status() == task::Status::Pending;
            task.id != *done && (is_mine || is_free)
        };
        let has_one = |tasks: &Vec<Task>| tasks.iter().any(|task| suits(&task));
        let open = self.open.wait_for(has_one).await.ok()?;
        open.iter().find(suits).cloned()
    }

    async fn work(&mut self, task: &Task) -> Result<(), Status> {
        let Some(asset) = self.assets.iter().find(|asset| asset.id == task.equipment_id()) else {
            return Ok(());
        };
        let kind = asset.model.kind;
        if task.assignee_id.is_none() {
            some_seconds(NOTICE).await;
            let request = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
            let request = self.person.session.request(request).await?;
            self.client.claim_task(request).await?;
        }
        let started_at = self.clock.now();
        some_seconds(WORK).await;
        let request = CompleteTaskRequest {
            id: task.id.clone(),
            work_done: kind.work_done.into(),
            kind: Kind::Corrective.into(),
            started_at: Some(started_at.into()),
            finished_at: Some(self.clock.now().into()),
            parts_used: kind.parts_used.into(),
            ..CompleteTaskRequest::default()
        };
        let request = self.person.session.request(request).await?;
        self.client.complete_task(request).await?;
        Ok(())
    }
}

async fn some_seconds(range: std::ops::Range<f64>) {
    let seconds = rand::rng().random_range(range);
    sleep(Duration::from_secs_f64(seconds)).await;
}
