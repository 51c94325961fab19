use kit::{Call, Caller, Error, Result, Timestamp, db::Tx};
use proto::auth::v1 as pb;

use super::{
    Service,
    guess::{self, Guess, Whose},
    session, user,
};
use crate::{
    domain::{
        audit::{Event, Kind},
        password::{Password, PasswordHash},
        session::{KeptToken, Refresh, RefreshToken, Session, SessionId, TokenHash},
        token,
        user::{Account, User, check_text},
    },
    observe, store,
};

/// Logs in.
pub async fn create(
    service: &Service,
    call: Call<pb::CreateTokenRequest>,
) -> Result<pb::TokenPair> {
    let now = service.suite.clock.now();
    let password = Password::typed(&call.message.password);
    let login = &call.message.username;
    check_text("username", login)?;

    let account = store::user::find_login(&mut service.db.read().await?, login).await?;
    let whose = account.as_ref().map_or(Whose::Nobody(login), |found| Whose::Person(&found.user));
    let guess = guess::count(service, &call.caller, whose, now).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let kept = guess.place.check(password, hash).await?;
    if let (Some(account), Some(kept)) = (&account, kept)
        && let Some(pair) = begin(service, &call.caller, account, &kept, &guess, now).await?
    {
        return Ok(pair);
    }

    // One answer, whichever of the two it is: nobody learns who has an account.
    guess.was_wrong().await?;
    Err(Error::Unauthenticated("username or password is wrong"))
}

/// Begins a session for whoever guessed right, and keeps their password as `kept`. None if it was changed while it was
/// checked: then it lets nobody in any more.
async fn begin(
    service: &Service,
    caller: &Caller,
    account: &Account,
    kept: &PasswordHash,
    guess: &Guess<'_>,
    now: Timestamp,
) -> Result<Option<pb::TokenPair>> {
    let Account { user, password_hash, password_revision } = account;
    let session = Session::new(user.id, caller.address.clone(), now);
    let refresh = RefreshToken::first(session.id, &service.chain_key)?;
    let event = Event::new(caller, Kind::SessionCreated, session::resource(session.id), now);

    let mut tx = service.db.begin("log in").await?;
    // Before the row is held: an update of everybody, who must wait for that, must not be waited for.
    if kept != password_hash {
        store::user::rehash(&mut tx, user.id, password_hash, kept).await?;
    }
    if !store::user::hold_password(&mut tx, user.id, *password_revision).await? {
        return Ok(None);
    }
    guess.was_right(&mut tx).await?;
    store::session::insert(&mut tx, &session).await?;
    store::refresh_token::insert(&mut tx, &KeptToken::new(&refresh, session.id, now)).await?;
    let event = event.by(user.id);
    session::make_room(&mut tx, user.id, &event).await?;
    observe::Event::Begun.note(&mut tx, 1);
    store::audit::insert(&mut tx, &event).await?;
    tx.commit().await?;

    pair(service, user, &session, &refresh, now).await.map(Some)
}

pub async fn refresh(
    service: &Service,
    call: Call<pb::RefreshTokenRequest>,
) -> Result<pb::TokenPair> {
    let now = service.suite.clock.now();
    let token = RefreshToken::from(call.message.refresh);
    let hash = token.hash();
    let successor = token.successor(&service.chain_key);
    let named = token.session(&service.chain_key);
    let session_id = living(service, named, &hash, now).await?;

    let mut tx = service.db.begin("refresh token").await?;
    let session = store::session::lock(&mut tx, session_id).await?.ok_or_else(invalid)?;
    let kept = store::refresh_token::find(&mut tx, &hash).await?;
    let next = store::refresh_token::find(&mut tx, &successor.hash()).await?;
    match session.refresh(kept.as_ref(), next.as_ref(), now) {
        Refresh::Repeat => {}
        Refresh::Spend => {
            let next = KeptToken::new(&successor, session.id, now);
            // One that doesn't say whose it is would, once dropped, come again unnoticed.
            if named.is_some() {
                store::refresh_token::delete_others(&mut tx, session.id, &hash).await?;
            }
            store::refresh_token::spend(&mut tx, &hash, now).await?;
            store::refresh_token::insert(&mut tx, &next).await?;
            store::session::touch(&mut tx, session.id, &call.caller.address, now).await?;
            observe::Event::Refreshed.note(&mut tx, 1);
        }
        Refresh::End => {
            end_reused(&mut tx, &call.caller, &session, now).await?;
            tx.commit().await?;
            tracing::warn!(session = %session.id, "a spent refresh token came back: session ended");
            return Err(invalid());
        }
        Refresh::Refuse => return Err(invalid()),
    }
    // As they are now: a role may have changed since the last refresh.
    let user = store::user::find(&mut tx, session.user_id).await?;
    let user = user.filter(|user| user.deleted_at.is_none()).ok_or_else(invalid)?;
    tx.commit().await?;

    pair(service, &user, &session, &successor, now).await
}

/// The session that a token names, or that its hash is kept for, if it is there and lives. Asked before any transaction, so that
/// invented tokens, and those of sessions that are over, keep nobody from writing.
async fn living(
    service: &Service,
    named: Option<SessionId>,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<SessionId> {
    let mut db = service.db.read().await?;
    let id = if let Some(id) = named {
        id
    } else {
        let kept = store::refresh_token::find(&mut db, hash).await?;
        kept.ok_or_else(invalid)?.session_id
    };
    let session = store::session::find(&mut db, id).await?;
    session.filter(|session| session.lives(now)).ok_or_else(invalid)?;
    Ok(id)
}

/// Ends `session`, a spent token of which came back, and tells the trail: whom it concerns, and that the session ended.
async fn end_reused(tx: &mut Tx, caller: &Caller, session: &Session, now: Timestamp) -> Result<()> {
    let resource = session::resource(session.id);
    let event = Event::new(caller, Kind::TokenReused, user::resource(session.user_id), now);

    session::end(tx, session.id, now, observe::Event::Reused).await?;
    store::audit::insert(tx, &event.entails(Kind::SessionEnded, resource.clone())).await?;
    store::audit::insert(tx, &event.with("session", resource)).await
}

/// One wording for every defect: a thief learns nothing from the difference.
fn invalid() -> Error {
    Error::Unauthenticated("the refresh token is not valid")
}

async fn pair(
    service: &Service,
    user: &User,
    session: &Session,
    refresh: &RefreshToken,
    now: Timestamp,
) -> Result<pb::TokenPair> {
    Ok(pb::TokenPair {
        access: service.signers.at(now).await?.user(user, session, now)?.reveal().to_owned(),
        refresh: refresh.reveal().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: token::LIFE_SECONDS,
    })
}
