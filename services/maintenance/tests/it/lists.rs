//! Filters and pages of tasks and records.

use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, ListMaintenanceRequest, ListTasksRequest, MaintenanceRecord,
    RecordMaintenanceRequest, Task,
    task::{Priority, Status},
};

use super::{NO_ID, Records, Tasks, create, field, pump, records, start, task_for, tasks, titled};

async fn titles(client: &mut Tasks, request: ListTasksRequest) -> Vec<String> {
    let page = client.list_tasks(request).await.unwrap().into_inner();
    page.tasks.into_iter().map(|task| task.title).collect()
}

async fn works(client: &mut Records, request: ListMaintenanceRequest) -> Vec<String> {
    let page = client.list_maintenance(request).await.unwrap().into_inner();
    page.records.into_iter().map(|record| record.work_done).collect()
}

testkit::both! {
    async fn a_title_is_found_by_any_part_of_it_and_nothing_else(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        for title in ["100% load", "100 Load", "a_b", "aXb", r"back\slash", "Öl prüfen", "ŽLUŤOUČKÝ Насос", "it's"] {
            create(&mut client, titled(title)).await.unwrap();
        }

        for (title, found) in [
            ("LOAD", vec!["100% load", "100 Load"]),
            ("0%", vec!["100% load"]),
            ("%", vec!["100% load"]),
            ("a_B", vec!["a_b"]),
            ("_", vec!["a_b"]),
            (r"\", vec![r"back\slash"]),
            (r"K\S", vec![r"back\slash"]),
            (r"\%", vec![]),
            ("Öl PRüfen", vec!["Öl prüfen"]),
            ("öL PRÜ", vec!["Öl prüfen"]),
            ("žluťoučký наСОС", vec!["ŽLUŤOUČKÝ Насос"]),
            ("'", vec!["it's"]),
            ("nothing", vec![]),
        ] {
            let request = ListTasksRequest { title: title.into(), ..Default::default() };
            assert_eq!(titles(&mut client, request).await, found, "{title}");
        }
    }

    async fn tasks_are_filtered_by_state_priority_equipment_and_holder(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = tasks(&suite, &ana);
        let pump = pump(&world, &suite).await;
        let urgent = Task { priority: Priority::High.into(), ..titled("urgent") };
        create(&mut client, urgent).await.unwrap();
        let of_pump = Task { equipment_id: Some(pump.clone()), ..titled("pump") };
        create(&mut client, of_pump).await.unwrap();
        let held = create(&mut client, titled("held")).await.unwrap();
        client.claim_task(ClaimTaskRequest { id: held.id }).await.unwrap();

        let all = ListTasksRequest::default;
        for (request, found) in [
            (all(), vec!["urgent", "pump", "held"]),
            (ListTasksRequest { status: Status::Pending.into(), ..all() }, vec!["urgent", "pump"]),
            (ListTasksRequest { status: Status::InProgress.into(), ..all() }, vec!["held"]),
            (ListTasksRequest { priority: Priority::High.into(), ..all() }, vec!["urgent"]),
            (ListTasksRequest { equipment_id: Some(pump.clone()), ..all() }, vec!["pump"]),
            (ListTasksRequest { equipment_id: Some(pump.to_uppercase()), ..all() }, vec!["pump"]),
            (ListTasksRequest { assignee_id: Some(ana.id.clone()), ..all() }, vec!["held"]),
            (ListTasksRequest { assignee_id: Some(ana.id.to_uppercase()), ..all() }, vec!["held"]),
            (ListTasksRequest { assignee_id: Some(NO_ID.into()), ..all() }, vec![]),
            (
                ListTasksRequest { equipment_id: Some(pump), assignee_id: Some(ana.id), ..all() },
                vec![],
            ),
        ] {
            assert_eq!(titles(&mut client, request.clone()).await, found, "{request:?}");
        }
    }

    async fn tasks_are_paged_in_the_order_of_their_making(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        for number in 0..5 {
            create(&mut client, titled(&number.to_string())).await.unwrap();
        }
        let (mut seen, mut request) =
            (Vec::new(), ListTasksRequest { page_size: 2, ..Default::default() });

        loop {
            let page = client.list_tasks(request.clone()).await.unwrap().into_inner();
            seen.push(page.tasks.into_iter().map(|task| task.title).collect::<Vec<_>>());
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            // What comes meanwhile comes last.
            create(&mut client, titled("late")).await.unwrap();
        }
        request.title = "late".into();
        let refused = client.list_tasks(request).await.unwrap_err();

        assert_eq!(seen, [vec!["0", "1"], vec!["2", "3"], vec!["4", "late"], vec!["late", "late"]]);
        assert_eq!(field(&refused), "page_token");
    }

    async fn records_are_filtered_and_paged(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let (one, two) = (pump(&world, &suite).await, pump(&world, &suite).await);
        let task = task_for(&world, &suite, &two).await;
        for (by, equipment_id, task_id, work) in [
            (&ana, &one, None, "a"),
            (&bob, &one, None, "b"),
            (&bob, &two, Some(task.id.clone()), "c"),
        ] {
            let (equipment_id, work_done) = (equipment_id.clone(), work.to_owned());
            let record = MaintenanceRecord { equipment_id, task_id, work_done, ..Default::default() };
            let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
            records(&suite, by).record_maintenance(request).await.unwrap();
        }
        let mut viewer = records(&suite, &world.user(Role::Viewer));

        let all = ListMaintenanceRequest::default;
        for (request, found) in [
            (all(), vec!["a", "b", "c"]),
            (ListMaintenanceRequest { equipment_id: Some(one), ..all() }, vec!["a", "b"]),
            (ListMaintenanceRequest { task_id: Some(task.id), ..all() }, vec!["c"]),
            (ListMaintenanceRequest { technician_id: Some(bob.id.to_uppercase()), ..all() }, vec!["b", "c"]),
            (ListMaintenanceRequest { equipment_id: Some(two), technician_id: Some(ana.id), ..all() }, vec![]),
        ] {
            assert_eq!(works(&mut viewer, request.clone()).await, found, "{request:?}");
        }
        let half = ListMaintenanceRequest { page_size: 2, ..all() };
        let page = viewer.list_maintenance(half.clone()).await.unwrap().into_inner();
        assert_eq!(page.records.len(), 2);
        let rest = ListMaintenanceRequest { page_token: page.next_page_token, ..half };
        assert_eq!(works(&mut viewer, rest).await, ["c"]);
    }
}
