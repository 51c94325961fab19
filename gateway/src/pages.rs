//! What the gateway answers itself, beside the API.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use kit::peer::Peers;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    routes::Routes,
    upstream::{self, Upstream},
};

/// How long a service may take to say that it serves.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// One of the gateway's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What this is.
    Index,
    /// Whether the process lives.
    Health,
    /// Whether it can do its work.
    Ready,
}

impl Page {
    pub const ALL: [Self; 3] = [Self::Index, Self::Health, Self::Ready];

    pub fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
        }
    }
}

/// What the pages show.
pub struct Pages {
    index: String,
    upstreams: [Upstream; 4],
    shutdown: CancellationToken,
}

impl Pages {
    pub fn new(routes: &Routes, peers: &Peers, shutdown: CancellationToken) -> Self {
        let index = format!(
            "Flightline: equipment register, work orders and telemetry.\n\n\
             JSON over HTTP; every path also takes a trailing slash. Log in with POST /api/token and send\n\
             the access token as Authorization: Bearer.\n\n{}",
            routes.listing
        );
        Self { index, upstreams: upstream::all(peers), shutdown }
    }

    pub async fn answer(&self, page: Page) -> Response<Body> {
        match page {
            Page::Index => text(StatusCode::OK, "text/plain; charset=utf-8", self.index.clone()),
            Page::Health => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
            Page::Ready => self.ready().await,
        }
    }

    /// Ready means: every service serves, and this process is not about to stop.
    async fn ready(&self) -> Response<Body> {
        let services = join_all(self.upstreams.iter().map(check)).await;

        let serve =
            services.iter().all(|(_, state)| *state == ServingStatus::Serving.as_str_name());
        let is_ready = serve && !self.shutdown.is_cancelled();
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let services = services.into_iter().collect::<BTreeMap<_, _>>();
        let content = json!({ "ready": is_ready, "services": services });
        text(status, "application/json", content.to_string())
    }
}

async fn check(upstream: &Upstream) -> (&'static str, &'static str) {
    let state = match timeout(READY_WITHIN, upstream.health()).await {
        Ok(Ok(state)) => state.as_str_name(),
        Ok(Err(_)) => "UNREACHABLE",
        Err(_) => "TOO_SLOW",
    };
    (upstream.name, state)
}

fn text(status: StatusCode, content_type: &'static str, content: String) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(content)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
