//! The wire: each method reads a request, asks `domain` and `store`, and writes an answer.

mod audit;
mod equipment;
mod guess;
mod key;
mod password;
pub mod session;
mod signing_key;
mod ticket;
mod token;
pub mod user;
pub mod watch;

use kit::{Db, Suite};
use proto::auth::v1::{
    self as pb, auth_service_server::AuthService as AuthRpc,
    key_service_server::KeyService as KeyRpc, session_service_server::SessionService as SessionRpc,
    user_service_server::UserService as UserRpc,
};
use tonic::{Request, Response, Status};

use crate::{
    Registration, Secret,
    domain::{guess::Addresses, session::ChainKey},
    hashing::Hashing,
    setup::Signers,
};

/// What every method has at hand.
pub struct Service {
    pub db: Db,
    pub suite: Suite,
    pub hashing: Hashing,
    pub signers: Signers,
    pub chain_key: ChainKey,
    /// What the parts of the deployment prove themselves with.
    pub secret: Secret,
    pub registration: Registration,
    /// What each network address may still try.
    pub addresses: Addresses,
    /// The same of the deployment's secret.
    pub secrets: Addresses,
    /// How many accounts may still be asked for from each. A flood of them hides no guess from the audit trail.
    pub registrations: Addresses,
}

/// The table of contents. Every line is the same, so that only the bodies need reading.
#[tonic::async_trait]
impl AuthRpc for Service {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(user::register(self, request.into()).await?)
    }

    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::TokenPair>, Status> {
        Ok(token::create(self, request.into()).await?.into())
    }

    async fn refresh_token(
        &self,
        request: Request<pb::RefreshTokenRequest>,
    ) -> Result<Response<pb::TokenPair>, Status> {
        Ok(token::refresh(self, request.into()).await?.into())
    }

    async fn create_stream_ticket(
        &self,
        request: Request<pb::CreateStreamTicketRequest>,
    ) -> Result<Response<pb::StreamTicket>, Status> {
        Ok(ticket::create(self, request.into()).await?.into())
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<()>, Status> {
        Ok(session::log_out(self, request.into()).await?.into())
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        Ok(session::list(self, request.into()).await?.into())
    }

    async fn end_session(
        &self,
        request: Request<pb::EndSessionRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(session::end_one(self, request.into()).await?.into())
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(password::reset(self, request.into()).await?.into())
    }

    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        Ok(audit::list(self, request.into()).await?.into())
    }

    async fn list_public_keys(
        &self,
        request: Request<pb::ListPublicKeysRequest>,
    ) -> Result<Response<pb::ListPublicKeysResponse>, Status> {
        Ok(signing_key::list(self, request.into()).await?.into())
    }

    async fn create_service_token(
        &self,
        request: Request<pb::CreateServiceTokenRequest>,
    ) -> Result<Response<pb::ServiceToken>, Status> {
        Ok(signing_key::create_service_token(self, request.into()).await?.into())
    }
}

#[tonic::async_trait]
impl UserRpc for Service {
    async fn create_user(
        &self,
        request: Request<pb::CreateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(user::create(self, request.into()).await?)
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(user::get(self, request.into()).await?.into())
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        Ok(user::list(self, request.into()).await?.into())
    }

    async fn list_technicians(
        &self,
        request: Request<pb::ListTechniciansRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        Ok(user::list_technicians(self, request.into()).await?.into())
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(user::update(self, request.into()).await?.into())
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(user::delete(self, request.into()).await?.into())
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(password::change(self, request.into()).await?.into())
    }

    async fn start_password_reset(
        &self,
        request: Request<pb::StartPasswordResetRequest>,
    ) -> Result<Response<pb::PasswordReset>, Status> {
        Ok(password::start_reset(self, request.into()).await?.into())
    }
}

#[tonic::async_trait]
impl KeyRpc for Service {
    async fn create_key(
        &self,
        request: Request<pb::CreateKeyRequest>,
    ) -> Result<Response<pb::Key>, Status> {
        Ok(key::create(self, request.into()).await?.into())
    }

    async fn get_key(
        &self,
        request: Request<pb::GetKeyRequest>,
    ) -> Result<Response<pb::Key>, Status> {
        Ok(key::get(self, request.into()).await?.into())
    }

    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        Ok(key::list(self, request.into()).await?.into())
    }

    async fn delete_key(
        &self,
        request: Request<pb::DeleteKeyRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(key::delete(self, request.into()).await?.into())
    }
}

#[tonic::async_trait]
impl SessionRpc for Service {
    type WatchSessionsStream = watch::WatchStream;

    async fn watch_sessions(
        &self,
        request: Request<pb::WatchSessionsRequest>,
    ) -> Result<Response<Self::WatchSessionsStream>, Status> {
        Ok(watch::watch(self, request.into()).await?.into())
    }

    async fn check_session(
        &self,
        request: Request<pb::CheckSessionRequest>,
    ) -> Result<Response<pb::CheckSessionResponse>, Status> {
        Ok(session::check(self, request.into()).await?.into())
    }

    async fn check_key(
        &self,
        request: Request<pb::CheckKeyRequest>,
    ) -> Result<Response<pb::CheckKeyResponse>, Status> {
        Ok(key::check(self, request.into()).await?.into())
    }
}
