//! With a million tasks: the last page of every list of equipment, work and records to its first, and searches.
//!
//! `FLIGHTLINE_BENCH_TASKS` asks for fewer, `FLIGHTLINE_BENCH_DATA` names a folder to keep the data in for the next time, and
//! `DATABASE_URL` an empty database of PostgreSQL to use instead. `cargo bench -p benches --bench lists -- timeline` looks at the
//! lists that are called so alone, and at the searches.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

mod busy;
mod compare;
mod pages;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::ensure;
use benches::{Site, config};
use flightline::large::{self, Size};
use proto::{
    equipment::v1::{ListEquipmentRequest, equipment_service_client::EquipmentServiceClient},
    maintenance::v1::{ListTasksRequest, task_service_client::TaskServiceClient},
};
use sqlx::{Connection, Executor, PgConnection};

use self::compare::{median, time};

const MACHINES: u32 = 20_000;
const TECHNICIANS: u32 = 50;
/// By how much a last page may be dearer than a first one.
const MOST: f64 = 1.5;
/// How long a search may take.
const LONGEST: Duration = Duration::from_millis(50);
/// Calls of which the quickest of a page, or the median of a search, is taken.
const CALLS: usize = 31;

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let tasks = variable("FLIGHTLINE_BENCH_TASKS").map_or(Ok(1_000_000), |text| text.parse())?;
    let temporary = tempfile::tempdir()?;
    let kept = variable("FLIGHTLINE_BENCH_DATA").map(PathBuf::from);
    let folder = kept.clone().unwrap_or_else(|| temporary.path().to_owned());
    let config = config(&folder, variable("DATABASE_URL").as_deref())?;
    let begun = Instant::now();
    match large::run(config.clone(), Size::new(tasks, MACHINES, TECHNICIANS)).await {
        Err(error) if kept.is_some() => println!("{error:#}"),
        filled => {
            filled?;
            println!("filled in {:.0?}", begun.elapsed());
        }
    }
    let mut site = Site::on(config).await?;
    let worst = pages::pages(&mut site).await?;
    site.log_in().await?;
    let slowest = searches(&site).await?;
    ensure!(worst <= MOST, "a last page is {worst:.2} times as dear as the first");
    ensure!(slowest <= LONGEST, "a search takes {slowest:?}");
    Ok(())
}

/// Has PostgreSQL clear up behind thousands of changes of one row, as it does by itself in time.
async fn clear_up() -> anyhow::Result<()> {
    if let Some(url) = variable("DATABASE_URL") {
        let mut connection = PgConnection::connect(&url).await?;
        connection.execute("vacuum (index_cleanup on, analyze)").await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench has no settings but these")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Prints what searches cost; answers the dearest of those that are held to [`LONGEST`]: titles shorter than the index knows are not.
async fn searches(site: &Site) -> anyhow::Result<Duration> {
    let mut slowest = Duration::ZERO;
    for (title, is_known) in [
        ("bearing", true),
        ("TRUCK clutch", true),
        ("calibrate the gauge glass", true),
        ("crane wire rope runs hot", true),
        ("zebra", true),
        ("the zebra", true),
        ("th", false),
        ("qz", false),
    ] {
        let ask = async |page_size: i32, page_token: String| {
            let request = ListTasksRequest {
                title: title.into(),
                page_size,
                page_token,
                ..Default::default()
            };
            let mut client = TaskServiceClient::new(site.peers().maintenance.clone());
            let page = client.list_tasks(site.request(request)?).await?.into_inner();
            anyhow::Ok((page.tasks.len(), page.next_page_token))
        };
        let median = search(&format!("tasks {title:?}"), &ask).await?;
        if is_known {
            slowest = slowest.max(median);
        }
    }
    for q in ["pump", "p", "zebra"] {
        let ask = async |page_size: i32, page_token: String| {
            let request =
                ListEquipmentRequest { q: q.into(), page_size, page_token, ..Default::default() };
            let mut client = EquipmentServiceClient::new(site.peers().equipment.clone());
            let page = client.list_equipment(site.request(request)?).await?.into_inner();
            anyhow::Ok((page.equipment.len(), page.next_page_token))
        };
        slowest = slowest.max(search(&format!("equipment {q:?}"), &ask).await?);
    }
    Ok(slowest)
}

/// Prints what one search costs.
async fn search(
    name: &str,
    ask: &impl AsyncFn(i32, String) -> anyhow::Result<(usize, String)>,
) -> anyhow::Result<Duration> {
    let (rows, _) = ask(50, String::new()).await?;
    let mut times = Vec::new();
    for _ in 0..CALLS {
        times.push(time(50, "", ask).await?);
    }
    let median = median(times);
    println!("search for {name}: {rows} on the first page, {median:?}");
    Ok(median)
}
