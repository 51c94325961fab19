//! People and machines that go on and on: each does one round after the other, and begins the next when all of it was
//! acknowledged.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};

use chrono::DateTime;
use kit::Timestamp;
use proto::{
    maintenance::v1::{
        ClaimTaskRequest, CompleteTaskRequest, CreateTaskRequest, Task,
        task_service_client::TaskServiceClient,
    },
    telemetry::v1::{
        BatchCreateReadingsRequest, Reading, telemetry_service_client::TelemetryServiceClient,
    },
};
use serde_json::{Value, json};
use testkit::eventually;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::patient::Patient;
use crate::rest::text;

/// What is done in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// A task is made, claimed and completed.
    Job,
    JobOverGrpc,
    /// Readings are sent.
    Batch,
    BatchOverGrpc,
    /// Lists are read.
    Look,
}

const WORK: [Work; 5] =
    [Work::Job, Work::JobOverGrpc, Work::Batch, Work::BatchOverGrpc, Work::Look];
/// Rounds of each caller that show that it goes on.
const ROUNDS: i64 = 2;
/// Readings of a batch, one a second.
const BATCH: i64 = 7;
/// Every so many seconds a machine is too hot for a while, which raises an alert and opens a task: longer than a batch, since what
/// is over when it is known opens none.
const PERIOD: i64 = 90;
const HOT: i64 = 2 * BATCH;

/// Callers that go on until they are ended.
pub struct Load {
    callers: Vec<Caller>,
    stop: CancellationToken,
    /// Who looks at what has become of it.
    admin: Patient,
}

/// Works on a machine of its own.
struct Caller {
    work: Work,
    machine: String,
    rounds: Arc<AtomicI64>,
    goes_on: JoinHandle<()>,
}

impl Load {
    /// Begins to call the gateways at `urls`.
    pub async fn begin(urls: &[String], password: &str) -> Self {
        let mut admin = Patient::new(urls, password).await;
        let (stop, mut callers) = (CancellationToken::new(), Vec::new());
        for work in WORK {
            let machine = machine(&mut admin).await;
            callers.push(Caller::begin(work, machine, admin.clone(), stop.clone()));
        }
        Self { callers, stop, admin }
    }

    /// Waits until each caller has done some rounds more.
    pub async fn goes_on(&self) {
        let rounds = |caller: &Caller| caller.rounds.load(SeqCst);
        let enough: Vec<_> = self.callers.iter().map(|caller| rounds(caller) + ROUNDS).collect();
        let callers = &self.callers;
        eventually("everybody goes on", || async {
            let failed = callers.iter().find(|caller| caller.goes_on.is_finished());
            assert!(failed.is_none(), "{:?} has failed", failed.map(|caller| caller.work));
            let mut all = callers.iter().zip(&enough);
            all.all(|(caller, enough)| *enough <= rounds(caller)).then_some(())
        })
        .await;
    }

    /// Ends it: no call has failed, all that was acknowledged is there, and nothing else.
    pub async fn end(mut self) {
        self.stop.cancel();
        for Caller { work, machine, rounds, goes_on } in self.callers {
            goes_on.await.unwrap();
            let rounds = rounds.load(SeqCst);
            match work {
                Work::Job | Work::JobOverGrpc => jobs(&mut self.admin, &machine, rounds).await,
                Work::Batch | Work::BatchOverGrpc => {
                    readings(&mut self.admin, &machine, rounds * BATCH).await;
                    alerts(&mut self.admin, &machine, rounds * BATCH).await;
                }
                Work::Look => {}
            }
        }
    }
}

impl Caller {
    fn begin(work: Work, machine: String, mut client: Patient, stop: CancellationToken) -> Self {
        let rounds = Arc::<AtomicI64>::default();
        let (done, of) = (Arc::clone(&rounds), machine.clone());
        let goes_on = tokio::spawn(async move {
            for number in 0.. {
                if stop.is_cancelled() {
                    return;
                }
                client.renew().await;
                match work {
                    Work::Job => job(&mut client, &of, number).await,
                    Work::JobOverGrpc => job_over_grpc(&client, &of, number).await,
                    Work::Batch => batch(&mut client, &of, number).await,
                    Work::BatchOverGrpc => batch_over_grpc(&client, &of, number).await,
                    Work::Look => look(&mut client).await,
                }
                done.fetch_add(1, SeqCst);
            }
        });
        Self { work, machine, rounds, goes_on }
    }
}

/// A machine that should not get hot.
async fn machine(admin: &mut Patient) -> String {
    let machine = json!({ "name": "Pump", "type": "pump" });
    let id = text(&admin.post("/api/equipment", &machine, None).await, "id");
    let rule = json!({
        "name": "Too hot",
        "equipment_id": id,
        "metric": "temperature",
        "condition": "ABOVE",
        "threshold": 50,
        "open_task": true,
    });
    admin.post("/api/rules", &rule, None).await;
    id
}

async fn job(client: &mut Patient, machine: &str, number: i64) {
    let key = format!("{machine} {number}");
    let task = json!({ "title": number.to_string(), "equipment_id": machine });
    let task = text(&client.post("/api/tasks", &task, Some(&key)).await, "id");
    let path = format!("/api/tasks/{task}");
    client.post(&format!("{path}/claim"), &json!({}), Some(&key)).await;
    let work = json!({ "work_done": "Greased the bearing." });
    client.post(&format!("{path}/complete"), &work, Some(&key)).await;
}

async fn job_over_grpc(client: &Patient, machine: &str, number: i64) {
    let tasks = || TaskServiceClient::new(client.peer.clone());
    let key = || format!("{machine} {number}");
    let create = || async {
        let task = Task {
            title: number.to_string(),
            equipment_id: Some(machine.to_owned()),
            ..Task::default()
        };
        let message =
            CreateTaskRequest { task: Some(task), request_id: key(), ..Default::default() };
        tasks().create_task(client.request(message)).await
    };
    let task = client.call("CreateTask", create).await.id;
    let claim = || async {
        let message =
            ClaimTaskRequest { id: task.clone(), request_id: key(), ..Default::default() };
        tasks().claim_task(client.request(message)).await
    };
    client.call("ClaimTask", claim).await;
    let complete = || async {
        let message = CompleteTaskRequest {
            id: task.clone(),
            work_done: "Greased the bearing.".into(),
            request_id: key(),
            ..Default::default()
        };
        tasks().complete_task(client.request(message)).await
    };
    client.call("CompleteTask", complete).await;
}

fn seconds(number: i64) -> impl Iterator<Item = i64> {
    number * BATCH..(number + 1) * BATCH
}

/// What a machine measures at `second`.
fn temperature(second: i64) -> f64 {
    if second % PERIOD < HOT { 90.0 } else { 10.0 }
}

/// Readings need no key.
async fn batch(client: &mut Patient, machine: &str, number: i64) {
    let reading = |second: i64| {
        json!({
            "equipment_id": machine,
            "recorded_at": DateTime::from_timestamp(second, 0).unwrap().to_rfc3339(),
            "metrics": { "temperature": temperature(second) },
        })
    };
    let batch = json!({ "readings": seconds(number).map(reading).collect::<Vec<_>>() });
    let answer = client.post("/api/data/batch", &batch, None).await;
    assert_eq!(answer["accepted"], BATCH, "{answer}");
}

async fn batch_over_grpc(client: &Patient, machine: &str, number: i64) {
    let reading = |second: i64| Reading {
        equipment_id: machine.to_owned(),
        recorded_at: Some(Timestamp::from_micros(second * 1_000_000).into()),
        metrics: [("temperature".to_owned(), temperature(second))].into(),
        ..Reading::default()
    };
    let send = || async {
        let readings = seconds(number).map(reading).collect();
        let message = BatchCreateReadingsRequest { readings, ..Default::default() };
        let mut telemetry = TelemetryServiceClient::new(client.peer.clone());
        telemetry.batch_create_readings(client.request(message)).await
    };
    let answer = client.call("BatchCreateReadings", send).await;
    assert_eq!(i64::from(answer.accepted), BATCH, "{answer:?}");
}

async fn look(client: &mut Patient) {
    for path in ["users/me", "equipment", "tasks", "maintenance", "data", "alerts", "rules"] {
        client.get(&format!("/api/{path}")).await;
    }
}

/// All of a list about a machine.
async fn all(admin: &mut Patient, path: &str, list: &str, machine: &str) -> Vec<Value> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let query = format!("equipment_id={machine}&page_size=1000&page_token={page_token}");
        let page = admin.get(&format!("/api/{path}?{query}")).await;
        all.extend(page[list].as_array().unwrap().iter().cloned());
        page_token = text(&page, "next_page_token");
        if page_token.is_empty() {
            return all;
        }
    }
}

fn sorted(mut numbers: Vec<i64>) -> Vec<i64> {
    numbers.sort_unstable();
    numbers
}

/// Each task is there once, completed, with one record.
async fn jobs(admin: &mut Patient, machine: &str, count: i64) {
    let tasks = all(admin, "tasks", "tasks", machine).await;
    let titles = tasks.iter().map(|task| text(task, "title").parse().unwrap()).collect();
    assert_eq!(sorted(titles), (0..count).collect::<Vec<_>>(), "tasks");
    let is_open = |task: &&Value| task["status"] != "COMPLETED";
    assert_eq!(tasks.iter().find(is_open), None);

    let records = all(admin, "maintenance", "records", machine).await;
    let of_tasks: BTreeSet<_> = records.iter().map(|record| text(record, "task_id")).collect();
    assert_eq!((records.len(), of_tasks.len()), (tasks.len(), tasks.len()), "records");
}

fn second(value: &Value, field: &str) -> i64 {
    DateTime::parse_from_rfc3339(&text(value, field)).unwrap().timestamp()
}

/// Each reading is there once.
async fn readings(admin: &mut Patient, machine: &str, count: i64) {
    let readings = all(admin, "data", "readings", machine).await;
    let seconds = readings.iter().map(|reading| second(reading, "recorded_at")).collect();
    assert_eq!(sorted(seconds), (0..count).collect::<Vec<_>>(), "readings");
}

/// All alerts about a machine, once each has its task. However many wait for theirs, some get it all the time.
async fn with_tasks(admin: &Patient, machine: &str) -> Vec<Value> {
    let mut waiting = usize::MAX;
    loop {
        let alerts = eventually("fewer alerts wait for their tasks", || async {
            let alerts = all(&mut admin.clone(), "alerts", "alerts", machine).await;
            let left = alerts.iter().filter(|alert| !alert["task_id"].is_string()).count();
            (left < waiting).then_some((left, alerts))
        });
        let (left, alerts) = alerts.await;
        if left == 0 {
            return alerts;
        }
        waiting = left;
    }
}

/// Each alert is there once, with one task.
async fn alerts(admin: &mut Patient, machine: &str, count: i64) {
    let alerts = with_tasks(admin, machine).await;
    let raised = alerts.iter().map(|alert| second(alert, "raised_at")).collect();
    let hot = (0..count).filter(|second| second % PERIOD == 0);
    assert_eq!(sorted(raised), hot.collect::<Vec<_>>(), "alerts");

    let tasks = all(admin, "tasks", "tasks", machine).await;
    let opened: BTreeSet<_> = tasks.iter().map(|task| text(task, "alert_id")).collect();
    let known: BTreeSet<_> = alerts.iter().map(|alert| text(alert, "id")).collect();
    assert_eq!((tasks.len(), opened), (alerts.len(), known), "tasks of alerts");
}
