//! How the lists do what they are asked, with many rows: each filter and the usual pairs, the first page and one far behind.

use kit::access::Role;
use proto::maintenance::v1::{
    ListCompletedTasksRequest, ListMaintenanceRequest, ListTasksRequest,
    task::{Priority, Status},
};
use sqlx::{ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};
use testkit::{Engine, Plan, Plans, World};

use crate::{create, records, start, tasks, titled};

const EQUIPMENT: &str = "018e0000-0000-7000-8000-000000000007";
const PERSON: &str = "018d0000-0000-7000-8000-000000000003";
const TASK: &str = "018f0000-0000-7000-8000-00000000012c";

/// Rows that may be looked at for a page of two. A filter without an index looks at all 20,000.
const MOST: u64 = 1000;

/// Enough rows that PostgreSQL plans as it would with a million. SQLite plans alike with none.
async fn fill(world: &World) {
    let Some(url) = &world.db.database_url else { return };
    let mut db = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(include_str!("plan.sql")).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

/// Takes the database back to where it had no index of titles.
async fn forget_the_index(world: &World) {
    let file = world.db.data_dir.join("maintenance.db");
    let mut db = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let back = "drop trigger tasks_search_insert; drop trigger tasks_search_update;
                drop trigger tasks_search_delete; drop table task_search; drop table task_titles;
                delete from _sqlx_migrations where version = 121";
    sqlx::raw_sql(back).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

/// `index`: what SQLite must use.
fn check(engine: Engine, index: &str, plan: &Plan, asked: &impl std::fmt::Debug) {
    let sorts = plan.steps.iter().any(|step| step.contains("TEMP B-TREE"));
    match engine {
        Engine::Sqlite => assert!(plan.uses(index) && !sorts, "{asked:?}: {plan:?}"),
        Engine::Postgres => assert!(plan.visited < Some(MOST), "{asked:?}: {plan:?}"),
    }
}

/// Asks for the first page of two and for one far behind, and checks the plan of each.
macro_rules! check {
    ($world:ident, $plans:ident, $client:ident.$list:ident, $table:literal, $index:expr, $request:expr) => {{
        let mut request = $request;
        request.page_size = 1000;
        let page = $client.$list(request.clone()).await.unwrap().into_inner();
        let token = page.next_page_token;
        for page_token in [String::new(), token] {
            (request.page_size, request.page_token) = (2, page_token);
            $plans.clear();
            $client.$list(request.clone()).await.unwrap();
            check($world.engine, $index, &$plans.of(concat!("from ", $table)).await, &request);
        }
    }};
}

testkit::both! {
    async fn every_filter_of_tasks_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "maintenance").await;
        let suite = start(&world).await;
        fill(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Viewer));

        let all = ListTasksRequest::default;
        let status = |status: Status| ListTasksRequest { status: status.into(), ..all() };
        let pending = || status(Status::Pending);
        let urgent = ListTasksRequest { priority: Priority::High.into(), ..all() };
        let of_equipment = ListTasksRequest { equipment_id: Some(EQUIPMENT.into()), ..all() };
        let of_person = ListTasksRequest { assignee_id: Some(PERSON.into()), ..all() };
        let due = ListTasksRequest { due_before: Some("2025-06-01".into()), ..all() };
        let overdue = ListTasksRequest { overdue: true, ..all() };
        let and_urgent =
            |request: &ListTasksRequest| ListTasksRequest { priority: urgent.priority, ..request.clone() };
        let and_pending =
            |request: &ListTasksRequest| ListTasksRequest { status: pending().status, ..request.clone() };
        let and_of_equipment = |request: &ListTasksRequest| ListTasksRequest {
            equipment_id: of_equipment.equipment_id.clone(),
            ..request.clone()
        };
        let and_of_person = |request: &ListTasksRequest| ListTasksRequest {
            assignee_id: of_person.assignee_id.clone(),
            ..request.clone()
        };
        for (index, request) in [
            ("sqlite_autoindex_tasks_1", all()),
            ("tasks_status_idx", pending()),
            ("tasks_status_idx", status(Status::Completed)),
            ("tasks_priority_idx", urgent.clone()),
            ("tasks_equipment_id_idx", of_equipment.clone()),
            ("tasks_assignee_id_idx", of_person.clone()),
            ("tasks_due_date_idx", due.clone()),
            ("tasks_open_due_date_idx", overdue.clone()),
            ("tasks_status_priority_idx", and_urgent(&pending())),
            ("tasks_status_priority_idx", and_urgent(&status(Status::Completed))),
            ("tasks_equipment_id_idx", and_of_equipment(&pending())),
            ("tasks_assignee_id_status_idx", and_of_person(&pending())),
            ("tasks_status_due_date_idx", and_pending(&due)),
            ("tasks_open_due_date_idx", and_pending(&overdue)),
            ("tasks_equipment_id_idx", and_of_equipment(&urgent)),
            ("tasks_assignee_id_idx", and_of_person(&urgent)),
            ("tasks_due_date_idx", and_urgent(&due)),
            ("tasks_open_due_date_idx", and_urgent(&overdue)),
            ("tasks_equipment_id_idx", and_of_person(&of_equipment)),
            ("tasks_equipment_id_due_date_idx", and_of_equipment(&due)),
            ("tasks_equipment_id_due_date_idx", and_of_equipment(&overdue)),
            ("tasks_assignee_id_due_date_idx", and_of_person(&due)),
            ("tasks_open_assignee_id_due_date_idx", and_of_person(&overdue)),
            ("tasks_assignee_id_due_date_idx", and_pending(&and_of_person(&due))),
        ] {
            check!(world, plans, client.list_tasks, "tasks", index, request);
        }
    }

    async fn a_title_is_found_by_the_index_of_titles_also_what_was_there_before_it(world: World) {
        let plans = Plans::listen(&world, "maintenance").await;
        let suite = start(&world).await;
        fill(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        create(&mut client, titled("Grease the bearing")).await.unwrap();
        if world.engine == Engine::Sqlite {
            forget_the_index(&world).await;
        }
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Viewer));
        let request = ListTasksRequest { title: "BEAR".into(), ..Default::default() };

        plans.clear();
        let found = client.list_tasks(request).await.unwrap().into_inner().tasks;

        assert_eq!(found.len(), 1);
        let plan = plans.of("from tasks").await;
        match world.engine {
            Engine::Sqlite => assert!(plan.uses("task_search") && plan.uses("sqlite_autoindex_tasks_1"), "{plan:?}"),
            Engine::Postgres => assert!(plan.visited < Some(MOST), "{plan:?}"),
        }
    }

    async fn every_filter_of_the_history_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "maintenance").await;
        let suite = start(&world).await;
        fill(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Viewer));

        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let all = ListCompletedTasksRequest::default;
        let (by, of) = (Some(PERSON.to_owned()), Some(EQUIPMENT.to_owned()));
        let span =
            ListCompletedTasksRequest { from: time(1_700_000_000), to: time(1_700_010_000), ..all() };
        for (index, request) in [
            ("tasks_completed_at_idx", all()),
            ("tasks_completed_at_idx", span.clone()),
            ("tasks_completed_by_idx", ListCompletedTasksRequest { completed_by: by.clone(), ..all() }),
            ("tasks_completed_by_idx", ListCompletedTasksRequest { completed_by: by.clone(), ..span.clone() }),
            ("tasks_equipment_id_completed_at_idx", ListCompletedTasksRequest { equipment_id: of.clone(), ..all() }),
            ("tasks_equipment_id_completed_at_idx", ListCompletedTasksRequest { equipment_id: of.clone(), ..span }),
            ("tasks_equipment_id_completed_at_idx", ListCompletedTasksRequest { equipment_id: of, completed_by: by, ..all() }),
        ] {
            check!(world, plans, client.list_completed_tasks, "tasks", index, request);
        }
    }

    async fn every_filter_of_records_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "maintenance").await;
        let suite = start(&world).await;
        fill(&world).await;
        let mut client = records(&suite, &world.user(Role::Viewer));

        let all = ListMaintenanceRequest::default;
        let (of, by) = (Some(EQUIPMENT.to_owned()), Some(PERSON.to_owned()));
        let of_task = ListMaintenanceRequest { task_id: Some(TASK.into()), ..all() };
        for (index, request) in [
            ("sqlite_autoindex_maintenance_records_1", all()),
            ("maintenance_records_task_id_idx", of_task.clone()),
            ("maintenance_records_equipment_id_idx", ListMaintenanceRequest { equipment_id: of.clone(), ..all() }),
            ("maintenance_records_technician_id_idx", ListMaintenanceRequest { technician_id: by.clone(), ..all() }),
            ("maintenance_records_task_id_idx", ListMaintenanceRequest { equipment_id: of.clone(), ..of_task.clone() }),
            ("maintenance_records_task_id_idx", ListMaintenanceRequest { technician_id: by.clone(), ..of_task }),
            (
                "maintenance_records_equipment_id_idx",
                ListMaintenanceRequest { equipment_id: of, technician_id: by, ..all() },
            ),
        ] {
            check!(world, plans, client.list_maintenance, "maintenance_records", index, request);
        }
    }
}
