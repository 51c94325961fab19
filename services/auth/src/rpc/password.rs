use kit::{Call, Error, Result};
use proto::auth::v1 as pb;

use super::{
    Service,
    guess::{self, Whose},
    session, user,
};
use crate::{
    Secret,
    domain::{
        audit::{Event, Kind},
        password::Password,
        password_reset::{PasswordReset, ResetHash},
        session::SessionId,
        user::UserId,
    },
    store,
};

/// Changes the caller's own password.
pub async fn change(service: &Service, call: Call<pb::ChangePasswordRequest>) -> Result<pb::User> {
    let now = service.suite.clock.now();
    let id = user::named(&call.caller, &call.message.id)?;
    if id.to_string() != call.caller.id {
        return Err(Error::Forbidden("people change their own password; an admin may reset it"));
    }
    let spared = SessionId::parse("session", &call.caller.session_id).ok();
    let event = Event::new(&call.caller, Kind::PasswordChanged, user::resource(id), now);

    let account = store::user::find_account(&mut service.db.read().await?, id).await?;
    let account = account.ok_or_else(|| Error::not_found("user", id))?;
    let names = [account.user.username.as_str(), account.user.email.as_str()];
    let whose = Whose::Person(&account.user);
    let guess = guess::count(service, &call.caller, whose, now).await?;
    let typed = Password::typed(&call.message.current_password);
    if guess.place.check(typed, Some(account.password_hash.clone())).await?.is_none() {
        guess.was_wrong().await?;
        return Err(Error::invalid("current_password", "is wrong"));
    }
    // After the guess: else who has none has any number of costly ones judged.
    let new = guess.place.choose("new_password", &call.message.new_password, names).await;
    let new = match new {
        Ok(new) => new,
        Err(error) => {
            // Whoever is still looking for a new password guesses at none.
            guess.is_over().await?;
            return Err(error);
        }
    };
    let hash = guess.place.hash(new).await?;

    let mut tx = service.db.begin("change password").await?;
    // Two who made tokens for each other would wait for one another.
    store::user::lock_all(&mut tx).await?;
    user::check_still(&mut tx, &call.caller).await?;
    store::user::set_password(&mut tx, id, account.password_revision, &hash).await?;
    store::password_reset::delete(&mut tx, id).await?;
    store::password_reset::delete_by(&mut tx, id).await?;
    guess.was_right(&mut tx).await?;
    session::end_all(&mut tx, id, spared, &event).await?;
    store::audit::insert(&mut tx, &event).await?;
    tx.commit().await?;

    Ok(account.user.into())
}

/// Makes a token with which somebody sets a new password.
pub async fn start_reset(
    service: &Service,
    call: Call<pb::StartPasswordResetRequest>,
) -> Result<pb::PasswordReset> {
    let now = service.suite.clock.now();
    let id = user::named(&call.caller, &call.message.id)?;
    let created_by = UserId::parse("caller", &call.caller.id)?;
    let (token, reset) = PasswordReset::new(id, created_by, now)?;
    let event = Event::new(&call.caller, Kind::ResetStarted, user::resource(id), now);

    let mut tx = service.db.begin("start password reset").await?;
    let user = store::user::find(&mut tx, id).await?.filter(|user| user.deleted_at.is_none());
    user.ok_or_else(|| Error::not_found("user", id))?;
    user::check_still(&mut tx, &call.caller).await?;
    store::password_reset::insert(&mut tx, &reset).await?;
    store::audit::insert(&mut tx, &event).await?;
    tx.commit().await?;

    let expires_at = Some(reset.expires_at.into());
    Ok(pb::PasswordReset { token: token.reveal().to_owned(), expires_at })
}

/// Sets a new password with such a token.
pub async fn reset(service: &Service, call: Call<pb::ResetPasswordRequest>) -> Result<pb::User> {
    let now = service.suite.clock.now();
    let hash = ResetHash::of(&Secret::from(call.message.token));
    let mut db = service.db.read().await?;
    let reset = store::password_reset::find(&mut db, &hash).await?.ok_or_else(void)?;
    let creator = store::user::find(&mut db, reset.created_by).await?;
    let creator = creator.filter(|user| user.deleted_at.is_none()).map(|user| user.role);
    if !reset.is_good(creator, now) {
        return Err(void());
    }
    let id = reset.user_id;
    let account = store::user::find_account(&mut db, id).await?.ok_or_else(void)?;
    drop(db);
    let names = [account.user.username.as_str(), account.user.email.as_str()];
    let place = service.hashing.place()?;
    let new = place.choose("new_password", &call.message.new_password, names).await?;
    let new_hash = place.hash(new).await?;
    let event = Event::new(&call.caller, Kind::PasswordReset, user::resource(id), now).by(id);

    let mut tx = service.db.begin("reset password").await?;
    store::user::lock_all(&mut tx).await?;
    // Of many who use it at once, one does. The person comes before the token, as wherever both are written.
    let set = store::user::set_password(&mut tx, id, account.password_revision, &new_hash).await;
    set.map_err(|error| if matches!(error, Error::Stale(_)) { void() } else { error })?;
    kit::db::changed(store::password_reset::spend(&mut tx, &hash).await?, void)?;
    store::password_reset::delete_by(&mut tx, id).await?;
    guess::forget(service, &mut tx, &call.caller, &account.user).await?;
    session::end_all(&mut tx, id, None, &event).await?;
    store::audit::insert(&mut tx, &event).await?;
    tx.commit().await?;

    Ok(account.user.into())
}

/// One wording for every defect. Who calls is no matter: another access token would not help.
fn void() -> Error {
    let message =
        "the token for a new password is not valid, or not any more: an admin makes another";
    Error::refused("RESET_TOKEN_VOID", message)
}
