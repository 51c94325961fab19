//! Whether the disk has a reading before its sender is told: every call is held against the calls of the system that `strace`
//! saw meanwhile.

use std::{
    collections::HashMap,
    path::Path,
    process::{Child as Process, Command},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use prost_types::Timestamp;
use proto::telemetry::v1::{
    CreateReadingRequest, Reading, telemetry_service_client::TelemetryServiceClient,
};
use testkit::Postgres;

use crate::{
    Engine, METRIC,
    suite::{Child, Place, START},
};

const READINGS: i64 = 100;

#[expect(clippy::print_stdout, reason = "it says what it found")]
pub async fn check(
    engine: Engine,
    place: &Place<'_>,
    server: Option<&Postgres>,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("trace");
    let tool = ["strace", "-f", "-y", "-ttt", "-T", "-e", "trace=fsync,fdatasync", "-o"];
    let mut tool: Vec<String> = tool.map(str::to_owned).into();
    tool.push(trace.display().to_string());
    // SQLite's disk is the service's, PostgreSQL's is the server's.
    let tracer = server.map(|server| attach(&tool, server)).transpose()?;
    let wrapper = if tracer.is_some() { &[][..] } else { &tool };
    let suite = Child::start_under(wrapper, &place.fresh("durable").await?).await?;
    let machine = suite.machine("Pump").await?;

    let mut client = TelemetryServiceClient::new(suite.channel.clone());
    let mut calls = Vec::new();
    for number in 0..READINGS {
        let reading = Reading {
            equipment_id: machine.clone(),
            recorded_at: Some(Timestamp { seconds: START + number, nanos: 0 }),
            metrics: [(METRIC.to_owned(), 1.0)].into(),
            ..Default::default()
        };
        let request = CreateReadingRequest { reading: Some(reading), ..Default::default() };
        let asked = now()?;
        client.create_reading(suite.request(request)?).await?;
        calls.push((asked, now()?));
    }
    suite.stop().await?;
    if let Some(mut tracer) = tracer {
        tracer.kill()?;
        tracer.wait()?;
    }

    let syncs = syncs(&trace, if server.is_some() { "pg_wal" } else { "telemetry.db-wal" })?;
    let is_safe = |(asked, told): &&(Duration, Duration)| {
        syncs.iter().any(|(begun, ended)| asked <= begun && ended <= told)
    };
    let safe = calls.iter().filter(is_safe).count();
    println!("{engine:?}: {safe} of {} readings were on the disk when told so", calls.len());
    anyhow::ensure!(safe == calls.len(), "some were acknowledged before the disk had them");
    Ok(())
}

/// What the connections do that the server takes from now on.
fn attach(tool: &[String], server: &Postgres) -> anyhow::Result<Process> {
    let mut command = Command::new(&tool[0]);
    command.args(&tool[1..]).arg("-p").arg(server.process()?.to_string());
    let process = command.spawn().context("strace can't be run: make durable installs it")?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(process)
}

fn now() -> anyhow::Result<Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}

/// When each sync of `file` began and ended. A line is `<thread> <begun> <call> = 0 <took>`, or two when another thread spoke
/// in between.
fn syncs(trace: &Path, file: &str) -> anyhow::Result<Vec<(Duration, Duration)>> {
    let text = std::fs::read_to_string(trace)?;
    let (mut syncs, mut under_way) = (Vec::new(), HashMap::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(begun)) = (words.next(), words.next()) else { continue };
        let begun = Duration::from_secs_f64(begun.parse()?);
        if line.contains("<unfinished") {
            if line.contains(file) {
                under_way.insert(thread, begun);
            }
            continue;
        }
        let begun = if line.contains("resumed>") {
            under_way.remove(thread)
        } else {
            line.contains(file).then_some(begun)
        };
        let took = line.rsplit_once(" = 0 <").map(|(_, took)| took.trim_end_matches('>').parse());
        if let (Some(begun), Some(took)) = (begun, took.transpose()?) {
            syncs.push((begun, begun + Duration::from_secs_f64(took)));
        }
    }
    Ok(syncs)
}
