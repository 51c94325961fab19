use std::{collections::HashSet, time::Duration};

use kit::{access::Role, on, token::Verifier};
use proto::auth::v1::{ListPublicKeysRequest, RegisterRequest, TokenPair};
use testkit::{Server, World};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt;

use super::{Anon, PASSWORD, ana, anon, database, log_in, refresh, register, start};

const DAY: Duration = Duration::from_hours(24);

/// Verifies tokens as every other service does: with the keys that this one publishes.
pub fn verifier(world: &World, server: &Server) -> Verifier {
    let client = anon(server);
    Verifier::new(world.clock.clock(), move || {
        let mut client = client.clone();
        Box::pin(async move {
            let keys = client.list_public_keys(ListPublicKeysRequest {}).await?.into_inner().keys;
            let public =
                |key: proto::auth::v1::PublicKey| kit::token::PublicKey { kid: key.kid, x: key.x };
            Ok(keys.into_iter().map(public).collect())
        })
    })
}

async fn logged_in(anon: &mut Anon) -> TokenPair {
    register(anon, ana()).await.unwrap();
    log_in(anon, "Ana", PASSWORD).await.unwrap()
}

async fn refused(anon: &mut Anon, token: &str) {
    let error = refresh(anon, token).await.unwrap_err();
    let answer = (error.code(), error.message());
    assert_eq!(answer, (Code::Unauthenticated, "the refresh token is not valid"));
}

async fn session_id(world: &World, server: &Server, pair: &TokenPair) -> String {
    verifier(world, server).verify(&pair.access).await.unwrap().0.sid
}

/// How many tokens are kept of a session.
async fn tokens(world: &World, session_id: &str) -> i64 {
    let id: uuid::Uuid = session_id.parse().unwrap();
    let mut db = database(world).await.read().await.unwrap();
    on!(&mut db, c => sqlx::query_scalar("select count(*) from refresh_tokens where session_id = $1")
        .bind(id)
        .fetch_one(c).await)
    .unwrap()
}

async fn ended(world: &World) -> Vec<String> {
    let mut db = database(world).await.read().await.unwrap();
    let ids: Vec<uuid::Uuid> = on!(&mut db, c => sqlx::query_scalar(
            "select id from sessions where ended_at is not null",
        )
        .fetch_all(c).await)
    .unwrap();
    ids.iter().map(ToString::to_string).collect()
}

testkit::both! {
    async fn a_person_logs_in_by_username_or_address_in_any_case(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let registered = register(&mut anon, ana()).await.unwrap();
        let verifier = verifier(&world, &server);

        let mut sessions = HashSet::new();
        for login in ["Ana", "ana", "ANA", "Ana@Example.org", "ana@EXAMPLE.ORG"] {
            let pair = log_in(&mut anon, login, PASSWORD).await.unwrap();
            assert_eq!((pair.token_type.as_str(), pair.expires_in), ("Bearer", 300));
            let (claims, role) = verifier.verify(&pair.access).await.unwrap();
            assert_eq!((claims.sub.as_str(), role), (registered.id.as_str(), Role::Technician));
            assert_eq!(claims.exp - claims.iat, 300);
            assert_eq!(pair.refresh.len(), 86);
            assert!(sessions.insert(claims.sid), "every log-in is a session of its own");
        }
    }

    async fn a_wrong_password_and_an_unknown_name_are_answered_alike(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();

        let wrong = log_in(&mut anon, "Ana", "canary-in-the-coal-mine?").await.unwrap_err();
        let unknown = log_in(&mut anon, "Nobody", PASSWORD).await.unwrap_err();

        assert_eq!(wrong.code(), Code::Unauthenticated);
        assert_eq!(wrong.message(), "username or password is wrong");
        assert_eq!((wrong.code(), wrong.message()), (unknown.code(), unknown.message()));
        assert_eq!(wrong.details(), unknown.details());
    }

    async fn a_name_that_cannot_be_one_is_refused_by_field(world: World) {
        let server = start(&world).await;

        let error = log_in(&mut anon(&server), "An\0a", PASSWORD).await.unwrap_err();

        let violations = error.get_details_bad_request().unwrap().field_violations;
        assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, "username"));
    }

    async fn a_password_is_the_same_however_its_letters_are_composed(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let request = RegisterRequest { password: "cr\u{e8}me br\u{fb}l\u{e9}e".into(), ..ana() };
        register(&mut anon, request).await.unwrap();

        log_in(&mut anon, "ana", "cre\u{300}me bru\u{302}le\u{301}e").await.unwrap();
    }

    async fn a_refresh_keeps_the_session_and_spends_the_token(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let verifier = verifier(&world, &server);

        let mut pair = logged_in(&mut anon).await;
        let (first, _) = verifier.verify(&pair.access).await.unwrap();
        let mut seen = HashSet::from([pair.refresh.clone()]);
        for _ in 0..3 {
            world.clock.advance(Duration::from_mins(4));
            pair = refresh(&mut anon, &pair.refresh).await.unwrap();
            let (claims, _) = verifier.verify(&pair.access).await.unwrap();
            assert_eq!((&claims.sid, &claims.sub), (&first.sid, &first.sub));
            assert_ne!(claims.jti, first.jti);
            assert!(seen.insert(pair.refresh.clone()), "a token is used once");
        }
    }

    async fn a_lost_answer_is_fetched_again_within_ten_seconds(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let pair = logged_in(&mut anon).await;

        let lost = refresh(&mut anon, &pair.refresh).await.unwrap();
        world.clock.advance(Duration::from_secs(10));
        let again = refresh(&mut anon, &pair.refresh).await.unwrap();

        assert_eq!(again.refresh, lost.refresh);
        refresh(&mut anon, &again.refresh).await.unwrap();
    }

    async fn a_lost_answer_is_gone_after_ten_seconds_and_so_is_the_session(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let pair = logged_in(&mut anon).await;

        let lost = refresh(&mut anon, &pair.refresh).await.unwrap();
        world.clock.advance(Duration::from_millis(10_001));

        refused(&mut anon, &pair.refresh).await;
        refused(&mut anon, &lost.refresh).await;
    }

    async fn a_token_from_further_back_ends_its_session_and_no_other(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let first = logged_in(&mut anon).await;
        let elsewhere = log_in(&mut anon, "Ana", PASSWORD).await.unwrap();

        let second = refresh(&mut anon, &first.refresh).await.unwrap();
        let third = refresh(&mut anon, &second.refresh).await.unwrap();

        // No time has passed, but it is not the immediate predecessor.
        refused(&mut anon, &first.refresh).await;
        for token in [&third, &second, &first] {
            refused(&mut anon, &token.refresh).await;
        }
        refresh(&mut anon, &elsewhere.refresh).await.unwrap();
        log_in(&mut anon, "Ana", PASSWORD).await.unwrap();
        refused(&mut anon, &third.refresh).await;
    }

    async fn a_session_that_is_refreshed_without_a_pause_is_kept_in_two_rows_and_knows_all_its_tokens(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        for old in [0, 1, 10, 18] {
            let mut pairs = vec![log_in(&mut anon, "Ana", PASSWORD).await.unwrap()];
            for _ in 0..20 {
                let next = refresh(&mut anon, &pairs.last().unwrap().refresh).await.unwrap();
                pairs.push(next);
            }
            let id = session_id(&world, &server, &pairs[0]).await;
            assert_eq!(tokens(&world, &id).await, 2, "the live one and its predecessor");

            refused(&mut anon, &pairs[old].refresh).await;

            refused(&mut anon, &pairs[20].refresh).await;
            assert!(ended(&world).await.contains(&id), "token {old} ended its session");
        }
    }

    async fn what_was_never_a_token_of_a_session_does_not_end_it(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let pair = logged_in(&mut anon).await;

        // Whoever knows the session, as its access tokens tell it, can't speak for it.
        for place in [0, 42, 43, 64, 65, 85] {
            let mut letters = pair.refresh.clone().into_bytes();
            letters[place] = if letters[place] == b'A' { b'B' } else { b'A' };
            refused(&mut anon, &String::from_utf8(letters).unwrap()).await;
        }

        refresh(&mut anon, &pair.refresh).await.unwrap();
    }

    async fn a_session_with_tokens_from_before_they_said_whose_they_are_goes_on_with_those_and_knows_them_all(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let pair = logged_in(&mut anon).await;
        // As it was written then: the hash of 43 letters.
        let old = "b2xkIHRva2VucyB3ZXJlIDQzIGxldHRlcnMgbG9uZyE";
        let hash = "PVnlcLSbPDo33P5wiHAosNWdxVlpaaCNp6k_zuos-_8";
        let db = database(&world).await;
        let mut tx = db.begin("rewrite token").await.unwrap();
        on!(&mut tx, c => sqlx::query("update refresh_tokens set hash = $1")
            .bind(hash)
            .execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();

        let id = session_id(&world, &server, &pair).await;
        let mut spent = vec![old.to_owned()];
        for _ in 0..3 {
            let last = spent.last().unwrap().clone();
            let next = refresh(&mut anon, &last).await.unwrap().refresh;
            assert_eq!(refresh(&mut anon, &last).await.unwrap().refresh, next, "a lost answer");
            assert_eq!(next.len(), old.len(), "a process from then could spend it");
            spent.push(next);
        }
        assert_eq!(tokens(&world, &id).await, 4);

        refused(&mut anon, old).await;
        refused(&mut anon, &spent[3]).await;
        assert_eq!(ended(&world).await, [id]);
    }

    async fn sixty_four_refreshes_at_once_leave_one_live_token(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let pair = logged_in(&mut anon).await;

        let mut refreshes = JoinSet::new();
        for _ in 0..64 {
            let (mut anon, token) = (anon.clone(), pair.refresh.clone());
            refreshes.spawn(async move { refresh(&mut anon, &token).await.unwrap().refresh });
        }
        let successors: HashSet<String> = refreshes.join_all().await.into_iter().collect();

        assert_eq!(successors.len(), 1);
        let mut db = database(&world).await.read().await.unwrap();
        let live: i64 = on!(&mut db, c => sqlx::query_scalar(
                "select count(*) from refresh_tokens where spent_at is null",
            )
            .fetch_one(c).await).unwrap();
        assert_eq!(live, 1);
        refresh(&mut anon, successors.iter().next().unwrap()).await.unwrap();
    }

    async fn a_thief_and_the_owner_at_once_do_not_both_stay(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let first = logged_in(&mut anon).await;
        let second = refresh(&mut anon, &first.refresh).await.unwrap();
        let third = refresh(&mut anon, &second.refresh).await.unwrap();

        let mut refreshes = JoinSet::new();
        for token in [&first, &third].repeat(16) {
            let (mut anon, token) = (anon.clone(), token.refresh.clone());
            refreshes.spawn(async move { refresh(&mut anon, &token).await.ok() });
        }
        let answered: HashSet<String> =
            refreshes.join_all().await.into_iter().flatten().map(|pair| pair.refresh).collect();

        assert!(answered.len() <= 1, "only the live token may have been answered");
        for token in answered.iter().chain([&third.refresh]) {
            refused(&mut anon, token).await;
        }
    }

    async fn a_session_ends_after_seven_idle_days(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let pair = logged_in(&mut anon).await;

        world.clock.advance(Duration::from_mins(7 * 24 * 60 - 1));
        let pair = refresh(&mut anon, &pair.refresh).await.unwrap();
        world.clock.advance(7 * DAY);

        refused(&mut anon, &pair.refresh).await;
    }

    async fn a_session_ends_after_thirty_days_however_busy(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let mut pair = logged_in(&mut anon).await;

        for _ in 0..29 {
            world.clock.advance(DAY);
            pair = refresh(&mut anon, &pair.refresh).await.unwrap();
        }
        world.clock.advance(DAY);

        refused(&mut anon, &pair.refresh).await;
    }

    async fn an_invented_refresh_token_is_refused(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let pair = logged_in(&mut anon).await;

        refused(&mut anon, "x").await;
        refused(&mut anon, &pair.access[..200]).await;
        refresh(&mut anon, &pair.refresh).await.unwrap();
    }
}
