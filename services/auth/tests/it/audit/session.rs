//! What the trail tells of sessions.

use super::*;

testkit::both! {
    async fn sessions_that_end_with_something_are_written_with_what_ended_them(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let [here, there] = [
            log_in(&mut anon, "ana", PASSWORD).await.unwrap(),
            log_in(&mut anon, "ana", PASSWORD).await.unwrap(),
        ];
        let mut ana = users(&world, &server, &here).await;

        let change = ChangePasswordRequest {
            id: "me".into(), current_password: PASSWORD.into(), new_password: OTHER_PASSWORD.into(),
        };
        ana.change_password(change).await.unwrap();
        ana.delete_user(DeleteUserRequest { id: "me".into(), ..Default::default() }).await.unwrap();

        let ended = of_kind(&mut reader(&world, &server), "session.ended").await;
        assert_eq!(ended.len(), 2);
        for (event, pair, cause) in [
            (&ended[0], &here, "user.deleted"),
            (&ended[1], &there, "user.password_changed"),
        ] {
            let (claims, _) = token::verifier(&world, &server).verify(&pair.access).await.unwrap();
            assert_eq!(event.resource, format!("session/{}", claims.sid));
            assert_eq!((event.actor.as_str(), event.details["cause"].as_str()), (claims.sub.as_str(), cause));
        }
    }

    async fn a_spent_token_that_comes_back_is_written(world: World) {
        let server = start(&world).await;
        register(&mut anon(&server), ana()).await.unwrap();
        let first = log_in(&mut anon(&server), "ana", PASSWORD).await.unwrap();
        let second = refresh(&mut anon(&server), &first.refresh).await.unwrap();
        refresh(&mut anon(&server), &second.refresh).await.unwrap();
        refresh(&mut anon(&server), &first.refresh).await.unwrap_err();

        let mut reader = reader(&world, &server);
        let ana = format!("user/{}", holder(&world, &server, &first).await.id);
        let [reused] = &of_kind(&mut reader, "session.token_reused").await[..] else { panic!() };
        assert_eq!((reused.actor.as_str(), &reused.resource), ("", &ana));
        let of_her = ListAuditEventsRequest { resource: ana, ..Default::default() };
        assert_eq!(kinds(&events(&mut reader, of_her).await)[0], "session.token_reused");
        let session = reused.details["session"].clone();
        let of_it = ListAuditEventsRequest { resource: session, ..Default::default() };
        let of_it = events(&mut reader, of_it).await;
        assert_eq!(kinds(&of_it), ["session.ended", "session.created"]);
        assert_eq!(of_it[0].details["cause"], "session.token_reused");
    }
}
