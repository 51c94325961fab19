//! Accounts that people make, for themselves or for others.

use std::mem;

use kit::{
    Call, Caller, Error, Result, Timestamp,
    access::Role,
    error::Problems,
    once::{self, Once},
};
use proto::auth::v1 as pb;
use tonic::Response;

use super::{check_still, resource, tell};
use crate::{
    Registration,
    domain::{
        audit::{Event, Kind},
        password::Password,
        user::{Account, User, UserId, check_email, check_name, check_username},
    },
    hashing::Place,
    rpc::{
        Service,
        guess::{self, Whose},
    },
    store,
};

/// Makes a technician.
pub async fn register(
    service: &Service,
    mut call: Call<pb::RegisterRequest>,
) -> Result<Response<pb::User>> {
    let now = service.suite.clock.now();
    if service.registration == Registration::Closed {
        return Err(Error::Forbidden("registration is closed: ask an admin for an account"));
    }
    // Before anything that costs, and a password costs to be looked at.
    service.registrations.take(&call.caller.address, now).map_err(|throttled| throttled.error)?;
    // Taken out before the request's fingerprint is kept: a password could be guessed back from that.
    let password = mem::take(&mut call.message.password);
    let once = Once::of_strangers(&call, &call.message.request_id);
    let pb::RegisterRequest { username, email, full_name, .. } = call.message;
    let mut problems = Problems::default();
    problems.note(check_username("username", &username))?;
    problems.note(check_email("email", &email))?;
    problems.note(check_name("full_name", &full_name))?;
    let place = service.hashing.place()?;
    let password =
        problems.settle(place.choose("password", &password, [&username, &email]).await)?;
    let user = User::new(username, email, full_name, Role::Technician, now);
    let password_hash = place.hash(password.clone()).await?;
    drop(place);
    let event = Event::new(&call.caller, Kind::UserRegistered, resource(user.id), now).by(user.id);

    let mut tx = service.db.begin("register").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        drop(tx);
        return repeated(service, &call.caller, answer, password, now).await;
    }
    store::user::insert(&mut tx, &Account::new(user.clone(), password_hash)).await?;
    store::audit::insert(&mut tx, &event.with("username", &user.username)).await?;
    let answer = tell(&mut tx, user, now).await?;
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

/// Makes an account for somebody else.
pub async fn create(
    service: &Service,
    mut call: Call<pb::CreateUserRequest>,
) -> Result<Response<pb::User>> {
    let now = service.suite.clock.now();
    // Taken out before the request's fingerprint is kept: a password could be guessed back from that.
    let password = call.message.user.as_mut().and_then(|user| user.password.take());
    let once = Once::new(&call, &call.message.request_id);
    let place = service.hashing.place()?;
    let (user, password) =
        read(call.message.user.unwrap_or_default(), password, &place, now).await?;
    let password_hash = place.hash(password.clone()).await?;
    drop(place);
    let event = Event::new(&call.caller, Kind::UserCreated, resource(user.id), now);

    let mut tx = service.db.begin("create user").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        drop(tx);
        return repeated(service, &call.caller, answer, password, now).await;
    }
    // Whoever changes the caller now is waited for.
    store::user::lock_all(&mut tx).await?;
    check_still(&mut tx, &call.caller).await?;
    store::user::insert(&mut tx, &Account::new(user.clone(), password_hash)).await?;
    let event = event.with("username", &user.username).with("role", user.role.name());
    store::audit::insert(&mut tx, &event).await?;
    let answer = tell(&mut tx, user, now).await?;
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

/// The answer to a call that came before, if it came with `password`. Of somebody who has chosen another one since, nobody
/// knows any more what it was; of somebody who has gone, the answer says what is still known.
async fn repeated(
    service: &Service,
    caller: &Caller,
    answer: Response<pb::User>,
    password: Password,
    now: Timestamp,
) -> Result<Response<pb::User>> {
    let id = UserId::parse("id", &answer.get_ref().id)?;
    let mut db = service.db.read().await?;
    if let Some(gone) =
        store::user::find(&mut db, id).await?.filter(|user| user.deleted_at.is_some())
    {
        return Ok(once::replayed(gone.into()));
    }
    let account = store::user::find_account(&mut db, id).await?;
    drop(db);
    if let Some(account) = account.filter(|account| account.password_revision == 1) {
        // Whoever knows the key could guess here, too.
        let guess = guess::count(service, caller, Whose::Person(&account.user), now).await?;
        if guess.place.check(password, Some(account.password_hash)).await?.is_none() {
            guess.was_wrong().await?;
            return Err(once::reused());
        }
        let mut tx = service.db.begin("repeat creation").await?;
        guess.was_right(&mut tx).await?;
        tx.commit().await?;
    }
    Ok(answer)
}

/// A new user from what an admin may say of them, and their password, which is judged at `place`.
async fn read(
    wire: pb::User,
    password: Option<String>,
    place: &Place,
    now: Timestamp,
) -> Result<(User, Password)> {
    let names = [wire.username.as_str(), &wire.email];
    let chosen = place.choose("user.password", &password.unwrap_or_default(), names).await;
    let mut problems = Problems::default();
    problems.note(check_username("user.username", &wire.username))?;
    problems.note(check_email("user.email", &wire.email))?;
    problems.note(check_name("user.full_name", &wire.full_name))?;
    let password = problems.settle(chosen)?;
    let role = Role::from_name(wire.role().as_str_name()).unwrap_or(Role::Technician);
    Ok((User::new(wire.username, wire.email, wire.full_name, role, now), password))
}
