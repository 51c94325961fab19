use std::time::Duration;

use kit::{Timestamp, access::Role};
use proto::maintenance::v1::{
    CompleteTaskRequest, ListCompletedTasksRequest, ReopenTaskRequest, Task,
};
use testkit::{User, World};

use crate::{NO_ID, Suite, Tasks, create, field, pump, start, tasks, titled};

/// The id of a task that `user` completed, a second later than the one before.
async fn completed(world: &World, suite: &Suite, user: &User, task: Task) -> String {
    let mut client = tasks(suite, user);
    let id = create(&mut client, task).await.unwrap().id;
    world.clock.advance(Duration::from_secs(1));
    let request = CompleteTaskRequest { id: id.clone(), ..Default::default() };
    client.complete_task(request).await.unwrap();
    id
}

async fn list(client: &mut Tasks, request: ListCompletedTasksRequest) -> (Vec<String>, String) {
    let page = client.list_completed_tasks(request).await.unwrap().into_inner();
    (page.tasks.into_iter().map(|task| task.title).collect(), page.next_page_token)
}

testkit::both! {
    async fn the_newest_completion_comes_first(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let pump = pump(&world, &suite).await;
        let start_at = world.clock.now();
        let mut viewer = tasks(&suite, &world.user(Role::Viewer));
        create(&mut tasks(&suite, &ana), titled("open")).await.unwrap();
        for (user, title, equipment_id) in
            [(&ana, "a", None), (&bob, "b", Some(&pump)), (&ana, "c", Some(&pump))]
        {
            let task = Task { equipment_id: equipment_id.cloned(), ..titled(title) };
            completed(&world, &suite, user, task).await;
        }
        let reopened = completed(&world, &suite, &ana, titled("reopened")).await;
        let request = ReopenTaskRequest { id: reopened, ..Default::default() };
        tasks(&suite, &ana).reopen_task(request).await.unwrap();
        let at = |seconds| Some(start_at.plus(Duration::from_secs(seconds)).into());

        let all = ListCompletedTasksRequest::default;
        let of = |user: &User| Some(user.id.to_uppercase());
        for (request, found) in [
            (all(), vec!["c", "b", "a"]),
            (ListCompletedTasksRequest { completed_by: of(&ana), ..all() }, vec!["c", "a"]),
            (ListCompletedTasksRequest { completed_by: Some(NO_ID.into()), ..all() }, vec![]),
            (ListCompletedTasksRequest { equipment_id: Some(pump.clone()), ..all() }, vec!["c", "b"]),
            (
                ListCompletedTasksRequest { equipment_id: Some(pump), completed_by: of(&bob), ..all() },
                vec!["b"],
            ),
            (ListCompletedTasksRequest { from: at(2), ..all() }, vec!["c", "b"]),
            (ListCompletedTasksRequest { to: at(2), ..all() }, vec!["a"]),
            (ListCompletedTasksRequest { from: at(2), to: at(3), ..all() }, vec!["b"]),
        ] {
            assert_eq!(list(&mut viewer, request.clone()).await.0, found, "{request:?}");
        }
    }

    async fn pages_join_also_where_many_were_completed_at_once(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = tasks(&suite, &ana);
        for number in 0..5 {
            let id = create(&mut client, titled(&number.to_string())).await.unwrap().id;
            let request = CompleteTaskRequest { id, ..Default::default() };
            client.complete_task(request).await.unwrap();
        }

        let (mut seen, mut request) =
            (Vec::new(), ListCompletedTasksRequest { page_size: 2, ..Default::default() });
        loop {
            let (titles, token) = list(&mut client, request.clone()).await;
            seen.extend(titles);
            if token.is_empty() {
                break;
            }
            request.page_token = token;
            // What is completed meanwhile comes first, which is behind the reader.
            completed(&world, &suite, &ana, titled("late")).await;
        }
        request.completed_by = Some(ana.id);
        let refused = client.list_completed_tasks(request).await.unwrap_err();

        assert_eq!(seen, ["4", "3", "2", "1", "0"]);
        assert_eq!(field(&refused), "page_token");
    }

    async fn a_time_that_cannot_be_is_named_by_field(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Viewer));
        let mut never: prost_types::Timestamp = Timestamp::from_micros(0).into();
        never.nanos = -1;
        let request = ListCompletedTasksRequest { from: Some(never), ..Default::default() };
        assert_eq!(field(&client.list_completed_tasks(request).await.unwrap_err()), "from");
        let request = ListCompletedTasksRequest { to: Some(never), ..Default::default() };
        assert_eq!(field(&client.list_completed_tasks(request).await.unwrap_err()), "to");
    }
}
