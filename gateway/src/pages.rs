//! What the gateway answers itself, beside the API.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, ETAG},
    request::Parts,
};
use http_body_util::Full;
use kit::peer::Peers;
use prost_reflect::DescriptorPool;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    openapi, response,
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
    /// The OpenAPI document.
    Document,
}

impl Page {
    pub const ALL: [Self; 4] = [Self::Index, Self::Health, Self::Ready, Self::Document];

    pub fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Document => "/openapi.json",
        }
    }
}

/// What the pages show.
pub struct Pages {
    index: String,
    document: Document,
    upstreams: [Upstream; 4],
    shutdown: CancellationToken,
}

impl Pages {
    /// # Errors
    ///
    /// An option that has no form in the OpenAPI document.
    pub fn new(
        pool: &DescriptorPool,
        routes: &Routes,
        peers: &Peers,
        shutdown: CancellationToken,
    ) -> Result<Self> {
        let listing = routes.resources.iter().map(|resource| resource.line()).collect::<String>();
        let index = format!(
            "Flightline: equipment register, work orders and telemetry.\n\n\
             JSON over HTTP; every path also takes a trailing slash. Log in with POST /api/token and send\n\
             the access token as Authorization: Bearer. /openapi.json describes what follows.\n\n{listing}"
        );
        let document = Document::new(pool, routes)?;
        Ok(Self { index, document, upstreams: upstream::all(peers), shutdown })
    }

    pub async fn answer(&self, page: Page, head: &Parts) -> Response<Body> {
        match page {
            Page::Index => text(StatusCode::OK, "text/plain; charset=utf-8", self.index.clone()),
            Page::Health => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
            Page::Ready => self.ready().await,
            Page::Document => self.document.answer(head),
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

/// The OpenAPI document, as it is sent.
struct Document {
    content: Bytes,
    etag: HeaderValue,
}

impl Document {
    fn new(pool: &DescriptorPool, routes: &Routes) -> Result<Self> {
        let resources = routes.resources.iter().map(AsRef::as_ref);
        let content = serde_json::to_vec(&openapi::document(pool, resources)?)?;
        // Tells one release's document from another's.
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let etag = HeaderValue::from_str(&format!("\"{:x}\"", hasher.finish()))?;
        Ok(Self { content: content.into(), etag })
    }

    fn answer(&self, head: &Parts) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(ETAG, self.etag.clone());
        if response::is_known(&head.headers, &self.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        *response.body_mut() = Body::new(Full::from(self.content.clone()));
        response
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
