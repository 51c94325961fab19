use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, CompleteTaskRequest, ReopenTaskRequest, SetTaskStatusRequest, Task,
    maintenance_record, task::Status, task_event::Kind,
};
use tonic::Code;
use tonic_types::StatusExt;

use super::get;
use crate::{
    NO_ID, Tasks, all_records, create, events, field, pump, refusal, start, task_for, tasks, titled,
};

async fn set(client: &mut Tasks, id: &str, status: Status) -> Result<Task, tonic::Status> {
    let (id, status) = (id.into(), status.into());
    let request = SetTaskStatusRequest { id, status, ..Default::default() };
    Ok(client.set_task_status(request).await?.into_inner())
}

async fn reopen(client: &mut Tasks, id: &str) -> Result<Task, tonic::Status> {
    let request = ReopenTaskRequest { id: id.into(), ..Default::default() };
    Ok(client.reopen_task(request).await?.into_inner())
}

async fn claim(client: &mut Tasks, id: &str) {
    let request = ClaimTaskRequest { id: id.into(), ..Default::default() };
    client.claim_task(request).await.unwrap();
}

async fn complete(client: &mut Tasks, id: &str) {
    let request = CompleteTaskRequest { id: id.into(), ..Default::default() };
    client.complete_task(request).await.unwrap();
}

testkit::both! {
    async fn the_holder_takes_the_work_from_step_to_step(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut by_ana = tasks(&suite, &ana);
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        claim(&mut by_ana, &task.id).await;

        for status in [Status::OnHold, Status::InProgress, Status::Completed] {
            let set = set(&mut by_ana, &task.id, status).await.unwrap();
            assert_eq!((set.status(), set.assignee_id.as_ref()), (status, Some(&ana.id)));
        }
        let done = set(&mut by_ana, &task.id, Status::Completed).await.unwrap();

        assert_eq!((done.completed_by.as_ref(), done.completed_at), (Some(&ana.id), Some(world.clock.now().into())));
        let records = all_records(&world, &suite).await;
        assert_eq!(records.len(), 1, "one record, however often it is said");
        assert_eq!((records[0].task_id.as_ref(), records[0].kind()), (Some(&task.id), maintenance_record::Kind::Corrective));
        let kinds: Vec<_> = events(&world, &suite, &task.id).await.into_iter().map(|it| it.0).collect();
        assert_eq!(kinds, [Kind::Created, Kind::Claimed, Kind::PutOnHold, Kind::Resumed, Kind::Completed]);
    }

    async fn a_status_is_set_by_whom_it_concerns(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let admin = world.user(Role::Admin);
        let task = create(&mut tasks(&suite, &admin), titled("Task")).await.unwrap();
        let (mut by_ana, mut by_bob, mut by_admin) =
            (tasks(&suite, &ana), tasks(&suite, &bob), tasks(&suite, &admin));

        let free = set(&mut by_bob, &task.id, Status::Completed).await.unwrap_err();
        claim(&mut by_ana, &task.id).await;
        let held = set(&mut by_bob, &task.id, Status::OnHold).await.unwrap_err();
        let cancel = set(&mut by_ana, &task.id, Status::Cancelled).await.unwrap_err();
        complete(&mut by_ana, &task.id).await;
        let completed = set(&mut by_bob, &task.id, Status::Pending).await.unwrap_err();
        let reopened = set(&mut by_ana, &task.id, Status::Pending).await.unwrap();
        let begun = set(&mut by_admin, &task.id, Status::InProgress).await.unwrap();
        let cancelled = set(&mut by_admin, &task.id, Status::Cancelled).await.unwrap();

        for error in [free, held, cancel, completed] {
            assert_eq!(error.code(), Code::PermissionDenied, "{error:?}");
        }
        assert_eq!((reopened.status(), reopened.assignee_id), (Status::Pending, None));
        assert_eq!((begun.status(), begun.assignee_id), (Status::InProgress, Some(admin.id)));
        assert_eq!(cancelled.status(), Status::Cancelled);
    }

    async fn a_step_that_there_is_not_names_both_states(world: World) {
        let suite = start(&world).await;
        let mut admin = tasks(&suite, &world.user(Role::Admin));
        let task = create(&mut admin, titled("Task")).await.unwrap();

        let error = set(&mut admin, &task.id, Status::OnHold).await.unwrap_err();

        assert_eq!(refusal(&error), ("TASK_TRANSITION".into(), None));
        let metadata = error.get_details_error_info().unwrap().metadata;
        assert_eq!((metadata["from"].as_str(), metadata["to"].as_str()), ("PENDING", "ON_HOLD"));
        assert_eq!(get(&mut admin, &task.id).await.unwrap(), task);
    }

    async fn a_reopened_task_keeps_the_record_and_may_get_another(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        claim(&mut tasks(&suite, &ana), &task.id).await;
        complete(&mut tasks(&suite, &ana), &task.id).await;

        let error = reopen(&mut tasks(&suite, &bob), &task.id).await.unwrap_err();
        let reopened = reopen(&mut tasks(&suite, &ana), &task.id).await.unwrap();

        assert_eq!(error.code(), Code::PermissionDenied);
        assert_eq!((reopened.status(), reopened.assignee_id), (Status::Pending, None));
        assert_eq!((reopened.completed_at, reopened.completed_by), (None, None));
        assert_eq!(all_records(&world, &suite).await.len(), 1);
        complete(&mut tasks(&suite, &bob), &task.id).await;
        let by: Vec<_> = all_records(&world, &suite).await.into_iter().map(|it| it.technician_id).collect();
        assert_eq!(by, [ana.id.clone(), bob.id.clone()]);
        let happened = events(&world, &suite, &task.id).await;
        let by: Vec<_> = happened[2..].iter().map(|(kind, actor, _)| (*kind, actor)).collect();
        assert_eq!(by, [(Kind::Completed, &ana.id), (Kind::Reopened, &ana.id), (Kind::Completed, &bob.id)]);
    }

    async fn what_was_completed_for_others_is_reopened_by_an_admin(world: World) {
        let suite = start(&world).await;
        let mut admin = tasks(&suite, &world.user(Role::Admin));
        let task = create(&mut admin, titled("Task")).await.unwrap();
        let pending = reopen(&mut admin, &task.id).await.unwrap_err();
        complete(&mut tasks(&suite, &world.user(Role::Technician)), &task.id).await;

        let reopened = reopen(&mut admin, &task.id).await.unwrap();

        assert_eq!(refusal(&pending), ("TASK_NOT_COMPLETED".into(), None));
        assert_eq!(reopened.status(), Status::Pending);
    }

    async fn a_repeated_request_reopens_once(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task = create(&mut client, titled("Task")).await.unwrap();
        complete(&mut client, &task.id).await;
        let request =
            ReopenTaskRequest { id: task.id.clone(), request_id: "key".into(), ..Default::default() };

        let first = client.reopen_task(request.clone()).await.unwrap().into_inner();
        complete(&mut client, &task.id).await;
        let again = client.reopen_task(request).await.unwrap().into_inner();

        assert_eq!(first, again);
        assert_eq!(get(&mut client, &task.id).await.unwrap().status(), Status::Completed);
    }

    async fn what_is_no_status_is_named_by_field(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Admin));
        for status in [0, 99] {
            let request = SetTaskStatusRequest { id: NO_ID.into(), status, ..Default::default() };
            let error = client.set_task_status(request).await.unwrap_err();
            assert_eq!(field(&error), "status");
        }
        assert_eq!(set(&mut client, NO_ID, Status::OnHold).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(reopen(&mut client, NO_ID).await.unwrap_err().code(), Code::NotFound);
    }
}
