//! Tells other services which credentials are good no longer.

use std::{
    iter,
    time::{Duration, Instant},
};

use kit::{
    Call, Clock, Db, Result, Timestamp,
    access::Role,
    changes::{self, Position, Prompt},
    db::Tx,
    session::{News, Sessions, UserNews},
};
use prost::Message;
use proto::auth::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use uuid::Uuid;

use super::{Service, user::wire_role};
use crate::{
    domain::{key::KeyId, session::SessionId, user::User},
    store,
};

/// The kind of this news' entries in the change log; each is a message of the watch.
const CHANGE: &str = "access";

/// How far back news matters: twice the life of an access token.
const MEMORY: Duration = Duration::from_mins(10);

/// The pause between two looks at the log. Each look is told, news or not, so that silence means that something is
/// wrong with the way here, with this process or with its database.
const PAUSE: Duration = Duration::from_millis(200);

/// How much of a snapshot goes into one message.
const CHUNK: usize = 1000;

/// Messages on their way to the watcher.
pub type WatchStream = ReceiverStream<Result<pb::WatchSessionsResponse, Status>>;

type Sender = mpsc::Sender<Result<pb::WatchSessionsResponse, Status>>;

pub async fn watch(service: &Service, call: Call<pb::WatchSessionsRequest>) -> Result<WatchStream> {
    let began = Instant::now();
    let token = &call.message.resume_token;
    let start = changes::resume(&mut service.db.read().await?, "resume_token", token).await?;

    let (sender, receiver) = mpsc::channel(16);
    let (db, clock) = (service.db.clone(), service.suite.clock.clone());
    service.suite.spawn(async move {
        let told = async {
            if start.with_snapshot {
                tell_recent(&db, &clock, &sender).await?;
            }
            tell(&db, &sender, start.position, began).await
        };
        if let Err(error) = told.await {
            // The watcher may have gone; it resumes from the last token that it kept.
            let _ = sender.send(Err(error.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Sends what happened in the last minutes, after a message that says, also where nothing did, that this begins.
async fn tell_recent(db: &Db, clock: &Clock, sender: &Sender) -> Result<()> {
    let since = clock.now().minus(MEMORY);
    let mut db = db.read().await?;
    let ended = store::session::ended(&mut db, since).await?;
    let users = store::user::changed_since(&mut db, since).await?;
    let keys = store::key::deleted(&mut db, since).await?;
    drop(db);

    let ended = ended.chunks(CHUNK).map(|chunk| {
        let ended = chunk.iter().map(|(id, at)| ended_session(*id, *at)).collect();
        pb::WatchSessionsResponse { ended, ..Default::default() }
    });
    let users = users.chunks(CHUNK).map(|chunk| {
        let users = chunk.iter().map(changed_user).collect();
        pb::WatchSessionsResponse { users, ..Default::default() }
    });
    let keys = keys.chunks(CHUNK).map(|chunk| {
        let deleted_key_ids = chunk.iter().map(ToString::to_string).collect();
        pb::WatchSessionsResponse { deleted_key_ids, ..Default::default() }
    });
    let begins = pb::WatchSessionsResponse::default();
    for message in iter::once(begins).chain(ended).chain(users).chain(keys) {
        // A watcher that has gone is noticed when the next news is told.
        let _ = sender.send(Ok(message)).await;
    }
    Ok(())
}

/// Sends what happens after `start`, or that nothing did, until the watcher goes. The watch began at `began`.
async fn tell(db: &Db, sender: &Sender, start: Position, began: Instant) -> Result<()> {
    // Not the ordinary reader: an ended session may not wait until some older transaction is over.
    let mut log = Prompt::new(start);
    let mut commits = db.commits();
    loop {
        commits.mark_unchanged();
        let looked_after = began.elapsed();
        let changes = log.look(&mut db.read().await?).await?;
        let mut message = pb::WatchSessionsResponse::default();
        for change in changes.iter().filter(|change| change.kind == CHANGE) {
            let news: pb::WatchSessionsResponse = change.decode()?;
            message.ended.extend(news.ended);
            message.users.extend(news.users);
            message.deleted_key_ids.extend(news.deleted_key_ids);
        }
        message.resume_token = log.position().to_string();
        message.snapshot_complete = !log.has_more();
        message.looked_after = looked_after.try_into().ok();
        if sender.send(Ok(message)).await.is_err() {
            return Ok(());
        }
        if changes.is_empty() {
            // A closed channel means that the process is going down; the pause is then right, too.
            let _ = tokio::time::timeout(PAUSE, commits.changed()).await;
        }
    }
}

/// Writes to the change log that a session is over.
pub async fn tell_ended(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<()> {
    let ended = vec![ended_session(id, now)];
    append(tx, id.uuid(), pb::WatchSessionsResponse { ended, ..Default::default() }, now).await
}

/// Writes to the change log that somebody has another role, or is gone.
pub async fn tell_changed(tx: &mut Tx, user: &User, now: Timestamp) -> Result<()> {
    let users = vec![changed_user(user)];
    append(tx, user.id.uuid(), pb::WatchSessionsResponse { users, ..Default::default() }, now).await
}

/// Writes to the change log that a key is gone.
pub async fn tell_deleted(tx: &mut Tx, id: KeyId, now: Timestamp) -> Result<()> {
    let deleted_key_ids = vec![id.to_string()];
    let message = pb::WatchSessionsResponse { deleted_key_ids, ..Default::default() };
    append(tx, id.uuid(), message, now).await
}

async fn append(
    tx: &mut Tx,
    id: Uuid,
    message: pb::WatchSessionsResponse,
    now: Timestamp,
) -> Result<()> {
    changes::append(tx, now, CHANGE, id, &message).await
}

fn ended_session(id: SessionId, at: Timestamp) -> pb::EndedSession {
    pb::EndedSession { session_id: id.to_string(), ended_at: Some(at.into()) }
}

fn changed_user(user: &User) -> pb::ChangedUser {
    pb::ChangedUser {
        user_id: user.id.to_string(),
        role: wire_role(user.role).into(),
        exists: user.deleted_at.is_none(),
        changed_at: Some(user.updated_at.into()),
    }
}

/// What a message of the watch says, as other services keep it.
///
/// # Errors
///
/// A time in it is none.
pub fn news(message: pb::WatchSessionsResponse) -> Result<News> {
    let ended = message.ended.into_iter().map(read_ended).collect::<Result<_>>()?;
    let users = message.users.into_iter().map(read_user).collect::<Result<_>>()?;
    let (deleted_keys, complete) = (message.deleted_key_ids, message.snapshot_complete);
    // What is from the log has a place there.
    let snapshot = !complete && message.resume_token.is_empty();
    Ok(News { ended, users, deleted_keys, snapshot, complete })
}

fn read_ended(ended: pb::EndedSession) -> Result<(String, Timestamp)> {
    let at = Timestamp::parse("ended_at", &ended.ended_at.unwrap_or_default())?;
    Ok((ended.session_id, at))
}

fn read_user(user: pb::ChangedUser) -> Result<UserNews> {
    let role = Role::from_name(user.role().as_str_name()).filter(|_| user.exists);
    let changed_at = Timestamp::parse("changed_at", &user.changed_at.unwrap_or_default())?;
    Ok(UserNews { id: user.user_id, role, changed_at })
}

/// Has this process know at once of what it ends itself: the others hear it through the watch, a moment later.
pub fn tell_here(db: &Db, sessions: &Sessions, clock: &Clock) {
    let (sessions, clock) = (sessions.clone(), clock.clone());
    db.listen(move |entries| {
        for entry in entries.iter().filter(|entry| entry.kind == CHANGE) {
            let message = pb::WatchSessionsResponse::decode(entry.payload.as_slice());
            // Written by this very process: it can be read.
            if let Ok(Ok(news)) = message.map(news) {
                sessions.note(news, clock.now());
            }
        }
    });
}
