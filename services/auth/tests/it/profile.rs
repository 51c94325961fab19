//! People are made, changed and deleted.

mod gone;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use kit::{access::Role, on};
use prost::Message;
use prost_types::FieldMask;
use proto::auth::v1::{
    ChangePasswordRequest, CreateUserRequest, DeleteUserRequest, GetUserRequest,
    ListAuditEventsRequest, ListTechniciansRequest, ListUsersRequest, UpdateUserRequest, User,
    user,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    FIRST_PASSWORD as OTHER_PASSWORD, PASSWORD, Users, admin, ana, anon, audit, by, config,
    database, everybody, log_in, person, refresh, register, start, start_with, users,
};

fn dora() -> User {
    User {
        username: "dora".into(),
        email: "dora@example.org".into(),
        full_name: "Dora Ö".into(),
        role: user::Role::Viewer.into(),
        password: Some(PASSWORD.into()),
        ..User::default()
    }
}

async fn create(users: &mut Users, user: User) -> Result<User, Status> {
    let request = CreateUserRequest { user: Some(user), request_id: String::new() };
    Ok(users.create_user(request).await?.into_inner())
}

async fn update(users: &mut Users, user: User, paths: &[&str]) -> Result<User, Status> {
    let paths = paths.iter().map(ToString::to_string).collect();
    let request = UpdateUserRequest { user: Some(user), update_mask: Some(FieldMask { paths }) };
    Ok(users.update_user(request).await?.into_inner())
}

async fn delete(users: &mut Users, id: &str) -> Result<(), Status> {
    let request = DeleteUserRequest { id: id.into(), etag: String::new() };
    users.delete_user(request).await.map(drop)
}

fn field(error: &Status) -> String {
    error.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

testkit::both! {
    async fn an_admin_makes_an_account_that_its_owner_logs_in_with(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;

        let created = create(&mut admin, dora()).await.unwrap();
        let default = User { role: 0, username: "d2".into(), email: "d2@x.org".into(), ..dora() };
        let default = create(&mut admin, default).await.unwrap();

        assert_eq!((created.role(), created.password.clone()), (user::Role::Viewer, None));
        assert_eq!(default.role(), user::Role::Technician);
        log_in(&mut anon(&server), "dora", PASSWORD).await.unwrap();
        assert!(everybody(&mut admin).await.contains(&created));
    }

    async fn what_is_wrong_with_a_new_account_is_named_by_field(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;

        for (user, wrong) in [
            (User { username: String::new(), ..dora() }, "user.username"),
            (User { username: "a b".into(), ..dora() }, "user.username"),
            (User { email: String::new(), ..dora() }, "user.email"),
            (User { email: "nowhere".into(), ..dora() }, "user.email"),
            (User { full_name: "a\nb".into(), ..dora() }, "user.full_name"),
            (User { role: 9, ..dora() }, "user.role"),
            (User { password: None, ..dora() }, "user.password"),
            (User { password: Some("short".into()), ..dora() }, "user.password"),
            (User { password: Some("password1234".into()), ..dora() }, "user.password"),
        ] {
            let error = create(&mut admin, user).await.unwrap_err();
            assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, wrong));
        }
    }

    async fn a_repeated_creation_is_answered_again_and_keeps_no_trace_of_the_password(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let request = CreateUserRequest { user: Some(dora()), request_id: "key".into() };

        let first = admin.create_user(request.clone()).await.unwrap().into_inner();
        let second = admin.create_user(request).await.unwrap().into_inner();

        assert_eq!(first, second);
        log_in(&mut anon(&server), "dora", PASSWORD).await.unwrap();
        let mut db = database(&world).await.read().await.unwrap();
        let kept: Vec<Vec<u8>> = on!(&mut db, c => sqlx::query_scalar("select fingerprint from answers")
            .fetch_all(c).await).unwrap();
        let mut without = dora();
        without.password = None;
        let without = CreateUserRequest { user: Some(without), request_id: "key".into() };
        assert_eq!(kept, [digest(&SHA256, &without.encode_to_vec()).as_ref()]);
    }

    async fn a_key_that_comes_with_another_password_is_refused_until_the_first_is_gone(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let request = |password: &str| CreateUserRequest {
            user: Some(User { password: Some(password.into()), ..dora() }), request_id: "key".into(),
        };
        let first = admin.create_user(request(PASSWORD)).await.unwrap().into_inner();

        let error = admin.create_user(request(OTHER_PASSWORD)).await.unwrap_err();

        let info = error.get_details_error_info().unwrap();
        assert_eq!((error.code(), info.reason.as_str()), (Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED"));
        // What it was, nobody knows when she has another one.
        let pair = log_in(&mut anon(&server), "dora", PASSWORD).await.unwrap();
        let change = ChangePasswordRequest {
            id: "me".into(), current_password: PASSWORD.into(), new_password: OTHER_PASSWORD.into(),
        };
        users(&world, &server, &pair).await.change_password(change).await.unwrap();
        let again = admin.create_user(request(PASSWORD)).await.unwrap().into_inner();
        assert_eq!(again, first);
    }

    async fn everything_that_is_wrong_with_a_user_is_said_at_once(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let fields = |error: &Status| {
            let violations = error.get_details_bad_request().unwrap().field_violations;
            violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>()
        };

        let nothing = create(&mut admin, User::default()).await.unwrap_err();
        let created = create(&mut admin, dora()).await.unwrap();
        let bad = User { id: created.id, username: "me".into(), full_name: "D\u{202e}ora".into(), ..User::default() };
        let changed = update(&mut admin, bad, &["username", "full_name"]).await.unwrap_err();

        assert_eq!(fields(&nothing), ["user.username", "user.email", "user.password"]);
        assert_eq!(fields(&changed), ["user.username", "user.full_name"]);
    }

    async fn a_mask_names_what_changes_and_no_mask_means_all(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let created = create(&mut admin, dora()).await.unwrap();

        let patch = User { id: created.id.clone(), full_name: "D".into(), ..User::default() };
        let patched = update(&mut admin, patch, &["full_name"]).await.unwrap();
        let put = User {
            username: "dora2".into(), email: "d@x.org".into(), id: created.id.clone(),
            ..User::default()
        };
        let replaced = update(&mut admin, put, &[]).await.unwrap();

        assert_eq!((patched.full_name.as_str(), patched.username.as_str()), ("D", "dora"));
        assert_ne!(patched.etag, created.etag);
        let now = (replaced.username.as_str(), replaced.email.as_str(), replaced.full_name.as_str());
        assert_eq!(now, ("dora2", "d@x.org", ""));
        assert_eq!(replaced.role(), user::Role::Viewer, "without a role it stays");
        log_in(&mut anon(&server), "dora2", PASSWORD).await.unwrap();
    }

    async fn a_change_that_changes_nothing_is_none(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let created = create(&mut admin, dora()).await.unwrap();
        world.clock.advance(Duration::from_secs(1));

        let same = update(&mut admin, created.clone(), &[]).await.unwrap();

        assert_eq!(same, created);
    }

    async fn a_stale_etag_stops_a_write(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let created = create(&mut admin, dora()).await.unwrap();
        let rename = |name: &str| User { full_name: name.into(), ..created.clone() };

        update(&mut admin, rename("first"), &["full_name"]).await.unwrap();
        let error = update(&mut admin, rename("second"), &["full_name"]).await.unwrap_err();
        let request = DeleteUserRequest { id: created.id.clone(), etag: created.etag.clone() };
        let deletion = admin.delete_user(request).await.unwrap_err();

        assert_eq!((error.code(), deletion.code()), (Code::Aborted, Code::Aborted));
        let kept = everybody(&mut admin).await.into_iter().find(|user| user.id == created.id);
        assert_eq!(kept.unwrap().full_name, "first");
    }

    async fn people_change_their_own_profile_and_no_role_and_nobody_else(world: World) {
        let server = start(&world).await;
        let ana = register(&mut anon(&server), ana()).await.unwrap();
        let bert = register(&mut anon(&server), person("bert")).await.unwrap();
        for role in [Role::Technician, Role::Viewer] {
            let mut caller = by(&server, &world, &ana.id, role);
            let me = User { id: "me".into(), full_name: role.name().into(), ..User::default() };

            let mine = update(&mut caller, me, &["full_name"]).await.unwrap();
            let up = User { role: user::Role::Admin.into(), ..ana.clone() };
            let up = update(&mut caller, User { etag: String::new(), ..up }, &["role"]).await;
            let other = update(&mut caller, bert.clone(), &["full_name"]).await;
            let gone = delete(&mut caller, &bert.id).await;

            assert_eq!((mine.id.as_str(), mine.full_name.as_str()), (ana.id.as_str(), role.name()));
            for refused in [up.map(drop), other.map(drop), gone] {
                assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
            }
        }
    }

    async fn a_taken_name_and_an_unknown_field_are_refused(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let created = create(&mut admin, dora()).await.unwrap();
        let with = |user: User| User { id: created.id.clone(), ..user };

        let name = with(User { username: "ADMIN".into(), ..User::default() });
        let taken = update(&mut admin, name, &["username"]).await.unwrap_err();
        let email = with(User { email: "admin@localhost".into(), ..User::default() });
        let taken_email = update(&mut admin, email, &["email"]).await.unwrap_err();
        let unknown = update(&mut admin, created.clone(), &["rank"]).await.unwrap_err();
        let password = with(User { password: Some(PASSWORD.into()), ..User::default() });
        let password = update(&mut admin, password, &["password"]).await.unwrap_err();

        assert_eq!((taken.code(), taken_email.code()), (Code::AlreadyExists, Code::AlreadyExists));
        assert_eq!((unknown.code(), field(&unknown).as_str()), (Code::InvalidArgument, "update_mask"));
        assert_eq!(field(&password), "user.password");
    }

    async fn who_is_deleted_is_gone_but_for_the_name(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let created = create(&mut admin, dora()).await.unwrap();
        let pair = log_in(&mut anon(&server), "dora", PASSWORD).await.unwrap();
        let mut herself = users(&world, &server, &pair).await;
        let moved = User { email: "moved@example.org".into(), ..created.clone() };
        update(&mut herself, moved, &["email"]).await.unwrap();

        delete(&mut herself, "me").await.unwrap();

        log_in(&mut anon(&server), "dora", PASSWORD).await.unwrap_err();
        refresh(&mut anon(&server), &pair.refresh).await.unwrap_err();
        let get = |show_deleted| GetUserRequest { id: created.id.clone(), show_deleted };
        assert_eq!(admin.get_user(get(false)).await.unwrap_err().code(), Code::NotFound);
        let shown = admin.get_user(get(true)).await.unwrap().into_inner();
        let left = (shown.username.as_str(), shown.full_name.as_str(), shown.email.as_str());
        assert_eq!(left, ("dora", "Dora Ö", ""));
        assert_eq!(shown.deleted_at, Some(world.clock.now().into()));
        let mut reader = audit::reader(&world, &server);
        let trail = audit::events(&mut reader, ListAuditEventsRequest::default()).await;
        let update = trail.iter().find(|event| event.kind == "user.updated").unwrap();
        assert_eq!(update.details["email"], "changed");
        assert!(!format!("{trail:?}").contains("@example.org"), "{trail:?}");
        assert_eq!(everybody(&mut admin).await.len(), 1);
        let all = ListUsersRequest { show_deleted: true, ..Default::default() };
        assert_eq!(admin.list_users(all).await.unwrap().into_inner().users.len(), 2);
        assert_eq!(delete(&mut admin, &created.id).await.unwrap_err().code(), Code::NotFound);
        let again = create(&mut admin, dora()).await.unwrap_err();
        assert_eq!((again.code(), again.message()), (Code::AlreadyExists, "username is taken"));
        let back = User { username: "dora-again".into(), ..dora() };
        create(&mut admin, back).await.unwrap();
    }

    async fn the_last_admin_neither_goes_nor_steps_down(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let step_down = User {
            id: "me".into(), role: user::Role::Viewer.into(), ..User::default()
        };

        let down = update(&mut admin, step_down.clone(), &["role"]).await.unwrap_err();
        let gone = delete(&mut admin, "me").await.unwrap_err();
        create(&mut admin, User { role: user::Role::Admin.into(), ..dora() }).await.unwrap();
        update(&mut admin, step_down, &["role"]).await.unwrap();

        for error in [down, gone] {
            assert_eq!(error.code(), Code::FailedPrecondition);
            assert_eq!(error.get_details_error_info().unwrap().reason, "LAST_ADMIN");
        }
    }

    async fn two_admins_who_demote_each_other_at_once_leave_one(world: World) {
        let (server, _) = start_with(&world, &config()).await;
        let mut first = admin(&world, &server).await;
        let first_id = everybody(&mut first).await[0].id.clone();
        for round in 0..8 {
            let name = format!("second-{round}");
            let second = User {
                email: format!("{name}@x.org"), username: name, role: user::Role::Admin.into(),
                ..dora()
            };
            let second_id = create(&mut first, second).await.unwrap().id;
            let mut second = by(&server, &world, &second_id, Role::Admin);
            let demoted = |id: &str| User {
                id: id.into(), role: user::Role::Viewer.into(), ..User::default()
            };

            let (mut other, target) = (first.clone(), demoted(&second_id));
            let (one, two) = tokio::join!(
                update(&mut other, target, &["role"]),
                update(&mut second, demoted(&first_id), &["role"]),
            );

            assert_eq!(i32::from(one.is_ok()) + i32::from(two.is_ok()), 1, "{one:?} {two:?}");
            let all = everybody(&mut first).await;
            let admins = all.iter().filter(|user| user.role() == user::Role::Admin);
            assert_eq!(admins.count(), 1);
            // The first is made admin again, by whoever is left.
            let promoted = User { role: user::Role::Admin.into(), ..demoted(&first_id) };
            let left = if one.is_ok() { &mut first } else { &mut second };
            update(left, promoted, &["role"]).await.unwrap();
            delete(&mut first, &second_id).await.unwrap();
        }
    }

    async fn people_are_found_by_any_part_of_their_names(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        create(&mut admin, dora()).await.unwrap();
        register(&mut anon(&server), person("under_score")).await.unwrap();
        register(&mut anon(&server), person("underxscore")).await.unwrap();

        for (q, found) in [
            ("DOR", vec!["dora"]),
            ("a ö", vec!["dora"]),
            ("R_S", vec!["under_score"]),
            ("%", vec![]),
            ("example.ORG", vec!["dora", "under_score", "underxscore"]),
        ] {
            let request = ListUsersRequest { q: q.into(), ..Default::default() };
            let users = admin.list_users(request).await.unwrap().into_inner().users;
            let names: Vec<&str> = users.iter().map(|user| user.username.as_str()).collect();
            assert_eq!(names, found, "{q}");
        }
        let technicians = admin.list_technicians(ListTechniciansRequest::default()).await.unwrap();
        assert_eq!(technicians.into_inner().users.len(), 2);
    }
}
