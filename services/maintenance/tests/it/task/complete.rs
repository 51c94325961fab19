use std::time::Duration;

use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, CompleteTaskRequest, GetTaskRequest, ListCommentsRequest, MaintenanceRecord,
    RecordMaintenanceRequest, Task, maintenance_record::Kind, task::Status,
};
use tonic::Code;

use crate::{
    NO_ID, Tasks, all_records, create, field, pump, records, refusal, start, task_for, tasks,
    titled,
};

fn of(id: &str) -> CompleteTaskRequest {
    CompleteTaskRequest { id: id.into(), ..Default::default() }
}

async fn complete(client: &mut Tasks, request: CompleteTaskRequest) -> Result<Task, tonic::Status> {
    Ok(client.complete_task(request).await?.into_inner())
}

testkit::both! {
    async fn a_completed_task_leaves_a_record_of_the_work(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let now = world.clock.now();

        let request = CompleteTaskRequest {
            work_done: "New seal".into(),
            kind: Kind::Preventive.into(),
            started_at: Some(now.minus(Duration::from_mins(1)).into()),
            finished_at: Some(now.into()),
            parts_used: "Seal".into(),
            ..of(&task.id)
        };
        let completed = complete(&mut tasks(&suite, &ana), request.clone()).await.unwrap();

        let expected = Task {
            status: Status::Completed.into(),
            completed_at: Some(now.into()),
            completed_by: Some(ana.id.clone()),
            updated_at: Some(now.into()),
            etag: completed.etag.clone(),
            ..task.clone()
        };
        assert_eq!(completed, expected);
        assert_ne!(completed.etag, task.etag);
        let all = all_records(&world, &suite).await;
        assert_eq!(all, [MaintenanceRecord {
            id: all[0].id.clone(),
            equipment_id: pump,
            task_id: Some(task.id),
            technician_id: ana.id,
            kind: request.kind,
            work_done: request.work_done,
            started_at: request.started_at,
            finished_at: request.finished_at,
            parts_used: request.parts_used,
            created_at: Some(now.into()),
            updated_at: Some(now.into()),
            etag: all[0].etag.clone(),
            downtime: Some(Duration::from_mins(1).try_into().unwrap()),
        }]);
    }

    async fn without_equipment_there_is_no_record(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task = create(&mut client, titled("Sweep")).await.unwrap();

        let completed = complete(&mut client, of(&task.id)).await.unwrap();

        assert_eq!(completed.status(), Status::Completed);
        assert_eq!(completed.assignee_id, None);
        assert!(all_records(&world, &suite).await.is_empty());
    }

    async fn what_is_said_of_work_without_equipment_is_kept_as_a_comment(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let now = Some(world.clock.now().into());

        for (request, kept) in [
            (CompleteTaskRequest::default(), vec![]),
            (CompleteTaskRequest { work_done: "Swept".into(), ..Default::default() }, vec!["Swept"]),
            (
                CompleteTaskRequest {
                    work_done: "Swept".into(), kind: Kind::Inspection.into(), started_at: now,
                    finished_at: now, parts_used: "Broom".into(), ..Default::default()
                },
                vec!["Swept\nKind: INSPECTION\nStarted at: ", "\nFinished at: ", "\nParts used: Broom"],
            ),
        ] {
            let task = create(&mut client, titled("Sweep")).await.unwrap();
            let request = CompleteTaskRequest { id: task.id.clone(), ..request };
            let completed = complete(&mut client, request).await.unwrap();
            assert_eq!(completed.status(), Status::Completed);
            let all = ListCommentsRequest { task_id: task.id, ..Default::default() };
            let comments = client.list_comments(all).await.unwrap().into_inner().comments;
            assert_eq!(comments.len(), usize::from(!kept.is_empty()));
            for text in kept {
                assert!(comments[0].text.contains(text), "{comments:?}");
            }
        }
        assert!(all_records(&world, &suite).await.is_empty());
    }

    async fn what_is_too_long_for_one_comment_is_kept_in_several(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task_id = create(&mut client, titled("Sweep")).await.unwrap().id;
        let (work, parts) = ("\u{e9}".repeat(10_000), "p".repeat(10_000));
        let request = CompleteTaskRequest {
            id: task_id.clone(), work_done: work.clone(), parts_used: parts.clone(), ..Default::default()
        };

        complete(&mut client, request).await.unwrap();

        let all = ListCommentsRequest { task_id, ..Default::default() };
        let comments = client.list_comments(all).await.unwrap().into_inner().comments;
        let texts: Vec<_> = comments.into_iter().map(|comment| comment.text).collect();
        assert!(texts.iter().all(|text| text.chars().count() <= 10_000));
        assert_eq!(texts.concat(), format!("{work}\nParts used: {parts}"));
    }

    async fn a_held_task_is_completed_by_its_holder_or_an_admin(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let admin = world.user(Role::Admin);
        let pump = pump(&world, &suite).await;

        for by in [&ana, &admin] {
            let task = task_for(&world, &suite, &pump).await;
            let claim = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
            tasks(&suite, &ana).claim_task(claim).await.unwrap();

            let error = complete(&mut tasks(&suite, &bob), of(&task.id)).await.unwrap_err();
            assert_eq!(refusal(&error), ("TASK_HELD".into(), Some(ana.id.clone())));
            let completed = complete(&mut tasks(&suite, by), of(&task.id)).await.unwrap();
            assert_eq!(completed.completed_by.as_ref(), Some(&by.id));
            assert_eq!(completed.assignee_id.as_ref(), Some(&ana.id));
        }

        let by: Vec<_> =
            all_records(&world, &suite).await.into_iter().map(|it| it.technician_id).collect();
        assert_eq!(by, [ana.id, admin.id]);
    }

    async fn a_completed_task_is_not_completed_again(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let first = complete(&mut client, of(&task.id)).await.unwrap();
        world.clock.advance(Duration::from_secs(1));

        for user in [world.user(Role::Technician), world.user(Role::Admin)] {
            let error = complete(&mut tasks(&suite, &user), of(&task.id)).await.unwrap_err();
            assert_eq!(refusal(&error), ("TASK_COMPLETED".into(), None));
        }

        let task = client.get_task(GetTaskRequest { id: task.id }).await.unwrap().into_inner();
        assert_eq!(task, first);
        assert_eq!(all_records(&world, &suite).await.len(), 1);
    }

    async fn of_32_completions_and_records_at_once_one_counts(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;

        let attempts: Vec<_> = (0..32).map(|number| {
            let user = world.user(Role::Technician);
            let (mut tasks, mut records) = (tasks(&suite, &user), records(&suite, &user));
            let (request, task_id) = (of(&task.id), Some(task.id.clone()));
            tokio::spawn(async move {
                let done = if number % 2 == 0 {
                    tasks.complete_task(request).await.map(drop)
                } else {
                    let record = Some(MaintenanceRecord { task_id, ..Default::default() });
                    let request = RecordMaintenanceRequest { record, ..Default::default() };
                    records.record_maintenance(request).await.map(drop)
                };
                (user.id, done)
            })
        }).collect();
        let mut winners = Vec::new();
        for attempt in attempts {
            match attempt.await.unwrap() {
                (id, Ok(())) => winners.push(id),
                (_, Err(error)) => assert_eq!(refusal(&error).0, "TASK_COMPLETED"),
            }
        }

        let all = all_records(&world, &suite).await;
        let by: Vec<_> = all.into_iter().map(|record| record.technician_id).collect();
        assert_eq!((winners.len(), by), (1, winners.clone()));
        let mut viewer = tasks(&suite, &world.user(Role::Viewer));
        let task = viewer.get_task(GetTaskRequest { id: task.id }).await.unwrap().into_inner();
        assert_eq!(task.completed_by, winners.pop());
    }

    async fn a_repeated_request_completes_once(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let request = CompleteTaskRequest { request_id: "key".into(), ..of(&task.id) };

        let first = client.complete_task(request.clone()).await.unwrap();
        let again = client.complete_task(request).await.unwrap();

        assert!(again.metadata().contains_key("flightline-replayed"));
        assert_eq!(first.into_inner(), again.into_inner());
        assert_eq!(all_records(&world, &suite).await.len(), 1);
    }

    async fn times_that_cannot_be_are_named_by_field(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let now = world.clock.now();
        let (past, ahead) =
            (now.minus(Duration::from_secs(1)), now.plus(Duration::from_secs(601)));

        for (started_at, finished_at, name) in [
            (now, past, "finished_at"),
            (ahead, ahead, "started_at"),
            (now, ahead, "finished_at"),
        ] {
            let (started_at, finished_at) = (Some(started_at.into()), Some(finished_at.into()));
            let request = CompleteTaskRequest { started_at, finished_at, ..of(&task.id) };
            let error = complete(&mut client, request).await.unwrap_err();
            assert_eq!(field(&error), name);
        }
        assert!(all_records(&world, &suite).await.is_empty());
    }

    async fn what_is_not_there_is_not_completed(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Admin));
        let error = complete(&mut client, of(NO_ID)).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }

    async fn only_who_may_work_may_complete(world: World) {
        let suite = start(&world).await;
        for role in [Role::Viewer, Role::Device, Role::Service] {
            let mut client = tasks(&suite, &world.user(role));
            let error = complete(&mut client, of(NO_ID)).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
    }
}
