use std::time::Duration;

use kit::on;
use proto::auth::v1::{CreateServiceTokenRequest, CreateTokenRequest};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Anon, PASSWORD, ana, anon, audit, database, from, log_in, person, register, start};

/// Tries a wrong password; whether it was looked at.
async fn is_looked_at(anon: &mut Anon, username: &str) -> bool {
    let error = log_in(anon, username, "a wrong password").await.unwrap_err();
    match error.code() {
        Code::Unauthenticated => true,
        Code::ResourceExhausted => {
            assert!(error.get_details_retry_info().unwrap().retry_delay.unwrap() > Duration::ZERO);
            false
        }
        code => panic!("{code:?}"),
    }
}

/// The passwords that this process hashed or checked so far; a process runs one test.
fn hashes() -> u64 {
    let metrics = kit::observe::install().unwrap().render();
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("flightline_password_hashes_total "));
    line.map_or(0, |count| count.parse().unwrap())
}

testkit::both! {
    async fn a_thousand_guesses_at_once_cost_ten_hashes_and_their_victim_a_minute(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let before = hashes();

        let mut guesses = JoinSet::new();
        for _ in 0..1000 {
            let mut anon = anon.clone();
            guesses.spawn(async move { log_in(&mut anon, "ana", "a wrong password").await });
        }
        let codes: Vec<Code> =
            guesses.join_all().await.into_iter().map(|guess| guess.unwrap_err().code()).collect();

        let looked_at = codes.iter().filter(|code| **code == Code::Unauthenticated).count();
        assert!((1..=10).contains(&looked_at), "{looked_at} were answered");
        let hashed = hashes() - before;
        assert!((1..=10).contains(&hashed), "{hashed} were hashed");
        // A busy machine has no connection for some of them, who are not looked at either.
        let others = [Code::Unauthenticated, Code::ResourceExhausted, Code::Unavailable];
        assert!(codes.iter().all(|code| others.contains(code)), "{codes:?}");
        world.clock.advance(Duration::from_mins(1));
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
    }

    async fn the_wait_grows_to_a_minute_and_no_further(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();

        for wait in [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60] {
            assert!(is_looked_at(&mut anon, "ana").await, "before {wait} s");
            if wait > 0 {
                world.clock.advance(Duration::from_millis(wait * 1000 - 1));
                assert!(!is_looked_at(&mut anon, "ana").await, "within {wait} s");
                world.clock.advance(Duration::from_millis(1));
            }
        }
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        assert!(is_looked_at(&mut anon, "ana").await, "a right one starts anew");
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
    }

    async fn username_and_address_are_one_account_and_nobodys_names_wait_alike(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        register(&mut anon, person("bert")).await.unwrap();

        for login in ["ana", "ANA", "ana@example.org"].into_iter().cycle().take(6) {
            assert!(is_looked_at(&mut anon, login).await);
        }
        for login in ["nobody", "NOBODY"].into_iter().cycle().take(6) {
            assert!(is_looked_at(&mut anon, login).await);
        }

        for login in ["ana", "ana@example.org", "nobody"] {
            assert!(!is_looked_at(&mut anon, login).await, "{login}");
        }
        log_in(&mut anon, "bert", PASSWORD).await.unwrap();
    }

    async fn strangers_keep_nobody_out_of_where_they_were_before(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        for _ in 0..6 {
            is_looked_at(&mut anon, "ana").await;
        }
        world.clock.advance(Duration::from_mins(1));
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();

        // From an address that she never came from.
        let mut stranger = from!(server, "192.0.2.1");
        for _ in 0..7 {
            let request = CreateTokenRequest {
                username: "ana".into(), password: "a wrong password".into(),
            };
            stranger.create_token(request).await.unwrap_err();
        }

        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
    }

    async fn one_place_that_guesses_without_a_pause_leaves_the_owner_time_at_another(world: World) {
        let server = start(&world).await;
        register(&mut anon(&server), ana()).await.unwrap();
        let (mut stranger, mut owner) = (from!(server, "192.0.2.1"), from!(server, "192.0.2.2"));
        let request = |password: &str| CreateTokenRequest {
            username: "ana".into(), password: password.into(),
        };
        // Until it waits for a minute each time.
        for _ in 0..180 {
            stranger.create_token(request("a wrong password")).await.unwrap_err();
            world.clock.advance(Duration::from_secs(1));
        }

        let mut seconds = 0;
        loop {
            stranger.create_token(request("a wrong password")).await.unwrap_err();
            match owner.create_token(request(PASSWORD)).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.code(), Code::ResourceExhausted),
            }
            world.clock.advance(Duration::from_secs(1));
            seconds += 1;
            assert!(seconds <= 20, "the owner is kept out");
        }
    }

    async fn many_places_together_have_one_account_to_guess_at(world: World) {
        let server = start(&world).await;
        register(&mut anon(&server), ana()).await.unwrap();
        let mut looked_at = 0;

        for number in 0..100 {
            let mut stranger = from!(server, format!("192.0.2.{number}"));
            let request = CreateTokenRequest {
                username: "ana".into(), password: "a wrong password".into(),
            };
            let error = stranger.create_token(request).await.unwrap_err();
            looked_at += usize::from(error.code() == Code::Unauthenticated);
        }

        assert_eq!(looked_at, 6);
    }

    async fn a_full_queue_refuses_at_once_and_counts_nothing(world: World) {
        let server = start(&world).await;
        let anon = anon(&server);
        let before = hashes();

        let mut guesses = JoinSet::new();
        // As many as one connection takes at once, each for somebody else.
        for number in 0..250 {
            let (mut anon, name) = (anon.clone(), format!("nobody-{number}"));
            guesses.spawn(async move { log_in(&mut anon, &name, PASSWORD).await.unwrap_err() });
        }
        let errors = guesses.join_all().await;

        let is_full = |error: &&Status| error.code() == Code::ResourceExhausted;
        let full: Vec<&Status> = errors.iter().filter(is_full).collect();
        assert!(!full.is_empty(), "all found a place");
        for error in &full {
            assert!(error.message().contains("too many passwords are being checked"), "{error}");
            let hint = error.get_details_retry_info().unwrap().retry_delay.unwrap();
            assert!(Duration::ZERO < hint);
        }
        let mut db = database(&world).await.read().await.unwrap();
        let counted: Vec<i64> = on!(&mut db, c => sqlx::query_scalar("select count from guesses")
            .fetch_all(c).await).unwrap();
        // At its place and at its account.
        let counted = u64::try_from(counted.iter().sum::<i64>() / 2).unwrap();
        assert!(hashes() - before <= counted, "what is hashed is counted");
        // On a busy machine some wait for their turn in vain: they count.
        assert!(counted <= u64::try_from(250 - full.len()).unwrap(), "who is turned away does not count");
    }

    async fn one_address_tries_a_hundred_wrong_passwords_and_others_are_not_kept_waiting(world: World) {
        let server = start(&world).await;
        register(&mut anon(&server), ana()).await.unwrap();
        register(&mut anon(&server), person("bert")).await.unwrap();
        let mut bert = from!(server, "192.0.2.1");
        let as_bert = CreateTokenRequest { username: "bert".into(), password: PASSWORD.into() };
        bert.create_token(as_bert.clone()).await.unwrap();
        let stranger = from!(server, "192.0.2.1");
        let guess = |number: u32| {
            let username = format!("nobody-{number}");
            let request = CreateTokenRequest { username, password: PASSWORD.into() };
            let mut stranger = stranger.clone();
            async move { stranger.create_token(request).await.unwrap_err().code() }
        };

        for number in 0..100 {
            assert_eq!(guess(number).await, Code::Unauthenticated, "{number}");
        }
        assert_eq!(guess(100).await, Code::ResourceExhausted);
        assert_eq!(guess(101).await, Code::ResourceExhausted);
        bert.create_token(as_bert).await.expect("he is known there");

        let mut ana = from!(server, "192.0.2.2");
        let request = CreateTokenRequest { username: "ana".into(), password: PASSWORD.into() };
        ana.create_token(request).await.unwrap();
        let mut reader = audit::reader(&world, &server);
        let throttled = audit::of_kind(&mut reader, "password.throttled").await;
        assert_eq!(throttled.len(), 1, "a flood is one line in the trail");
        assert_eq!(throttled[0].address, "192.0.2.1");
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(guess(102).await, Code::Unauthenticated);
    }

    async fn a_part_that_has_a_wrong_secret_keeps_nobody_at_its_address_out(world: World) {
        let server = start(&world).await;
        register(&mut anon(&server), ana()).await.unwrap();
        let mut there = from!(server, "192.0.2.1");

        let mut codes = Vec::new();
        for _ in 0..101 {
            let request = CreateServiceTokenRequest {
                service: "telemetry".into(), secret: "of another deployment".into(),
            };
            codes.push(there.create_service_token(request).await.unwrap_err().code());
        }

        assert_eq!((codes[99], codes[100]), (Code::Unauthenticated, Code::ResourceExhausted));
        let request = CreateTokenRequest { username: "ana".into(), password: PASSWORD.into() };
        there.create_token(request).await.unwrap();
    }

    async fn what_was_typed_as_a_name_is_not_kept(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);

        log_in(&mut anon, PASSWORD, PASSWORD).await.unwrap_err();

        let mut db = database(&world).await.read().await.unwrap();
        let kept: Vec<String> = on!(&mut db, c => sqlx::query_scalar(
                "select name from guesses
                 union all
                 select resource || details from audit_events where kind = 'password.wrong'",
            )
            .fetch_all(c).await).unwrap();
        assert_eq!(kept.len(), 3);
        assert!(kept.iter().all(|kept| !kept.contains(PASSWORD)), "{kept:?}");
    }
}
