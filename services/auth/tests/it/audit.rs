use std::time::Duration;

use kit::access::Role;
use proto::auth::v1::{
    AuditEvent, ListAuditEventsRequest, LogoutRequest, UpdateUserRequest, User,
    auth_service_client::AuthServiceClient, user,
};
use testkit::{Server, World};
use tonic::Code;

use super::{
    Auth, PASSWORD, admin, ana, anon, auth, everybody, holder, log_in, person, refresh, register,
    start,
};

fn reader(world: &World, server: &Server) -> Auth {
    AuthServiceClient::new(server.by(&world.user(Role::Admin)))
}

async fn events(auth: &mut Auth, request: ListAuditEventsRequest) -> Vec<AuditEvent> {
    auth.list_audit_events(request).await.unwrap().into_inner().events
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
                page_size: 2, page_token: token, ..Default::default()
            };
            let page = reader.list_audit_events(request).await.unwrap().into_inner();
            seen.extend(page.events);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    async fn a_spent_token_that_comes_back_is_written(world: World) {
        let server = start(&world).await;
        register(&mut anon(&server), ana()).await.unwrap();
        let first = log_in(&mut anon(&server), "ana", PASSWORD).await.unwrap();
        let second = refresh(&mut anon(&server), &first.refresh).await.unwrap();
        refresh(&mut anon(&server), &second.refresh).await.unwrap();
        refresh(&mut anon(&server), &first.refresh).await.unwrap_err();

        let trail = events(&mut reader(&world, &server), ListAuditEventsRequest::default()).await;

        assert_eq!((trail[0].kind.as_str(), trail[0].actor.as_str()), ("session.token_reused", ""));
        let ana = holder(&world, &server, &first).await.id;
        assert_eq!(trail[0].details["user"], format!("user/{ana}"));
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
