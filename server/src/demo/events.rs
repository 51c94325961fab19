//! What happens to the demo's machines, as the services tell it: whoever does it, the demo's people or somebody at the
//! console.

use std::collections::HashMap;

use kit::peer::{Peer, Peers};
use proto::{
    maintenance::v1::{
        GetTaskRequest, ListTasksRequest, Task, task, task_service_client::TaskServiceClient,
    },
    telemetry::v1::{
        Alert, GetAlertRequest, ListAlertsRequest, alert, alert_service_client::AlertServiceClient,
    },
};
use tonic::{Code, Status};

use super::assets::Asset;
use crate::session::Session;

/// Open alerts and tasks of one machine at a time; more would be news of another kind.
const PAGE: i32 = 50;

/// What happened.
pub enum Event {
    Raised(Alert),
    Acknowledged(Alert),
    Cleared(Alert),
    Opened(Task),
    Claimed(Task),
    Ended(Task),
}

/// Looks at the alerts of the demo's machines and at the tasks that those opened.
pub struct Events {
    alert_client: AlertServiceClient<Peer>,
    task_client: TaskServiceClient<Peer>,
    alerts: HashMap<String, Alert>,
    tasks: HashMap<String, Task>,
}

impl Events {
    pub fn new(peers: &Peers) -> Self {
        Self {
            alert_client: AlertServiceClient::new(peers.telemetry.clone()),
            task_client: TaskServiceClient::new(peers.maintenance.clone()),
            alerts: HashMap::new(),
            tasks: HashMap::new(),
        }
    }

    /// The tasks that are not done.
    pub fn open_tasks(&self) -> Vec<Task> {
        self.tasks.values().cloned().collect()
    }

    /// What happened to `asset` since the last look.
    ///
    /// # Errors
    ///
    /// A service is away; the next look goes on from what this one saw.
    pub async fn look(&mut self, chief: &mut Session, asset: &Asset) -> Result<Vec<Event>, Status> {
        let mut events = Vec::new();
        self.look_at_alerts(chief, asset, &mut events).await?;
        self.look_at_tasks(chief, asset, &mut events).await?;
        Ok(events)
    }

    async fn look_at_alerts(
        &mut self,
        chief: &mut Session,
        asset: &Asset,
        events: &mut Vec<Event>,
    ) -> Result<(), Status> {
        let open = self.open_alerts(chief, asset).await?;
        for id in gone(&self.alerts, &open, |alert| alert.equipment_id == asset.id) {
            let request = chief.request(GetAlertRequest { id: id.clone() }).await?;
            let alert = found(self.alert_client.get_alert(request).await)?;
            self.alerts.remove(&id);
            events.extend(alert.map(Event::Cleared));
        }
        for (id, alert) in open {
            let before = self.alerts.insert(id, alert.clone());
            match before.map(|before| before.state()) {
                None => events.push(Event::Raised(alert)),
                Some(state) if state != alert.state() => events.push(Event::Acknowledged(alert)),
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn look_at_tasks(
        &mut self,
        chief: &mut Session,
        asset: &Asset,
        events: &mut Vec<Event>,
    ) -> Result<(), Status> {
        let is_of_asset = |task: &Task| task.equipment_id() == asset.id;
        let open = self.open_alert_tasks(chief, asset).await?;
        for id in gone(&self.tasks, &open, is_of_asset) {
            let request = chief.request(GetTaskRequest { id: id.clone() }).await?;
            let task = found(self.task_client.get_task(request).await)?;
            // A task that was deleted has ended, too.
            let last_seen = self.tasks.remove(&id);
            events.extend(task.or(last_seen).map(Event::Ended));
        }
        for (id, task) in open {
            let before = self.tasks.insert(id, task.clone());
            if before.is_none() {
                events.push(Event::Opened(task.clone()));
            }
            let held_before = before.and_then(|before| before.assignee_id);
            if task.assignee_id.is_some() && task.assignee_id != held_before {
                events.push(Event::Claimed(task));
            }
        }
        Ok(())
    }

    async fn open_alerts(
        &mut self,
        chief: &mut Session,
        asset: &Asset,
    ) -> Result<HashMap<String, Alert>, Status> {
        let mut open = HashMap::new();
        for state in [alert::State::Active, alert::State::Acknowledged] {
            let request = ListAlertsRequest {
                state: state.into(),
                equipment_id: Some(asset.id.clone()),
                page_size: PAGE,
                ..Default::default()
            };
            let request = chief.request(request).await?;
            let page = self.alert_client.list_alerts(request).await?.into_inner();
            open.extend(page.alerts.into_iter().map(|alert| (alert.id.clone(), alert)));
        }
        Ok(open)
    }

    /// The tasks that alerts opened; those that people wrote are none of the demo's business.
    async fn open_alert_tasks(
        &mut self,
        chief: &mut Session,
        asset: &Asset,
    ) -> Result<HashMap<String, Task>, Status> {
        let mut open = HashMap::new();
        for status in [task::Status::Pending, task::Status::InProgress, task::Status::OnHold] {
            let request = ListTasksRequest {
                status: status.into(),
                equipment_id: Some(asset.id.clone()),
                page_size: PAGE,
                ..Default::default()
            };
            let request = chief.request(request).await?;
            let page = self.task_client.list_tasks(request).await?.into_inner();
            let ours = page.tasks.into_iter().filter(|task| task.source() == task::Source::Alert);
            open.extend(ours.map(|task| (task.id.clone(), task)));
        }
        Ok(open)
    }
}

/// The ids of one machine's things that were open and are not any more.
fn gone<T>(
    before: &HashMap<String, T>,
    open: &HashMap<String, T>,
    is_of_asset: impl Fn(&T) -> bool,
) -> Vec<String> {
    let all = before.iter();
    all.filter(|(id, thing)| is_of_asset(thing) && !open.contains_key(*id))
        .map(|(id, _)| id.clone())
        .collect()
}

/// None if there is no such thing any more.
fn found<T>(answer: Result<tonic::Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Err(status) if status.code() == Code::NotFound => Ok(None),
        answer => Ok(Some(answer?.into_inner())),
    }
}
