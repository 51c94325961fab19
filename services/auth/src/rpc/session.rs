use kit::{Call, Error, Result, Timestamp, db::Tx};
use proto::auth::v1 as pb;

use super::{Service, user::wire_role, watch};
use crate::{
    domain::{
        audit::{Event, Kind},
        session::{KEPT, MOST, Session, SessionId},
        user::UserId,
    },
    observe, store,
};

/// Ends the session of the token that the call carries.
pub async fn log_out(service: &Service, call: Call<pb::LogoutRequest>) -> Result<()> {
    let now = service.suite.clock.now();
    let id = SessionId::parse("session", &call.caller.session_id)?;
    let event = Event::new(&call.caller, Kind::SessionEnded, resource(id), now);

    let mut tx = service.db.begin("log out").await?;
    end(&mut tx, id, now, observe::Event::LoggedOut).await?;
    store::audit::insert(&mut tx, &event).await?;
    tx.commit().await
}

/// Where the caller is logged in.
pub async fn list(
    service: &Service,
    mut call: Call<pb::ListSessionsRequest>,
) -> Result<pb::ListSessionsResponse> {
    let now = service.suite.clock.now();
    let user_id = UserId::parse("caller", &call.caller.id)?;
    let page = kit::page!(service.db, call.message)?;
    let alive = Session::alive(now);

    let rows = store::session::list(&mut service.db.read().await?, user_id, &alive, &page).await?;
    let current = &call.caller.session_id;
    let (sessions, next_page_token) =
        page.cut(rows, |session| session.id, |session| wire(session, current))?;
    Ok(pb::ListSessionsResponse { sessions, next_page_token })
}

/// Ends one of the caller's sessions.
pub async fn end_one(service: &Service, call: Call<pb::EndSessionRequest>) -> Result<()> {
    let now = service.suite.clock.now();
    let id = SessionId::parse("id", &call.message.id)?;
    let event = Event::new(&call.caller, Kind::SessionEnded, resource(id), now);

    let mut tx = service.db.begin("end session").await?;
    let session = store::session::lock(&mut tx, id).await?;
    let theirs = session
        .filter(|session| session.user_id.to_string() == call.caller.id && session.lives(now));
    theirs.ok_or_else(|| Error::not_found("session", id))?;
    end(&mut tx, id, now, observe::Event::LoggedOut).await?;
    store::audit::insert(&mut tx, &event).await?;
    tx.commit().await
}

/// Tells another service whether a session is alive.
pub async fn check(
    service: &Service,
    call: Call<pb::CheckSessionRequest>,
) -> Result<pb::CheckSessionResponse> {
    let now = service.suite.clock.now();
    let session_id = SessionId::parse("session_id", &call.message.session_id)?;
    let user_id = UserId::parse("user_id", &call.message.user_id)?;

    let mut db = service.db.read().await?;
    let session = store::session::find(&mut db, session_id).await?;
    let user = store::user::find(&mut db, user_id).await?;
    let is_theirs = session.is_some_and(|session| session.lives(now) && session.user_id == user_id);
    Ok(match user.filter(|user| is_theirs && user.deleted_at.is_none()) {
        None => pb::CheckSessionResponse::default(),
        Some(user) => pb::CheckSessionResponse { active: true, role: wire_role(user.role).into() },
    })
}

/// Ends a session, at every service, because of `event`.
pub async fn end(tx: &mut Tx, id: SessionId, now: Timestamp, event: observe::Event) -> Result<()> {
    if store::session::end(tx, id, now).await? {
        event.note(tx, 1);
    }
    watch::tell_ended(tx, id, now).await
}

/// Ends all of a person's sessions but `spared`, at every service, because of `cause`.
pub async fn end_all(
    tx: &mut Tx,
    user_id: UserId,
    spared: Option<SessionId>,
    cause: &Event,
) -> Result<()> {
    let ended = store::session::end_all(tx, user_id, spared, cause.at).await?;
    observe::Event::of(cause).note(tx, ended.len());
    tell_ended(tx, ended, cause).await
}

/// Ends a person's oldest sessions, at every service, where the one that `cause` began is one too many.
pub async fn make_room(tx: &mut Tx, user_id: UserId, cause: &Event) -> Result<()> {
    let ended = store::session::end_oldest(tx, user_id, MOST, cause.at).await?;
    observe::Event::Crowded.note(tx, ended.len());
    tell_ended(tx, ended, cause).await
}

async fn tell_ended(tx: &mut Tx, ended: Vec<SessionId>, cause: &Event) -> Result<()> {
    for id in ended {
        watch::tell_ended(tx, id, cause.at).await?;
        store::audit::insert(tx, &cause.entails(Kind::SessionEnded, resource(id))).await?;
    }
    Ok(())
}

/// Ends at most `limit` of the sessions that are too old, or were idle for too long, at every service: no token of theirs is
/// given any more, but a stream may still go on. Then drops those that are long over; says how many it ended and dropped.
pub async fn sweep(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64> {
    let expired = store::session::expire(tx, &Session::alive(now), now, limit).await?;
    observe::Event::Expired.note(tx, expired.len());
    let mut ended = 0;
    for id in expired {
        watch::tell_ended(tx, id, now).await?;
        ended += 1;
    }
    Ok(ended + store::session::forget(tx, now.minus(KEPT), limit).await?)
}

/// As the audit trail calls it.
pub fn resource(id: SessionId) -> String {
    format!("session/{id}")
}

/// A session as its owner sees it from the session `current`.
fn wire(session: Session, current: &str) -> pb::Session {
    let id = session.id.to_string();
    pb::Session {
        current: id == current,
        id,
        created_at: Some(session.created_at.into()),
        used_at: Some(session.used_at.into()),
        address: session.address,
    }
}
