use std::{pin::pin, time::Duration};

use kit::{access::Role, on};
use proto::auth::v1::{CreateServiceTokenRequest, ListPublicKeysRequest, PublicKey, ServiceToken};
use testkit::{Engine, Server, World, canary, eventually};
use tonic::{Code, Status, service::Routes};

use super::{
    Anon, PASSWORD, SECRET, ana, anon, config, database, log_in, refresh, register, start,
    start_with, token::verifier,
};

async fn keys(server: &Server) -> Vec<PublicKey> {
    anon(server).list_public_keys(ListPublicKeysRequest {}).await.unwrap().into_inner().keys
}

async fn service_token(
    anon: &mut Anon,
    service: &str,
    secret: &str,
) -> Result<ServiceToken, Status> {
    let request = CreateServiceTokenRequest { service: service.into(), secret: secret.into() };
    Ok(anon.create_service_token(request).await?.into_inner())
}

testkit::both! {
    async fn the_public_key_is_a_json_web_key(world: World) {
        let server = start(&world).await;

        let [key, _next] = <[PublicKey; 2]>::try_from(keys(&server).await).unwrap();

        let parts = [&key.kty, &key.crv, &key.r#use, &key.alg].map(String::as_str);
        assert_eq!(parts, ["OKP", "Ed25519", "sig", "EdDSA"]);
        assert_eq!(key.x.len(), 43);
        assert!(!key.kid.is_empty());
    }

    async fn keys_follow_one_another_and_log_nobody_out(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let mut pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        // It knows the keys of the beginning, as every other service does.
        let verifier = verifier(&world, &server);
        let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();

        let (mut signed_with, mut published) = (vec![kid(&pair.access)], keys(&server).await);
        assert_eq!(published[0].kid, signed_with[0]);
        for day in 1..=100 {
            // Just before its end, the last token is good whatever came meanwhile.
            world.clock.advance(Duration::from_secs(299));
            // New keys are fetched at most once a second of real time, in which a month passes here.
            eventually("a new key", async || verifier.verify(&pair.access).await.ok()).await;
            world.clock.advance(Duration::from_secs(24 * 60 * 60 - 299));
            if day % 29 == 0 {
                pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
            } else {
                pair = refresh(&mut anon, &pair.refresh).await.unwrap();
            }
            let now = keys(&server).await;
            assert!((2..=3).contains(&now.len()), "previous, current and next");
            if kid(&pair.access) != *signed_with.last().unwrap() {
                let known = published.iter().any(|key| key.kid == kid(&pair.access));
                assert!(known, "it was published before it signed");
                signed_with.push(kid(&pair.access));
            }
            published = now;
        }

        assert_eq!(signed_with.len(), 4, "days 0, 30, 60 and 90");
        assert_eq!(published.iter().map(|key| &key.kid).take(2).collect::<Vec<_>>(), signed_with[2..]
            .iter().collect::<Vec<_>>(), "previous and current");
    }

    async fn a_second_start_keeps_keys_sessions_and_the_one_admin(world: World) {
        let (server, first_admin) = start_with(&world, &config()).await;
        let before = keys(&server).await;
        register(&mut anon(&server), ana()).await.unwrap();
        let pair = log_in(&mut anon(&server), "ana", PASSWORD).await.unwrap();
        let next = refresh(&mut anon(&server), &pair.refresh).await.unwrap();

        let (again, second_admin) = start_with(&world, &config()).await;

        assert!(first_admin.is_some());
        assert!(second_admin.is_none());
        assert_eq!(keys(&again).await, before);
        verifier(&world, &again).verify(&pair.access).await.unwrap();
        let repeated = refresh(&mut anon(&again), &pair.refresh).await.unwrap();
        assert_eq!(repeated.refresh, next.refresh);
    }

    async fn a_service_proves_itself_with_the_secret(world: World) {
        let server = start(&world).await;

        let token = service_token(&mut anon(&server), "telemetry", SECRET).await.unwrap();

        assert_eq!(token.expires_in, 300);
        let (claims, role) = verifier(&world, &server).verify(&token.access).await.unwrap();
        assert_eq!((claims.sub.as_str(), role), ("service:telemetry", Role::Service));
        assert_eq!(claims.exp - claims.iat, 300);
    }

    async fn a_wrong_secret_proves_nothing_and_whose_it_was_and_from_where_is_logged(world: World) {
        canary::record("warn");
        let server = start(&world).await;

        let wrong = [&SECRET[1..], &SECRET[..5], &SECRET.to_uppercase(), "x"];
        for secret in wrong {
            let error = service_token(&mut anon(&server), "telemetry", secret).await.unwrap_err();
            assert_eq!(error.code(), Code::Unauthenticated, "{secret:?}");
        }

        let log = String::from_utf8(canary::recorded()).unwrap();
        let line = r#"a service's secret was wrong service="telemetry" address="127.0.0.1""#;
        assert_eq!(log.matches(line).count(), wrong.len(), "{log}");
    }

    async fn without_a_secret_of_the_services_nothing_starts(world: World) {
        let mut routes = Routes::builder();
        let started = auth::start(&config(), "", &world.db, &world.suite, &mut routes).await;
        assert!(started.is_err());
    }
}

/// On PostgreSQL alone: one process has the embedded database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_at_once_share_keys_and_one_admin() {
    let world = World::new(Engine::Postgres).await;
    let start = async || {
        let mut routes = Routes::builder();
        let admin = auth::start(&config(), SECRET, &world.db, &world.suite, &mut routes).await;
        (routes.routes(), admin.unwrap())
    };
    let (one, two, three, four) = tokio::join!(start(), start(), start(), start());
    let (routes, admins): (Vec<_>, Vec<_>) = [one, two, three, four].into_iter().unzip();

    assert_eq!(admins.iter().flatten().count(), 1);
    let mut seen = Vec::new();
    for routes in routes {
        seen.push(keys(&world.serve(routes, &world.places.auth).await).await);
    }
    assert_eq!(seen[0].len(), 2);
    assert!(seen.iter().all(|keys| *keys == seen[0]));
}

/// On PostgreSQL alone: the embedded database has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_the_first_start_runs_is_seen_by_it() {
    let world = World::new(Engine::Postgres).await;
    let (db, config) = (database(&world).await, config());
    let mut tx = db.begin("come").await.unwrap();
    on!(&mut tx, c => sqlx::query(
            "insert into users (
                 id, username, username_lower, email, email_lower, full_name, full_name_lower,
                 role, password_hash, password_revision, created_at, updated_at, revision
             )
             values (
                 gen_random_uuid(), 'a', 'a', 'b', 'b', '', '', 'ADMIN', '', 1, 0, 0, 1
             )",
        )
        .execute(c).await.map(drop))
    .unwrap();

    let mut start = pin!(start_with(&world, &config));
    loop {
        tokio::select! {
            _ = &mut start => panic!("it did not wait for who was about to come"),
            waiting = waiting(&db) => if waiting == 1 { break },
        }
    }
    tx.commit().await.unwrap();
    let (_, first_admin) = start.await;

    assert!(first_admin.is_none());
}

/// How many wait for a transaction of somebody else.
pub async fn waiting(db: &kit::Db) -> i64 {
    let mut db = db.read().await.unwrap();
    on!(&mut db, c => sqlx::query_scalar(
            "select count(*)
             from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(c).await)
    .unwrap()
}
