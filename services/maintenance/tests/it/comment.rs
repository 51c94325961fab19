use kit::access::Role;
use proto::maintenance::v1::{Comment, CreateCommentRequest, ListCommentsRequest};
use tonic::Code;

use super::{NO_ID, Tasks, create, field, start, tasks, titled};

fn on(task_id: &str, text: &str) -> CreateCommentRequest {
    let comment = Some(Comment { text: text.into(), ..Default::default() });
    CreateCommentRequest { task_id: task_id.into(), comment, ..Default::default() }
}

async fn texts(client: &mut Tasks, request: ListCommentsRequest) -> (Vec<String>, String) {
    let page = client.list_comments(request).await.unwrap().into_inner();
    (page.comments.into_iter().map(|comment| comment.text).collect(), page.next_page_token)
}

testkit::both! {
    async fn a_comment_names_its_author_and_its_task(world: World) {
        let suite = start(&world).await;
        for role in [Role::Admin, Role::Technician, Role::Service] {
            let user = world.user(role);
            let mut client = tasks(&suite, &user);
            let task = create(&mut client, titled("Task")).await.unwrap();

            let comment = client.create_comment(on(&task.id, "Hm")).await.unwrap().into_inner();

            let expected = Comment {
                id: comment.id.clone(),
                task_id: task.id,
                author_id: user.id,
                text: "Hm".into(),
                created_at: Some(world.clock.now().into()),
            };
            assert_eq!(comment, expected);
        }
    }

    async fn comments_are_listed_by_task_and_age(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let one = create(&mut client, titled("One")).await.unwrap().id;
        let two = create(&mut client, titled("Two")).await.unwrap().id;
        for text in ["a", "b", "c"] {
            client.create_comment(on(&one, text)).await.unwrap();
        }
        client.create_comment(on(&two, "other")).await.unwrap();

        let list = ListCommentsRequest { task_id: one, page_size: 2, ..Default::default() };
        let (first, page_token) = texts(&mut client, list.clone()).await;
        let (second, end) =
            texts(&mut client, ListCommentsRequest { page_token: page_token.clone(), ..list }).await;
        let other = ListCommentsRequest { task_id: two, page_token, ..Default::default() };
        let refused = client.list_comments(other).await.unwrap_err();

        assert_eq!((first, second, end.as_str()), (vec!["a".into(), "b".into()], vec!["c".into()], ""));
        assert_eq!(field(&refused), "page_token");
    }

    async fn there_are_no_comments_on_what_is_not_there(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));

        let error = client.create_comment(on(NO_ID, "Hm")).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        let list = ListCommentsRequest { task_id: NO_ID.into(), ..Default::default() };
        assert_eq!(client.list_comments(list).await.unwrap_err().code(), Code::NotFound);
    }

    async fn an_empty_comment_is_refused(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task = create(&mut client, titled("Task")).await.unwrap();
        for text in ["", " \n"] {
            let error = client.create_comment(on(&task.id, text)).await.unwrap_err();
            assert_eq!(field(&error), "comment.text");
        }
    }

    async fn a_repeated_request_comments_once(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task_id = create(&mut client, titled("Task")).await.unwrap().id;
        let request = CreateCommentRequest { request_id: "key".into(), ..on(&task_id, "Hm") };

        let first = client.create_comment(request.clone()).await.unwrap();
        let again = client.create_comment(request).await.unwrap();

        assert!(again.metadata().contains_key("flightline-replayed"));
        assert_eq!(first.into_inner(), again.into_inner());
        let list = ListCommentsRequest { task_id, ..Default::default() };
        assert_eq!(texts(&mut client, list).await.0, ["Hm"]);
    }

    async fn a_method_is_closed_to_roles_that_it_does_not_name(world: World) {
        let suite = start(&world).await;
        for role in [Role::Viewer, Role::Device] {
            let mut client = tasks(&suite, &world.user(role));
            let error = client.create_comment(on(NO_ID, "Hm")).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
    }
}
