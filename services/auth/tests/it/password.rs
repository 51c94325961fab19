use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use kit::on;

use prost_types::FieldMask;
use proto::auth::v1::{
    ChangePasswordRequest, DeleteUserRequest, PasswordReset, ResetPasswordRequest,
    StartPasswordResetRequest, UpdateUserRequest, User,
};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    Anon, FIRST_PASSWORD as OTHER_PASSWORD, PASSWORD, Users, admin, ana, anon, database, everybody,
    log_in, person, refresh, register, start, users,
};

/// A hash of [`PASSWORD`] from a time when less effort was thought enough: 8 MiB, one pass.
pub fn weak() -> String {
    let params = Params::new(8 * 1024, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
}

const NEW: &str = "quite another canary-in-the-coal-mine";

async fn change(users: &mut Users, current: &str, new: &str) -> Result<(), Status> {
    let (current_password, new_password) = (current.into(), new.into());
    let request = ChangePasswordRequest { id: "me".into(), current_password, new_password };
    users.change_password(request).await.map(drop)
}

/// What an admin gets for the user who is called `username`.
async fn start_reset(admin: &mut Users, username: &str) -> PasswordReset {
    let user = everybody(admin).await.into_iter().find(|user| user.username == username);
    let request = StartPasswordResetRequest { id: user.unwrap().id };
    admin.start_password_reset(request).await.unwrap().into_inner()
}

async fn reset(anon: &mut Anon, token: &str, new: &str) -> Result<(), Status> {
    let request = ResetPasswordRequest { token: token.into(), new_password: new.into() };
    anon.reset_password(request).await.map(drop)
}

/// What whoever comes with a token that is good no longer is told.
const VOID: Code = Code::FailedPrecondition;

/// The field that is wrong.
fn field(error: &Status) -> String {
    error.get_details_bad_request().unwrap().field_violations.remove(0).field
}

testkit::both! {
    async fn a_new_password_ends_the_other_sessions_and_not_this_one(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let here = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let there = log_in(&mut anon, "ana", PASSWORD).await.unwrap();

        change(&mut users(&world, &server, &here).await, PASSWORD, NEW).await.unwrap();

        refresh(&mut anon, &here.refresh).await.unwrap();
        refresh(&mut anon, &there.refresh).await.unwrap_err();
        log_in(&mut anon, "ana", PASSWORD).await.unwrap_err();
        log_in(&mut anon, "ana", NEW).await.unwrap();
    }

    async fn who_does_not_know_the_password_changes_none(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let person = register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let mut ana = users(&world, &server, &pair).await;

        for (current, new, field) in [
            (NEW, NEW, "current_password"),
            (PASSWORD, "elevenchars", "new_password"),
            (PASSWORD, "password1234", "new_password"),
        ] {
            let error = change(&mut ana, current, new).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
        }
        let others = ChangePasswordRequest {
            id: person.id, current_password: PASSWORD.into(), new_password: NEW.into(),
        };
        let error = admin(&world, &server).await.change_password(others).await.unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied);
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        for _ in 0..10 {
            change(&mut ana, NEW, NEW).await.unwrap_err();
        }
        let waits = change(&mut ana, PASSWORD, NEW).await.unwrap_err();
        assert_eq!(waits.code(), Code::ResourceExhausted, "a stolen session guesses no faster");
    }

    async fn who_does_not_know_the_password_has_no_other_judged(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let mut ana = users(&world, &server, &pair).await;

        for _ in 0..10 {
            let error = change(&mut ana, PASSWORD, "password1234").await.unwrap_err();
            assert_eq!(field(&error), "new_password", "who looks for a password guesses at none");
        }
        for _ in 0..5 {
            let error = change(&mut ana, NEW, "password1234").await.unwrap_err();
            assert_eq!(field(&error), "current_password");
        }
        let mut codes = Vec::new();
        for _ in 0..5 {
            codes.push(change(&mut ana, NEW, "password1234").await.unwrap_err().code());
        }

        assert_eq!(codes.last(), Some(&Code::ResourceExhausted), "{codes:?}");
    }

    async fn a_reset_sets_a_password_once_and_ends_all_sessions(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let pair = log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let mut admin = admin(&world, &server).await;

        let started = start_reset(&mut admin, "Ana").await;
        let common = reset(&mut anon, &started.token, "password1234").await.unwrap_err();
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        reset(&mut anon, &started.token, NEW).await.unwrap();
        let again = reset(&mut anon, &started.token, PASSWORD).await.unwrap_err();

        assert_eq!((field(&common).as_str(), again.code()), ("new_password", VOID));
        assert_eq!(started.expires_at, Some(world.clock.now().plus(Duration::from_hours(1)).into()));
        refresh(&mut anon, &pair.refresh).await.unwrap_err();
        log_in(&mut anon, "ana", PASSWORD).await.unwrap_err();
        log_in(&mut anon, "ana", NEW).await.unwrap();
    }

    async fn a_reset_is_good_for_an_hour_and_the_latest_alone(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let mut admin = admin(&world, &server).await;

        let first = start_reset(&mut admin, "Ana").await;
        let second = start_reset(&mut admin, "Ana").await;
        let replaced = reset(&mut anon, &first.token, NEW).await.unwrap_err();
        world.clock.advance(Duration::from_hours(1));
        let late = reset(&mut anon, &second.token, NEW).await.unwrap_err();

        assert_eq!((replaced.code(), late.code()), (VOID, VOID));
        let mut db = database(&world).await.read().await.unwrap();
        let kept: String = on!(&mut db, c => sqlx::query_scalar("select hash from password_resets")
            .fetch_one(c).await).unwrap();
        assert_ne!(kept, second.token, "the token itself is nowhere");
    }

    async fn a_reset_forgets_the_guesses_also_where_its_owner_was_before(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
        let mut admin = admin(&world, &server).await;
        for _ in 0..7 {
            log_in(&mut anon, "ana", NEW).await.unwrap_err();
        }

        let started = start_reset(&mut admin, "Ana").await;
        reset(&mut anon, &started.token, NEW).await.unwrap();

        log_in(&mut anon, "ana", NEW).await.unwrap();
    }

    async fn whoever_writes_a_person_at_once_waits_for_the_others_and_fails_for_none(world: World) {
        let server = start(&world).await;
        let mut boss = admin(&world, &server).await;
        for number in 0..12 {
            let (name, mut anon) = (format!("ana-{number}"), anon(&server));
            let person = register(&mut anon, person(&name)).await.unwrap();
            let pair = log_in(&mut anon, &name, PASSWORD).await.unwrap();
            let mut ana = users(&world, &server, &pair).await;
            let token = start_reset(&mut boss, &name).await.token;
            let (mut other, mut another) = (boss.clone(), boss.clone());
            let renamed = User { id: person.id.clone(), full_name: "Ana".into(), ..User::default() };
            let rename = UpdateUserRequest {
                user: Some(renamed),
                update_mask: Some(FieldMask { paths: vec!["full_name".into()] }),
            };
            let delete = DeleteUserRequest { id: person.id, ..Default::default() };

            let answers = tokio::join!(
                change(&mut ana, PASSWORD, NEW),
                reset(&mut anon, &token, OTHER_PASSWORD),
                async { other.update_user(rename).await.map(drop) },
                async { another.delete_user(delete).await.map(drop) },
            );

            let (changed, reset, renamed, deleted) = answers;
            for answer in [changed, reset, renamed, deleted] {
                let code = answer.err().map(|status| status.code());
                assert_ne!(code, Some(Code::Unavailable), "{number}");
            }
        }
    }

    async fn what_somebody_gave_for_new_passwords_ends_with_their_own(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let mut boss = admin(&world, &server).await;

        let before_change = start_reset(&mut boss, "Ana").await.token;
        change(&mut boss, OTHER_PASSWORD, NEW).await.unwrap();
        let changed = reset(&mut anon, &before_change, NEW).await.unwrap_err();
        let own = start_reset(&mut boss, "admin").await.token;
        let before_reset = start_reset(&mut boss, "Ana").await.token;
        reset(&mut anon, &own, OTHER_PASSWORD).await.unwrap();
        let was_reset = reset(&mut anon, &before_reset, NEW).await.unwrap_err();

        assert_eq!((changed.code(), was_reset.code()), (VOID, VOID));
        log_in(&mut anon, "ana", PASSWORD).await.unwrap();
    }

    async fn of_resets_that_are_started_at_once_one_is_good(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        register(&mut anon, ana()).await.unwrap();
        let admin = admin(&world, &server).await;

        let mut starts = JoinSet::new();
        for _ in 0..8 {
            let mut admin = admin.clone();
            starts.spawn(async move { start_reset(&mut admin, "Ana").await.token });
        }
        let tokens = starts.join_all().await;

        let mut good = 0;
        for token in &tokens {
            match reset(&mut anon, token, NEW).await {
                Ok(()) => good += 1,
                Err(error) => assert_eq!(error.code(), VOID, "{error}"),
            }
        }
        assert_eq!((tokens.len(), good), (8, 1));
        log_in(&mut anon, "ana", NEW).await.unwrap();
    }

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
