use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, Comment, CompleteTaskRequest, CreateCommentRequest, DeleteTaskRequest,
    ListCommentsRequest, ListTaskEventsRequest, SetTaskStatusRequest, Task, task::Status,
};
use tonic::Code;

use super::get;
use crate::{NO_ID, Tasks, all_records, create, pump, refusal, start, task_for, tasks, titled};

async fn delete(client: &mut Tasks, id: &str, etag: &str) -> Result<(), tonic::Status> {
    let request = DeleteTaskRequest { id: id.into(), etag: etag.into() };
    client.delete_task(request).await.map(tonic::Response::into_inner)
}

testkit::both! {
    async fn a_deleted_task_is_gone_with_what_was_said_of_it(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task = create(&mut client, titled("Task")).await.unwrap();
        let comment = Some(Comment { text: "Hm".into(), ..Default::default() });
        let task_id = task.id.clone();
        let request = CreateCommentRequest { task_id, comment, ..Default::default() };
        client.create_comment(request.clone()).await.unwrap();

        let stale = delete(&mut client, &task.id, "0").await.unwrap_err();
        delete(&mut client, &task.id, &task.etag).await.unwrap();

        assert_eq!(stale.code(), Code::Aborted);
        let (id, task_id) = (task.id, request.task_id.clone());
        let comments = ListCommentsRequest { task_id: task_id.clone(), ..Default::default() };
        let events = ListTaskEventsRequest { task_id, ..Default::default() };
        for code in [
            get(&mut client, &id).await.unwrap_err().code(),
            client.list_comments(comments).await.unwrap_err().code(),
            client.list_task_events(events).await.unwrap_err().code(),
            client.create_comment(request).await.unwrap_err().code(),
            delete(&mut client, &id, "").await.unwrap_err().code(),
        ] {
            assert_eq!(code, Code::NotFound);
        }
    }

    async fn a_task_is_deleted_by_who_created_it_or_an_admin(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        for (by, may) in [(&world.user(Role::Technician), false), (&ana, true), (&world.user(Role::Admin), true)] {
            let task = create(&mut tasks(&suite, &ana), titled("Task")).await.unwrap();
            let claim = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
            tasks(&suite, &world.user(Role::Technician)).claim_task(claim).await.unwrap();

            let deleted = delete(&mut tasks(&suite, by), &task.id, "").await;
            let code = deleted.map_or_else(|error| error.code(), |()| Code::Ok);
            assert_eq!(code, if may { Code::Ok } else { Code::PermissionDenied });
        }
    }

    async fn what_somebody_else_has_done_is_not_deleted_by_who_created_it(world: World) {
        let suite = start(&world).await;
        let mut ana = tasks(&suite, &world.user(Role::Technician));
        let task = create(&mut ana, titled("Sweep")).await.unwrap();
        let request = CompleteTaskRequest { id: task.id.clone(), ..Default::default() };
        tasks(&suite, &world.user(Role::Technician)).complete_task(request).await.unwrap();

        let error = delete(&mut ana, &task.id, "").await.unwrap_err();

        assert_eq!(refusal(&error).0, "TASK_COMPLETED");
        delete(&mut tasks(&suite, &world.user(Role::Admin)), &task.id, "").await.unwrap();
    }

    async fn a_task_with_a_record_is_not_deleted_but_cancelled(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut admin = tasks(&suite, &world.user(Role::Admin));
        let request = CompleteTaskRequest { id: task.id.clone(), ..Default::default() };
        admin.complete_task(request).await.unwrap();

        let error = delete(&mut admin, &task.id, "").await.unwrap_err();
        let request = SetTaskStatusRequest {
            id: task.id.clone(),
            status: Status::Cancelled.into(),
            ..Default::default()
        };
        let cancelled = admin.set_task_status(request).await.unwrap().into_inner();

        assert_eq!(refusal(&error), ("TASK_RECORDED".into(), None));
        assert_eq!((cancelled.status(), cancelled.completed_at), (Status::Cancelled, None));
        assert_eq!(all_records(&world, &suite).await.len(), 1);
        let error = delete(&mut admin, &task.id, "").await.unwrap_err();
        assert_eq!(refusal(&error).0, "TASK_RECORDED");
    }

    async fn the_task_of_an_alert_stays_its_task(world: World) {
        let suite = start(&world).await;
        let task = Task { alert_id: Some(NO_ID.into()), ..titled("Hot") };
        let task = create(&mut tasks(&suite, &world.user(Role::Service)), task).await.unwrap();
        let mut admin = tasks(&suite, &world.user(Role::Admin));

        let error = delete(&mut admin, &task.id, "").await.unwrap_err();

        assert_eq!(refusal(&error), ("TASK_OF_ALERT".into(), None));
        assert_eq!(get(&mut admin, &task.id).await.unwrap(), task);
    }
}
