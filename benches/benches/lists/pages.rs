//! Every list of equipment, work and records, by every filter and in every order that it has.

use anyhow::Context;
use benches::Site;
use proto::{
    auth::v1::{ListUsersRequest, User, user_service_client::UserServiceClient},
    equipment::v1::{
        ListEquipmentRequest, ListStatusIntervalsRequest, equipment::Status as State,
        equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        ListCommentsRequest, ListCompletedTasksRequest, ListMaintenanceRequest,
        ListTaskEventsRequest, ListTasksRequest, ListTimelineRequest,
        maintenance_service_client::MaintenanceServiceClient,
        task::{Priority, Status},
        task_service_client::TaskServiceClient,
        timeline_entry::Kind,
    },
};

use crate::{
    busy::{self, Busy},
    compare::compare,
};

/// Asks for a page of a list: how many there were, and the token of the next. Answers the worst ratio.
macro_rules! lists {
    ($site:ident, $($name:literal: $client:ident.$list:ident($request:expr) -> $rows:ident;)+) => {{
        let mut worst = 0.0_f64;
        $(if is_asked($name) {
            // A token is good for five minutes.
            $site.log_in().await?;
            let ask = async |page_size: i32, page_token: String| {
                let mut request = $request;
                (request.page_size, request.page_token) = (page_size, page_token);
                let mut client = $client.clone();
                let page = client.$list($site.request(request)?).await?.into_inner();
                anyhow::Ok((page.$rows.len(), page.next_page_token))
            };
            worst = compare($name, ask).await?.max(worst);
        })+
        worst
    }};
}

/// Whether a list shall be measured: any, or those with a name that has one of the arguments in it.
fn is_asked(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

/// By how much the dearest last page is dearer than its first.
pub async fn pages(site: &mut Site) -> anyhow::Result<f64> {
    let busy = busy::make(site).await?;
    crate::clear_up().await?;
    let somebody = technician(site).await?.id;
    let worst = equipment(site).await?;
    let worst = orders(site).await?.max(worst);
    let worst = tasks(site, &somebody).await?.max(worst);
    let worst = history(site, &somebody, &busy).await?.max(worst);
    Ok(of_one(site, &busy).await?.max(worst))
}

async fn technician(site: &Site) -> anyhow::Result<User> {
    let request =
        site.request(ListUsersRequest { q: "technician-".into(), ..Default::default() })?;
    let mut auth = UserServiceClient::new(site.peers().auth.clone());
    let users = auth.list_users(request).await?.into_inner().users;
    users.into_iter().next().context("there are technicians")
}

async fn equipment(site: &mut Site) -> anyhow::Result<f64> {
    let client = EquipmentServiceClient::new(site.peers().equipment.clone());
    let all = ListEquipmentRequest::default;
    Ok(lists! { site,
        "equipment": client.list_equipment(all()) -> equipment;
        "equipment, also decommissioned": client.list_equipment(
            ListEquipmentRequest { show_deleted: true, ..all() }) -> equipment;
        "equipment, of one type": client.list_equipment(
            ListEquipmentRequest { r#type: "pump".into(), ..all() }) -> equipment;
        "equipment, in one state": client.list_equipment(
            ListEquipmentRequest { status: State::Operational.into(), ..all() }) -> equipment;
        "equipment, at one place": client.list_equipment(
            ListEquipmentRequest { location: "Hall 7".into(), ..all() }) -> equipment;
    })
}

async fn orders(site: &mut Site) -> anyhow::Result<f64> {
    let client = EquipmentServiceClient::new(site.peers().equipment.clone());
    let by =
        |order_by: &str| ListEquipmentRequest { order_by: order_by.into(), ..Default::default() };
    Ok(lists! { site,
        "equipment, by name": client.list_equipment(by("name")) -> equipment;
        "equipment, by type": client.list_equipment(by("type")) -> equipment;
        "equipment, by location": client.list_equipment(by("location")) -> equipment;
        "equipment, by status": client.list_equipment(by("status")) -> equipment;
        "equipment, by criticality": client.list_equipment(by("criticality")) -> equipment;
        "equipment, by criticality, the highest first": client.list_equipment(by("criticality desc")) -> equipment;
        "equipment, by installation date": client.list_equipment(by("installation_date")) -> equipment;
        "equipment, by installation date, the last first":
            client.list_equipment(by("installation_date desc")) -> equipment;
        "equipment, by age": client.list_equipment(by("created_at")) -> equipment;
        "equipment, by change": client.list_equipment(by("updated_at")) -> equipment;
    })
}

async fn tasks(site: &mut Site, somebody: &str) -> anyhow::Result<f64> {
    let client = TaskServiceClient::new(site.peers().maintenance.clone());
    let all = ListTasksRequest::default;
    Ok(lists! { site,
        "tasks": client.list_tasks(all()) -> tasks;
        "tasks, completed": client.list_tasks(
            ListTasksRequest { status: Status::Completed.into(), ..all() }) -> tasks;
        "tasks, of high priority": client.list_tasks(
            ListTasksRequest { priority: Priority::High.into(), ..all() }) -> tasks;
        "tasks, of one person": client.list_tasks(
            ListTasksRequest { assignee_id: Some(somebody.into()), ..all() }) -> tasks;
        "tasks, due": client.list_tasks(
            ListTasksRequest { due_before: Some("2100-01-01".into()), ..all() }) -> tasks;
        "tasks, overdue": client.list_tasks(ListTasksRequest { overdue: true, ..all() }) -> tasks;
        "tasks, titled": client.list_tasks(ListTasksRequest { title: "the".into(), ..all() }) -> tasks;
    })
}

async fn history(site: &mut Site, somebody: &str, busy: &Busy) -> anyhow::Result<f64> {
    let tasks = TaskServiceClient::new(site.peers().maintenance.clone());
    let records = MaintenanceServiceClient::new(site.peers().maintenance.clone());
    let (person, machine) = (Some(somebody.to_owned()), Some(busy.machine.clone()));
    let all = ListCompletedTasksRequest::default;
    let (from, to) = (time(0), time(FAR));
    Ok(lists! { site,
        "history": tasks.list_completed_tasks(all()) -> tasks;
        "history, up to a time": tasks.list_completed_tasks(
            ListCompletedTasksRequest { to, ..all() }) -> tasks;
        "history, of a time": tasks.list_completed_tasks(
            ListCompletedTasksRequest { from, to, ..all() }) -> tasks;
        "history, of one person": tasks.list_completed_tasks(
            ListCompletedTasksRequest { completed_by: person.clone(), ..all() }) -> tasks;
        "history, of one machine": tasks.list_completed_tasks(
            ListCompletedTasksRequest { equipment_id: machine.clone(), ..all() }) -> tasks;
        "history, of one machine, up to a time": tasks.list_completed_tasks(
            ListCompletedTasksRequest { equipment_id: machine.clone(), to, ..all() }) -> tasks;
        "records": records.list_maintenance(ListMaintenanceRequest::default()) -> records;
        "records, of one person": records.list_maintenance(
            ListMaintenanceRequest { technician_id: person.clone(), ..Default::default() }) -> records;
        "records, of one machine": records.list_maintenance(
            ListMaintenanceRequest { equipment_id: machine.clone(), ..Default::default() }) -> records;
    })
}

/// What there is of one machine, and of one task.
async fn of_one(site: &mut Site, busy: &Busy) -> anyhow::Result<f64> {
    let equipment = EquipmentServiceClient::new(site.peers().equipment.clone());
    let tasks = TaskServiceClient::new(site.peers().maintenance.clone());
    let records = MaintenanceServiceClient::new(site.peers().maintenance.clone());
    let Busy { machine, task } = busy;
    let to = time(FAR);
    let states =
        || ListStatusIntervalsRequest { equipment_id: machine.clone(), ..Default::default() };
    let life = || ListTimelineRequest { equipment_id: machine.clone(), ..Default::default() };
    let kind = |kind: Kind| ListTimelineRequest { kinds: vec![kind.into()], ..life() };
    Ok(lists! { site,
        "parts of one machine": equipment.list_equipment(
            ListEquipmentRequest { parent_id: Some(machine.clone()), ..Default::default() }) -> equipment;
        "states of one machine": equipment.list_status_intervals(states()) -> intervals;
        "states of one machine, up to a time": equipment.list_status_intervals(
            ListStatusIntervalsRequest { to, ..states() }) -> intervals;
        "tasks of one machine": tasks.list_tasks(
            ListTasksRequest { equipment_id: Some(machine.clone()), ..Default::default() }) -> tasks;
        "comments on one task": tasks.list_comments(
            ListCommentsRequest { task_id: task.clone(), ..Default::default() }) -> comments;
        "events of one task": tasks.list_task_events(
            ListTaskEventsRequest { task_id: task.clone(), ..Default::default() }) -> events;
        "timeline": records.list_timeline(life()) -> entries;
        "timeline, up to a time": records.list_timeline(ListTimelineRequest { to, ..life() }) -> entries;
        "timeline of states": records.list_timeline(kind(Kind::Status)) -> entries;
        "timeline of tasks": records.list_timeline(kind(Kind::Task)) -> entries;
        "timeline of work": records.list_timeline(kind(Kind::Maintenance)) -> entries;
    })
}

/// The year 2100: everything lies before it.
const FAR: i64 = 4_102_444_800;

#[expect(clippy::unnecessary_wraps, reason = "as requests have it")]
fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}
