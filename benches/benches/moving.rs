//! What it takes to back up, restore and move a million tasks and ten million values, and that every checksum is equal. The
//! backup is measured beside SQLite's own `VACUUM INTO` of the same files.
//!
//! `cargo bench -p benches --bench moving -- 10` does it for ten thousand tasks and a hundred thousand values.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::ensure;
use benches::Site;
use clap::Parser;
use flightline::Cli;
use prost_types::Timestamp;
use proto::{
    maintenance::v1::{CreateTaskRequest, Task, task_service_client::TaskServiceClient},
    telemetry::v1::{
        BatchCreateReadingsRequest, Reading, telemetry_service_client::TelemetryServiceClient,
    },
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use testkit::{Engine, World};

const MACHINES: usize = 100;
/// Readings in a batch, of one value each.
const BATCH: usize = 10_000;
const SERVICES: [&str; 4] = ["auth", "equipment", "maintenance", "telemetry"];

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let thousands = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1000);
    let (tasks, values) = (thousands * 1000, thousands * 10_000);
    let mut site = Site::start().await?;
    let (machine, values) = (site.machine("Pump").await?, send(&mut site, values).await?);
    let task = Task { title: "Look at it".into(), equipment_id: Some(machine), ..Task::default() };
    let request = CreateTaskRequest { task: Some(task), ..Default::default() };
    let mut client = TaskServiceClient::new(site.peers().maintenance.clone());
    client.create_task(site.request(request)?).await?;
    let folder = site.stop().await?;
    let data = folder.path();
    multiply_tasks(data, tasks).await?;

    let other = tempfile::tempdir()?;
    let at = |name: &str| other.path().join(name);
    let vacuum = vacuum(data, other.path()).await?;
    let backup = run(&[&"backup", &at("backup"), &"--data-dir", &data]).await?;
    let restore = run(&[&"restore", &at("backup"), &"--data-dir", &at("restored")]).await?;
    let server = World::new(Engine::Postgres).await;
    let server = Path::new(server.db.server().unwrap_or_default()).to_owned();
    let moved = run(&[&"move", &"--to", &server, &"--data-dir", &data]).await?;
    // Compares every row of what was restored with what was moved.
    let compared = run(&[&"move", &"--to", &server, &"--data-dir", &at("restored")]).await?;

    println!("{tasks} tasks, {values} values");
    for (what, took) in [
        ("VACUUM INTO", vacuum),
        ("backup", backup),
        ("restore", restore),
        ("move to PostgreSQL", moved),
        ("comparison of the restored with the moved", compared),
    ] {
        println!("{what}: {:.1} s", took.as_secs_f64());
    }
    println!("ratio of backup to VACUUM INTO {:.2}", backup.as_secs_f64() / vacuum.as_secs_f64());
    Ok(())
}

/// Sends at least so many values; answers how many.
async fn send(site: &mut Site, least: usize) -> anyhow::Result<usize> {
    let mut machines = Vec::new();
    for number in 0..MACHINES {
        machines.push(site.machine(&format!("Pump {number}")).await?);
    }
    let mut client = TelemetryServiceClient::new(site.peers().telemetry.clone());
    let batches = least.div_ceil(BATCH);
    for batch in 0..batches {
        if batch % 100 == 0 {
            site.log_in().await?;
        }
        let readings = (0..BATCH).map(|number| Reading {
            equipment_id: machines[number % MACHINES].clone(),
            recorded_at: Some(Timestamp { seconds: second(batch, number), nanos: 0 }),
            metrics: [("temperature".to_owned(), value(batch, number))].into(),
            ..Reading::default()
        });
        let request =
            BatchCreateReadingsRequest { readings: readings.collect(), ..Default::default() };
        client.batch_create_readings(site.request(request)?).await?;
    }
    Ok(batches * BATCH)
}

fn second(batch: usize, number: usize) -> i64 {
    let second = batch * (BATCH / MACHINES) + number / MACHINES;
    1_700_000_000 + i64::try_from(second).unwrap_or_default()
}

/// A temperature with one decimal, as sensors give it.
fn value(batch: usize, number: usize) -> f64 {
    let tenths = 600 + (batch * 7 + number * 13) % 200;
    f64::from(u32::try_from(tenths).unwrap_or_default()) / 10.0
}

/// Copies the one task in the data folder so often that there are `count`, each with an id of its own.
async fn multiply_tasks(data: &Path, count: usize) -> anyhow::Result<()> {
    let mut file = open(data, "maintenance").await?;
    let columns: Vec<String> =
        sqlx::query_scalar("select name from pragma_table_info('tasks') where name <> 'id'")
            .fetch_all(&mut file)
            .await?;
    let columns = columns.join(", ");
    let copy = format!(
        "with recursive numbers (number) as (
             select 2 union all select number + 1 from numbers where number < {count}
         )
         insert into tasks (id, {columns})
         select randomblob(16), {columns} from numbers, (select {columns} from tasks limit 1)"
    );
    sqlx::query(AssertSqlSafe(copy)).execute(&mut file).await?;
    file.close().await?;
    Ok(())
}

async fn open(data: &Path, service: &str) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(data.join(format!("{service}.db")));
    Ok(options.connect().await?)
}

/// Copies the files as SQLite does, and answers how long that took.
async fn vacuum(data: &Path, into: &Path) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    for service in SERVICES {
        let mut file = open(data, service).await?;
        let copy = into.join(format!("{service}.copy")).display().to_string();
        sqlx::query("vacuum into $1").bind(copy).execute(&mut file).await?;
        file.close().await?;
    }
    Ok(begun.elapsed())
}

/// Runs a command of the binary, and answers how long it took.
async fn run(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let arguments = arguments.iter().map(|argument| argument.as_ref().to_owned());
    let arguments = std::iter::once("flightline".into()).chain(arguments);
    let ended = flightline::run(Cli::try_parse_from(arguments)?).await?;
    ensure!(ended == ExitCode::SUCCESS, "a command failed");
    Ok(begun.elapsed())
}
