//! The process is killed again and again while readings come: what was acknowledged is there, and every alert once.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kit::Timestamp;
use proto::{
    auth::v1::{CreateTokenRequest, auth_service_client::AuthServiceClient},
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment_service_client::EquipmentServiceClient,
    },
    telemetry::v1::{
        Alert, BatchCreateReadingsRequest, CreateRuleRequest, ListAlertsRequest,
        ListReadingsRequest, Reading, Rule, alert_service_client::AlertServiceClient,
        rule::Condition, rule_service_client::RuleServiceClient,
        telemetry_service_client::TelemetryServiceClient,
    },
};
use testkit::{Engine, World, eventually, free_port};
use tokio::sync::watch;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use super::{PASSWORD, as_user};

const MACHINES: usize = 3;
const METRIC: &str = "temperature";
/// Readings in a batch, one a second.
const BATCH: i64 = 7;
/// Every so many seconds the machine is too hot for a while.
const PERIOD: i64 = 20;
const HOT: i64 = 4;
/// Batches that are acknowledged between two kills.
const BETWEEN: u64 = 40;

/// The binary at work, on ports that stay.
struct Victim {
    arguments: Vec<String>,
    process: Child,
    channel: Channel,
}

impl Victim {
    fn start(world: &World) -> Self {
        let grpc = format!("127.0.0.1:{}", free_port());
        let mut arguments = vec![
            "serve".to_owned(),
            "--http-listen=127.0.0.1:0".to_owned(),
            "--metrics-listen=127.0.0.1:0".to_owned(),
            format!("--grpc-listen={grpc}"),
            format!("--admin-password={PASSWORD}"),
            format!("--data-dir={}", world.db.data_dir.display()),
        ];
        arguments.extend(world.db.database_url.iter().map(|url| format!("--database-url={url}")));
        let endpoint = Endpoint::from_shared(format!("http://{grpc}")).unwrap();
        let channel = endpoint.timeout(Duration::from_secs(10)).connect_lazy();
        let process = spawn(&arguments);
        Self { arguments, process, channel }
    }

    /// As the kernel does when memory is short: it gets no chance to do anything.
    fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = spawn(&self.arguments);
    }

    /// Somebody logged in, as soon as it answers.
    async fn token(&self) -> String {
        let log_in = || async {
            let login = CreateTokenRequest { username: "admin".into(), password: PASSWORD.into() };
            let mut client = AuthServiceClient::new(self.channel.clone());
            client.create_token(login).await.ok().map(|answer| answer.into_inner().access)
        };
        eventually("the suite answers", log_in).await
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(arguments: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flightline"));
    command.args(arguments).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// What a machine measures at `second`.
fn value(second: i64) -> f64 {
    if second % PERIOD < HOT { 90.0 } else { 10.0 }
}

fn batch(machine: &str, number: i64) -> BatchCreateReadingsRequest {
    let readings = (number * BATCH..(number + 1) * BATCH).map(|second| Reading {
        equipment_id: machine.to_owned(),
        recorded_at: Some(Timestamp::from_micros(second * 1_000_000).into()),
        metrics: [(METRIC.to_owned(), value(second))].into(),
        ..Default::default()
    });
    BatchCreateReadingsRequest { readings: readings.collect(), ..Default::default() }
}

/// Sends batch after batch from `number` on, each until it is acknowledged, until `over`. Answers which one would be next.
async fn send(
    channel: Channel,
    token: String,
    machine: String,
    mut number: i64,
    acknowledged: Arc<AtomicU64>,
    over: watch::Receiver<bool>,
) -> i64 {
    let mut client = TelemetryServiceClient::new(channel);
    while !*over.borrow() {
        match client.batch_create_readings(as_user(&token, batch(&machine, number))).await {
            Ok(answer) => {
                assert_eq!(i64::from(answer.into_inner().accepted), BATCH);
                acknowledged.fetch_add(1, Ordering::SeqCst);
                number += 1;
            }
            // It is down, or was while we waited: nobody knows whether the batch is kept.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    number
}

async fn alerts(channel: Channel, token: &str, machine: &str) -> Result<Vec<Alert>, Status> {
    let mut client = AlertServiceClient::new(channel);
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAlertsRequest {
            equipment_id: Some(machine.to_owned()),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = client.list_alerts(as_user(token, request)).await?.into_inner();
        all.extend(page.alerts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Seconds and values of all that is stored.
async fn stored(channel: Channel, token: &str, machine: &str) -> BTreeMap<i64, f64> {
    let mut client = TelemetryServiceClient::new(channel);
    let (mut all, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = ListReadingsRequest {
            equipment_id: Some(machine.to_owned()),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = client.list_readings(as_user(token, request)).await.unwrap().into_inner();
        for reading in page.readings {
            all.insert(reading.recorded_at.unwrap().seconds, reading.metrics[METRIC]);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn survive(engine: Engine, kills: usize) {
    let world = World::new(engine).await;
    let mut victim = Victim::start(&world);
    let mut chief = victim.token().await;
    let mut machines = Vec::new();
    for _ in 0..MACHINES {
        let equipment =
            Equipment { name: "Pump".into(), r#type: "pump".into(), ..Default::default() };
        let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
        let mut client = EquipmentServiceClient::new(victim.channel.clone());
        let made = client.create_equipment(as_user(&chief, request)).await.unwrap();
        machines.push(made.into_inner().id);
    }
    let rule = Rule {
        name: "Too hot".into(),
        equipment_type: Some("pump".into()),
        metric: METRIC.into(),
        condition: Condition::Above.into(),
        threshold: Some(50.0),
        ..Default::default()
    };
    let request = CreateRuleRequest { rule: Some(rule), ..Default::default() };
    let mut rules = RuleServiceClient::new(victim.channel.clone());
    rules.create_rule(as_user(&chief, request)).await.unwrap();

    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut sent = [0; MACHINES];
    for _ in 0..kills.div_ceil(10) {
        // Tokens live for five minutes.
        chief = victim.token().await;
        let (tell, over) = watch::channel(false);
        let senders: Vec<_> = machines
            .iter()
            .zip(sent)
            .map(|(machine, number)| {
                let (channel, token) = (victim.channel.clone(), chief.clone());
                let (acknowledged, over) = (Arc::clone(&acknowledged), over.clone());
                tokio::spawn(send(channel, token, machine.clone(), number, acknowledged, over))
            })
            .collect();
        for _ in 0..kills.min(10) {
            let enough = acknowledged.load(Ordering::SeqCst) + BETWEEN;
            let progress =
                || async { (enough <= acknowledged.load(Ordering::SeqCst)).then_some(()) };
            eventually("readings are acknowledged again", progress).await;
            victim.kill_and_restart();
        }
        chief = victim.token().await;
        tell.send_replace(true);
        for ((sender, machine), sent) in senders.into_iter().zip(&machines).zip(&mut sent) {
            *sent = sender.await.unwrap();
            look(&victim, &chief, machine, *sent).await;
        }
    }
}

/// Looks whether all that was acknowledged is stored, and whether the alerts are those of what is stored.
async fn look(victim: &Victim, chief: &str, machine: &str, batches: i64) {
    let stored = stored(victim.channel.clone(), chief, machine).await;
    for second in 0..batches * BATCH {
        assert_eq!(stored.get(&second), Some(&value(second)), "acknowledged and lost");
    }
    let mut raised: Vec<i64> = alerts(victim.channel.clone(), chief, machine)
        .await
        .unwrap()
        .iter()
        .map(|alert| alert.raised_at.unwrap().seconds)
        .collect();
    raised.sort_unstable();
    let hot = stored.keys().copied().filter(|second| second % PERIOD == 0);
    assert_eq!(raised, hot.collect::<Vec<_>>(), "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_few_kills_on_sqlite() {
    survive(Engine::Sqlite, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_few_kills_on_postgres() {
    survive(Engine::Postgres, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make soak"]
async fn what_was_acknowledged_outlives_a_hundred_kills_on_sqlite() {
    survive(Engine::Sqlite, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make soak"]
async fn what_was_acknowledged_outlives_a_hundred_kills_on_postgres() {
    survive(Engine::Postgres, 100).await;
}
