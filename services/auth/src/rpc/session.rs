use kit::{Call, Error, Result, Timestamp, db::Tx};
use proto::auth::v1 as pb;

use super::{Service, watch};
use crate::{
    domain::{
        password::Password,
        session::{KeptToken, Refresh, RefreshToken, Session, SessionId},
        token,
        user::{User, UserId, check_name},
    },
    store,
};

/// Logs in.
pub async fn create(
    service: &Service,
    call: Call<pb::CreateTokenRequest>,
) -> Result<pb::TokenPair> {
    let now = service.suite.clock.now();
    let password = Password::typed(&call.message.password);
    let login = &call.message.username;
    check_name("username", login)?;

    let account = store::user::find_account(&mut service.db.read().await?, login).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let kept = service.hashing.check(password, hash).await?;
    // One answer, whichever of the two it is: nobody learns who has an account.
    let (Some(account), Some(kept)) = (account, kept) else {
        return Err(Error::Unauthenticated("username or password is wrong"));
    };
    let session = Session::new(account.user.id, call.caller.address, now);
    let refresh = RefreshToken::random()?;

    let mut tx = service.db.begin("log in").await?;
    if kept != account.password_hash {
        store::user::rehash(&mut tx, account.user.id, &account.password_hash, &kept).await?;
    }
    store::session::insert(&mut tx, &session).await?;
    store::refresh_token::insert(&mut tx, &KeptToken::new(&refresh, session.id, now)).await?;
    tx.commit().await?;

    pair(service, &account.user, &session, &refresh, now)
}

pub async fn refresh(
    service: &Service,
    call: Call<pb::RefreshTokenRequest>,
) -> Result<pb::TokenPair> {
    let now = service.suite.clock.now();
    let token = RefreshToken::from(call.message.refresh);
    let (hash, successor) = (token.hash(), token.successor(&service.chain_key));
    // Looked up before the transaction, so that invented tokens keep nobody from writing.
    let known = store::refresh_token::find(&mut service.db.read().await?, &hash).await?;
    let session_id = known.ok_or_else(invalid)?.session_id;

    let mut tx = service.db.begin("refresh token").await?;
    let session = store::session::lock(&mut tx, session_id).await?.ok_or_else(invalid)?;
    let kept = store::refresh_token::find(&mut tx, &hash).await?.ok_or_else(invalid)?;
    let next = store::refresh_token::find(&mut tx, &successor.hash()).await?;
    match session.refresh(&kept, next.as_ref(), now) {
        Refresh::Repeat => {}
        Refresh::Spend => {
            let next = KeptToken::new(&successor, session.id, now);
            store::refresh_token::spend(&mut tx, &hash, now).await?;
            store::refresh_token::insert(&mut tx, &next).await?;
            store::session::touch(&mut tx, session.id, &call.caller.address, now).await?;
        }
        Refresh::End => {
            end(&mut tx, session.id, now).await?;
            tx.commit().await?;
            tracing::warn!(session = %session.id, "a spent refresh token came back: session ended");
            return Err(invalid());
        }
        Refresh::Refuse => return Err(invalid()),
    }
    // As they are now: a role may have changed since the last refresh.
    let user = store::user::find(&mut tx, session.user_id).await?.ok_or_else(invalid)?;
    tx.commit().await?;

    pair(service, &user, &session, &successor, now)
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
        Some(user) => {
            let role = pb::user::Role::from_str_name(user.role.name()).unwrap_or_default();
            pb::CheckSessionResponse { active: true, role: role.into() }
        }
    })
}

/// Ends a session, at every service.
async fn end(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<()> {
    store::session::end(tx, id, now).await?;
    watch::tell_ended(tx, id, now).await
}

/// Ends all of a person's sessions but `spared`, at every service.
pub async fn end_all(
    tx: &mut Tx,
    user_id: UserId,
    spared: Option<SessionId>,
    now: Timestamp,
) -> Result<()> {
    for id in store::session::end_all(tx, user_id, spared, now).await? {
        watch::tell_ended(tx, id, now).await?;
    }
    Ok(())
}

/// One wording for every defect: a thief learns nothing from the difference.
fn invalid() -> Error {
    Error::Unauthenticated("the refresh token is not valid")
}

fn pair(
    service: &Service,
    user: &User,
    session: &Session,
    refresh: &RefreshToken,
    now: Timestamp,
) -> Result<pb::TokenPair> {
    Ok(pb::TokenPair {
        access: service.signer.user(user, session, now)?.reveal().to_owned(),
        refresh: refresh.reveal().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: token::LIFE_SECONDS,
    })
}
