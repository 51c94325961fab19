use std::time::Duration;

use kit::access::Role;
use proto::auth::v1::{
    CheckSessionRequest, CheckSessionResponse, EndSessionRequest, ListSessionsRequest,
    LogoutRequest, Session, TokenPair, session_service_client::SessionServiceClient, user,
};
use testkit::{Server, World};
use tonic::{Code, Status};

use super::{
    Auth, PASSWORD, ana, anon, audit, auth, holder, log_in, person, refresh, register, start, watch,
};

async fn list(auth: &mut Auth) -> Vec<Session> {
    auth.list_sessions(ListSessionsRequest::default()).await.unwrap().into_inner().sessions
}

async fn end(auth: &mut Auth, id: &str) -> Result<(), Status> {
    auth.end_session(EndSessionRequest { id: id.into() }).await.map(drop)
}

/// What another service is told of the session `session_id` of `user_id`.
async fn check(
    world: &World,
    server: &Server,
    session_id: &str,
    user_id: &str,
) -> CheckSessionResponse {
    let mut service = SessionServiceClient::new(server.by(&world.user(Role::Service)));
    let (session_id, user_id) = (session_id.into(), user_id.into());
    service.check_session(CheckSessionRequest { session_id, user_id }).await.unwrap().into_inner()
}

/// The session and the user that `pair` names.
async fn named(world: &World, server: &Server, pair: &TokenPair) -> (String, String) {
    let sessions = list(&mut auth(world, server, pair).await).await;
    let current = sessions.into_iter().find(|session| session.current).unwrap();
    (current.id, holder(world, server, pair).await.id)
}

/// The next session whose end is told.
async fn next_end(watch: &mut watch::Watch) -> String {
    let end = async {
        loop {
            if let Some(ended) = watch::next(watch).await.ended.pop() {
                return ended.session_id;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), end).await.expect("an end is told")
}

testkit::both! {
    async fn of_more_than_a_hundred_sessions_of_a_person_the_oldest_end(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let mut pairs = Vec::new();
        for _ in 0..102 {
            pairs.push(log_in(&mut anon, "ana", PASSWORD).await.unwrap());
        }

        let mut ana = auth(&world, &server, pairs.last().unwrap()).await;
        let request = ListSessionsRequest { page_size: 1000, ..Default::default() };
        let listed = ana.list_sessions(request).await.unwrap().into_inner().sessions;

        assert_eq!(listed.len(), 100);
        for (number, pair) in pairs.iter().enumerate().take(4) {
            let refreshed = refresh(&mut anon, &pair.refresh).await;
            assert_eq!(refreshed.is_ok(), 2 <= number, "{number}");
        }
        let ended = audit::of_kind(&mut audit::reader(&world, &server), "session.ended").await;
        let causes: Vec<_> = ended.iter().map(|event| event.details["cause"].as_str()).collect();
        assert_eq!(causes, ["session.created"; 2]);
    }

    async fn who_logs_out_ends_this_session_for_ever_and_no_other(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let here = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let there = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let (here_id, ana) = named(&world, &server, &here).await;
        let (there_id, _) = named(&world, &server, &there).await;

        let mut leaving = auth(&world, &server, &here).await;
        leaving.logout(LogoutRequest {}).await.unwrap();
        let again = leaving.logout(LogoutRequest {}).await.unwrap_err();

        assert_eq!(again.code(), Code::Unauthenticated, "not even that is left to do");
        refresh(&mut anon, &here.refresh).await.unwrap_err();
        refresh(&mut anon, &there.refresh).await.unwrap();
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        refresh(&mut anon, &here.refresh).await.unwrap_err();
        assert!(!check(&world, &server, &here_id, &ana).await.active);
        assert!(check(&world, &server, &there_id, &ana).await.active);
    }

    async fn people_see_where_they_are_logged_in(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        for username in ["ana", "bert"] {
            register(&mut anon, person(username)).await.unwrap();
            log_in(&mut anon, username, PASSWORD).await.unwrap();
        }
        world.clock.advance(Duration::from_mins(1));
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let began_at = world.clock.now();
        world.clock.advance(Duration::from_mins(1));
        let pair = refresh(&mut anon, &pair.refresh).await.unwrap();

        let sessions = list(&mut auth(&world, &server, &pair).await).await;

        assert_eq!(sessions.len(), 2, "bert's is not among them");
        let [newest, oldest] = [&sessions[0], &sessions[1]];
        assert_eq!((newest.current, oldest.current), (true, false));
        assert_eq!(newest.created_at, Some(began_at.into()));
        assert_eq!(newest.used_at, Some(world.clock.now().into()));
        assert_eq!(newest.address, "127.0.0.1");
    }

    async fn people_end_their_own_sessions_elsewhere_alone(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let mut pairs = Vec::new();
        for username in ["ana", "bert"] {
            register(&mut anon, person(username)).await.unwrap();
            pairs.push(log_in(&mut anon, username, PASSWORD).await.unwrap());
        }
        let [anas, berts] = [&pairs[0], &pairs[1]];
        let elsewhere = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let (elsewhere_id, _) = named(&world, &server, &elsewhere).await;
        let (berts_id, _) = named(&world, &server, berts).await;
        let mut ana = auth(&world, &server, anas).await;

        end(&mut ana, &elsewhere_id).await.unwrap();
        let again = end(&mut ana, &elsewhere_id).await.unwrap_err();
        let another = end(&mut ana, &berts_id).await.unwrap_err();

        assert_eq!((again.code(), another.code()), (Code::NotFound, Code::NotFound));
        refresh(&mut anon, &elsewhere.refresh).await.unwrap_err();
        refresh(&mut anon, &berts.refresh).await.unwrap();
        assert_eq!(list(&mut ana).await.len(), 1);
    }

    async fn a_session_is_checked_with_its_owner_and_their_role(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let bert = register(&mut anon, person("bert")).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let (session, ana) = named(&world, &server, &pair).await;

        let theirs = check(&world, &server, &session, &ana).await;
        let somebody_elses = check(&world, &server, &session, &bert.id).await;
        let unknown = check(&world, &server, &ana, &ana).await;
        world.clock.advance(Duration::from_hours(7 * 24));
        let idle = check(&world, &server, &session, &ana).await;

        assert_eq!((theirs.active, theirs.role()), (true, user::Role::Technician));
        for answer in [somebody_elses, unknown, idle] {
            assert_eq!(answer, CheckSessionResponse::default());
        }
    }

    async fn a_session_that_is_too_old_or_was_idle_too_long_ends_everywhere(world: World) {
        const DAY: Duration = Duration::from_hours(24);
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let mut old = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let old_id = watch::session(&world, &server, &old).await;
        for _ in 0..4 {
            world.clock.advance(DAY * 6);
            old = refresh(&mut anon, &old.refresh).await.unwrap();
        }
        world.clock.advance(DAY / 2);
        let lately = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let lately_id = watch::session(&world, &server, &lately).await;
        world.clock.advance(DAY * 5 + DAY / 2);
        let mut watch = watch::watch(&world, &server, "").await;
        watch::snapshot(&mut watch).await;

        // Each start sweeps, and then each hour does.
        let _again = start(&world).await;

        assert_eq!(next_end(&mut watch).await, old_id, "it lived for thirty days");
        world.clock.advance(DAY * 7);
        let _again = start(&world).await;
        assert_eq!(next_end(&mut watch).await, lately_id, "it was idle");
    }
}
