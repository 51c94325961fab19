use std::{collections::HashSet, time::Duration};

use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, CompleteTaskRequest, DeleteTaskRequest, ListTasksRequest, Task,
    UpdateTaskRequest,
    task::{Priority, Status},
};

use crate::{NO_ID, Tasks, create, field, pump, start, tasks, titled};

async fn titles(client: &mut Tasks, request: ListTasksRequest) -> Vec<String> {
    let page = client.list_tasks(request).await.unwrap().into_inner();
    page.tasks.into_iter().map(|task| task.title).collect()
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
            ("\"", vec![]),
            ("lo", vec!["100% load", "100 Load"]),
            ("loa", vec!["100% load", "100 Load"]),
            (" loa", vec!["100% load", "100 Load"]),
            ("00% lo", vec!["100% load"]),
            // Each part of it is there, but not so.
            ("loaload", vec![]),
            ("nothing", vec![]),
        ] {
            let request = ListTasksRequest { title: title.into(), ..Default::default() };
            assert_eq!(titles(&mut client, request).await, found, "{title}");
        }
    }

    async fn a_search_knows_a_title_from_its_change_to_its_end(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Admin));
        let mut task = create(&mut client, titled("Grease the bearing")).await.unwrap();
        create(&mut client, titled("Grease the coupling")).await.unwrap();

        task.title = "Replace the BEARING".into();
        let update = UpdateTaskRequest { task: Some(task.clone()), ..Default::default() };
        client.update_task(update).await.unwrap();
        for (title, found) in [
            ("grease", vec!["Grease the coupling"]),
            ("replace", vec!["Replace the BEARING"]),
            ("bearing", vec!["Replace the BEARING"]),
        ] {
            let request = ListTasksRequest { title: title.into(), ..Default::default() };
            assert_eq!(titles(&mut client, request).await, found, "{title}");
        }

        client.delete_task(DeleteTaskRequest { id: task.id, ..Default::default() }).await.unwrap();
        let request = ListTasksRequest { title: "bearing".into(), ..Default::default() };
        assert_eq!(titles(&mut client, request).await, Vec::<String>::new());
    }

    async fn a_search_goes_with_every_other_filter_and_page_by_page(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = tasks(&suite, &ana);
        let pump = pump(&world, &suite).await;
        let due_date = Some("2025-12-31".to_owned());
        for title in ["one bearing", "two bearings", "three bearings", "a coupling"] {
            let (equipment_id, due_date) = (Some(pump.clone()), due_date.clone());
            let task = Task { equipment_id, due_date, priority: Priority::High.into(), ..titled(title) };
            let task = create(&mut client, task).await.unwrap();
            let claim = ClaimTaskRequest { id: task.id, ..Default::default() };
            client.claim_task(claim).await.unwrap();
        }
        create(&mut client, titled("a bearing of nobody")).await.unwrap();

        let mut request = ListTasksRequest {
            title: "bearing".into(),
            status: Status::InProgress.into(),
            priority: Priority::High.into(),
            equipment_id: Some(pump),
            assignee_id: Some(ana.id),
            due_before: Some("2026-01-01".into()),
            overdue: true,
            page_size: 2,
            ..Default::default()
        };
        let first = client.list_tasks(request.clone()).await.unwrap().into_inner();
        request.page_token = first.next_page_token;
        let second = titles(&mut client, request).await;

        let first: Vec<_> = first.tasks.into_iter().map(|task| task.title).collect();
        assert_eq!((first, second), (vec!["one bearing".into(), "two bearings".into()], vec!["three bearings".into()]));
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
        client.claim_task(ClaimTaskRequest { id: held.id, ..Default::default() }).await.unwrap();

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

    async fn a_task_is_overdue_from_the_day_after_it_was_due_until_it_is_over(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        for day in ["2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03"] {
            create(&mut client, Task { due_date: Some(day.into()), ..titled(day) }).await.unwrap();
        }
        create(&mut client, titled("whenever")).await.unwrap();
        let done = Task { due_date: Some("2025-12-30".into()), ..titled("done") };
        let done = create(&mut client, done).await.unwrap();
        let complete = CompleteTaskRequest { id: done.id, ..Default::default() };
        client.complete_task(complete).await.unwrap();

        let all = ListTasksRequest::default;
        let before = |day: &str| ListTasksRequest { due_before: Some(day.into()), ..all() };
        let overdue = ListTasksRequest { overdue: true, ..all() };
        for (request, found) in [
            (before("2025-12-31"), vec!["done"]),
            (before("2026-01-02"), vec!["done", "2025-12-31", "2026-01-01"]),
            (overdue.clone(), vec!["2025-12-31", "2026-01-01"]),
            (ListTasksRequest { overdue: true, ..before("2026-01-01") }, vec!["2025-12-31"]),
        ] {
            assert_eq!(titles(&mut client, request.clone()).await, found, "{request:?}");
        }
        assert_eq!(titles(&mut client, all()).await.len(), 6);
        for day in ["2026-02-29", "tomorrow", ""] {
            let error = client.list_tasks(before(day)).await.unwrap_err();
            assert_eq!(field(&error), "due_before", "{day}");
        }

        // To the last second of the day; the token ends before.
        world.clock.advance(Duration::from_secs(20 * 3600 + 55 * 60 + 54));
        let mut client = tasks(&suite, &world.user(Role::Technician));
        assert_eq!(titles(&mut client, overdue.clone()).await.len(), 2);
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(titles(&mut client, overdue).await.len(), 3);
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

    async fn what_is_due_is_paged_by_its_day_whatever_comes_meanwhile(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let due = |title: &str, day: u32| Task {
            due_date: Some(format!("2025-12-{day:02}")),
            ..titled(title)
        };
        for (title, day) in [("d", 20), ("a", 10), ("e", 20), ("b", 10), ("c", 10), ("f", 30)] {
            create(&mut client, due(title, day)).await.unwrap();
        }
        for overdue in [false, true] {
            let due_before = (!overdue).then(|| "2026-01-01".to_owned());
            let (mut seen, mut request) =
                (Vec::new(), ListTasksRequest { page_size: 2, overdue, due_before, ..Default::default() });

            let mut pages = 0;
            loop {
                let page = client.list_tasks(request.clone()).await.unwrap().into_inner();
                seen.extend(page.tasks);
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
                // Before, at and after where the list is.
                for day in [9, 10, 20, 31] {
                    if pages < 3 {
                        create(&mut client, due("late", day)).await.unwrap();
                    }
                }
                pages += 1;
                assert!(pages < 100, "pages without end");
            }

            let ids: HashSet<_> = seen.iter().map(|task| &task.id).collect();
            assert_eq!(ids.len(), seen.len(), "shown twice");
            assert!(seen.is_sorted_by_key(|task| task.due_date.clone()), "{seen:?}");
            seen.retain(|task| task.title != "late");
            let titles: Vec<_> = seen.iter().map(|task| task.title.as_str()).collect();
            assert_eq!(titles, ["a", "b", "c", "d", "e", "f"], "overdue: {overdue}");
        }
    }
}
