mod resume;

use std::time::{Duration, Instant};

use auth::{UserSetup, set_up_user};
use kit::{access::Role, changes};
use proto::auth::v1::{
    ChangePasswordRequest, ChangedUser, DeleteKeyRequest, DeleteUserRequest, EndSessionRequest,
    LogoutRequest, ResetPasswordRequest, StartPasswordResetRequest, TokenPair, UpdateUserRequest,
    User, WatchSessionsRequest, WatchSessionsResponse,
    session_service_client::SessionServiceClient, user,
};
use testkit::{Engine, Server, World};
use tokio::sync::mpsc;
use tonic::{Code, Streaming};
use uuid::Uuid;

use super::{
    PASSWORD, admin, ana, anon, auth, database, key, log_in, person, refresh, register, start,
    token::verifier, users,
};

pub type Watch = Streaming<WatchSessionsResponse>;

/// Empty messages that may come between an acknowledged end and its news: one that was on its way, one whose look at the
/// log began before the commit, and one to spare.
const BEATS: usize = 3;

pub async fn watch(world: &World, server: &Server, resume_token: &str) -> Watch {
    let mut service = SessionServiceClient::new(server.by(&world.user(Role::Service)));
    let request = WatchSessionsRequest { resume_token: resume_token.into() };
    service.watch_sessions(request).await.unwrap().into_inner()
}

pub async fn next(watch: &mut Watch) -> WatchSessionsResponse {
    let next = tokio::time::timeout(Duration::from_secs(30), watch.message());
    next.await.expect("a message comes at least twice a second").unwrap().unwrap()
}

/// All that is told before the watch is up to date, and where it goes on.
pub async fn snapshot(watch: &mut Watch) -> WatchSessionsResponse {
    let mut told = WatchSessionsResponse::default();
    loop {
        let message = next(watch).await;
        if message.snapshot_complete {
            // Its news is from the log, which may tell what the snapshot told.
            return WatchSessionsResponse { resume_token: message.resume_token, ..told };
        }
        told.ended.extend(message.ended);
        told.users.extend(message.users);
        told.deleted_key_ids.extend(message.deleted_key_ids);
    }
}

/// Somebody who reads what is told as it comes.
struct Watcher(mpsc::UnboundedReceiver<WatchSessionsResponse>);

impl Watcher {
    /// Has heard all that happened before.
    async fn new(world: &World, server: &Server) -> Self {
        let mut watch = watch(world, server, "").await;
        snapshot(&mut watch).await;
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(message)) = watch.message().await {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// Waits for the news, which comes with the first beat after what it tells of was acknowledged.
    async fn hears(
        &mut self,
        what: &str,
        is_it: impl Fn(&WatchSessionsResponse) -> bool,
    ) -> WatchSessionsResponse {
        let mut beats = 0;
        loop {
            let came_before = !self.0.is_empty();
            let next = tokio::time::timeout(Duration::from_secs(30), self.0.recv());
            let message = next.await.expect(what).unwrap();
            if is_it(&message) {
                return message;
            }
            beats += usize::from(!came_before);
            assert!(beats <= BEATS, "{what} was not told by the next beat");
        }
    }

    async fn hears_of_end(&mut self, what: &str, session_id: &str) {
        let is_it = |message: &WatchSessionsResponse| {
            message.ended.iter().any(|ended| ended.session_id == session_id)
        };
        let message = self.hears(what, is_it).await;
        assert!(!message.resume_token.is_empty());
    }

    async fn hears_of_user(&mut self, what: &str, user_id: &str) -> ChangedUser {
        let is_it = |message: &WatchSessionsResponse| {
            message.users.iter().any(|user| user.user_id == user_id)
        };
        let message = self.hears(what, is_it).await;
        message.users.into_iter().rfind(|user| user.user_id == user_id).unwrap()
    }
}

/// The session that `pair` names.
pub async fn session(world: &World, server: &Server, pair: &TokenPair) -> String {
    verifier(world, server).verify(&pair.access).await.unwrap().0.sid
}

/// Ends one session after another in every way there is at `server`, and waits until it is told at `other`.
async fn sessions_end(world: &World, server: &Server, other: &Server) {
    let mut anon = anon(server);
    let ana = register(&mut anon, ana()).await.unwrap();
    let mut watcher = Watcher::new(world, other).await;
    let log_in = async || {
        let pair = log_in(&mut self::anon(server), "ana", PASSWORD).await.unwrap();
        let id = session(world, server, &pair).await;
        (pair, id)
    };

    let (pair, id) = log_in().await;
    auth(world, server, &pair).await.logout(LogoutRequest {}).await.unwrap();
    watcher.hears_of_end("a log-out", &id).await;

    let (here, here_id) = log_in().await;
    let (_, id) = log_in().await;
    let mut ana_here = auth(world, server, &here).await;
    ana_here.end_session(EndSessionRequest { id: id.clone() }).await.unwrap();
    watcher.hears_of_end("the end of another session", &id).await;

    let (_, id) = log_in().await;
    let request = ChangePasswordRequest {
        id: "me".into(),
        current_password: PASSWORD.into(),
        new_password: PASSWORD.into(),
    };
    users(world, server, &here).await.change_password(request).await.unwrap();
    let is_it =
        |message: &WatchSessionsResponse| message.ended.iter().any(|ended| ended.session_id == id);
    let told = watcher.hears("a new password", is_it).await;
    assert!(told.ended.iter().all(|ended| ended.session_id != here_id), "hers goes on");

    let mut admin = admin(world, server).await;
    let request = StartPasswordResetRequest { id: ana.id.clone() };
    let token = admin.start_password_reset(request).await.unwrap().into_inner().token;
    let request = ResetPasswordRequest { token, new_password: PASSWORD.into() };
    anon.reset_password(request).await.unwrap();
    watcher.hears_of_end("a password that was reset", &here_id).await;

    let (first, id) = log_in().await;
    let second = refresh(&mut anon, &first.refresh).await.unwrap();
    refresh(&mut anon, &second.refresh).await.unwrap();
    refresh(&mut anon, &first.refresh).await.unwrap_err();
    watcher.hears_of_end("a spent token that came back", &id).await;

    let (_, id) = log_in().await;
    admin.delete_user(DeleteUserRequest { id: ana.id, ..Default::default() }).await.unwrap();
    watcher.hears_of_end("a deletion", &id).await;
}

/// Changes what people and machines may do in every way there is at `server`, and waits until it is told at `other`.
async fn rights_end(world: &World, server: &Server, other: &Server) {
    let ana = register(&mut anon(server), ana()).await.unwrap();
    let key = key::new_key(world, server).await;
    let mut admin = admin(world, server).await;
    let mut watcher = Watcher::new(world, other).await;

    let demoted = User { role: user::Role::Viewer.into(), ..ana.clone() };
    let request = UpdateUserRequest { user: Some(demoted), update_mask: None };
    admin.update_user(request).await.unwrap();
    let told = watcher.hears_of_user("another role", &ana.id).await;
    assert_eq!((told.role(), told.exists), (user::Role::Viewer, true));

    let setup = UserSetup {
        username: ana.username,
        email: ana.email,
        full_name: ana.full_name,
        role: Role::Admin,
        password: PASSWORD.into(),
    };
    set_up_user(&world.db, &world.clock.clock(), setup).await.unwrap();
    let told = watcher.hears_of_user("another role by command", &ana.id).await;
    assert_eq!((told.role(), told.exists), (user::Role::Admin, true));

    let request = DeleteUserRequest { id: ana.id.clone(), ..Default::default() };
    admin.delete_user(request).await.unwrap();
    assert!(!watcher.hears_of_user("a deletion", &ana.id).await.exists);

    key::keys(world, server).delete_key(DeleteKeyRequest { id: key.id.clone() }).await.unwrap();
    let is_it = |message: &WatchSessionsResponse| message.deleted_key_ids.contains(&key.id);
    watcher.hears("a deleted key", is_it).await;
}

testkit::both! {
    async fn the_end_of_a_session_is_told_by_the_next_beat_however_it_ended(world: World) {
        let server = start(&world).await;
        sessions_end(&world, &server, &server).await;
    }

    async fn another_role_a_deletion_and_a_deleted_key_are_told_by_the_next_beat(world: World) {
        let server = start(&world).await;
        rights_end(&world, &server, &server).await;
    }

    async fn without_news_a_beat_comes_twice_a_second(world: World) {
        let server = start(&world).await;
        let mut watch = watch(&world, &server, "").await;
        snapshot(&mut watch).await;

        let began = Instant::now();
        for _ in 0..8 {
            let beat = next(&mut watch).await;
            assert_eq!((beat.ended.len(), beat.snapshot_complete), (0, true));
        }

        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    async fn a_watch_begins_with_the_last_ten_minutes(world: World) {
        let server = start(&world).await;
        let mut anon = anon(&server);
        let mut ended = Vec::new();
        for username in ["long-ago", "lately"] {
            register(&mut anon, person(username)).await.unwrap();
            let pair = log_in(&mut anon, username, PASSWORD).await.unwrap();
            auth(&world, &server, &pair).await.logout(LogoutRequest {}).await.unwrap();
            ended.push(pair);
            world.clock.advance(Duration::from_mins(8));
        }

        let told = snapshot(&mut watch(&world, &server, "").await).await;

        assert_eq!(told.ended.len(), 1);
        let at = world.clock.now().minus(Duration::from_mins(8));
        assert_eq!(told.ended[0].ended_at, Some(at.into()));
        assert!(told.users.is_empty(), "who is new has changed nothing");
        assert!(told.deleted_key_ids.is_empty());
    }

    async fn a_watch_says_that_it_begins_anew_though_there_is_nothing_to_tell(world: World) {
        let server = start(&world).await;
        let mut anew = watch(&world, &server, "").await;

        assert!(!next(&mut anew).await.snapshot_complete);
        let token = next(&mut anew).await.resume_token;
        let mut resumed = watch(&world, &server, &token).await;

        assert!(next(&mut resumed).await.snapshot_complete);
    }

    async fn a_watch_begins_with_whoever_changed_and_whatever_key_is_gone(world: World) {
        let server = start(&world).await;
        let ana = register(&mut anon(&server), ana()).await.unwrap();
        let mut admin = admin(&world, &server).await;
        let key = key::new_key(&world, &server).await;
        admin.delete_user(DeleteUserRequest { id: ana.id.clone(), ..Default::default() })
            .await.unwrap();
        let mut keys = key::keys(&world, &server);
        keys.delete_key(DeleteKeyRequest { id: key.id.clone() }).await.unwrap();

        let told = snapshot(&mut watch(&world, &server, "").await).await;

        assert_eq!((told.users.len(), told.users[0].exists), (1, false));
        assert_eq!(told.deleted_key_ids, [key.id]);
    }
}

/// On PostgreSQL alone: one process has the embedded database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_one_replica_is_told_by_the_next_beat_of_the_other() {
    let world = World::new(Engine::Postgres).await;
    let (one, other) = (start(&world).await, start(&world).await);
    sessions_end(&world, &one, &other).await;
}

/// On PostgreSQL alone: one process has the embedded database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_at_one_replica_is_told_by_the_next_beat_of_the_other() {
    let world = World::new(Engine::Postgres).await;
    let (one, other) = (start(&world).await, start(&world).await);
    rights_end(&world, &one, &other).await;
}

/// On PostgreSQL alone: there a change may show only when all older transactions of the server are over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_waits_for_no_older_transaction() {
    let world = World::new(Engine::Postgres).await;
    let (one, other) = (start(&world).await, start(&world).await);
    register(&mut anon(&one), ana()).await.unwrap();
    let pair = log_in(&mut anon(&one), "ana", PASSWORD).await.unwrap();
    let id = session(&world, &one, &pair).await;
    let mut ana = auth(&world, &one, &pair).await;
    let mut watcher = Watcher::new(&world, &other).await;
    let mut older = database(&world).await.begin("older").await.unwrap();
    let (at, nobody) = (world.clock.now(), Uuid::now_v7());
    changes::append(&mut older, at, "nothing", nobody, &String::new()).await.unwrap();

    ana.logout(LogoutRequest {}).await.unwrap();

    watcher.hears_of_end("a log-out", &id).await;
    older.commit().await.unwrap();
}
