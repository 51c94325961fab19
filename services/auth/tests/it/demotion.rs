//! Who is no admin any more, or has no session, finishes nothing that they began with it. The rig takes their token's word for their role, as a service
//! did when it let their call in.

use std::pin::pin;

use kit::{access::Role, on};
use prost_types::FieldMask;
use proto::auth::v1::{
    ChangePasswordRequest, CreateUserRequest, DeleteUserRequest, GetUserRequest, LogoutRequest,
    ResetPasswordRequest, StartPasswordResetRequest, UpdateUserRequest, User,
    key_service_client::KeyServiceClient, user, user_service_client::UserServiceClient,
};
use testkit::{Engine, Server, World};
use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;

use super::{
    FIRST_PASSWORD as OTHER_PASSWORD, PASSWORD, Users, admin, ana, anon, auth, by, database,
    holder, key, log_in, register, signing_key::waiting, start, users,
};

fn person(name: &str, role: user::Role) -> User {
    User {
        username: name.into(),
        email: format!("{name}@example.org"),
        password: Some(PASSWORD.into()),
        role: role.into(),
        ..User::default()
    }
}

async fn create(users: &mut Users, user: User) -> Result<User, tonic::Status> {
    let request = CreateUserRequest { user: Some(user), request_id: String::new() };
    Ok(users.create_user(request).await?.into_inner())
}

/// An admin who is about to be one no more.
async fn rogue(world: &World, server: &Server, boss: &mut Users) -> (User, Users) {
    let rogue = create(boss, person("rogue", user::Role::Admin)).await.unwrap();
    let users = by(server, world, &rogue.id, Role::Admin);
    (rogue, users)
}

async fn demote(boss: &mut Users, user: &User) {
    let user = User { id: user.id.clone(), role: user::Role::Viewer.into(), ..User::default() };
    let update_mask = Some(FieldMask { paths: vec!["role".into()] });
    boss.update_user(UpdateUserRequest { user: Some(user), update_mask }).await.unwrap();
}

async fn delete(boss: &mut Users, user: &User) {
    let request = DeleteUserRequest { id: user.id.clone(), ..Default::default() };
    boss.delete_user(request).await.unwrap();
}

testkit::both! {
    async fn no_write_comes_after_its_callers_demotion(world: World) {
        let server = start(&world).await;
        let mut boss = admin(&world, &server).await;
        let ana = register(&mut anon(&server), ana()).await.unwrap();
        let (rogue, mut as_rogue) = rogue(&world, &server, &mut boss).await;
        demote(&mut boss, &rogue).await;

        let created = create(&mut as_rogue, person("accomplice", user::Role::Admin)).await.err();
        let promoted = User { role: user::Role::Admin.into(), ..ana.clone() };
        let update = UpdateUserRequest { user: Some(promoted), update_mask: None };
        let updated = as_rogue.update_user(update).await.err();
        let delete = DeleteUserRequest { id: ana.id.clone(), ..Default::default() };
        let deleted = as_rogue.delete_user(delete).await.err();
        let reset = StartPasswordResetRequest { id: ana.id };
        let reset = as_rogue.start_password_reset(reset).await.err();

        for refused in [created, updated, deleted, reset] {
            assert_eq!(refused.unwrap().code(), Code::PermissionDenied);
        }
    }

    async fn no_write_comes_after_the_end_of_its_callers_session(world: World) {
        let server = start(&world).await;
        let pair = log_in(&mut anon(&server), "admin", OTHER_PASSWORD).await.unwrap();
        let mut admin = users(&world, &server, &pair).await;
        let me = admin.get_user(GetUserRequest { id: "me".into(), show_deleted: false }).await.unwrap().into_inner();
        auth(&world, &server, &pair).await.logout(LogoutRequest::default()).await.unwrap();

        let created = create(&mut admin, person("accomplice", user::Role::Admin)).await.err();
        let reset = StartPasswordResetRequest { id: me.id.clone() };
        let reset = admin.start_password_reset(reset).await.err();
        let change = ChangePasswordRequest {
            id: me.id, current_password: OTHER_PASSWORD.into(), new_password: PASSWORD.into()
        };
        let changed = admin.change_password(change).await.err();

        for refused in [created, reset, changed] {
            assert_eq!(refused.unwrap().code(), Code::Unauthenticated);
        }
    }

    async fn what_was_given_by_who_is_no_admin_sets_no_password(world: World) {
        let server = start(&world).await;
        let mut boss = admin(&world, &server).await;
        let ana = register(&mut anon(&server), ana()).await.unwrap();
        let (rogue, mut as_rogue) = rogue(&world, &server, &mut boss).await;
        let start = StartPasswordResetRequest { id: ana.id };
        let token = as_rogue.start_password_reset(start).await.unwrap().into_inner().token;

        // As if the token had been kept a moment after.
        let db = database(&world).await;
        let mut tx = db.begin("demote").await.unwrap();
        let id = Uuid::parse_str(&rogue.id).unwrap();
        on!(&mut tx, c => sqlx::query("update users set role = 'VIEWER' where id = $1")
            .bind(id)
            .execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();

        let request = ResetPasswordRequest { token, new_password: OTHER_PASSWORD.into() };
        let refused = anon(&server).reset_password(request).await.unwrap_err();
        assert_eq!(refused.get_details_error_info().unwrap().reason, "RESET_TOKEN_VOID");
    }

    async fn what_an_admin_gave_for_a_new_password_ends_with_their_role(world: World) {
        let server = start(&world).await;
        let mut boss = admin(&world, &server).await;
        let ana = register(&mut anon(&server), ana()).await.unwrap();
        let (rogue, mut as_rogue) = rogue(&world, &server, &mut boss).await;
        let start = StartPasswordResetRequest { id: ana.id };
        let use_it = async |token: String| {
            let request = ResetPasswordRequest { token, new_password: OTHER_PASSWORD.into() };
            anon(&server).reset_password(request).await
        };

        let token = as_rogue.start_password_reset(start.clone()).await.unwrap().into_inner().token;
        demote(&mut boss, &rogue).await;
        let demoted = use_it(token).await.unwrap_err();
        let promoted =
            User { role: user::Role::Admin.into(), etag: String::new(), ..rogue.clone() };
        let update_mask = Some(FieldMask { paths: vec!["role".into()] });
        boss.update_user(UpdateUserRequest { user: Some(promoted), update_mask }).await.unwrap();
        let token = as_rogue.start_password_reset(start.clone()).await.unwrap().into_inner().token;
        delete(&mut boss, &rogue).await;
        let deleted = use_it(token).await.unwrap_err();
        let token = boss.start_password_reset(start).await.unwrap().into_inner().token;

        for refused in [demoted, deleted] {
            assert_eq!(refused.get_details_error_info().unwrap().reason, "RESET_TOKEN_VOID");
        }
        use_it(token).await.unwrap();
    }
}

/// On PostgreSQL alone, as what follows: the embedded database has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_that_waited_for_its_callers_demotion_comes_after_it() {
    let world = World::new(Engine::Postgres).await;
    let server = start(&world).await;
    let (rogue, token) = rogue_with_a_session(&world, &server).await;

    let change = "update users set role = 'VIEWER' where id = $1";
    refuses_what_waits_for(&world, &server, &token, (change, &rogue), Code::PermissionDenied).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_that_waited_for_the_end_of_its_callers_session_comes_after_it() {
    let world = World::new(Engine::Postgres).await;
    let server = start(&world).await;
    let (rogue, token) = rogue_with_a_session(&world, &server).await;

    // Nobody tells the service, which lets the calls in all the same.
    let change = "update sessions set ended_at = created_at where user_id = $1";
    refuses_what_waits_for(&world, &server, &token, (change, &rogue), Code::Unauthenticated).await;
}

/// An admin, and what they call with.
async fn rogue_with_a_session(world: &World, server: &Server) -> (Uuid, testkit::User) {
    let mut boss = admin(world, server).await;
    let (rogue, _) = rogue(world, server, &mut boss).await;
    let pair = log_in(&mut anon(server), "rogue", PASSWORD).await.unwrap();
    (Uuid::parse_str(&rogue.id).unwrap(), holder(world, server, &pair).await)
}

/// Calls as `caller` while a transaction is open that makes a change of a row, which the calls must wait for, and be refused.
async fn refuses_what_waits_for(
    world: &World,
    server: &Server,
    caller: &testkit::User,
    (change, id): (&'static str, &Uuid),
    code: Code,
) {
    let ana = register(&mut anon(server), ana()).await.unwrap();
    let equipment = key::equipment(world).await;
    let mut users = UserServiceClient::new(server.by(caller));
    let (mut others, mut keys) = (users.clone(), KeyServiceClient::new(server.by(caller)));
    let db = database(world).await;
    let mut tx = db.begin("change").await.unwrap();
    on!(&mut tx, c => sqlx::query(change).bind(id).execute(c).await.map(drop)).unwrap();

    let writes = async {
        let reset = StartPasswordResetRequest { id: ana.id };
        tokio::join!(
            create(&mut users, person("accomplice", user::Role::Admin)),
            others.start_password_reset(reset),
            key::create(&mut keys, key::pump_house(&equipment)),
        )
    };
    let mut writes = pin!(writes);
    loop {
        tokio::select! {
            done = &mut writes => panic!("they did not wait: {done:?}"),
            waiting = waiting(&db) => if waiting == 3 { break },
        }
    }
    tx.commit().await.unwrap();
    let (created, reset, key) = writes.await;

    for refused in [created.err(), reset.err(), key.err()] {
        assert_eq!(refused.unwrap().code(), code);
    }
}
