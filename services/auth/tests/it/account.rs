use auth::{Config, NewAdmin, UserSetup, create_admin, set_up_user};
use kit::{access::Role, on};
use proto::auth::v1::{ListUsersRequest, User, user};
use testkit::{Server, World};

use super::{
    FIRST_PASSWORD, PASSWORD, ana, anon, by, config, database, log_in, password, refresh, register,
    start, start_with, token::verifier,
};

fn boss() -> NewAdmin {
    NewAdmin {
        username: "boss".into(),
        email: None,
        full_name: "The Boss".into(),
        password: Some(PASSWORD.into()),
    }
}

fn demo() -> UserSetup {
    UserSetup {
        username: "demo".into(),
        email: "demo@example.org".into(),
        full_name: "Demo".into(),
        role: Role::Viewer,
        password: PASSWORD.into(),
    }
}

async fn users(world: &World, server: &Server) -> Vec<User> {
    let mut admin = by(server, world, "018f0000-0000-7000-8000-000000000000", Role::Admin);
    admin.list_users(ListUsersRequest::default()).await.unwrap().into_inner().users
}

testkit::both! {
    async fn the_first_admin_has_the_configured_password(world: World) {
        let config = Config { admin_username: "Chief".into(), ..config() };
        let (server, first_admin) = start_with(&world, &config).await;

        let first_admin = first_admin.unwrap();
        assert_eq!(first_admin.username, "Chief");
        assert!(first_admin.password.is_none(), "who configured it knows it");
        let users = users(&world, &server).await;
        assert_eq!(users.len(), 1);
        assert_eq!((users[0].role(), users[0].email.as_str()), (user::Role::Admin, "Chief@localhost"));
        log_in(&mut anon(&server), "chief", FIRST_PASSWORD).await.unwrap();
    }

    async fn the_first_admin_gets_a_password_if_none_is_configured(world: World) {
        let config = Config { admin_password: None, ..config() };
        let (server, first_admin) = start_with(&world, &config).await;

        let password = first_admin.unwrap().password.unwrap();

        assert!(password.reveal().len() >= 24);
        log_in(&mut anon(&server), "admin", password.reveal()).await.unwrap();
        assert!(start_with(&world, &config).await.1.is_none(), "it is told once");
    }

    async fn a_first_admin_who_breaks_a_rule_stops_the_start(world: World) {
        for config in [
            Config { admin_password: Some("too short".into()), ..config() },
            Config { admin_username: "two words".into(), ..config() },
        ] {
            let mut routes = tonic::service::Routes::builder();
            let started = auth::start(&config, "secret", &world.db, &world.suite, &mut routes).await;
            let error = format!("{:#}", started.unwrap_err());
            assert!(error.contains("password") || error.contains("username"), "{error}");
            assert!(!error.contains("too short"), "{error}");
        }
    }

    async fn more_admins_are_made_by_command(world: World) {
        let server = start(&world).await;
        let clock = world.clock.clock();

        let told = create_admin(&world.db, &clock, boss()).await.unwrap();
        let generated = NewAdmin { username: "deputy".into(), password: None, ..boss() };
        let password = create_admin(&world.db, &clock, generated).await.unwrap().unwrap();

        assert!(told.is_none());
        log_in(&mut anon(&server), "boss", PASSWORD).await.unwrap();
        log_in(&mut anon(&server), "deputy", password.reveal()).await.unwrap();
        assert!(users(&world, &server).await.iter().all(|user| user.role() == user::Role::Admin));
    }

    async fn without_a_suite_no_admin_is_made(world: World) {
        for _ in 0..2 {
            let refused = create_admin(&world.db, &world.clock.clock(), boss()).await.unwrap_err();
            assert!(refused.to_string().contains("holds no data of Flightline"), "{refused:#}");
        }
    }

    async fn a_command_says_why_it_makes_no_admin(world: World) {
        let server = start(&world).await;
        register(&mut anon(&server), ana()).await.unwrap();

        for (new, why) in [
            (NewAdmin { username: "ANA".into(), ..boss() }, "username is taken"),
            (NewAdmin { email: Some("ana@example.org".into()), ..boss() }, "email is taken"),
            (NewAdmin { password: Some("elevenchars".into()), ..boss() }, "password: must have"),
            (NewAdmin { username: "a b".into(), ..boss() }, "username: must be"),
        ] {
            let error = create_admin(&world.db, &world.clock.clock(), new).await.unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
        assert_eq!(users(&world, &server).await.len(), 2);
    }

    async fn a_user_is_set_up_once_and_then_kept(world: World) {
        let server = start(&world).await;
        let clock = world.clock.clock();

        set_up_user(&world.db, &clock, demo()).await.unwrap();
        let before = users(&world, &server).await;
        let pair = log_in(&mut anon(&server), "demo", PASSWORD).await.unwrap();
        set_up_user(&world.db, &clock, demo()).await.unwrap();

        assert_eq!(before[1].role(), user::Role::Viewer);
        assert_eq!(users(&world, &server).await, before);
        refresh(&mut anon(&server), &pair.refresh).await.unwrap();
    }

    async fn a_set_up_user_whose_hash_is_from_weaker_days_stays_logged_in(world: World) {
        let server = start(&world).await;
        let clock = world.clock.clock();
        set_up_user(&world.db, &clock, demo()).await.unwrap();
        let pair = log_in(&mut anon(&server), "demo", PASSWORD).await.unwrap();
        let before = users(&world, &server).await;
        let (db, weak) = (database(&world).await, password::weak());
        let mut tx = db.begin("weaken").await.unwrap();
        on!(&mut tx, c => sqlx::query("update users set password_hash = $1 where username = 'demo'")
            .bind(&weak)
            .execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();

        set_up_user(&world.db, &clock, demo()).await.unwrap();

        refresh(&mut anon(&server), &pair.refresh).await.unwrap();
        assert_eq!(users(&world, &server).await, before);
        let mut db = db.read().await.unwrap();
        let kept: String = on!(&mut db, c => sqlx::query_scalar(
                "select password_hash from users where username = 'demo'",
            )
            .fetch_one(c).await).unwrap();
        assert_ne!(kept, weak, "it is strengthened");
    }

    async fn a_set_up_user_gets_the_role_in_force_at_the_next_refresh(world: World) {
        let server = start(&world).await;
        let clock = world.clock.clock();
        set_up_user(&world.db, &clock, demo()).await.unwrap();
        let pair = log_in(&mut anon(&server), "demo", PASSWORD).await.unwrap();

        set_up_user(&world.db, &clock, UserSetup { role: Role::Admin, ..demo() }).await.unwrap();
        let pair = refresh(&mut anon(&server), &pair.refresh).await.unwrap();

        let verifier = verifier(&world, &server);
        assert_eq!(verifier.verify(&pair.access).await.unwrap().1, Role::Admin);
        let changed = &users(&world, &server).await[1];
        assert_eq!((changed.role(), changed.etag.as_str()), (user::Role::Admin, "2"));
    }

    async fn a_set_up_user_with_another_password_is_logged_out(world: World) {
        let server = start(&world).await;
        let clock = world.clock.clock();
        set_up_user(&world.db, &clock, demo()).await.unwrap();
        let pair = log_in(&mut anon(&server), "demo", PASSWORD).await.unwrap();

        let other = UserSetup { password: "another canary-in-the-coal-mine".into(), ..demo() };
        set_up_user(&world.db, &clock, other).await.unwrap();

        refresh(&mut anon(&server), &pair.refresh).await.unwrap_err();
        log_in(&mut anon(&server), "demo", PASSWORD).await.unwrap_err();
        log_in(&mut anon(&server), "demo", "another canary-in-the-coal-mine").await.unwrap();
    }

    async fn no_person_has_a_machines_role(world: World) {
        for role in [Role::Device, Role::Service] {
            let setup = UserSetup { role, ..demo() };
            assert!(set_up_user(&world.db, &world.clock.clock(), setup).await.is_err());
        }
    }
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        Config { admin_password: Some(PASSWORD.into()), ..config() },
        boss(),
        demo(),
        auth::FirstAdmin { username: "admin".into(), password: Some(PASSWORD.into()) },
    );
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(shown.contains("boss"), "{shown}");
}
