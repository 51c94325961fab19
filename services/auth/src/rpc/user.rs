mod create;

use kit::{
    Call, Caller, Error, Result, Timestamp, access::Role, changes, db::Tx, error::Problems,
    mask::Mask, search::fold,
};
use proto::auth::v1 as pb;

pub use self::create::{create, register};
use super::{Service, session, watch};
use crate::{
    domain::{
        audit::{Event, Kind},
        session::SessionId,
        user::{Change, User, UserId, check_email, check_name, check_username},
    },
    store,
};

/// The kind of this noun's entries in the change log.
const CHANGE: &str = "user";

/// What an update of a user can change, and what it can't but may name; a password is then refused by its own name.
const MUTABLE: [&str; 4] = ["username", "email", "full_name", "role"];
const GIVEN: [&str; 6] = ["id", "created_at", "updated_at", "etag", "deleted_at", "password"];

pub async fn get(service: &Service, call: Call<pb::GetUserRequest>) -> Result<pb::User> {
    let id = named(&call.caller, &call.message.id)?;

    let user = store::user::find(&mut service.db.read().await?, id).await?;
    let user = user.filter(|user| call.message.show_deleted || user.deleted_at.is_none());
    Ok(user.ok_or_else(|| Error::not_found("user", &call.message.id))?.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListUsersRequest>,
) -> Result<pb::ListUsersResponse> {
    let mut request = call.message;
    let page = kit::page!(service.db, request)?;
    let filter = store::user::Filter {
        role: Role::from_name(request.role().as_str_name()),
        text: Some(request.q).filter(|text| !text.is_empty()),
        show_deleted: request.show_deleted,
    };

    let rows = store::user::list(&mut service.db.read().await?, &filter, &page).await?;
    let (users, next_page_token) = page.cut(rows, |user| fold(&user.username), pb::User::from)?;
    Ok(pb::ListUsersResponse { users, next_page_token })
}

pub async fn list_technicians(
    service: &Service,
    call: Call<pb::ListTechniciansRequest>,
) -> Result<pb::ListUsersResponse> {
    let Call { caller, method, message, turn } = call;
    let pb::ListTechniciansRequest { page_size, page_token, q } = message;
    let role = pb::user::Role::Technician.into();
    let message = pb::ListUsersRequest { role, page_size, page_token, q, show_deleted: false };
    list(service, Call { caller, method, message, turn }).await
}

pub async fn update(service: &Service, call: Call<pb::UpdateUserRequest>) -> Result<pb::User> {
    let now = service.suite.clock.now();
    let wire = call.message.user.unwrap_or_default();
    let id = named(&call.caller, &wire.id)?;
    let etag = wire.etag.clone();
    let mask = Mask::parse("user", call.message.update_mask, &MUTABLE, &GIVEN)?;
    let change = change(wire, &mask)?;
    let event = Event::new(&call.caller, Kind::UserUpdated, resource(id), now);

    let mut tx = service.db.begin("update user").await?;
    let mut user = writable(&mut tx, &call.caller, id, &etag).await?;
    let before = user.clone();
    user.apply(change, call.caller.is_admin())?;
    if user == before {
        return Ok(user.into());
    }
    if before.role != user.role {
        keep_an_admin(&mut tx, &before).await?;
    }
    user.touch(now);
    store::user::update(&mut tx, &user).await?;
    if before.role != user.role {
        // What they began as an admin, nobody ends for them.
        store::password_reset::delete_by(&mut tx, id).await?;
        watch::tell_changed(&mut tx, &user, now).await?;
    }
    store::audit::insert(&mut tx, &user.differences(&before, event)).await?;
    let answer = tell(&mut tx, user, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn delete(service: &Service, call: Call<pb::DeleteUserRequest>) -> Result<()> {
    let now = service.suite.clock.now();
    let id = named(&call.caller, &call.message.id)?;
    let event = Event::new(&call.caller, Kind::UserDeleted, resource(id), now);

    let mut tx = service.db.begin("delete user").await?;
    let mut user = writable(&mut tx, &call.caller, id, &call.message.etag).await?;
    keep_an_admin(&mut tx, &user).await?;
    user.delete(now);
    store::user::update(&mut tx, &user).await?;
    store::password_reset::delete(&mut tx, id).await?;
    store::password_reset::delete_by(&mut tx, id).await?;
    session::end_all(&mut tx, id, None, &event).await?;
    watch::tell_changed(&mut tx, &user, now).await?;
    store::audit::insert(&mut tx, &event.with("username", &user.username)).await?;
    tell(&mut tx, user, now).await?;
    // What it said before has their address.
    changes::keep_last(&mut tx, CHANGE, id.uuid()).await?;
    tx.commit().await
}

/// Whom `id` names; `me` is the caller.
pub fn named(caller: &Caller, id: &str) -> Result<UserId> {
    match id {
        // A service is nobody here.
        "me" => UserId::parse("id", &caller.id).map_err(|_| Error::not_found("user", "me")),
        id => UserId::parse("id", id),
    }
}

/// As the audit trail calls it.
pub fn resource(id: UserId) -> String {
    format!("user/{id}")
}

/// The user `id`, if `caller` may change them; nobody else changes anybody until `tx` ends.
async fn writable(tx: &mut Tx, caller: &Caller, id: UserId, etag: &str) -> Result<User> {
    if !caller.is_admin() && caller.id != id.to_string() {
        return Err(Error::Forbidden(
            "people change their own profile; an admin changes anybody's",
        ));
    }
    store::user::lock_all(tx).await?;
    check_still(tx, caller).await?;
    let user = store::user::find(tx, id).await?.filter(|user| user.deleted_at.is_none());
    let user = user.ok_or_else(|| Error::not_found("user", id))?;
    if !etag.is_empty() && etag != user.revision.to_string() {
        return Err(Error::Stale("the user was changed meanwhile"));
    }
    Ok(user)
}

/// Refuses `caller` if their session has ended, they are no admin any more, or have gone, since the call was let in: a write that
/// waited, for a hash or for others, must not come after that. Until `tx` ends they stay what they are.
pub async fn check_still(tx: &mut Tx, caller: &Caller) -> Result<()> {
    let Ok(id) = UserId::parse("caller", &caller.id) else { return Ok(()) };
    // The person comes before the session, as wherever both are written.
    let now = store::user::hold(tx, id).await?;
    if let Ok(id) = SessionId::parse("session", &caller.session_id) {
        let session = store::session::hold(tx, id).await?;
        if session.is_some_and(|session| session.ended_at.is_some()) {
            return Err(Error::Unauthenticated("your session has ended meanwhile"));
        }
    }
    let is_less = |user: &User| caller.is_admin() && user.role != Role::Admin;
    if now.is_some_and(|user| user.deleted_at.is_some() || is_less(&user)) {
        return Err(Error::Forbidden("your role has changed meanwhile"));
    }
    Ok(())
}

/// Refuses that the last admin goes or steps down.
pub async fn keep_an_admin(tx: &mut Tx, leaving: &User) -> Result<()> {
    if leaving.role == Role::Admin && !store::user::other_admin(tx, leaving.id).await? {
        let message = "they are the last admin: make somebody else one before";
        return Err(Error::refused("LAST_ADMIN", message));
    }
    Ok(())
}

/// What to change: the fields that `mask` names.
fn change(wire: pb::User, mask: &Mask) -> Result<Change> {
    if wire.password.is_some() {
        return Err(Error::invalid(
            "user.password",
            "can't be changed here: its owner does, or an admin resets it",
        ));
    }
    let role = Role::from_name(wire.role().as_str_name());
    let change = Change {
        username: mask.take("username", wire.username),
        email: mask.take("email", wire.email),
        full_name: mask.take("full_name", wire.full_name),
        role: role.filter(|_| mask.names("role")),
    };
    let mut problems = Problems::default();
    for (field, text, check) in [
        ("user.username", &change.username, check_username as fn(&str, &str) -> Result<()>),
        ("user.email", &change.email, check_email),
        ("user.full_name", &change.full_name, check_name),
    ] {
        problems.note(text.iter().try_for_each(|text| check(field, text)))?;
    }
    problems.settle(Ok(change))
}

/// Writes a person, as they are now, to the change log.
pub async fn tell(tx: &mut Tx, user: User, now: Timestamp) -> Result<pb::User> {
    let id = user.id.uuid();
    let wire = pb::User::from(user);
    changes::append(tx, now, CHANGE, id, &wire).await?;
    Ok(wire)
}

/// A role as the wire has it: of a person, so there is one.
pub fn wire_role(role: Role) -> pb::user::Role {
    pb::user::Role::from_str_name(role.name()).unwrap_or_default()
}

impl From<User> for pb::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username,
            email: user.email,
            full_name: user.full_name,
            role: wire_role(user.role).into(),
            created_at: Some(user.created_at.into()),
            updated_at: Some(user.updated_at.into()),
            etag: user.revision.to_string(),
            password: None,
            deleted_at: user.deleted_at.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_of_the_wire_is_known() {
        for name in ["ADMIN", "TECHNICIAN", "VIEWER"] {
            assert!(pb::user::Role::from_str_name(name).is_some());
            assert!(Role::from_name(name).is_some());
        }
        assert!(Role::from_name(pb::user::Role::Unspecified.as_str_name()).is_none());
    }
}
