//! How long after it is sent a reading is seen by whoever watches alerts, while the service takes half of what it can.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use benches::Site;
use prost_types::Timestamp;
use proto::telemetry::v1::{
    BatchCreateReadingsRequest, CreateReadingRequest, CreateRuleRequest, Reading, Rule,
    WatchAlertsRequest, WatchAlertsResponse, alert_service_client::AlertServiceClient,
    rule::Condition, rule_service_client::RuleServiceClient,
    telemetry_service_client::TelemetryServiceClient,
};
use tonic::Streaming;

const MACHINES: usize = 1_000;
const RULES: u32 = 10;
/// Readings in a batch, of one value each.
const BATCH: usize = 100;
const SENDERS: usize = 16;
const FULL: Duration = Duration::from_secs(5);
const HALF: Duration = Duration::from_secs(15);
/// Between two readings that raise or clear.
const PAUSE: Duration = Duration::from_millis(25);
/// What is promised for 99 of 100.
const LIMIT: Duration = Duration::from_millis(50);

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let mut machines = Vec::new();
    for number in 0..MACHINES {
        machines.push(site.machine(&format!("Pump {number}")).await?);
    }
    for number in 0..RULES {
        let threshold = 1e6 + f64::from(number);
        let rule = Rule { equipment_type: Some("pump".into()), ..above("temperature", threshold) };
        make(&site, rule).await?;
    }
    let load = Load { machines: Arc::new(machines), second: Arc::default() };

    // Once for all, so that every series is known.
    load.run(&site, FULL, None).await?;
    let full = load.run(&site, FULL, None).await?;
    let probe = site.machine("Probe").await?;
    let rule = Rule { equipment_id: Some(probe.clone()), ..above("level", 5.0) };
    make(&site, rule).await?;
    let (half, delays) =
        tokio::join!(load.run(&site, HALF, Some(full / 2.0)), delays(&site, &probe));
    let (half, mut delays) = (half?, delays?);

    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 100];
    println!("{RULES} rules a machine, {MACHINES} series: {full:.0} values/s at full load");
    println!("{half:.0} values/s beside {} readings that raise or clear", delays.len());
    println!("seen on WatchAlerts after {:.1?} (p50), {:.1?} (p99)", at(50), at(99));
    println!("ratio {:.2}", at(99).as_secs_f64() / LIMIT.as_secs_f64());
    anyhow::ensure!(at(99) <= LIMIT, "99 of 100 take up to {:?}, and not {LIMIT:?}", at(99));
    Ok(())
}

fn above(metric: &str, threshold: f64) -> Rule {
    Rule {
        name: "Too high".into(),
        metric: metric.into(),
        condition: Condition::Above.into(),
        threshold: Some(threshold),
        ..Rule::default()
    }
}

async fn make(site: &Site, rule: Rule) -> anyhow::Result<()> {
    let request = CreateRuleRequest { rule: Some(rule), request_id: String::new() };
    let mut client = RuleServiceClient::new(site.peers().telemetry.clone());
    client.create_rule(site.request(request)?).await?;
    Ok(())
}

/// Machines that send a value each second of their time, as fast as they may.
struct Load {
    machines: Arc<Vec<String>>,
    /// The next second of theirs.
    second: Arc<AtomicU32>,
}

impl Load {
    /// Sends for this long, at most so many values a second; answers how many a second were kept.
    async fn run(&self, site: &Site, time: Duration, pace: Option<f64>) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let sent = Arc::new(AtomicU32::new(0));
        let mut senders = Vec::new();
        for _ in 0..SENDERS {
            let mut client = TelemetryServiceClient::new(site.peers().telemetry.clone())
                .max_decoding_message_size(16 << 20);
            let (machines, second, sent) =
                (Arc::clone(&self.machines), Arc::clone(&self.second), Arc::clone(&sent));
            let authorization = site.request(())?.metadata().clone();
            senders.push(tokio::spawn(async move {
                while begun.elapsed() < time {
                    let batches = sent.fetch_add(1, Ordering::Relaxed);
                    if let Some(pace) = pace {
                        let due = f64::from(batches) * BATCH_VALUES / pace;
                        tokio::time::sleep_until((begun + Duration::from_secs_f64(due)).into())
                            .await;
                    }
                    let batch = readings(&machines, second.fetch_add(1, Ordering::Relaxed));
                    let mut request = tonic::Request::new(batch);
                    *request.metadata_mut() = authorization.clone();
                    client.batch_create_readings(request).await?;
                }
                anyhow::Ok(())
            }));
        }
        for sender in senders {
            sender.await??;
        }
        let values = f64::from(sent.load(Ordering::Relaxed)) * BATCH_VALUES;
        Ok(values / begun.elapsed().as_secs_f64())
    }
}

const BATCH_VALUES: f64 = 100.0;
const _: () = assert!(BATCH == 100);

/// One value of each of a hundred machines; ten batches make a second.
fn readings(machines: &[String], batch: u32) -> BatchCreateReadingsRequest {
    let parts = u32::try_from(MACHINES / BATCH).unwrap_or(1);
    let (second, part) = (batch / parts, usize::try_from(batch % parts).unwrap_or_default());
    let readings = machines.iter().skip(part * BATCH).take(BATCH).map(|machine| Reading {
        equipment_id: machine.clone(),
        recorded_at: Some(at(second)),
        metrics: [("temperature".to_owned(), 71.2)].into(),
        ..Reading::default()
    });
    BatchCreateReadingsRequest { readings: readings.collect(), ..Default::default() }
}

fn at(second: u32) -> Timestamp {
    Timestamp { seconds: 1_700_000_000 + i64::from(second), nanos: 0 }
}

/// How long each reading of the probe takes to be seen.
async fn delays(site: &Site, probe: &str) -> anyhow::Result<Vec<Duration>> {
    let request = WatchAlertsRequest { equipment_id: Some(probe.into()), ..Default::default() };
    let mut client = AlertServiceClient::new(site.peers().telemetry.clone());
    let mut watch = client.watch_alerts(site.request(request)?).await?.into_inner();
    next(&mut watch).await?;
    let (begun, mut delays, mut second) = (Instant::now(), Vec::new(), 0);
    while begun.elapsed() + LIMIT < HALF {
        second += 1;
        let value = if second % 2 == 0 { 1.0 } else { 9.0 };
        let reading = Reading {
            equipment_id: probe.into(),
            recorded_at: Some(at(second)),
            metrics: [("level".to_owned(), value)].into(),
            ..Reading::default()
        };
        let request = CreateReadingRequest { reading: Some(reading), request_id: String::new() };
        let request = site.request(request)?;
        let mut client = TelemetryServiceClient::new(site.peers().telemetry.clone());
        let sent = Instant::now();
        let (kept, seen) = tokio::join!(client.create_reading(request), next(&mut watch));
        kept?;
        delays.push(seen? - sent);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(delays)
}

/// When the next message came.
async fn next(watch: &mut Streaming<WatchAlertsResponse>) -> anyhow::Result<Instant> {
    watch.message().await?.context("the watch ended")?;
    Ok(Instant::now())
}
