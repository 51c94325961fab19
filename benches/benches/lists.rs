//! With a million tasks: the last page of every list to its first, and a search of titles to looking at each.
//!
//! `FLIGHTLINE_BENCH_TASKS` asks for fewer, `FLIGHTLINE_BENCH_DATA` names a folder to keep the data in for the next time, and
//! `DATABASE_URL` an empty database of PostgreSQL to use instead.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use benches::{Site, config};
use flightline::large::{self, Size};
use proto::{
    auth::v1::{ListUsersRequest, User, user_service_client::UserServiceClient},
    equipment::v1::{ListEquipmentRequest, equipment_service_client::EquipmentServiceClient},
    maintenance::v1::{
        ListCompletedTasksRequest, ListMaintenanceRequest, ListTasksRequest,
        maintenance_service_client::MaintenanceServiceClient,
        task::{Priority, Status},
        task_service_client::TaskServiceClient,
    },
};

const MACHINES: u32 = 20_000;
const TECHNICIANS: u32 = 50;
/// By how much a last page may be dearer than a first one.
const MOST: f64 = 1.5;
/// How long a search may take.
const LONGEST: Duration = Duration::from_millis(50);
/// Calls whose median is taken.
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
    let site = Site::on(config).await?;
    let worst = pages(&site).await?;
    let slowest = searches(&site).await?;
    ensure!(worst <= MOST, "a last page is {worst:.2} times as dear as the first");
    ensure!(slowest <= LONGEST, "a search takes {slowest:?}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench has no settings but these")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Asks for a page of a list: how many there were, and the token of the next.
macro_rules! lists {
    ($site:ident, $worst:ident, $($name:literal: $client:ident.$list:ident($request:expr) -> $rows:ident;)+) => {$(
        let ask = async |page_size: i32, page_token: String| {
            let mut request = $request;
            (request.page_size, request.page_token) = (page_size, page_token);
            let mut client = $client.clone();
            let page = client.$list($site.request(request)?).await?.into_inner();
            anyhow::Ok((page.$rows.len(), page.next_page_token))
        };
        $worst = compare($name, ask).await?.max($worst);
    )+};
}

async fn pages(site: &Site) -> anyhow::Result<f64> {
    let peers = site.peers();
    let tasks = TaskServiceClient::new(peers.maintenance.clone());
    let records = MaintenanceServiceClient::new(peers.maintenance.clone());
    let equipment = EquipmentServiceClient::new(peers.equipment.clone());
    let somebody = Some(technician(site).await?.id);
    let all = ListTasksRequest::default;
    let mut worst = 0.0_f64;
    lists! { site, worst,
        "tasks": tasks.list_tasks(all()) -> tasks;
        "tasks, completed": tasks.list_tasks(ListTasksRequest { status: Status::Completed.into(), ..all() }) -> tasks;
        "tasks, of high priority": tasks.list_tasks(ListTasksRequest { priority: Priority::High.into(), ..all() }) -> tasks;
        "tasks, of one person": tasks.list_tasks(ListTasksRequest { assignee_id: somebody.clone(), ..all() }) -> tasks;
        "tasks, due": tasks.list_tasks(ListTasksRequest { due_before: Some("2100-01-01".into()), ..all() }) -> tasks;
        "tasks, titled": tasks.list_tasks(ListTasksRequest { title: "the".into(), ..all() }) -> tasks;
        "history": tasks.list_completed_tasks(ListCompletedTasksRequest::default()) -> tasks;
        "history, of one person": tasks.list_completed_tasks(
            ListCompletedTasksRequest { completed_by: somebody.clone(), ..Default::default() }) -> tasks;
        "records": records.list_maintenance(ListMaintenanceRequest::default()) -> records;
        "records, of one person": records.list_maintenance(
            ListMaintenanceRequest { technician_id: somebody.clone(), ..Default::default() }) -> records;
        "equipment": equipment.list_equipment(ListEquipmentRequest::default()) -> equipment;
        "equipment, of one type": equipment.list_equipment(
            ListEquipmentRequest { r#type: "pump".into(), ..Default::default() }) -> equipment;
        "equipment, by name": equipment.list_equipment(
            ListEquipmentRequest { order_by: "name".into(), ..Default::default() }) -> equipment;
    }
    Ok(worst)
}

async fn technician(site: &Site) -> anyhow::Result<User> {
    let request =
        site.request(ListUsersRequest { q: "technician-".into(), ..Default::default() })?;
    let mut auth = UserServiceClient::new(site.peers().auth.clone());
    let users = auth.list_users(request).await?.into_inner().users;
    users.into_iter().next().context("there are technicians")
}

/// Prints what the first and the last full page of a list cost, and the larger ratio.
async fn compare(
    name: &str,
    ask: impl AsyncFn(i32, String) -> anyhow::Result<(usize, String)>,
) -> anyhow::Result<f64> {
    let mut worst = 0.0_f64;
    let mut from = String::new();
    for size in [1000, 2] {
        // Of the pages of two, only those after the last full page of a thousand are walked.
        let last = last(size, from.clone(), &ask).await?;
        let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
        for _ in 0..CALLS {
            firsts.push(time(size, "", &ask).await?);
            lasts.push(time(size, &last, &ask).await?);
        }
        let (first_page, last_page) = (median(firsts), median(lasts));
        let ratio = last_page.as_secs_f64() / first_page.as_secs_f64();
        println!(
            "{name}, {size} a page: first {first_page:?}, last {last_page:?}, ratio {ratio:.2}"
        );
        worst = worst.max(ratio);
        from = last;
    }
    Ok(worst)
}

/// The token of the last full page, walking from the page at `token`.
async fn last(
    size: i32,
    mut token: String,
    ask: &impl AsyncFn(i32, String) -> anyhow::Result<(usize, String)>,
) -> anyhow::Result<String> {
    loop {
        let (_, next) = ask(size, token.clone()).await?;
        if next.is_empty() {
            return Ok(token);
        }
        let (rows, after) = ask(size, next.clone()).await?;
        if after.is_empty() && i32::try_from(rows)? < size {
            return Ok(token);
        }
        token = next;
    }
}

async fn time(
    size: i32,
    token: &str,
    ask: &impl AsyncFn(i32, String) -> anyhow::Result<(usize, String)>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    ask(size, token.to_owned()).await?;
    Ok(begun.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Prints what searches cost; answers the dearest of those that the index of titles knows.
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
        let (rows, _) = ask(50, String::new()).await?;
        let mut times = Vec::new();
        for _ in 0..CALLS {
            times.push(time(50, "", &ask).await?);
        }
        let median = median(times);
        println!("search {title:?}: {rows} on the first page, {median:?}");
        if is_known {
            slowest = slowest.max(median);
        }
    }
    Ok(slowest)
}
