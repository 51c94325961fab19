//! A gateway before a [`Neighbour`], and a client that says things in one line.

use std::time::Duration;

use bytes::Bytes;
use gateway::{Config, Gateway};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use kit::peer::{Peers, Place};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use crate::{
    neighbour::{Call, Neighbour, Reply},
    protos,
};

/// Everything that a test needs.
pub struct World {
    pub gateway: Gateway,
    pub shutdown: CancellationToken,
    neighbour: Neighbour,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Settings that let no test wait for long.
pub fn impatient() -> Config {
    Config {
        http_header_seconds: Duration::from_millis(300),
        http_body_idle_seconds: Duration::from_millis(300),
        http_deadline_seconds: Duration::from_millis(300),
        http_keep_alive_seconds: Duration::from_millis(50),
        http_drain_seconds: Duration::from_millis(300),
        ..Config::default()
    }
}

/// Peers that are all served by `neighbour`.
pub fn peers(neighbour: &Neighbour) -> Peers {
    let place = Place::default();
    let neighbour = neighbour.clone();
    place.fill(service_fn(move |request| neighbour.clone().serve(request)));
    all(&place)
}

/// Peers that are all at one place.
pub fn all(place: &Place) -> Peers {
    Peers {
        auth: place.peer(),
        equipment: place.peer(),
        maintenance: place.peer(),
        telemetry: place.peer(),
    }
}

impl World {
    /// The trial service.
    pub fn trial<R: Into<Reply>>(reply: impl Fn(&Call) -> R + Send + Sync + 'static) -> Self {
        Self::new(protos::trial(), impatient(), reply)
    }

    /// The trial service behind a gateway with other settings.
    pub fn trial_with<R: Into<Reply>>(
        config: Config,
        reply: impl Fn(&Call) -> R + Send + Sync + 'static,
    ) -> Self {
        Self::new(protos::trial(), config, reply)
    }

    /// The public surface.
    pub fn public<R: Into<Reply>>(reply: impl Fn(&Call) -> R + Send + Sync + 'static) -> Self {
        Self::new(proto::DESCRIPTORS, impatient(), reply)
    }

    fn new<R: Into<Reply>>(
        descriptors: &[u8],
        config: Config,
        reply: impl Fn(&Call) -> R + Send + Sync + 'static,
    ) -> Self {
        let neighbour = Neighbour::new(descriptors, move |call| reply(call).into());
        let shutdown = CancellationToken::new();
        let peers = peers(&neighbour);
        let gateway = Gateway::new(descriptors, &peers, config, shutdown.clone()).unwrap();
        Self { gateway, shutdown, neighbour }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Full::default()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(json(Method::POST, path, body)).await
    }

    /// Sends `request` with a token, whose worth the gateway can't judge, unless it carries one.
    pub async fn send<B>(&self, mut request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let token = HeaderValue::from_static("Bearer token");
        request.headers_mut().entry(AUTHORIZATION).or_insert(token);
        self.send_as_it_is(request).await
    }

    pub async fn send_as_it_is<B>(&self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let (head, body) = self.gateway.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// What reached the service, of which there must be one.
    pub fn call(&self) -> Call {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.into_iter().next().unwrap()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.neighbour.calls.lock().unwrap().clone()
    }
}

/// A request with a JSON body.
pub fn json(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    request.body(Full::new(body.into())).unwrap()
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The `field` and `message` of every error in a problem with this status.
    #[track_caller]
    pub fn errors(&self, status: u16) -> Vec<(String, String)> {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        let text = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| (text(error, "field"), text(error, "message"))).collect()
    }

    /// The one field that a 400 complains of.
    #[track_caller]
    pub fn wrong_field(&self) -> String {
        let errors = self.errors(400);
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.into_iter().next().unwrap().0
    }

    /// The reason of a problem with this status.
    #[track_caller]
    pub fn reason(&self, status: u16) -> String {
        self.errors(status);
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}
