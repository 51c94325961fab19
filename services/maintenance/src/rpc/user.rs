//! What the auth service says of people. A call, so it is made before a transaction begins, as with [`equipment`].
//!
//! [`equipment`]: super::equipment

use kit::{Caller, Error, Result, access::Role};
use proto::auth::v1::{GetUserRequest, user, user_service_client::UserServiceClient};
use tonic::Code;

use super::Service;

/// Checks that tasks may be given to the user, who came in as `field`.
pub async fn check_may_work(
    service: &Service,
    caller: &Caller,
    field: &str,
    id: Option<&str>,
) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    if id == caller.id && matches!(caller.role, Role::Admin | Role::Technician) {
        return Ok(());
    }
    let mut users = UserServiceClient::new(service.suite.peers.auth.clone());
    let request = GetUserRequest { id: id.to_owned(), show_deleted: false };
    match users.get_user(caller.request(request)).await {
        Ok(user) if matches!(user.get_ref().role(), user::Role::Admin | user::Role::Technician) => {
            Ok(())
        }
        Ok(_) => Err(Error::invalid(field, "may not work on tasks")),
        Err(status) if status.code() == Code::NotFound => {
            Err(Error::invalid(field, "there is no such user"))
        }
        Err(status) => Err(status.into()),
    }
}
