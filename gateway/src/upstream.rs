//! The services behind the gateway, and calls to them.

use anyhow::{Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::uri::PathAndQuery;
use kit::{
    codec::BytesCodec,
    peer::{Peer, Peers},
};
use tonic::{Request, Response, Status, Streaming, body::Body, client::Grpc};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use tower::ServiceExt;

/// What the services may answer at most; their pages end before that.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A service of the suite, by the name that its package has.
#[derive(Clone)]
pub struct Upstream {
    pub name: &'static str,
    peer: Peer,
}

/// Every service, in the order of their names.
pub fn all(peers: &Peers) -> [Upstream; 4] {
    [
        Upstream { name: "auth", peer: peers.auth.clone() },
        Upstream { name: "equipment", peer: peers.equipment.clone() },
        Upstream { name: "maintenance", peer: peers.maintenance.clone() },
        Upstream { name: "telemetry", peer: peers.telemetry.clone() },
    ]
}

/// The service that serves `package`, such as `flightline.auth.v1`.
pub fn serving(package: &str, peers: &Peers) -> Result<Upstream> {
    let name = package.strip_prefix("flightline.").and_then(|rest| rest.split('.').next());
    match all(peers).into_iter().find(|upstream| Some(upstream.name) == name) {
        Some(upstream) => Ok(upstream),
        None => bail!("no service serves the package {package}"),
    }
}

impl Upstream {
    /// Calls a method that answers once.
    pub fn call(
        &self,
        request: Request<Bytes>,
        path: PathAndQuery,
    ) -> BoxFuture<'static, Result<Response<Bytes>, Status>> {
        let client = self.client();
        async move { ready(client).await?.unary(request, path, BytesCodec).await }.boxed()
    }

    /// Calls a method that answers with a stream.
    pub fn watch(
        &self,
        request: Request<Bytes>,
        path: PathAndQuery,
    ) -> BoxFuture<'static, Result<Response<Streaming<Bytes>>, Status>> {
        let client = self.client();
        async move { ready(client).await?.server_streaming(request, path, BytesCodec).await }
            .boxed()
    }

    /// Carries a call of any kind as it is.
    pub fn carry(
        &self,
        request: http::Request<Body>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, Status>> {
        self.peer.clone().oneshot(request).boxed()
    }

    /// The state that the service reports of itself.
    pub fn health(&self) -> BoxFuture<'static, Result<ServingStatus, Status>> {
        let mut client = HealthClient::new(self.peer.clone());
        let request = HealthCheckRequest { service: format!("flightline.{}.v1", self.name) };
        async move { Ok(client.check(request).await?.get_ref().status()) }.boxed()
    }

    fn client(&self) -> Grpc<Peer> {
        Grpc::new(self.peer.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}

async fn ready(mut client: Grpc<Peer>) -> Result<Grpc<Peer>, Status> {
    client.ready().await?;
    Ok(client)
}
