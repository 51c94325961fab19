//! The wire: each method reads a request, asks `domain` and `store`, and writes an answer.

mod key;
pub mod session;
mod signing_key;
pub mod user;
pub mod watch;

use kit::{Db, Suite};
use proto::auth::v1::{
    self as pb, auth_service_server::AuthService as AuthRpc,
    session_service_server::SessionService as SessionRpc,
    user_service_server::UserService as UserRpc,
};
use tonic::{Request, Response, Status};

use crate::{
    Registration, Secret,
    domain::{session::ChainKey, token::Signer},
    hashing::Hashing,
};

/// What every method has at hand.
pub struct Service {
    pub db: Db,
    pub suite: Suite,
    pub hashing: Hashing,
    pub signer: Signer,
    pub chain_key: ChainKey,
    /// What the parts of the deployment prove themselves with.
    pub secret: Secret,
    pub registration: Registration,
}

/// The table of contents. Every line is the same, so that only the bodies need reading.
#[tonic::async_trait]
impl AuthRpc for Service {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(user::register(self, request.into()).await?.into())
    }

    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::TokenPair>, Status> {
        Ok(session::create(self, request.into()).await?.into())
    }

    async fn refresh_token(
        &self,
        request: Request<pb::RefreshTokenRequest>,
    ) -> Result<Response<pb::TokenPair>, Status> {
        Ok(session::refresh(self, request.into()).await?.into())
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
        Ok(signing_key::create_service_token(self, request.into())?.into())
    }
}

#[tonic::async_trait]
impl UserRpc for Service {
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
