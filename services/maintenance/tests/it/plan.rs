//! How the lists do what they are asked, with many rows: each filter and the usual pairs, the first page and one far behind.

use kit::{access::Role, on, uuid};
use proto::maintenance::v1::{
    GetServiceLifeRequest, ListCommentsRequest, ListCompletedTasksRequest, ListMaintenanceRequest,
    ListTaskEventsRequest, ListTasksRequest, ListTimelineRequest,
    task::{Priority, Status},
    timeline_entry::Kind,
};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use testkit::{Engine, Plans, World, check_plans};

use crate::{create, pump, records, start, tasks, titled};

const EQUIPMENT: &str = "018e0000-0000-7000-8000-000000000007";
const PERSON: &str = "018d0000-0000-7000-8000-000000000003";
const TASK: &str = "018f0000-0000-7000-8000-00000000012c";

/// Enough rows that PostgreSQL plans as it would with a million, and some for SQLite, which plans alike with any.
async fn fill(world: &World) {
    let (sqlite, postgres) = (include_str!("plan/sqlite.sql"), include_str!("plan/postgres.sql"));
    world.fill("maintenance", sqlite, postgres).await;
}

/// Makes all that there is of `EQUIPMENT` that of equipment in the register.
async fn give_all_to(world: &World, equipment_id: &str) {
    let db = maintenance::SCHEMA.open(&world.db).await.unwrap();
    let of = |id: &str| id.parse::<uuid::Uuid>().unwrap();
    let mut tx = db.begin("give").await.unwrap();
    for update in [
        "update tasks set equipment_id = $1 where equipment_id = $2",
        "update task_events set equipment_id = $1 where equipment_id = $2",
        "update maintenance_records set equipment_id = $1 where equipment_id = $2",
    ] {
        on!(&mut tx, c => sqlx::query(update)
            .bind(of(equipment_id))
            .bind(of(EQUIPMENT))
            .execute(c).await.map(drop))
        .unwrap();
    }
    tx.commit().await.unwrap();
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
            let is_due = request.overdue || request.due_before.is_some();
            let place = if is_due { "(due_date,id)>(?,?)" } else { "id>?" };
            check_plans!(world, plans, client.list_tasks, "tasks", index, place, request);
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
            Engine::Sqlite => {
                assert!(plan.uses("task_titles") && plan.uses("sqlite_autoindex_tasks_1"), "{plan:?}");
                let asked = plans.of("from task_search").await;
                assert!(asked.uses("task_search") && asked.uses("0:M1"), "{asked:?}");
            }
            Engine::Postgres => assert!(plan.is_short(), "{plan:?}"),
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
            ("tasks_completed_at_idx", ListCompletedTasksRequest { from: span.from, ..all() }),
            ("tasks_completed_at_idx", ListCompletedTasksRequest { to: span.to, ..all() }),
            ("tasks_completed_by_idx", ListCompletedTasksRequest { completed_by: by.clone(), ..all() }),
            ("tasks_completed_by_idx", ListCompletedTasksRequest { completed_by: by.clone(), ..span.clone() }),
            ("tasks_equipment_id_completed_at_idx", ListCompletedTasksRequest { equipment_id: of.clone(), ..all() }),
            ("tasks_equipment_id_completed_at_idx", ListCompletedTasksRequest { equipment_id: of.clone(), ..span }),
            ("tasks_equipment_id_completed_at_idx", ListCompletedTasksRequest { equipment_id: of, completed_by: by, ..all() }),
        ] {
            check_plans!(world, plans, client.list_completed_tasks, "tasks", index, "(completed_at,id)<(?,?)", request);
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
            check_plans!(world, plans, client.list_maintenance, "maintenance_records", index, "id>?", request);
        }
    }

    async fn what_happened_to_one_task_or_machine_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "maintenance").await;
        let suite = start(&world).await;
        fill(&world).await;
        let pump = pump(&world, &suite).await;
        give_all_to(&world, &pump).await;
        let (mut client, mut records) =
            (tasks(&suite, &world.user(Role::Viewer)), records(&suite, &world.user(Role::Viewer)));

        let of_task = ListCommentsRequest { task_id: TASK.into(), ..Default::default() };
        check_plans!(world, plans, client.list_comments, "comments", "comments_task_id_idx", "id>?", of_task);
        let of_task = ListTaskEventsRequest { task_id: TASK.into(), ..Default::default() };
        check_plans!(world, plans, client.list_task_events, "task_events", "task_events_task_id_idx", "id>?", of_task);

        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let (from, to) = (time(-1), time(1_700_010_000));
        let of = |kind: Kind| ListTimelineRequest {
            equipment_id: pump.clone(),
            kinds: vec![kind.into()],
            ..Default::default()
        };
        let within = |from, to| move |request| ListTimelineRequest { from, to, ..request };
        for span in [within(None, None), within(from, None), within(None, to), within(from, to)] {
            let (index, place) = ("task_events_equipment_id_idx", "(at,id)<(?,?)");
            check_plans!(world, plans, records.list_timeline, "task_events", index, place, span(of(Kind::Task)));
            let (index, place) = ("maintenance_records_equipment_id_done_at_idx", "<expr><?");
            check_plans!(world, plans, records.list_timeline, "maintenance_records", index, place, span(of(Kind::Maintenance)));
        }
    }

    async fn service_life_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "maintenance").await;
        let suite = start(&world).await;
        fill(&world).await;
        let pump = pump(&world, &suite).await;
        give_all_to(&world, &pump).await;
        let mut client = records(&suite, &world.user(Role::Viewer));

        plans.clear();
        let request = GetServiceLifeRequest { equipment_id: pump, ..Default::default() };
        client.get_service_life(request).await.unwrap();

        let done_at = "maintenance_records_equipment_id_done_at_idx";
        for (statement, index, place) in [
            ("count(started_at + finished_at) as timed", done_at, "<expr>>?"),
            ("created_at) as done_at", done_at, "<expr>>?"),
            ("select started_at as", done_at, "<expr>>?"),
            ("status in ('PENDING', 'IN_PROGRESS', 'ON_HOLD')", "tasks_open_idx", "equipment_id=?"),
        ] {
            let plan = plans.of(statement).await;
            match world.engine {
                Engine::Sqlite => assert!(plan.seeks(index, place), "{statement}: {plan:?}"),
                Engine::Postgres => assert!(plan.is_short(), "{statement}: {plan:?}"),
            }
        }
    }
}
