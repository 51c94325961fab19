mod assign;
mod claim;
mod complete;
mod delete;
mod history;
mod list;
mod race;
mod status;
mod update;

use std::time::Duration;

use kit::access::Role;
use proto::{
    equipment::v1::equipment::Status as EquipmentStatus,
    maintenance::v1::{
        CreateTaskRequest, GetTaskRequest, ListTasksRequest, Task,
        task::{Priority, Source, Status},
    },
};
use tonic::Code;

use super::{NO_ID, Tasks, create, equipment, field, pump, start, tasks, titled};

async fn get(client: &mut Tasks, id: &str) -> Result<Task, tonic::Status> {
    Ok(client.get_task(GetTaskRequest { id: id.into() }).await?.into_inner())
}

async fn count(client: &mut Tasks) -> usize {
    client.list_tasks(ListTasksRequest::default()).await.unwrap().into_inner().tasks.len()
}

testkit::both! {
    async fn what_was_created_is_read_back_whole(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = tasks(&suite, &ana);
        let sent = Task {
            title: "Leaks \u{1f6e0}".into(),
            description: "'; drop table tasks; --".into(),
            equipment_id: Some(pump(&world, &suite).await),
            priority: Priority::Critical.into(),
            due_date: Some("2026-02-28".into()),
            ..Default::default()
        };

        let created = create(&mut client, sent.clone()).await.unwrap();

        let expected = Task {
            id: created.id.clone(),
            status: Status::Pending.into(),
            created_by: ana.id,
            source: Source::Manual.into(),
            created_at: Some(world.clock.now().into()),
            updated_at: Some(world.clock.now().into()),
            etag: created.etag.clone(),
            ..sent
        };
        assert_eq!(created, expected);
        assert!(!created.etag.is_empty());
        assert_eq!(get(&mut client, &created.id).await.unwrap(), expected);
    }

    async fn a_person_gives_only_what_is_theirs_to_give(world: World) {
        let suite = start(&world).await;
        let admin = world.user(Role::Admin);
        let mut client = tasks(&suite, &admin);

        let created = create(&mut client, Task {
            id: NO_ID.into(),
            status: Status::Completed.into(),
            created_by: "eve".into(),
            source: Source::Alert.into(),
            alert_id: Some(NO_ID.into()),
            completed_by: Some("eve".into()),
            etag: "7".into(),
            ..titled("Task")
        }).await.unwrap();
        let plain = create(&mut client, titled("Task")).await.unwrap();

        assert_eq!(created, Task { id: created.id.clone(), ..plain });
        assert_ne!(created.id, NO_ID);
        assert_eq!((created.status(), created.priority()), (Status::Pending, Priority::Medium));
        assert_eq!((created.source(), created.created_by), (Source::Manual, admin.id));
    }

    async fn bad_input_is_named_by_field(world: World) {
        let suite = start(&world).await;
        let gone = equipment(&world, &suite.equipment, EquipmentStatus::Decommissioned).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let of = |id: &str| Task { equipment_id: Some(id.into()), ..titled("T") };

        for (task, name) in [
            (titled(""), "task.title"),
            (titled(" \t\u{a0}\u{3000}"), "task.title"),
            (titled(&"t".repeat(201)), "task.title"),
            (of("7"), "task.equipment_id"),
            (of(NO_ID), "task.equipment_id"),
            (of(&gone), "task.equipment_id"),
            (Task { assignee_id: Some("eve".into()), ..titled("T") }, "task.assignee_id"),
            (Task { assignee_id: Some(NO_ID.into()), ..titled("T") }, "task.assignee_id"),
            (Task { priority: 99, ..titled("T") }, "task.priority"),
            (Task { due_date: Some("2026-02-29".into()), ..titled("T") }, "task.due_date"),
        ] {
            let error = create(&mut client, task).await.unwrap_err();
            assert_eq!(field(&error), name, "{error:?}");
        }
        assert_eq!(count(&mut client).await, 0);
    }

    async fn what_is_not_there_is_not_found(world: World) {
        let suite = start(&world).await;
        let error = get(&mut tasks(&suite, &world.user(Role::Viewer)), NO_ID).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }

    async fn a_repeated_request_creates_once(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let request = |title| CreateTaskRequest {
            task: Some(titled(title)),
            request_id: "key".into(),
            ..Default::default()
        };

        let first = client.create_task(request("Task")).await.unwrap();
        let again = client.create_task(request("Task")).await.unwrap();
        let other = client.create_task(request("Other")).await.unwrap_err();

        assert!(!first.metadata().contains_key("flightline-replayed"));
        assert!(again.metadata().contains_key("flightline-replayed"));
        assert_eq!(first.into_inner(), again.into_inner());
        assert_eq!(other.code(), Code::FailedPrecondition);
        assert_eq!(count(&mut client).await, 1);
    }

    async fn what_is_only_tried_is_answered_and_not_kept(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let request = |task: Task, validate_only| CreateTaskRequest {
            task: Some(task),
            request_id: "key".into(),
            validate_only,
        };
        let nowhere = Task { equipment_id: Some(NO_ID.into()), ..titled("Task") };

        let refused = client.create_task(request(nowhere, true)).await.unwrap_err();
        let tried = client.create_task(request(titled("Task"), true)).await.unwrap();

        assert_eq!(field(&refused), "task.equipment_id");
        assert!(tried.metadata().contains_key("flightline-tried"));
        assert_eq!(tried.into_inner().title, "Task");
        assert_eq!(count(&mut client).await, 0);
        let made = client.create_task(request(titled("Task"), false)).await.unwrap();
        assert!(!made.metadata().contains_key("flightline-replayed"));
        let again = client.create_task(request(titled("Task"), true)).await.unwrap();
        assert_eq!(again.into_inner(), made.into_inner(), "done already");
    }

    async fn an_alert_has_one_task_for_ever(world: World) {
        let suite = start(&world).await;
        let service = world.user(Role::Service);
        let mut client = tasks(&suite, &service);
        let request = |key: &str, alert_id: &str| CreateTaskRequest {
            task: Some(Task {
                alert_id: Some(alert_id.into()),
                source: Source::Alert.into(),
                ..titled(key)
            }),
            request_id: key.into(),
            ..Default::default()
        };

        let first = client.create_task(request("first", NO_ID)).await.unwrap();
        let again = client.create_task(request("second", NO_ID)).await.unwrap();
        let other = client.create_task(request("third", &NO_ID.replace('0', "1"))).await.unwrap();

        // By then the key is forgotten, too.
        world.clock.advance(Duration::from_hours(25));
        let mut client = tasks(&suite, &world.user(Role::Service));
        let late = client.create_task(request("first", NO_ID)).await.unwrap();

        for again in [again, late] {
            assert!(again.metadata().contains_key("flightline-replayed"));
            assert_eq!(again.get_ref(), first.get_ref());
        }
        let (first, other) = (first.into_inner(), other.into_inner());
        assert_eq!((first.source(), first.alert_id.as_deref()), (Source::Alert, Some(NO_ID)));
        assert_eq!(first.created_by, service.id);
        assert_ne!(first.id, other.id);
        assert_eq!(count(&mut tasks(&suite, &world.user(Role::Viewer))).await, 2);
    }

    async fn parallel_dispatches_of_one_alert_make_one_task(world: World) {
        let suite = start(&world).await;
        let client = tasks(&suite, &world.user(Role::Service));

        let dispatches: Vec<_> = (0..32).map(|number| {
            let mut client = client.clone();
            let task = Task { alert_id: Some(NO_ID.into()), ..titled(&number.to_string()) };
            tokio::spawn(async move { create(&mut client, task).await.unwrap() })
        }).collect();
        let mut answers = Vec::new();
        for dispatch in dispatches {
            answers.push(dispatch.await.unwrap());
        }

        assert!(answers.iter().all(|task| *task == answers[0]));
        assert_eq!(count(&mut tasks(&suite, &world.user(Role::Viewer))).await, 1);
    }

    async fn an_alert_goes_with_its_source(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Service));
        let with = |source: Source, alert_id: Option<&str>| {
            let alert_id = alert_id.map(str::to_owned);
            Task { source: source.into(), alert_id, ..titled("Task") }
        };

        let error = create(&mut client, with(Source::Plan, Some(NO_ID))).await.unwrap_err();
        assert_eq!(field(&error), "task.source");
        let error = create(&mut client, with(Source::Alert, None)).await.unwrap_err();
        assert_eq!(field(&error), "task.alert_id");
        let planned = create(&mut client, with(Source::Plan, None)).await.unwrap();
        assert_eq!(planned.source(), Source::Plan);
    }

    async fn a_method_is_closed_to_roles_that_it_does_not_name(world: World) {
        let suite = start(&world).await;
        for role in [Role::Viewer, Role::Device] {
            let mut client = tasks(&suite, &world.user(role));
            let error = create(&mut client, titled("T")).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
        for role in [Role::Device, Role::Service] {
            let error = get(&mut tasks(&suite, &world.user(role)), NO_ID).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
    }
}
