use kit::{Call, Error, Page, Result, Timestamp, access::Role, changes, db::Tx};
use proto::auth::v1 as pb;

use super::Service;
use crate::{
    Registration,
    domain::{
        password::Password,
        user::{Account, User, UserId, check_name, fold},
    },
    store,
};

/// The kind of this noun's entries in the change log.
const CHANGE: &str = "user";

/// Makes a technician.
pub async fn register(service: &Service, call: Call<pb::RegisterRequest>) -> Result<pb::User> {
    let now = service.suite.clock.now();
    if service.registration == Registration::Closed {
        return Err(Error::Forbidden("registration is closed: ask an admin for an account"));
    }
    let pb::RegisterRequest { username, email, password, full_name } = call.message;
    check_name("full_name", &full_name)?;
    let password = Password::chosen("password", &password)?;
    let user = User::new(username, email, full_name, Role::Technician, now);
    let password_hash = service.hashing.hash(password).await?;

    let mut tx = service.db.begin("register").await?;
    store::user::insert(&mut tx, &Account { user: user.clone(), password_hash }).await?;
    let answer = tell(&mut tx, user, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn get(service: &Service, call: Call<pb::GetUserRequest>) -> Result<pb::User> {
    let nobody = || Error::not_found("user", &call.message.id);
    let id = match call.message.id.as_str() {
        // A service is nobody here.
        "me" => UserId::parse("id", &call.caller.id).map_err(|_| nobody())?,
        id => UserId::parse("id", id)?,
    };

    let user = store::user::find(&mut service.db.read().await?, id).await?;
    Ok(user.ok_or_else(nobody)?.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListUsersRequest>,
) -> Result<pb::ListUsersResponse> {
    let mut request = call.message;
    let (size, token) =
        (std::mem::take(&mut request.page_size), std::mem::take(&mut request.page_token));
    let page = Page::parse(size, &token, &request)?;
    let role = Role::from_name(request.role().as_str_name());

    let rows = store::user::list(&mut service.db.read().await?, role, &page).await?;
    let (rows, next_page_token) = page.cut(rows, |user| fold(&user.username))?;
    Ok(pb::ListUsersResponse {
        users: rows.into_iter().map(pb::User::from).collect(),
        next_page_token,
    })
}

/// Writes a person, as they are now, to the change log.
pub async fn tell(tx: &mut Tx, user: User, now: Timestamp) -> Result<pb::User> {
    let id = user.id.uuid();
    let wire = pb::User::from(user);
    changes::append(tx, now, CHANGE, id, &wire).await?;
    Ok(wire)
}

impl From<User> for pb::User {
    fn from(user: User) -> Self {
        let role = pb::user::Role::from_str_name(user.role.name());
        Self {
            id: user.id.to_string(),
            username: user.username,
            email: user.email,
            full_name: user.full_name,
            role: role.unwrap_or_default().into(),
            created_at: Some(user.created_at.into()),
            updated_at: Some(user.updated_at.into()),
            etag: user.revision.to_string(),
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
