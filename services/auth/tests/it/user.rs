use std::time::Duration;

use auth::{Config, Registration};
use aws_lc_rs::digest::{SHA256, digest};
use kit::{access::Role, changes, on, once::REPLAYED};
use prost::Message;
use proto::auth::v1::{
    CreateTokenRequest, GetUserRequest, ListUsersRequest, RegisterRequest, User, user,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    FIRST_PASSWORD as OTHER_PASSWORD, PASSWORD, Users, ana, anon, audit, by, config, database,
    from, log_in, person, register, start, start_with,
};

const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

async fn get(users: &mut Users, id: &str) -> Result<User, Status> {
    Ok(users.get_user(GetUserRequest { id: id.into(), ..Default::default() }).await?.into_inner())
}

async fn names(users: &mut Users, request: ListUsersRequest) -> (Vec<String>, String) {
    let page = users.list_users(request).await.unwrap().into_inner();
    (page.users.into_iter().map(|user| user.username).collect(), page.next_page_token)
}

testkit::both! {
    async fn who_registers_is_a_technician_and_read_back_whole(world: World) {
        let server = start(&world).await;
        let request = RegisterRequest { full_name: "Ana  Núñez '; --".into(), ..ana() };

        let created = register(&mut anon(&server), request).await.unwrap();

        let expected = User {
            id: created.id.clone(),
            username: "Ana".into(),
            email: "Ana@Example.org".into(),
            full_name: "Ana  Núñez '; --".into(),
            role: user::Role::Technician.into(),
            created_at: Some(world.clock.now().into()),
            updated_at: Some(world.clock.now().into()),
            etag: created.etag.clone(),
            password: None,
            deleted_at: None,
        };
        assert_eq!(created, expected);
        assert!(!created.etag.is_empty());
        let mut viewer = by(&server, &world, NOBODY, Role::Viewer);
        assert_eq!(get(&mut viewer, &created.id).await.unwrap(), expected);
    }

    async fn a_username_and_an_address_are_taken_once_in_whatever_case(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();

        for (username, email, taken) in [
            ("aNA", "other@example.org", "username is taken"),
            ("other", "ANA@eXample.ORG", "email is taken"),
        ] {
            let request = RegisterRequest {
                username: username.into(), email: email.into(), ..ana()
            };
            let error = register(&mut anon, request).await.unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::AlreadyExists, taken));
            let info = error.get_details_error_info().unwrap();
            assert!(taken.starts_with(&info.metadata["field"]), "{info:?}");
        }
        let mut viewer = by(&server, &world, NOBODY, Role::Viewer);
        assert_eq!(names(&mut viewer, ListUsersRequest::default()).await.0, ["admin", "Ana"]);
    }

    async fn bad_input_is_named_by_field(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);

        for (request, field) in [
            (RegisterRequest { username: "two words".into(), ..ana() }, "username"),
            (RegisterRequest { email: "nowhere".into(), ..ana() }, "email"),
            (RegisterRequest { username: "me".into(), ..ana() }, "username"),
            (RegisterRequest { username: "..".into(), ..ana() }, "username"),
            (RegisterRequest { full_name: "A\0na".into(), ..ana() }, "full_name"),
            (RegisterRequest { full_name: "Ana\u{202e}amiL".into(), ..ana() }, "full_name"),
            (RegisterRequest { full_name: " Ana".into(), ..ana() }, "full_name"),
            (RegisterRequest { password: "elevenchars".into(), ..ana() }, "password"),
            (RegisterRequest { password: "e\u{301}".repeat(6), ..ana() }, "password"),
            (RegisterRequest { password: "\u{fdfa}".repeat(100), ..ana() }, "password"),
        ] {
            let error = register(&mut anon, request).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
        }
    }

    async fn a_password_has_12_to_128_characters_and_is_none_that_many_have(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let with = |username: &str, password: &str| RegisterRequest {
            password: password.into(), ..person(username)
        };

        let longest = &"orchard ladder ".repeat(9)[..128];
        for (username, good) in [("short", "xq7 vlm kd2z"), ("long", longest)] {
            register(&mut anon, with(username, good)).await.unwrap();
            log_in(&mut anon, username, good).await.unwrap();
        }
        let too_long = format!("{longest}x");
        for bad in ["xq7 vlm kd2", &too_long, "password1234", "qwertyuiop12", "wilhelmina-7"] {
            let error = register(&mut anon, with("wilhelmina", bad)).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, "password"));
            assert!(!format!("{error:?}").contains(bad), "{error:?}");
        }
    }

    async fn who_registers_is_news(world: World) {
        let server = start(&world).await;
        let db = database(&world).await;
        let end = changes::end(&mut db.read().await.unwrap()).await.unwrap();

        let created = register(&mut anon(&server), ana()).await.unwrap();

        // While other transactions run, the log may show the news later, and what was there before, too.
        let news = testkit::eventually("the news shows", async || {
            let news = changes::after(&mut db.read().await.unwrap(), end, 100).await.unwrap();
            news.into_iter().find(|change| change.id.to_string() == created.id)
        })
        .await;
        assert_eq!(news.kind, "user");
        assert_eq!(news.decode::<User>().unwrap(), created);
    }

    async fn a_registration_that_comes_again_with_its_key_is_answered_again(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let request = RegisterRequest { request_id: "a key".into(), ..ana() };
        let first = anon.register(request.clone()).await.unwrap();

        let again = anon.register(request.clone()).await.unwrap();

        assert!(!first.metadata().contains_key(REPLAYED));
        assert_eq!(again.metadata().get(REPLAYED).unwrap(), "true");
        assert_eq!(again.into_inner(), first.into_inner());
        let other = RegisterRequest { request_id: "another key".into(), ..request };
        let error = register(&mut anon, other).await.unwrap_err();
        assert_eq!(error.code(), Code::AlreadyExists);
        let mut viewer = by(&server, &world, NOBODY, Role::Viewer);
        assert_eq!(names(&mut viewer, ListUsersRequest::default()).await.0, ["admin", "Ana"]);
        let mut db = database(&world).await.read().await.unwrap();
        let kept: Vec<Vec<u8>> = on!(&mut db, c => sqlx::query_scalar("select fingerprint from answers")
            .fetch_all(c).await).unwrap();
        let without = RegisterRequest {
            password: String::new(), request_id: "a key".into(), ..ana()
        };
        assert_eq!(kept, [digest(&SHA256, &without.encode_to_vec()).as_ref()]);
    }

    async fn strangers_who_chose_one_key_register_and_are_answered_each_for_themselves(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let keyed = |request| RegisterRequest { request_id: "1".into(), ..request };

        let ana_first = register(&mut anon, keyed(ana())).await.unwrap();
        let bert = register(&mut anon, keyed(person("bert"))).await.unwrap();

        assert_eq!(register(&mut anon, keyed(ana())).await.unwrap(), ana_first);
        assert_eq!(register(&mut anon, keyed(person("bert"))).await.unwrap(), bert);
        let other = RegisterRequest { full_name: "Ana Lima".into(), ..keyed(ana()) };
        let error = register(&mut anon, other).await.unwrap_err();
        assert_eq!(error.code(), Code::AlreadyExists, "not her answer");
    }

    async fn a_key_of_a_registration_is_good_for_no_guesses(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let request = RegisterRequest { request_id: "a key".into(), ..ana() };
        register(&mut anon, request.clone()).await.unwrap();

        let guess = RegisterRequest { password: OTHER_PASSWORD.into(), ..request.clone() };
        for _ in 0..6 {
            let error = register(&mut anon, guess.clone()).await.unwrap_err();
            let info = error.get_details_error_info().unwrap();
            assert_eq!(info.reason, "IDEMPOTENCY_KEY_REUSED");
        }
        let error = register(&mut anon, guess).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "as at a log-in");
        let mut reader = audit::reader(&world, &server);
        assert_eq!(audit::of_kind(&mut reader, "password.wrong").await.len(), 6);
        world.clock.advance(Duration::from_secs(1));
        register(&mut anon, request).await.unwrap();
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
    }

    async fn a_closed_registration_lets_nobody_in(world: World) {
        let config = Config { registration: Registration::Closed, ..config() };
        let (server, _) = start_with(&world, &config).await;

        let error = register(&mut anon(&server), ana()).await.unwrap_err();

        assert_eq!(error.code(), Code::PermissionDenied);
        let mut viewer = by(&server, &world, NOBODY, Role::Viewer);
        assert_eq!(names(&mut viewer, ListUsersRequest::default()).await.0, ["admin"]);
    }

    async fn one_address_asks_for_a_hundred_accounts_and_others_are_not_kept_waiting(world: World) {
        let server = start(&world).await;
        let mut hoarder = from!(server, "192.0.2.1");

        for number in 0..100 {
            // One that there is already costs as much.
            let username = format!("taken-{}", number % 2);
            let answer = hoarder.register(person(&username)).await;
            assert_eq!(answer.is_ok(), number < 2, "{number}: {answer:?}");
        }
        let refused = hoarder.register(person("one-more")).await.unwrap_err();

        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(refused.message(), "too many accounts were asked for: wait a moment");
        let hint = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert_eq!(hint, Duration::from_secs(1));
        from!(server, "192.0.2.2").register(person("other")).await.unwrap();
        let log_in = CreateTokenRequest { username: "other".into(), password: PASSWORD.into() };
        hoarder.create_token(log_in).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        hoarder.register(person("one-more")).await.unwrap();
    }

    async fn me_is_the_caller(world: World) {
        let server = start(&world).await;
        let created = register(&mut anon(&server), ana()).await.unwrap();

        let mut caller = by(&server, &world, &created.id, Role::Technician);

        assert_eq!(get(&mut caller, "me").await.unwrap(), created);
    }

    async fn who_is_not_there_is_not_found(world: World) {
        let server = start(&world).await;

        for (id, role, asked, code) in [
            (NOBODY, Role::Viewer, NOBODY, Code::NotFound),
            (NOBODY, Role::Viewer, "me", Code::NotFound),
            ("service:test", Role::Service, "me", Code::NotFound),
            (NOBODY, Role::Viewer, "7", Code::InvalidArgument),
        ] {
            let error = get(&mut by(&server, &world, id, role), asked).await.unwrap_err();
            assert_eq!(error.code(), code, "{role:?} asks for {asked}");
        }
    }

    async fn a_list_is_filtered_and_paged_by_username_in_whatever_case(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        for username in ["Dora", "bert", "carl", "Ana"] {
            register(&mut anon, person(username)).await.unwrap();
        }
        let mut viewer = by(&server, &world, NOBODY, Role::Viewer);
        let technicians = ListUsersRequest {
            role: user::Role::Technician.into(), page_size: 3, ..Default::default()
        };

        let (first, token) = names(&mut viewer, technicians.clone()).await;
        register(&mut anon, person("aaron")).await.unwrap();
        let next = ListUsersRequest { page_token: token.clone(), ..technicians.clone() };
        let (second, end) = names(&mut viewer, next).await;
        let other = ListUsersRequest {
            page_token: token, role: user::Role::Admin.into(), ..technicians
        };
        let refused = viewer.list_users(other).await.unwrap_err();

        assert_eq!(first, ["Ana", "bert", "carl"]);
        assert_eq!((second, end.as_str()), (vec!["Dora".to_owned()], ""));
        assert_eq!(refused.code(), Code::InvalidArgument);
        let admins = ListUsersRequest { role: user::Role::Admin.into(), ..Default::default() };
        assert_eq!(names(&mut viewer, admins).await.0, ["admin"]);
    }
}
