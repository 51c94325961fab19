use kit::access::Role;
use proto::maintenance::v1::{
    AssignTaskRequest, ClaimTaskRequest, CompleteTaskRequest, ReleaseTaskRequest,
    ReopenTaskRequest, SetTaskStatusRequest, Task, task::Status, task_event::Kind,
};
use tonic::Code;

use crate::{
    NO_ID, Tasks, create, events, field, person, refusal, start, start_auth, tasks, titled,
};

async fn assign(client: &mut Tasks, id: &str, assignee_id: &str) -> Result<Task, tonic::Status> {
    let (id, assignee_id) = (id.into(), assignee_id.into());
    let request = AssignTaskRequest { id, assignee_id, ..Default::default() };
    Ok(client.assign_task(request).await?.into_inner())
}

async fn claim(client: &mut Tasks, id: &str) -> Result<Task, tonic::Status> {
    let request = ClaimTaskRequest { id: id.into(), ..Default::default() };
    Ok(client.claim_task(request).await?.into_inner())
}

async fn release(client: &mut Tasks, id: &str) -> Result<Task, tonic::Status> {
    let request = ReleaseTaskRequest { id: id.into(), ..Default::default() };
    Ok(client.release_task(request).await?.into_inner())
}

/// The methods by which a task goes from state to state.
#[derive(Clone, Copy, Debug)]
enum Step {
    Assign,
    Claim,
    Hold,
    Release,
    Complete,
    Reopen,
}

impl Step {
    async fn take(
        self,
        client: &mut Tasks,
        id: &str,
        etag: &str,
        assignee_id: &str,
    ) -> Result<Task, tonic::Status> {
        let (id, etag, assignee_id) = (id.to_owned(), etag.to_owned(), assignee_id.to_owned());
        let request_id = String::new();
        let taken = match self {
            Self::Assign => {
                client.assign_task(AssignTaskRequest { id, assignee_id, request_id, etag }).await
            }
            Self::Claim => client.claim_task(ClaimTaskRequest { id, request_id, etag }).await,
            Self::Hold => {
                let status = Status::OnHold.into();
                client.set_task_status(SetTaskStatusRequest { id, status, request_id, etag }).await
            }
            Self::Release => client.release_task(ReleaseTaskRequest { id, request_id, etag }).await,
            Self::Complete => {
                let request = CompleteTaskRequest { id, etag, ..Default::default() };
                client.complete_task(request).await
            }
            Self::Reopen => client.reopen_task(ReopenTaskRequest { id, request_id, etag }).await,
        };
        Ok(taken?.into_inner())
    }
}

testkit::both! {
    async fn an_assigned_task_waits_for_its_assignee(world: World) {
        let suite = start(&world).await;
        let auth = start_auth(&world).await;
        let (ana, bob) = (person(&world, &auth, "ana", Role::Technician).await, world.user(Role::Technician));
        let admin = world.user(Role::Admin);
        let mut by_admin = tasks(&suite, &admin);
        let task = create(&mut by_admin, titled("Task")).await.unwrap();
        claim(&mut tasks(&suite, &bob), &task.id).await.unwrap();

        let assigned = assign(&mut by_admin, &task.id, &ana.id.to_uppercase()).await.unwrap();
        let again = assign(&mut by_admin, &task.id, &ana.id).await.unwrap();

        assert_eq!(assigned.status(), Status::Pending);
        assert_eq!(assigned.assignee_id.as_ref(), Some(&ana.id));
        assert_eq!(again, assigned);
        for user in [&bob, &admin] {
            let error = claim(&mut tasks(&suite, user), &task.id).await.unwrap_err();
            assert_eq!(refusal(&error), ("TASK_HELD".into(), Some(ana.id.clone())));
        }
        let request = CompleteTaskRequest { id: task.id.clone(), ..Default::default() };
        let error = tasks(&suite, &bob).complete_task(request).await.unwrap_err();
        assert_eq!(refusal(&error), ("TASK_HELD".into(), Some(ana.id.clone())));
        let claimed = claim(&mut tasks(&suite, &ana), &task.id).await.unwrap();
        assert_eq!(claimed.status(), Status::InProgress);
        let mine = String::new;
        assert_eq!(events(&world, &suite, &task.id).await, [
            (Kind::Created, admin.id.clone(), mine()),
            (Kind::Claimed, bob.id, mine()),
            (Kind::Assigned, admin.id, ana.id.clone()),
            (Kind::Claimed, ana.id, mine()),
        ]);
    }

    async fn tasks_are_given_to_people_who_may_work(world: World) {
        let suite = start(&world).await;
        let auth = start_auth(&world).await;
        let viewer = person(&world, &auth, "vic", Role::Viewer).await;
        let boss = person(&world, &auth, "boss", Role::Admin).await;
        let admin = world.user(Role::Admin);
        let mut client = tasks(&suite, &admin);
        let task = create(&mut client, titled("Task")).await.unwrap();

        for assignee_id in ["", "eve", NO_ID, &viewer.id] {
            let error = assign(&mut client, &task.id, assignee_id).await.unwrap_err();
            assert_eq!(field(&error), "assignee_id", "{assignee_id}");
        }
        for assignee_id in [boss.id, admin.id] {
            let assigned = assign(&mut client, &task.id, &assignee_id).await.unwrap();
            assert_eq!(assigned.assignee_id, Some(assignee_id));
        }
    }

    async fn a_new_task_is_given_to_anybody_by_an_admin_and_by_a_technician_to_themselves(world: World) {
        let suite = start(&world).await;
        let auth = start_auth(&world).await;
        let ana = person(&world, &auth, "ana", Role::Technician).await;
        let (bob, admin) = (world.user(Role::Technician), world.user(Role::Admin));
        let to = |id: &str| Task { assignee_id: Some(id.into()), ..titled("Task") };

        let given = create(&mut tasks(&suite, &admin), to(&ana.id)).await.unwrap();
        let own = create(&mut tasks(&suite, &bob), to(&bob.id.to_uppercase())).await.unwrap();
        let error = create(&mut tasks(&suite, &bob), to(&ana.id)).await.unwrap_err();

        assert_eq!((given.status(), given.assignee_id.as_ref()), (Status::Pending, Some(&ana.id)));
        assert_eq!((own.status(), own.assignee_id.as_ref()), (Status::Pending, Some(&bob.id)));
        assert_eq!(field(&error), "task.assignee_id");
        claim(&mut tasks(&suite, &bob), &given.id).await.unwrap_err();
        claim(&mut tasks(&suite, &bob), &own.id).await.unwrap();
        assert_eq!(events(&world, &suite, &given.id).await, [
            (Kind::Created, admin.id.clone(), String::new()),
            (Kind::Assigned, admin.id, ana.id),
        ]);
    }

    async fn without_the_auth_service_nothing_is_given_away(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Admin));
        let task = create(&mut client, titled("Task")).await.unwrap();
        let error = assign(&mut client, &task.id, NO_ID).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
    }

    async fn a_released_task_is_free_for_all(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let (mut by_ana, mut by_bob) = (tasks(&suite, &ana), tasks(&suite, &bob));
        let task = create(&mut by_ana, titled("Task")).await.unwrap();

        let unheld = release(&mut by_ana, &task.id).await.unwrap_err();
        claim(&mut by_ana, &task.id).await.unwrap();
        let error = release(&mut by_bob, &task.id).await.unwrap_err();
        let released = release(&mut by_ana, &task.id).await.unwrap();
        claim(&mut by_bob, &task.id).await.unwrap();
        let taken_back = release(&mut tasks(&suite, &world.user(Role::Admin)), &task.id).await.unwrap();

        assert_eq!(refusal(&unheld), ("TASK_NOT_HELD".into(), None));
        assert_eq!(refusal(&error), ("TASK_HELD".into(), Some(ana.id.clone())));
        for task in [released, taken_back] {
            assert_eq!((task.status(), task.assignee_id), (Status::Pending, None));
        }
        let released = events(&world, &suite, &task.id).await.remove(2);
        assert_eq!(released, (Kind::Released, ana.id.clone(), ana.id));
    }

    async fn a_repeated_step_has_one_effect(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task = create(&mut client, titled("Task")).await.unwrap();
        let key = || "key".to_owned();

        let claim = ClaimTaskRequest { id: task.id.clone(), request_id: key(), ..Default::default() };
        let claimed = client.claim_task(claim.clone()).await.unwrap().into_inner();
        let request = ReleaseTaskRequest { id: task.id.clone(), request_id: key(), ..Default::default() };
        let released = client.release_task(request.clone()).await.unwrap().into_inner();
        let again = client.release_task(request).await.unwrap();
        let claimed_again = client.claim_task(claim).await.unwrap();

        assert!(again.metadata().contains_key("flightline-replayed"));
        assert_eq!(again.into_inner(), released);
        assert_eq!(claimed_again.into_inner(), claimed);
        assert_eq!(crate::task::get(&mut client, &task.id).await.unwrap(), released);
    }

    async fn a_step_for_an_older_state_of_the_task_is_refused(world: World) {
        let suite = start(&world).await;
        let auth = start_auth(&world).await;
        let chief = person(&world, &auth, "chief", Role::Admin).await;
        let mut client = tasks(&suite, &chief);
        let mut task = create(&mut client, titled("Task")).await.unwrap();

        for step in [Step::Assign, Step::Claim, Step::Hold, Step::Release, Step::Complete, Step::Reopen] {
            let stale = step.take(&mut client, &task.id, "0", &chief.id).await.unwrap_err();
            assert_eq!(stale.code(), Code::Aborted, "{step:?}");
            assert_eq!(crate::task::get(&mut client, &task.id).await.unwrap(), task, "{step:?}");

            let taken = step.take(&mut client, &task.id, &task.etag, &chief.id).await.unwrap();
            assert_ne!(taken.etag, task.etag, "{step:?}");
            task = taken;
        }
    }

    async fn what_is_not_there_is_neither_given_nor_released(world: World) {
        let suite = start(&world).await;
        let admin = world.user(Role::Admin);
        let mut client = tasks(&suite, &admin);
        let error = assign(&mut client, NO_ID, &admin.id).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(release(&mut client, NO_ID).await.unwrap_err().code(), Code::NotFound);
    }
}
