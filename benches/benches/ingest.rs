//! Durable readings a second through the service, with rules on, to bare SQLite commits of the same rows in the same
//! batches.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::time::{Duration, Instant};

use benches::Site;
use prost_types::Timestamp;
use proto::telemetry::v1::{
    BatchCreateReadingsRequest, CreateRuleRequest, Reading, Rule, rule::Condition,
    rule_service_client::RuleServiceClient, telemetry_service_client::TelemetryServiceClient,
};
use sqlx::{
    ConnectOptions, Connection, QueryBuilder, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

const MACHINES: usize = 100;
const RULES: u32 = 10;
/// Readings in a batch, of one value each.
const BATCH: usize = 100;
const BATCHES: usize = 2_000;
const SENDERS: usize = 16;

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let service = through_the_service(&site).await?;
    let bare = bare_commits().await?;
    println!("service, {RULES} rules a machine: {service:.0} durable values/s");
    println!("bare SQLite, same batches: {bare:.0} durable values/s");
    println!("ratio {:.2}", service / bare);
    Ok(())
}

/// Values a second.
fn rate(values: usize, elapsed: Duration) -> f64 {
    f64::from(u32::try_from(values).unwrap_or(u32::MAX)) / elapsed.as_secs_f64()
}

async fn through_the_service(site: &Site) -> anyhow::Result<f64> {
    let mut machines = Vec::new();
    for number in 0..MACHINES {
        machines.push(site.machine(&format!("Pump {number}")).await?);
    }
    for number in 0..RULES {
        let rule = Rule {
            name: format!("Rule {number}"),
            equipment_type: Some("pump".into()),
            metric: "temperature".into(),
            condition: Condition::Above.into(),
            threshold: Some(1e6 + f64::from(number)),
            ..Rule::default()
        };
        let request = CreateRuleRequest { rule: Some(rule), request_id: String::new() };
        RuleServiceClient::new(site.peers().telemetry.clone())
            .create_rule(site.request(request)?)
            .await?;
    }

    let begun = Instant::now();
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let mut requests = Vec::new();
        for batch in (sender..BATCHES).step_by(SENDERS) {
            requests.push(site.request(readings(&machines, batch))?);
        }
        let mut client = TelemetryServiceClient::new(site.peers().telemetry.clone())
            .max_decoding_message_size(16 << 20);
        senders.push(tokio::spawn(async move {
            for request in requests {
                client.batch_create_readings(request).await?;
            }
            anyhow::Ok(())
        }));
    }
    for sender in senders {
        sender.await??;
    }
    Ok(rate(BATCH * BATCHES, begun.elapsed()))
}

/// One value of each machine, at the batch's second.
fn readings(machines: &[String], batch: usize) -> BatchCreateReadingsRequest {
    let readings = machines.iter().cycle().take(BATCH).map(|machine| Reading {
        equipment_id: machine.clone(),
        recorded_at: Some(Timestamp { seconds: seconds(batch), nanos: 0 }),
        metrics: [("temperature".to_owned(), 71.2)].into(),
        ..Reading::default()
    });
    BatchCreateReadingsRequest { readings: readings.collect(), ..Default::default() }
}

fn seconds(batch: usize) -> i64 {
    1_700_000_000 + i64::try_from(batch).unwrap_or_default()
}

/// One commit a batch, as a program would do that has nothing else to do.
async fn bare_commits() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut db: SqliteConnection = SqliteConnectOptions::new()
        .filename(folder.path().join("bare.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    sqlx::query(
        "create table samples (series_id bigint, at bigint, value real, arrived_at bigint,
                               primary key (series_id, at)) without rowid",
    )
    .execute(&mut db)
    .await?;

    let begun = Instant::now();
    for batch in 0..BATCHES {
        let mut transaction = db.begin().await?;
        let mut query =
            QueryBuilder::new("insert into samples (series_id, at, value, arrived_at) ");
        query.push_values(0..BATCH, |mut row, series| {
            let series = i64::try_from(series).unwrap_or_default();
            row.push_bind(series).push_bind(seconds(batch)).push_bind(71.2).push_bind(0_i64);
        });
        query.push(" on conflict (series_id, at) do update set value = excluded.value");
        query.build().execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(rate(BATCH * BATCHES, begun.elapsed()))
}
