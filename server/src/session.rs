//! Somebody who is logged in and stays so.

use std::time::Duration;

use kit::peer::Peer;
use proto::auth::v1::{
    CreateTokenRequest, RefreshTokenRequest, TokenPair, auth_service_client::AuthServiceClient,
};
use tokio::time::Instant;
use tonic::{
    Code, Request, Status,
    metadata::{AsciiMetadataValue, MetadataValue},
};

/// The longest that a call may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps an access token that is good for a while yet.
pub struct Session {
    auth: AuthServiceClient<Peer>,
    credentials: Credentials,
    tokens: TokenPair,
    renew_at: Instant,
}

/// What a person knows.
#[derive(Clone)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl Session {
    /// Logs in at the service behind `auth`.
    pub async fn log_in(auth: Peer, credentials: Credentials) -> Result<Self, Status> {
        let mut auth = AuthServiceClient::new(auth);
        let tokens = create_token(&mut auth, &credentials).await?;
        let renew_at = half_of_life(&tokens);
        Ok(Self { auth, credentials, tokens, renew_at })
    }

    /// A request in this person's name, with a token that lasts.
    pub async fn request<T>(&mut self, message: T) -> Result<Request<T>, Status> {
        Ok(self.pass().await?.request(message))
    }

    /// What requests in this person's name need for the next minutes, for several who call at once.
    pub async fn pass(&mut self) -> Result<Pass, Status> {
        if self.renew_at <= Instant::now() {
            self.renew().await?;
        }
        let bearer = MetadataValue::try_from(format!("Bearer {}", self.tokens.access))
            .map_err(|_| Status::internal("the access token can't be sent"))?;
        Ok(Pass(bearer))
    }

    async fn renew(&mut self) -> Result<(), Status> {
        let request = RefreshTokenRequest { refresh: self.tokens.refresh.clone() };
        self.tokens = match self.auth.refresh_token(patient(request)).await {
            // The session was ended, or slept through its life.
            Err(status) if status.code() == Code::Unauthenticated => {
                create_token(&mut self.auth, &self.credentials).await?
            }
            answer => answer?.into_inner(),
        };
        self.renew_at = half_of_life(&self.tokens);
        Ok(())
    }
}

/// A token that is good for a while yet.
#[derive(Clone)]
pub struct Pass(AsciiMetadataValue);

impl Pass {
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = patient(message);
        request.metadata_mut().insert("authorization", self.0.clone());
        request
    }
}

async fn create_token(
    auth: &mut AuthServiceClient<Peer>,
    credentials: &Credentials,
) -> Result<TokenPair, Status> {
    let Credentials { username, password } = credentials.clone();
    let request = CreateTokenRequest { username, password };
    Ok(auth.create_token(patient(request)).await?.into_inner())
}

/// When to renew: never at the end, where a slow call would come too late.
fn half_of_life(tokens: &TokenPair) -> Instant {
    let seconds = u64::try_from(tokens.expires_in).unwrap_or_default();
    Instant::now() + Duration::from_secs(seconds / 2)
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// After half a minute of pauses, the service is not coming back for us.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// Calls again while the service is away or full.
///
/// # Errors
///
/// It refuses, or was away too long.
pub async fn patiently<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Err(status) if will_pass(&status) && pause <= LONGEST_PAUSE => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
}

fn will_pass(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
}

/// A request that is not waited for for ever.
pub fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// The token that the next request carries.
    async fn sent(session: &mut Session) -> String {
        let request = session.request(()).await.unwrap();
        request.metadata().get("authorization").unwrap().to_str().unwrap().to_owned()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_is_kept_until_half_of_its_life_and_renewed_then() {
        let (suite, _, _folder) = testing::suite().await;
        let mut session = testing::admin(suite.peers().auth.clone()).await;
        let (first, second) = (sent(&mut session).await, sent(&mut session).await);
        assert_eq!(first, second);

        session.renew_at = Instant::now();

        assert_ne!(sent(&mut session).await, first);
        assert!(Instant::now() < session.renew_at);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_that_was_ended_is_begun_anew() {
        let (suite, _, _folder) = testing::suite().await;
        let mut session = testing::admin(suite.peers().auth.clone()).await;
        let first = sent(&mut session).await;

        session.renew_at = Instant::now();
        session.tokens.refresh = "spent long ago".into();

        assert_ne!(sent(&mut session).await, first);
    }
}
