//! gRPC and gRPC-Web on the port of the REST surface: calls are carried to the service that owns the method as they are.
//! Access, limits and deadlines are the service's.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{ACCEPT, CONTENT_TYPE, TE},
    request::Parts,
    uri::PathAndQuery,
};
use http_body_util::BodyExt;
use kit::{Error, carried, peer::Peers};
use prost_reflect::DescriptorPool;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};
use tonic_web::GrpcWebLayer;
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    Config, body,
    problem::Problem,
    rule::Options,
    upstream::{self, Upstream},
};

/// What says how a call is encoded and how long its caller waits; it goes on beside what identifies the caller.
const FORWARDED: [HeaderName; 4] = [
    CONTENT_TYPE,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

/// The methods that can be called, by path.
pub struct Methods(HashMap<String, Arc<Method>>);

struct Method {
    upstream: Upstream,
    path: PathAndQuery,
    /// Whether its answer goes on for as long as the service has something to say.
    is_watch: bool,
}

/// A call on its way.
pub struct Call<'a> {
    pub head: &'a Parts,
    /// Who calls and from where, as the services are told.
    pub metadata: HeaderMap,
    pub config: &'a Config,
    pub shutdown: CancellationToken,
}

/// Whether a request is a call; all others are for the REST surface.
pub fn is_call(head: &Parts) -> bool {
    let begun = media_type(head).get(..NATIVE[0].len());
    begun.is_some_and(|begun| begun.eq_ignore_ascii_case(NATIVE[0]))
}

/// Refuses what can't be carried: gRPC's trailers need HTTP/2, every call is a POST, and its messages are protobuf.
pub fn check(head: &Parts) -> Result<(), Problem> {
    if head.method != http::Method::POST {
        return Err(Problem::method_not_allowed(HeaderValue::from_static("POST")));
    }
    let is_one_of =
        |forms: &[&str]| forms.iter().any(|form| form.eq_ignore_ascii_case(media_type(head)));
    if is_one_of(&WEB) {
        return Ok(());
    }
    if !is_one_of(&NATIVE) {
        return Err(body::unsupported("the messages of gRPC must be protobuf"));
    }
    if head.version == Version::HTTP_2 {
        return Ok(());
    }
    let detail = "gRPC is spoken over HTTP/2, and gRPC-Web with protobuf over any version";
    Err(Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "HTTP_VERSION", detail))
}

/// What the messages of a request are sent as, without parameters.
fn media_type(head: &Parts) -> &str {
    let sent = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    sent.and_then(|sent| sent.split(';').next()).unwrap_or_default().trim()
}

/// Whether the caller says in which form of gRPC-Web to answer; others mean that of the request.
fn asks_for_a_form(head: &Parts) -> bool {
    let accepted = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| WEB.contains(&accepted))
}

/// The forms of gRPC.
const NATIVE: [&str; 2] = ["application/grpc", "application/grpc+proto"];
/// The forms of gRPC-Web.
const WEB: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

impl Methods {
    /// Those of the suite's services that are for clients; what is between the services is not carried in from outside.
    ///
    /// # Errors
    ///
    /// The descriptors lack the options.
    pub fn new(pool: &DescriptorPool, peers: &Peers) -> anyhow::Result<Self> {
        let options = Options::of(pool)?;
        let mut methods = HashMap::new();
        for service in pool.services() {
            let Ok(upstream) = upstream::serving(service.package_name(), peers) else { continue };
            for method in service.methods().filter(|method| options.is_for_clients(method)) {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let method = Method {
                    upstream: upstream.clone(),
                    path: path.parse()?,
                    is_watch: method.is_server_streaming(),
                };
                methods.insert(path, Arc::new(method));
            }
        }
        Ok(Self(methods))
    }

    /// The path of the method that `head` calls, if there is one: a name for logs and metrics.
    pub fn name(&self, head: &Parts) -> Option<&str> {
        self.0.get_key_value(head.uri.path()).map(|(path, _)| path.as_str())
    }

    /// Carries a call. Whatever goes wrong is a gRPC status, in the form of the call.
    pub async fn carry(&self, call: Call<'_>, body: Body) -> Response<Body> {
        let method = self.0.get(call.head.uri.path()).cloned();
        let Call { head, metadata, config, shutdown } = call;
        let within = config.http_deadline_seconds;
        let carry = service_fn(move |request: Request<Body>| {
            let (method, metadata, shutdown) = (method.clone(), metadata.clone(), shutdown.clone());
            async move {
                let Some(method) = method else {
                    return Ok::<_, Infallible>(Status::from(Error::NoMethod).into_http());
                };
                let answer = method.upstream.carry(method.request(request, metadata));
                // Only what would go on for ever is cut short.
                let end = if method.is_watch { shutdown } else { CancellationToken::new() };
                Ok(match timeout(within, answer).await {
                    Ok(Ok(answer)) => answer.map(|body| carried::until(end, body)),
                    Ok(Err(status)) => status.into_http(),
                    Err(_) => Status::from(Error::TimedOut).into_http(),
                })
            }
        });
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers.clone();
        // The layer knows the forms by their bare names alone, and answers in binary who doesn't ask for a form.
        if let Ok(media_type) = HeaderValue::try_from(media_type(head).to_ascii_lowercase()) {
            if !asks_for_a_form(head) {
                request.headers_mut().insert(ACCEPT, media_type.clone());
            }
            request.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        // What is no gRPC-Web passes through unchanged.
        match GrpcWebLayer::new().layer(carry).oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

impl Method {
    /// `request`, as the service shall see it.
    fn request(&self, request: Request<Body>, metadata: HeaderMap) -> Request<Body> {
        let (head, body) = request.into_parts();
        // Its length is not told: that of a text is not that of what the text says.
        let mut request = Request::new(Body::new(body.map_frame(|frame| frame)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.clone().into();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = metadata;
        for name in FORWARDED {
            if let Some(value) = head.headers.get(&name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        request
    }
}
