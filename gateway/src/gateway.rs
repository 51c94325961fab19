//! The gateway as a service: whatever request goes in, an answer comes out.

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPECT, HOST,
    },
    request::Parts,
};
use http_body::Body as _;
use kit::{peer::Peers, process::Stop, request_id, trace};
use metrics::{counter, histogram};
use prost_reflect::DescriptorPool;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::BoxError;
use tracing::Instrument;

use crate::{
    Config,
    body::{self, Room},
    grpc::{self, Methods},
    pages::Pages,
    problem::Problem,
    response,
    routes::{Action, Found, Routes},
    transcode::{self, Exchange},
};

const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// Answers HTTP-JSON by calling the services. Clones share everything.
#[derive(Clone)]
pub struct Gateway {
    /// The other end of the connection, where there is one; for one request, whoever sent it.
    client: Option<IpAddr>,
    routes: Arc<Routes>,
    methods: Arc<Methods>,
    pages: Arc<Pages>,
    config: Arc<Config>,
    room: Room,
    shutdown: CancellationToken,
}

impl Gateway {
    /// A gateway for the methods in `descriptors`, an encoded `FileDescriptorSet`. It is not ready once `stop` was asked for,
    /// and its event streams end when that begins.
    ///
    /// # Errors
    ///
    /// A `google.api.http` option that the gateway cannot serve: better found at start than by a client.
    pub fn new(
        descriptors: &[u8],
        peers: &Peers,
        config: Config,
        stop: impl Into<Stop>,
    ) -> Result<Self> {
        let stop = stop.into();
        let pool = DescriptorPool::decode(descriptors).context("the descriptors cannot be read")?;
        let routes = Routes::new(&pool, peers)?;
        Ok(Self {
            client: None,
            pages: Arc::new(Pages::new(&pool, &routes, peers, stop.asked)?),
            routes: Arc::new(routes),
            methods: Arc::new(Methods::new(&pool, peers)?),
            room: Room::new(config.http_body_memory_bytes),
            config: Arc::new(config),
            shutdown: stop.begun,
        })
    }

    /// The same for one connection: whose it is, and when its event streams shall end.
    pub(crate) fn of_connection(&self, client: IpAddr, ending: CancellationToken) -> Self {
        Self { client: Some(client.to_canonical()), shutdown: ending, ..self.clone() }
    }

    async fn serve(mut self, request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let (head, mut body) = request.into_parts();
        let proxies = &self.config.trusted_proxies;
        self.client = self.client.map(|peer| proxies.sender(peer, &head.headers));
        let head = Arc::new(head);
        let request_id = request_id::of(&head.headers);
        let is_call = grpc::is_call(&head);
        let found = if is_call { None } else { self.routes.find(head.uri.path()) };
        // The raw path would put whatever a client sends into the log.
        let route = match &found {
            Some(found) => found.resource.template.as_str(),
            None if is_call => self.methods.name(&head).unwrap_or("-"),
            None => "-",
        };

        let span = trace::request(method_name(&head.method), route, &request_id);
        let answer = async {
            if let Some(answer) = self.config.http_cors_origins.preflight(&head) {
                return Ok(answer);
            }
            refuse_doubled(&head)?;
            if is_call {
                grpc::check(&head)?;
                return Ok(self.carry(&head, std::mem::take(&mut body), &request_id).await);
            }
            self.answer(found.as_ref(), &head, &mut body, &request_id).await
        };
        let answer = AssertUnwindSafe(answer.instrument(span.clone())).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| {
            tracing::error!(request_id, route, "a request made the gateway panic");
            Err(Problem::internal())
        });
        let response = answer.unwrap_or_else(|problem| problem.into_response(&request_id));
        let is_slow = response.status() == StatusCode::REQUEST_TIMEOUT;
        if !is_slow && !head.headers.contains_key(EXPECT) {
            body::discard(body);
        }

        let status = response.status().as_u16();
        measure(&head.method, route, status, started);
        tracing::info!(
            parent: &span,
            method = %head.method,
            route,
            status,
            milliseconds = started.elapsed().as_millis(),
            request_id,
            "answered"
        );
        let mut response = finished(response, &head.method, &request_id);
        self.config.http_cors_origins.mark(&head.headers, response.headers_mut());
        response
    }

    async fn carry(&self, head: &Parts, body: Body, request_id: &str) -> Response<Body> {
        let call = grpc::Call {
            head,
            metadata: transcode::metadata(&head.headers, request_id, self.client),
            config: &self.config,
            shutdown: self.shutdown.clone(),
        };
        self.methods.carry(call, body).await
    }

    async fn answer(
        &self,
        found: Option<&Found>,
        head: &Arc<Parts>,
        body: &mut Body,
        request_id: &str,
    ) -> Result<Response<Body>, Problem> {
        let Some(Found { resource, variables }) = found else { return Err(Problem::not_found()) };
        match resource.action(&head.method) {
            Some(Action::Call(route)) => {
                let exchange = Exchange {
                    route: Arc::clone(route),
                    variables: variables.clone(),
                    head: Arc::clone(head),
                    client: self.client,
                    request_id: request_id.to_owned(),
                    config: Arc::clone(&self.config),
                    room: self.room.clone(),
                    shutdown: self.shutdown.clone(),
                };
                exchange.run(body).await
            }
            Some(Action::Page(page)) => self.pages.answer(*page, head, variables).await,
            None if head.method == Method::OPTIONS => Ok(options(resource.allow())),
            None => Err(Problem::method_not_allowed(resource.allow())),
        }
    }
}

impl<B> tower::Service<Request<B>> for Gateway
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.clone().serve(request.map(Body::new)).map(Ok).boxed()
    }
}

/// Refuses a request with two of a header that says one thing: somebody before us may have gone by the other one.
fn refuse_doubled(head: &Parts) -> Result<(), Problem> {
    for header in [AUTHORIZATION, CONTENT_TYPE, HOST] {
        if 1 < head.headers.get_all(&header).iter().count() {
            return Err(Problem::field(header.as_str(), "is given twice"));
        }
    }
    Ok(())
}

/// A method that is none of HTTP's own has one name for all: clients must not make up more.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Tells the metrics.
fn measure(method: &Method, route: &str, status: u16, started: Instant) {
    let method = method_name(method);
    let labels = [("method", method.to_owned()), ("route", route.to_owned())];
    histogram!("flightline_http_request_seconds", &labels).record(started.elapsed());
    counter!("flightline_http_requests_total",
        "method" => method, "route" => route.to_owned(), "status" => status.to_string())
    .increment(1);
}

fn options(allow: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// Adds what every answer carries. Answers belong to their caller: no cache may keep them unasked.
fn finished(mut response: Response<Body>, method: &Method, request_id: &str) -> Response<Body> {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(request_id::NAME, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let is_revalidated = response::is_read(method) && headers.contains_key(ETAG);
    let caching = if is_revalidated { "private, no-cache" } else { "no-store" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));

    if method == Method::HEAD {
        if let Some(length) = response.body().size_hint().exact().filter(|length| 0 < *length) {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = Body::empty();
    }
    response
}
