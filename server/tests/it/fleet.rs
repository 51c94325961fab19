//! A suite with data, for the commands that copy it.

use std::sync::{Arc, Mutex};

use flightline::{Config, Running};
use kit::db;
use proto::{
    auth::v1::{CreateServiceTokenRequest, auth_service_client::AuthServiceClient},
    equipment::v1::{
        GetEquipmentRequest, ListEquipmentRequest, WatchEquipmentRequest,
        equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        CreateTaskRequest, GetTaskRequest, ListTasksRequest, Task,
        task_service_client::TaskServiceClient,
    },
    telemetry::v1::{
        Alert, BatchCreateReadingsRequest, CreateRuleRequest, ListAlertsRequest,
        ListReadingsRequest, Reading, Rule, WatchReadingsRequest, WatchReadingsResponse,
        alert_service_client::AlertServiceClient, rule::Condition,
        rule_service_client::RuleServiceClient, telemetry_service_client::TelemetryServiceClient,
    },
};
use tempfile::TempDir;
use testkit::{World, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};

use super::{PASSWORD, as_user, config, register, run, start, text, token};

const SECRET: &str = "what the parts of this suite share";

/// A suite at work on the databases of a world.
pub struct Fleet {
    pub running: Running,
    pub admin: String,
    _folder: TempDir,
}

impl Fleet {
    /// Starts it; its first admin is made, unless there is one.
    pub async fn start(db: &db::Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &["--service-secret", SECRET]);
        let config = Config { db: db.clone(), ..config };
        let running = start(config, None).await;
        let admin = token(running.peers().auth.clone(), "admin", PASSWORD).await.unwrap();
        Self { running, admin, _folder: folder }
    }

    /// Registers a machine with a rule that opens a task; answers its id.
    pub async fn machine(&self) -> String {
        let id = register(self.running.peers().equipment.clone(), &self.admin).await.unwrap().id;
        let rule = Rule {
            name: "Too hot".into(),
            equipment_id: Some(id.clone()),
            metric: "temperature".into(),
            condition: Condition::Above.into(),
            threshold: Some(90.0),
            open_task: true,
            ..Rule::default()
        };
        let request = CreateRuleRequest { rule: Some(rule), request_id: String::new() };
        let mut rules = RuleServiceClient::new(self.running.peers().telemetry.clone());
        rules.create_rule(as_user(&self.admin, request)).await.unwrap();
        id
    }

    /// Sends the temperature of a machine at a second.
    pub async fn send(&self, machine: &str, second: i64, temperature: f64) {
        let reading = Reading {
            equipment_id: machine.to_owned(),
            recorded_at: Some(prost_types::Timestamp { seconds: second, nanos: 0 }),
            metrics: [("temperature".to_owned(), temperature)].into(),
            ..Reading::default()
        };
        let request = BatchCreateReadingsRequest { readings: vec![reading], ..Default::default() };
        let mut client = TelemetryServiceClient::new(self.running.peers().telemetry.clone());
        let answer = client.batch_create_readings(as_user(&self.admin, request)).await.unwrap();
        assert!(answer.get_ref().refused.is_empty());
    }

    /// The alerts of a machine once each has its task, newest first.
    pub async fn alerts(&self, machine: &str, count: usize) -> Vec<Alert> {
        let client = AlertServiceClient::new(self.running.peers().telemetry.clone());
        eventually("every alert has a task", || async {
            let request = ListAlertsRequest {
                equipment_id: Some(machine.to_owned()),
                order_by: "raised_at desc".into(),
                ..Default::default()
            };
            let answer = client.clone().list_alerts(as_user(&self.admin, request)).await.unwrap();
            let alerts = answer.into_inner().alerts;
            let have_tasks = alerts.iter().all(|alert| alert.task_id.is_some());
            (alerts.len() == count && have_tasks).then_some(alerts)
        })
        .await
    }

    pub async fn tasks(&self, machine: &str) -> Vec<Task> {
        let request =
            ListTasksRequest { equipment_id: Some(machine.to_owned()), ..Default::default() };
        let mut client = TaskServiceClient::new(self.running.peers().maintenance.clone());
        client.list_tasks(as_user(&self.admin, request)).await.unwrap().into_inner().tasks
    }

    /// The seconds and temperatures that are kept of a machine.
    pub async fn readings(&self, machine: &str) -> Vec<(i64, f64)> {
        let mut client = TelemetryServiceClient::new(self.running.peers().telemetry.clone());
        let (mut readings, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListReadingsRequest {
                equipment_id: Some(machine.to_owned()),
                page_size: 1000,
                page_token,
                ..Default::default()
            };
            let page = client.list_readings(as_user(&self.admin, request)).await.unwrap();
            let page = page.into_inner();
            let reading =
                |of: &Reading| (of.recorded_at.unwrap().seconds, of.metrics["temperature"]);
            readings.extend(page.readings.iter().map(reading));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return readings;
            }
        }
    }

    /// Equipment that a watch with `resume_token` tells of at once, and the token that it gives.
    pub async fn watch(&self, resume_token: &str) -> (Vec<String>, String) {
        let mut client = EquipmentServiceClient::new(self.running.peers().equipment.clone());
        let request =
            CreateServiceTokenRequest { service: "telemetry".into(), secret: SECRET.into() };
        let mut auth = AuthServiceClient::new(self.running.peers().auth.clone());
        let token = auth.create_service_token(request).await.unwrap().into_inner().access;
        let request = WatchEquipmentRequest { resume_token: resume_token.to_owned() };
        let mut stream =
            client.watch_equipment(as_user(&token, request)).await.unwrap().into_inner();
        let mut told = Vec::new();
        loop {
            let message = stream.message().await.unwrap().unwrap();
            match message.equipment {
                Some(equipment) => told.push(equipment.id),
                None => return (told, message.resume_token),
            }
        }
    }

    /// Watches readings.
    pub async fn watch_readings(&self, resume_token: &str) -> Streaming<WatchReadingsResponse> {
        let mut client = TelemetryServiceClient::new(self.running.peers().telemetry.clone());
        let request = WatchReadingsRequest {
            resume_token: resume_token.to_owned(),
            ..WatchReadingsRequest::default()
        };
        client.watch_readings(as_user(&self.admin, request)).await.unwrap().into_inner()
    }

    /// Whether there is such equipment.
    pub async fn has_equipment(&self, id: &str) -> bool {
        let mut client = EquipmentServiceClient::new(self.running.peers().equipment.clone());
        let request = GetEquipmentRequest { id: id.to_owned() };
        match client.get_equipment(as_user(&self.admin, request)).await {
            Ok(_) => true,
            Err(status) if status.code() == Code::NotFound => false,
            Err(status) => panic!("{status}"),
        }
    }

    /// Whether there is such a task, and the equipment that it is for.
    pub async fn has_task(&self, id: &str) -> bool {
        let mut client = TaskServiceClient::new(self.running.peers().maintenance.clone());
        let request = GetTaskRequest { id: id.to_owned() };
        match client.get_task(as_user(&self.admin, request)).await {
            Ok(task) => self.has_equipment(task.get_ref().equipment_id()).await,
            Err(status) if status.code() == Code::NotFound => false,
            Err(status) => panic!("{status}"),
        }
    }

    /// Tasks whose equipment isn't there, of all.
    pub async fn astray(&self) -> Vec<String> {
        let client = TaskServiceClient::new(self.running.peers().maintenance.clone());
        let (mut astray, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListTasksRequest { page_size: 1000, page_token, ..Default::default() };
            let page = client.clone().list_tasks(as_user(&self.admin, request)).await.unwrap();
            let page = page.into_inner();
            for task in page.tasks {
                if !self.has_equipment(task.equipment_id()).await {
                    astray.push(task.id);
                }
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return astray;
            }
        }
    }

    /// All equipment.
    pub async fn equipment(&self) -> Vec<String> {
        let mut client = EquipmentServiceClient::new(self.running.peers().equipment.clone());
        let request = ListEquipmentRequest { page_size: 1000, ..Default::default() };
        let page = client.list_equipment(as_user(&self.admin, request)).await.unwrap();
        page.into_inner().equipment.into_iter().map(|equipment| equipment.id).collect()
    }

    pub async fn stop(self) {
        self.running.stop().await.unwrap();
    }
}

/// What was acknowledged to a caller.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    pub equipment: Vec<String>,
    pub tasks: Vec<String>,
    /// Machine and second.
    pub readings: Vec<(String, i64)>,
}

/// Callers that write for as long as this lives.
pub struct Load {
    acknowledged: Arc<Mutex<Acknowledged>>,
    stop: CancellationToken,
    callers: JoinSet<()>,
}

impl Load {
    /// Begins. Each caller registers a machine, then opens tasks for it and sends readings of it, and so on.
    pub fn begin(fleet: &Fleet, callers: usize) -> Self {
        let mut load = Self {
            acknowledged: Arc::default(),
            stop: CancellationToken::new(),
            callers: JoinSet::new(),
        };
        for _ in 0..callers {
            let (peers, admin) = (fleet.running.peers().clone(), fleet.admin.clone());
            let (acknowledged, stop) = (Arc::clone(&load.acknowledged), load.stop.clone());
            load.callers.spawn(async move {
                let mut second = 1_700_000_000;
                while !stop.is_cancelled() {
                    let machine = register(peers.equipment.clone(), &admin).await.unwrap().id;
                    acknowledged.lock().unwrap().equipment.push(machine.clone());
                    let task = Task {
                        title: "Look at it".into(),
                        equipment_id: Some(machine.clone()),
                        ..Task::default()
                    };
                    let request = CreateTaskRequest { task: Some(task), ..Default::default() };
                    let mut tasks = TaskServiceClient::new(peers.maintenance.clone());
                    let task = tasks.create_task(as_user(&admin, request)).await.unwrap();
                    acknowledged.lock().unwrap().tasks.push(task.into_inner().id);

                    let readings = (0..10).map(|number| Reading {
                        equipment_id: machine.clone(),
                        recorded_at: Some(prost_types::Timestamp {
                            seconds: second + number,
                            nanos: 0,
                        }),
                        metrics: [("temperature".to_owned(), 71.5)].into(),
                        ..Reading::default()
                    });
                    let request = BatchCreateReadingsRequest {
                        readings: readings.collect(),
                        ..Default::default()
                    };
                    let mut telemetry = TelemetryServiceClient::new(peers.telemetry.clone());
                    telemetry.batch_create_readings(as_user(&admin, request)).await.unwrap();
                    let seconds = (second..second + 10).map(|second| (machine.clone(), second));
                    acknowledged.lock().unwrap().readings.extend(seconds);
                    second += 10;
                }
            });
        }
        load
    }

    /// What was acknowledged so far.
    pub fn acknowledged(&self) -> Acknowledged {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Waits until every kind of write was acknowledged some more times than `before`.
    pub async fn goes_on(&self, before: &Acknowledged) {
        eventually("the load goes on", || async {
            (before.readings.len() + 100 <= self.acknowledged().readings.len()).then_some(())
        })
        .await;
    }

    /// Ends it; no call of it failed.
    pub async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

/// Runs a command of the binary on the databases of a world.
pub async fn command(world: &World, arguments: &[&str]) -> std::process::Output {
    command_on(&world.db, arguments).await
}

/// The same, on those of `db`.
pub async fn command_on(db: &db::Config, arguments: &[&str]) -> std::process::Output {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let (folder, url) = (db.data_dir.display().to_string(), db.server().map(str::to_owned));
    let running = tokio::task::spawn_blocking(move || {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut variables = vec![("FLIGHTLINE_DATA_DIR", folder.as_str())];
        variables.extend(url.as_deref().map(|url| ("DATABASE_URL", url)));
        run(&arguments, &variables, "")
    });
    running.await.unwrap()
}

/// Stops the test unless the command succeeded; answers what it said.
pub fn succeeded(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Stops the test unless the command was refused with one line that has `part` in it.
pub fn refused(output: &std::process::Output, part: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(part) && error.lines().count() == 1, "{error}");
}
