use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use kit::on;

use super::{PASSWORD, ana, anon, database, log_in, refresh, register, start};

/// A hash of [`PASSWORD`] from a time when less effort was thought enough: 8 MiB, one pass.
fn weak() -> String {
    let params = Params::new(8 * 1024, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
}

testkit::both! {
    async fn a_log_in_strengthens_a_hash_from_weaker_days(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let (db, weak) = (database(&world).await, weak());
        let mut tx = db.begin("weaken").await.unwrap();
        on!(&mut tx, c => sqlx::query("update users set password_hash = $1")
            .bind(&weak)
            .execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
        let hash = async || -> String {
            let mut db = db.read().await.unwrap();
            on!(&mut db, c => sqlx::query_scalar(
                    "select password_hash from users where username = 'Ana'",
                )
                .fetch_one(c).await).unwrap()
        };

        log_in(&mut anon, "ana", "wrong password").await.unwrap_err();
        let after_failure = hash().await;
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let after_success = hash().await;
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();

        assert_eq!(after_failure, weak);
        assert!(after_success.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{after_success}");
        assert_eq!(hash().await, after_success, "it is strengthened once");
    }

    async fn nothing_that_lets_anybody_in_is_kept_in_clear(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let first = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let second = refresh(&mut anon, &first.refresh).await.unwrap();

        let mut db = database(&world).await.read().await.unwrap();
        let kept: Vec<String> = on!(&mut db, c => sqlx::query_scalar(
                "select password_hash from users
                 union all select hash from refresh_tokens",
            )
            .fetch_all(c).await).unwrap();

        assert_eq!(kept.len(), 4);
        for secret in [PASSWORD, &first.refresh, &second.refresh] {
            assert!(kept.iter().all(|text| !text.contains(secret)));
        }
    }
}
