use std::collections::HashSet;

use kit::access::Role;
use proto::maintenance::v1::{ClaimTaskRequest, CompleteTaskRequest, Task, task::Status};
use tonic::Code;

use crate::{NO_ID, Tasks, create, refusal, start, tasks, titled};

async fn claim(client: &mut Tasks, id: &str) -> Result<Task, tonic::Status> {
    Ok(client
        .claim_task(ClaimTaskRequest { id: id.into(), ..Default::default() })
        .await?
        .into_inner())
}

testkit::both! {
    async fn a_claimed_task_names_its_holder(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let task = create(&mut tasks(&suite, &ana), titled("Task")).await.unwrap();

        let claimed = claim(&mut tasks(&suite, &ana), &task.id).await.unwrap();
        let again = claim(&mut tasks(&suite, &ana), &task.id).await.unwrap();

        assert_eq!(claimed.status(), Status::InProgress);
        assert_eq!(claimed.assignee_id.as_deref(), Some(ana.id.as_str()));
        assert_ne!(claimed.etag, task.etag);
        assert_eq!(again, claimed);
        for user in [bob, world.user(Role::Admin)] {
            let error = claim(&mut tasks(&suite, &user), &task.id).await.unwrap_err();
            assert_eq!(refusal(&error), ("TASK_HELD".into(), Some(ana.id.clone())));
        }
    }

    async fn of_64_claims_at_once_one_wins_and_the_others_learn_who(world: World) {
        let suite = start(&world).await;
        let admin = world.user(Role::Admin);
        let task = create(&mut tasks(&suite, &admin), titled("Task")).await.unwrap();

        let claims: Vec<_> = (0..64).map(|_| {
            let user = world.user(Role::Technician);
            let (mut client, id) = (tasks(&suite, &user), task.id.clone());
            tokio::spawn(async move { (user.id, claim(&mut client, &id).await) })
        }).collect();
        let (mut winners, mut named) = (Vec::new(), Vec::new());
        for done in claims {
            match done.await.unwrap() {
                (id, Ok(_)) => winners.push(id),
                (_, Err(error)) => named.push(refusal(&error)),
            }
        }

        assert_eq!((winners.len(), named.len()), (1, 63));
        let named: HashSet<_> = named.into_iter().collect();
        assert_eq!(named, HashSet::from([("TASK_HELD".into(), Some(winners.remove(0)))]));
    }

    async fn a_completed_task_is_not_claimed(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = tasks(&suite, &ana);
        for is_claimed in [false, true] {
            let task = create(&mut client, titled("Task")).await.unwrap();
            if is_claimed {
                claim(&mut client, &task.id).await.unwrap();
            }
            // By whom it was held, not by whom it was completed, if that was somebody else.
            let by = if is_claimed { world.user(Role::Admin) } else { ana.clone() };
            let complete = CompleteTaskRequest { id: task.id.clone(), ..Default::default() };
            tasks(&suite, &by).complete_task(complete).await.unwrap();

            for user in [&ana, &world.user(Role::Technician)] {
                let error = claim(&mut tasks(&suite, user), &task.id).await.unwrap_err();
                assert_eq!(refusal(&error), ("TASK_COMPLETED".into(), Some(ana.id.clone())));
            }
        }
    }

    async fn what_is_not_there_is_not_claimed(world: World) {
        let suite = start(&world).await;
        let error = claim(&mut tasks(&suite, &world.user(Role::Admin)), NO_ID).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }

    async fn only_who_may_work_may_claim(world: World) {
        let suite = start(&world).await;
        for role in [Role::Viewer, Role::Device, Role::Service] {
            let error = claim(&mut tasks(&suite, &world.user(role)), NO_ID).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
    }
}
