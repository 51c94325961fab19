mod session;

use std::time::Duration;

use kit::{access::Role, on};
use proto::auth::v1::{
    AuditEvent, ChangePasswordRequest, CreateServiceTokenRequest, CreateUserRequest,
    DeleteKeyRequest, DeleteUserRequest, ListAuditEventsRequest, LogoutRequest,
    StartPasswordResetRequest, UpdateUserRequest, User, auth_service_client::AuthServiceClient,
    user,
};
use testkit::{Server, World};
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    Auth, Config, FIRST_PASSWORD as OTHER_PASSWORD, PASSWORD, SECRET, admin, ana, anon, auth,
    config, database, everybody, from, holder, key, log_in, person, refresh, register, start,
    start_with, token, users,
};

pub fn reader(world: &World, server: &Server) -> Auth {
    AuthServiceClient::new(server.by(&world.user(Role::Admin)))
}

pub async fn events(auth: &mut Auth, request: ListAuditEventsRequest) -> Vec<AuditEvent> {
    auth.list_audit_events(request).await.unwrap().into_inner().events
}

pub async fn of_kind(reader: &mut Auth, kind: &str) -> Vec<AuditEvent> {
    events(reader, ListAuditEventsRequest { kind: kind.into(), ..Default::default() }).await
}

fn kinds(events: &[AuditEvent]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

testkit::both! {
    async fn who_did_what_to_whom_and_from_where_is_written(world: World) {
        let server = start(&world).await;
        let person = register(&mut anon(&server), ana()).await.unwrap();
        let mut boss = admin(&world, &server).await;
        let boss_id = everybody(&mut boss).await.into_iter().find(|user| user.username == "admin");
        let promoted = User { role: user::Role::Admin.into(), ..person.clone() };
        let request = UpdateUserRequest { user: Some(promoted), update_mask: None };
        boss.update_user(request).await.unwrap();

        let trail = events(&mut reader(&world, &server), ListAuditEventsRequest::default()).await;

        assert_eq!(
            kinds(&trail),
            ["user.updated", "session.created", "user.registered", "user.created"],
        );
        let [promotion, _, registration, first] = &trail[..] else { panic!() };
        assert_eq!(promotion.actor, boss_id.unwrap().id);
        assert_eq!(promotion.resource, format!("user/{}", person.id));
        assert_eq!(promotion.details["role"], "TECHNICIAN → ADMIN");
        assert_eq!(promotion.address, "127.0.0.1");
        assert_eq!((&registration.actor, first.actor.as_str()), (&person.id, "command"));
        assert!(!format!("{trail:?}").contains(PASSWORD));
    }

    async fn events_are_filtered_and_paged_newest_first(world: World) {
        let server = start(&world).await;
        let mut ids = Vec::new();
        for username in ["ana", "bert"] {
            register(&mut anon(&server), person(username)).await.unwrap();
            let pair = log_in(&mut anon(&server), username, PASSWORD).await.unwrap();
            world.clock.advance(Duration::from_mins(1));
            auth(&world, &server, &pair).await.logout(LogoutRequest {}).await.unwrap();
            ids.push(holder(&world, &server, &pair).await.id);
        }
        let mut reader = reader(&world, &server);
        let all = events(&mut reader, ListAuditEventsRequest::default()).await;
        assert_eq!(all.len(), 7);

        let actor = ListAuditEventsRequest { actor: ids[0].clone(), ..Default::default() };
        let kind = ListAuditEventsRequest { kind: "session.ended".into(), ..Default::default() };
        let resource = ListAuditEventsRequest {
            resource: format!("user/{}", ids[1]), ..Default::default()
        };
        let from = world.clock.now();
        let since = ListAuditEventsRequest { from: Some(from.into()), ..Default::default() };
        let before = ListAuditEventsRequest { to: Some(from.into()), ..Default::default() };
        let ended = ["session.ended", "session.created", "user.registered"];
        assert_eq!(kinds(&events(&mut reader, actor).await), ended);
        assert_eq!(events(&mut reader, kind).await.len(), 2);
        assert_eq!(kinds(&events(&mut reader, resource).await), ["user.registered"]);
        assert_eq!(events(&mut reader, since).await, all[..1]);
        assert_eq!(events(&mut reader, before).await, all[1..]);

        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let request = ListAuditEventsRequest {
                page_size: 2, page_token: token, to: Some(from.into()), ..Default::default()
            };
            let page = reader.list_audit_events(request).await.unwrap().into_inner();
            seen.extend(page.events);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all[1..], "each page lies before that time");
    }

    async fn a_filter_that_can_be_none_is_refused_by_field(world: World) {
        let server = start(&world).await;
        let all = ListAuditEventsRequest::default;

        for (request, field, hint) in [
            (ListAuditEventsRequest { kind: "session.stolen".into(), ..all() }, "kind", "session.created"),
            (ListAuditEventsRequest { actor: "ana".into(), ..all() }, "actor", ""),
            (ListAuditEventsRequest { resource: "user/ana".into(), ..all() }, "resource", ""),
        ] {
            let error = reader(&world, &server).list_audit_events(request).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
            assert!(violations[0].description.contains(hint), "{error}");
        }
    }

    async fn a_wrong_password_is_written_and_what_was_typed_is_not(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let person = register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();

        log_in(&mut anon, "ANA@example.org", "typed by mistake").await.unwrap_err();
        log_in(&mut anon, "typed by mistake", PASSWORD).await.unwrap_err();
        let request = ChangePasswordRequest {
            id: "me".into(),
            current_password: "typed by mistake".into(),
            new_password: "quite another canary-in-the-coal-mine".into(),
        };
        users(&world, &server, &pair).await.change_password(request).await.unwrap_err();

        let mut reader = reader(&world, &server);
        let trail = of_kind(&mut reader, "password.wrong").await;
        let [change, unknown, known] = &trail[..] else { panic!("{trail:?}") };
        let resource = format!("user/{}", person.id);
        for (event, actor) in [(change, person.id.as_str()), (known, "")] {
            assert_eq!((event.actor.as_str(), &event.resource), (actor, &resource));
            assert_eq!(event.details["username"], "Ana");
        }
        assert_eq!((unknown.actor.as_str(), unknown.resource.as_str()), ("", ""));
        assert!(unknown.details.is_empty());
        assert!(trail.iter().all(|event| event.address == "127.0.0.1"));
        let everything = events(&mut reader, ListAuditEventsRequest::default()).await;
        for typed in ["typed by mistake", "quite another canary-in-the-coal-mine", PASSWORD] {
            assert!(!format!("{everything:?}").contains(typed), "{typed}");
        }
    }

    async fn passwords_that_come_too_soon_are_one_line_a_wait(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let person = register(&mut anon, ana()).await.unwrap();

        for _ in 0..20 {
            log_in(&mut anon, "ana", "a wrong password").await.unwrap_err();
        }
        world.clock.advance(Duration::from_secs(1));
        for _ in 0..20 {
            log_in(&mut anon, "ana", "a wrong password").await.unwrap_err();
        }

        let mut reader = reader(&world, &server);
        let throttled = of_kind(&mut reader, "password.throttled").await;
        assert_eq!(of_kind(&mut reader, "password.wrong").await.len(), 7, "five, and one a wait");
        assert_eq!(throttled.len(), 2);
        let resource = format!("user/{}", person.id);
        assert!(throttled.iter().all(|event| event.resource == resource && event.actor.is_empty()));
    }

    async fn a_wrong_secret_of_a_service_is_one_line_a_wait(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let wrong = |service: &str| CreateServiceTokenRequest {
            service: service.into(), secret: "typed by mistake".into(),
        };

        for _ in 0..20 {
            anon.create_service_token(wrong("telemetry")).await.unwrap_err();
        }
        world.clock.advance(Duration::from_secs(1));
        for _ in 0..20 {
            let error = anon.create_service_token(wrong("telemetry")).await.unwrap_err();
            assert_eq!(error.code(), Code::Unauthenticated, "nobody waits for it");
        }
        anon.create_service_token(wrong("gateway")).await.unwrap_err();
        let right = CreateServiceTokenRequest { secret: SECRET.into(), ..wrong("telemetry") };
        anon.create_service_token(right).await.unwrap();

        let refused = of_kind(&mut reader(&world, &server), "service.refused").await;
        let named = |name: &str| {
            refused.iter().filter(|event| event.details["service"] == name).count()
        };
        assert_eq!((named("telemetry"), named("gateway")), (7, 1), "five, and one a wait");
        assert!(refused.iter().all(|event| event.address == "127.0.0.1"));
        assert!(refused.iter().all(|event| event.actor.is_empty() && event.resource.is_empty()));
        assert!(!format!("{refused:?}").contains("typed by mistake"));
    }

    async fn a_service_secret_that_is_wrong_from_everywhere_fills_no_trail(world: World) {
        let server = start(&world).await;

        for number in 0..100 {
            let request = CreateServiceTokenRequest {
                service: "telemetry".into(), secret: "typed by mistake".into(),
            };
            let mut stranger = from!(server, format!("192.0.2.{number}"));
            stranger.create_service_token(request).await.unwrap_err();
        }

        let refused = of_kind(&mut reader(&world, &server), "service.refused").await;
        assert_eq!(refused.len(), 6);
        assert_eq!((refused[0].address.as_str(), refused[5].address.as_str()), ("192.0.2.5", "192.0.2.0"));
    }

    async fn what_an_admin_does_is_written_with_who_it_was_and_to_whom(world: World) {
        let server = start(&world).await;
        let key = key::new_key(&world, &server).await;
        let mut boss = admin(&world, &server).await;
        let mut keys = key::keys(&world, &server);

        let user = User {
            username: "dora".into(), email: "dora@example.org".into(),
            password: Some(PASSWORD.into()), ..User::default()
        };
        let request = CreateUserRequest { user: Some(user), request_id: String::new() };
        let dora = boss.create_user(request).await.unwrap().into_inner();
        let request = StartPasswordResetRequest { id: dora.id.clone() };
        let reset = boss.start_password_reset(request).await.unwrap().into_inner();
        let renamed = User { full_name: "Dora".into(), ..dora.clone() };
        let request = UpdateUserRequest { user: Some(renamed), update_mask: None };
        boss.update_user(request).await.unwrap();
        let request = DeleteUserRequest { id: dora.id.clone(), ..Default::default() };
        boss.delete_user(request).await.unwrap();
        keys.delete_key(DeleteKeyRequest { id: key.id.clone() }).await.unwrap();

        let mut reader = reader(&world, &server);
        let boss_id = everybody(&mut boss).await.remove(0).id;
        let by_boss = ListAuditEventsRequest { actor: boss_id, ..Default::default() };
        let trail = events(&mut reader, by_boss).await;
        let done = ["user.deleted", "user.updated", "user.password_reset_started", "user.created"];
        assert_eq!(kinds(&trail)[..4], done);
        let resource = format!("user/{}", dora.id);
        assert!(trail[..4].iter().all(|event| event.resource == resource));
        let resource = format!("key/{}", key.id);
        let of_key = ListAuditEventsRequest { resource, ..Default::default() };
        let of_key = events(&mut reader, of_key).await;
        assert_eq!(kinds(&of_key), ["key.deleted", "key.created"]);
        assert!(of_key.iter().all(|event| event.details["name"] == "pump house"));
        let everything = events(&mut reader, ListAuditEventsRequest::default()).await;
        for secret in [&key.secret.unwrap()[3..], &reset.token, PASSWORD] {
            assert!(!format!("{everything:?}").contains(secret));
        }
    }

    async fn the_trail_is_kept_for_as_long_as_configured(world: World) {
        let config = Config { audit_days: 90, ..config() };
        let (server, _) = start_with(&world, &config).await;
        register(&mut anon(&server), ana()).await.unwrap();
        log_in(&mut anon(&server), "ana", "a wrong password").await.unwrap_err();
        world.clock.advance(Duration::from_hours(60 * 24));
        log_in(&mut anon(&server), "ana", PASSWORD).await.unwrap();
        world.clock.advance(Duration::from_hours(31 * 24));

        // Each start sweeps, and then each hour does.
        let (again, _) = start_with(&world, &config).await;

        testkit::eventually("what is older goes", async || {
            let mut reader = reader(&world, &again);
            let left = events(&mut reader, ListAuditEventsRequest::default()).await;
            (kinds(&left) == ["session.created"]).then_some(())
        })
        .await;
        testkit::eventually("so do sessions and guesses", async || {
            let mut db = database(&world).await.read().await.unwrap();
            let left: i64 = on!(&mut db, c => sqlx::query_scalar(
                    "select (select count(*) from sessions) + (select count(*) from guesses)",
                )
                .fetch_one(c).await).unwrap();
            (left == 0).then_some(())
        })
        .await;
    }

    async fn what_did_not_happen_is_not_written(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let before = events(&mut reader(&world, &server), ListAuditEventsRequest::default()).await;

        let step_down = User {
            id: "me".into(), username: "admin".into(), email: "admin@localhost".into(),
            role: user::Role::Viewer.into(), ..User::default()
        };
        let request = UpdateUserRequest { user: Some(step_down), update_mask: None };
        let error = admin.update_user(request).await.unwrap_err();

        assert_eq!(error.code(), Code::FailedPrecondition);
        assert_eq!(events(&mut reader(&world, &server), ListAuditEventsRequest::default()).await, before);
    }
}
