use std::time::{Duration, Instant};

use kit::access::Role;
use proto::auth::v1::{
    DeleteUserRequest, LogoutRequest, UpdateUserRequest, User, WatchSessionsRequest,
    WatchSessionsResponse, session_service_client::SessionServiceClient, user,
};
use testkit::{Engine, Server, World};
use tonic::{Code, Streaming};

use super::{PASSWORD, admin, ana, anon, auth, holder, log_in, person, register, start};

type Watch = Streaming<WatchSessionsResponse>;

async fn watch(world: &World, server: &Server, resume_token: &str) -> Watch {
    let mut service = SessionServiceClient::new(server.by(&world.user(Role::Service)));
    let request = WatchSessionsRequest { resume_token: resume_token.into() };
    service.watch_sessions(request).await.unwrap().into_inner()
}

async fn next(watch: &mut Watch) -> WatchSessionsResponse {
    let next = tokio::time::timeout(Duration::from_secs(10), watch.message());
    next.await.expect("a message comes twice a second").unwrap().unwrap()
}

/// All that is told before the watch is up to date.
async fn snapshot(watch: &mut Watch) -> WatchSessionsResponse {
    let mut told = WatchSessionsResponse::default();
    while !told.snapshot_complete {
        let message = next(watch).await;
        told.ended.extend(message.ended);
        told.users.extend(message.users);
        told.deleted_key_ids.extend(message.deleted_key_ids);
        told.resume_token = message.resume_token;
        told.snapshot_complete = message.snapshot_complete;
    }
    told
}

/// The next message that is not empty.
async fn news(watch: &mut Watch) -> WatchSessionsResponse {
    loop {
        let message = next(watch).await;
        let lists = [message.ended.len(), message.users.len(), message.deleted_key_ids.len()];
        if lists != [0; 3] {
            return message;
        }
    }
}

testkit::both! {
    async fn a_log_out_is_told_at_once(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let mut ana = auth(&world, &server, &pair).await;
        let mut watch = watch(&world, &server, "").await;
        assert!(snapshot(&mut watch).await.ended.is_empty());

        ana.logout(LogoutRequest {}).await.unwrap();
        let returned = Instant::now();
        let news = news(&mut watch).await;

        assert!(returned.elapsed() < Duration::from_millis(500), "{:?}", returned.elapsed());
        assert_eq!(news.ended.len(), 1);
        assert_eq!(news.ended[0].ended_at, Some(world.clock.now().into()));
        assert!(!news.resume_token.is_empty());
    }

    async fn without_news_a_beat_comes_twice_a_second(world: World) {
        let server = start(&world).await;
        let mut watch = watch(&world, &server, "").await;
        snapshot(&mut watch).await;

        let began = Instant::now();
        for _ in 0..8 {
            let beat = next(&mut watch).await;
            assert_eq!((beat.ended.len(), beat.snapshot_complete), (0, true));
        }

        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    async fn a_watch_begins_with_the_last_ten_minutes(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let mut ended = Vec::new();
        for username in ["long-ago", "lately"] {
            register(&mut anon, person(username)).await.unwrap();
            let pair = log_in(&mut anon, username, PASSWORD).await.unwrap();
            auth(&world, &server, &pair).await.logout(LogoutRequest {}).await.unwrap();
            ended.push(pair);
            world.clock.advance(Duration::from_mins(8));
        }

        let told = snapshot(&mut watch(&world, &server, "").await).await;

        assert_eq!(told.ended.len(), 1);
        let at = world.clock.now().minus(Duration::from_mins(8));
        assert_eq!(told.ended[0].ended_at, Some(at.into()));
        assert!(told.users.is_empty(), "who is new has changed nothing");
    }

    async fn another_role_and_a_deletion_are_told(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let person = register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let ana = holder(&world, &server, &pair).await;
        let mut admin = admin(&world, &server).await;
        let mut watch = watch(&world, &server, "").await;
        snapshot(&mut watch).await;

        let demoted = User { role: user::Role::Viewer.into(), ..person };
        let request = UpdateUserRequest { user: Some(demoted), update_mask: None };
        admin.update_user(request).await.unwrap();
        let demotion = news(&mut watch).await;
        admin.delete_user(DeleteUserRequest { id: ana.id.clone(), ..Default::default() })
            .await.unwrap();
        let deletion = news(&mut watch).await;

        let [user] = &demotion.users[..] else { panic!("{demotion:?}") };
        assert_eq!((&user.user_id, user.role(), user.exists), (&ana.id, user::Role::Viewer, true));
        let [user] = &deletion.users[..] else { panic!("{deletion:?}") };
        assert_eq!((&user.user_id, user.exists), (&ana.id, false));
        assert_eq!(deletion.ended.len(), 1, "the session ends with its owner");
        let told = snapshot(&mut self::watch(&world, &server, "").await).await;
        assert_eq!((told.users.len(), told.users[0].exists), (1, false));
    }

    async fn a_resumed_watch_tells_what_was_missed(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let mut pairs = Vec::new();
        for _ in 0..2 {
            pairs.push(log_in(&mut anon, "ana", PASSWORD).await.unwrap());
        }
        let mut first = watch(&world, &server, "").await;
        snapshot(&mut first).await;
        auth(&world, &server, &pairs[0]).await.logout(LogoutRequest {}).await.unwrap();
        let seen = news(&mut first).await;
        drop(first);

        auth(&world, &server, &pairs[1]).await.logout(LogoutRequest {}).await.unwrap();
        let missed = news(&mut watch(&world, &server, &seen.resume_token).await).await;

        assert_eq!(missed.ended.len(), 1);
        assert_ne!(missed.ended[0].session_id, seen.ended[0].session_id);
    }

    async fn a_token_that_is_none_resumes_nothing(world: World) {
        let server = start(&world).await;
        let mut service = SessionServiceClient::new(server.by(&world.user(Role::Service)));
        let request = WatchSessionsRequest { resume_token: "nonsense".into() };

        let error = service.watch_sessions(request).await.unwrap_err();

        assert_eq!(error.code(), Code::InvalidArgument);
    }
}

/// On PostgreSQL alone: one process has the embedded database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_at_one_replica_is_told_by_the_other() {
    let world = World::new(Engine::Postgres).await;
    let (one, other) = (start(&world).await, start(&world).await);
    register(&mut anon(&one), ana()).await.unwrap();
    let pair = log_in(&mut anon(&one), "ana", PASSWORD).await.unwrap();
    let mut watch = watch(&world, &other, "").await;
    snapshot(&mut watch).await;

    let mut ana = auth(&world, &one, &pair).await;
    ana.logout(LogoutRequest {}).await.unwrap();
    let returned = Instant::now();
    let news = news(&mut watch).await;

    assert!(returned.elapsed() < Duration::from_secs(1), "{:?}", returned.elapsed());
    assert_eq!(news.ended.len(), 1);
}
