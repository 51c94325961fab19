//! Watches that go on where they left off.

use super::*;

testkit::both! {
    async fn a_resumed_watch_is_complete_when_all_that_was_missed_is_told(world: World) {
        let server = start(&world).await;
        let token = snapshot(&mut watch(&world, &server, "").await).await.resume_token;
        let (db, now) = (database(&world).await, world.clock.now());
        let mut tx = db.begin("much").await.unwrap();
        for _ in 0..1200 {
            changes::append(&mut tx, now, "user", Uuid::now_v7(), &User::default()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let id = session(&world, &server, &pair).await;
        auth(&world, &server, &pair).await.logout(LogoutRequest {}).await.unwrap();

        let mut resumed = watch(&world, &server, &token).await;
        let mut told = Vec::new();
        loop {
            let message = next(&mut resumed).await;
            assert!(!message.resume_token.is_empty());
            told.extend(message.ended);
            if message.snapshot_complete {
                break;
            }
        }

        assert!(told.iter().any(|ended| ended.session_id == id), "{told:?}");
    }

    async fn a_resumed_watch_tells_what_was_missed(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let missed = session(&world, &server, &pair).await;
        let mut first = watch(&world, &server, "").await;
        let token = snapshot(&mut first).await.resume_token;
        drop(first);
        auth(&world, &server, &pair).await.logout(LogoutRequest {}).await.unwrap();
        // What a snapshot would hold is now too old for one.
        world.clock.advance(Duration::from_mins(11));

        let mut resumed = watch(&world, &server, &token).await;
        let message = next(&mut resumed).await;
        let anew = snapshot(&mut watch(&world, &server, "").await).await;

        assert!(message.ended.iter().any(|ended| ended.session_id == missed), "{message:?}");
        assert!(anew.ended.is_empty());
    }

    async fn a_token_that_is_none_resumes_nothing(world: World) {
        let server = start(&world).await;
        let mut service = SessionServiceClient::new(server.by(&world.user(Role::Service)));
        let request = WatchSessionsRequest { resume_token: "nonsense".into() };

        let error = service.watch_sessions(request).await.unwrap_err();

        assert_eq!(error.code(), Code::InvalidArgument);
    }
}
