//! How the services of this process know callers, and prove themselves to each other.

use std::time::Duration;

use auth::Secret;
use kit::{
    Clock, Result, Suite,
    access::Rules,
    forwarded::Witness,
    peer::{Peer, Peers},
    session::Sessions,
    stack::Guard,
    token::{Proof, PublicKey, ServiceToken, Verifier},
};
use proto::auth::v1::{
    CreateServiceTokenRequest, ListPublicKeysRequest, auth_service_client::AuthServiceClient,
};
use tonic::Request;

use crate::Part;

/// How long auth may take to answer another service.
const PATIENCE: Duration = Duration::from_secs(5);
/// When a process that auth refuses tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// The layers around every service: rules from the contract, keys from auth.
///
/// # Errors
///
/// The contract names a role that this library doesn't know.
pub fn guard(
    clock: &Clock,
    peers: &Peers,
    sessions: &Sessions,
    witness: Witness,
) -> anyhow::Result<Guard> {
    let methods = proto::METHODS
        .iter()
        .map(|method| (method.path, method.streams, method.public, method.door()));
    let auth = peers.auth.clone();
    let verifier = Verifier::new(clock.clone(), move || Box::pin(public_keys(auth.clone())));
    Ok(Guard::new(Rules::new(methods)?, verifier, sessions.clone(), witness))
}

async fn public_keys(auth: Peer) -> Result<Vec<PublicKey>> {
    let request = patient(ListPublicKeysRequest {});
    let answer = AuthServiceClient::new(auth).list_public_keys(request).await?.into_inner();
    Ok(answer.keys.into_iter().map(|key| PublicKey { kid: key.kid, x: key.x }).collect())
}

/// The token of `service` in work that no person asked for; `proof` hears whether auth gives it one.
pub fn of(
    service: Part,
    secret: &Secret,
    clock: &Clock,
    peers: &Peers,
    proof: &Proof,
) -> ServiceToken {
    let (auth, secret) = (peers.auth.clone(), secret.clone());
    let token = ServiceToken::new(clock.clone(), move || {
        Box::pin(service_token(auth.clone(), service, secret.clone()))
    });
    token.telling(proof)
}

/// Tries again for as long as auth refuses this process, whether it has something to ask or not: once auth knows it, it serves
/// again.
pub fn insist(suite: &Suite, proof: &Proof) {
    let (identity, mut refused) = (suite.identity.clone(), proof.refused());
    suite.spawn(async move {
        while refused.wait_for(|refused| *refused).await.is_ok() {
            tokio::time::sleep(AGAIN).await;
            identity.prove().await;
        }
    });
}

async fn service_token(auth: Peer, service: Part, secret: Secret) -> Result<(String, i32)> {
    let (service, secret) = (service.name().to_owned(), secret.reveal().to_owned());
    let request = patient(CreateServiceTokenRequest { service, secret });
    let answer = AuthServiceClient::new(auth).create_service_token(request).await?.into_inner();
    Ok((answer.access, answer.expires_in))
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
