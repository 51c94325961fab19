//! What the gateway answers itself, beside the API.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE, request::Parts};
use http_body_util::Full;
use kit::peer::Peers;
use prost_reflect::DescriptorPool;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    asset::Asset,
    openapi,
    problem::Problem,
    routes::Routes,
    swagger::Swagger,
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
    /// Swagger UI, which shows it.
    Swagger,
    /// A file of Swagger UI.
    SwaggerFile,
}

impl Page {
    pub const ALL: [Self; 6] =
        [Self::Index, Self::Health, Self::Ready, Self::Document, Self::Swagger, Self::SwaggerFile];

    pub fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Document => "/openapi.json",
            Self::Swagger => "/swagger",
            Self::SwaggerFile => "/swagger/{file}",
        }
    }
}

/// What the pages show.
pub struct Pages {
    index: String,
    document: Asset,
    swagger: Swagger,
    upstreams: [Upstream; 4],
    /// When the process was asked to stop.
    asked: CancellationToken,
}

impl Pages {
    /// # Errors
    ///
    /// An option that has no form in the OpenAPI document.
    pub fn new(
        pool: &DescriptorPool,
        routes: &Routes,
        peers: &Peers,
        asked: CancellationToken,
    ) -> anyhow::Result<Self> {
        let listing = routes.resources.iter().map(|resource| resource.line()).collect::<String>();
        let index = format!(
            "Flightline: equipment register, work orders and telemetry.\n\n\
             JSON over HTTP; every path also takes a trailing slash. Log in with POST /api/token and send\n\
             the access token as Authorization: Bearer. /swagger/ shows what follows, described by /openapi.json.\n\n{listing}"
        );
        let document = openapi::document(pool, routes.resources.iter().map(AsRef::as_ref))?;
        let document = Asset::new(serde_json::to_vec(&document)?, "application/json")?;
        let swagger = Swagger::new(Page::Document.path());
        Ok(Self { index, document, swagger, upstreams: upstream::all(peers), asked })
    }

    /// `variables` are those of the path.
    pub async fn answer(
        &self,
        page: Page,
        head: &Parts,
        variables: &[String],
    ) -> Result<Response<Body>, Problem> {
        Ok(match page {
            Page::Index => text(StatusCode::OK, "text/plain; charset=utf-8", self.index.clone()),
            Page::Health => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
            Page::Ready => self.ready().await,
            Page::Document => self.document.answer(head),
            Page::Swagger => self.swagger.page(head)?,
            Page::SwaggerFile => self.swagger.file(variables.first().map_or("", |it| it), head)?,
        })
    }

    /// Ready means: every service serves, and this process is not about to stop.
    async fn ready(&self) -> Response<Body> {
        let services = join_all(self.upstreams.iter().map(check)).await;

        let serve =
            services.iter().all(|(_, state)| *state == ServingStatus::Serving.as_str_name());
        let is_ready = serve && !self.asked.is_cancelled();
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
