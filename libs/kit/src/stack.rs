//! The layers around every service, whether it is reached over the network or from this process: request id, access,
//! deadline, load limit, panics, metrics.

mod credential;
mod deadline;
mod measure;
mod outside;
mod turns;
mod vigil;

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use measure::Measure;
use outside::Outside;
use tokio::{sync::Semaphore, time::Instant};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, ServiceExt};
use tracing::Instrument;
pub use turns::{InTurn, Turn, Turns, at_a_time};
use vigil::Vigil;

use crate::{
    Caller, Error, Result,
    access::{Rule, Rules},
    call::Admitted,
    forwarded::{self, Witness},
    request_id,
    session::Sessions,
    tls::Origin,
    token::Verifier,
    trace,
};

/// Calls in progress at once, over all connections. More are refused at once: they would only wait.
const CALLS: usize = 1024;

/// Puts the layers around a service.
#[derive(Clone)]
pub struct Guard {
    rules: Arc<Rules>,
    verifier: Verifier,
    sessions: Sessions,
    witness: Witness,
    permits: Arc<Semaphore>,
    outside: Outside,
}

impl Guard {
    /// Layers that let callers through by `rules`, know them by `verifier`, by `sessions` whether they are still good, and by
    /// `witness` where those are for whom the gateway calls.
    pub fn new(rules: Rules, verifier: Verifier, sessions: Sessions, witness: Witness) -> Self {
        let permits = Arc::new(Semaphore::new(CALLS));
        let (rules, outside) = (Arc::new(rules), Outside::default());
        Self { rules, verifier, sessions, witness, permits, outside }
    }

    /// The method that is called, as logs and metrics name it: clients must not fill them with names of their own.
    fn method(&self, request: &Request<Body>) -> &'static str {
        let path = request.uri().path();
        match self.rules.find(path) {
            Some((method, _)) => method,
            None if Rules::is_open(path) => "tools",
            None => "unknown",
        }
    }

    async fn handle<S>(&self, service: S, mut request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
        S::Future: Send,
    {
        let deadline = Instant::now() + deadline::timeout(request.headers());
        request = match tokio::time::timeout_at(deadline, self.arrived(request)).await {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => return Status::from(error).into_http(),
            Err(_) => return Status::from(Error::TimedOut).into_http(),
        };
        // Whoever asks whether this process is well is answered also when it has more to do than it can.
        let needs_permit = !Rules::is_open(request.uri().path());
        let Ok(_permit) = needs_permit.then(|| self.permits.try_acquire()).transpose() else {
            return Status::from(Error::Exhausted("too many calls at once")).into_http();
        };
        let admitted = tokio::time::timeout_at(deadline, self.admit(&mut request, deadline)).await;
        let vigil = match admitted {
            Ok(Ok(vigil)) => vigil,
            Ok(Err(error)) => return Status::from(error).into_http(),
            Err(_) => return Status::from(Error::TimedOut).into_http(),
        };
        let of_answer = vigil.as_ref().filter(|vigil| vigil.streams()).cloned();
        if let Some(vigil) = vigil {
            request = request.map(|body| vigil.over_request(body));
        }
        let answer = AssertUnwindSafe(service.oneshot(request)).catch_unwind();
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(Ok(response))) => match of_answer {
                Some(vigil) => explained(response).map(|body| vigil.over_answer(body)),
                None => explained(response),
            },
            Ok(Err(_)) => {
                Status::from(Error::Internal(anyhow::anyhow!("a handler panicked"))).into_http()
            }
            Err(_) => Status::from(Error::TimedOut).into_http(),
        }
    }

    /// The request; one that anybody may send, once its message is here.
    async fn arrived(&self, request: Request<Body>) -> Result<Request<Body>> {
        let rule = self.rules.find(request.uri().path()).map(|(_, rule)| rule);
        if rule != Some(&Rule::Public) {
            return Ok(request);
        }
        let (head, body) = request.into_parts();
        Ok(Request::from_parts(head, self.outside.read(body).await?))
    }

    /// Finds out who calls, asks the method's rule, and notes both for the handler. Answers who looks after the call, if
    /// its caller had to prove themselves.
    async fn admit(&self, request: &mut Request<Body>, deadline: Instant) -> Result<Option<Vigil>> {
        let path = request.uri().path();
        if Rules::is_open(path) {
            return Ok(None);
        }
        let Some((method, rule)) = self.rules.find(path) else {
            return Err(Error::NoMethod);
        };
        let (request_id, good_at) = (request_id::of(request.headers()), Instant::now());
        let (mut caller, credential) = match rule {
            Rule::Public => (Caller::nobody(request_id), None),
            Rule::Roles(_) => {
                let (credential, token) = self.credential(request.headers(), method).await?;
                let identity = self.identify(&credential).await?;
                let credential = credential.with(identity.role);
                (Caller::new(identity, token, request_id), Some(credential))
            }
        };
        rule.check(caller.role)?;
        caller.deadline = Some(deadline);
        let address = address(request, &self.witness);
        caller.address = address.map(|address| address.to_string()).unwrap_or_default();
        if let Some(names) = request.extensions().get::<Origin>().and_then(|of| of.names.clone()) {
            caller.names = names;
        }
        request.extensions_mut().insert(Admitted { caller, method });
        Ok(credential.map(|credential| Vigil { guard: self.clone(), credential, method, good_at }))
    }
}

/// `response`; what tonic alone refuses, in the form of our refusals. Whatever a handler refuses has details.
fn explained(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != Code::Ok && status.details().is_empty() => {
            Status::from(Error::unread(status)).into_http()
        }
        _ => response,
    }
}

/// Who says of others where they are.
const GATEWAY: &str = "gateway";

/// Where the request comes from: what the gateway says, if it proves itself by its certificate or the deployment's secret, or
/// else the other end of the connection.
fn address(request: &Request<Body>, witness: &Witness) -> Option<IpAddr> {
    let (origin, headers) = (request.extensions().get::<Origin>(), request.headers());
    let names = origin.and_then(|origin| origin.names.as_ref());
    let is_gateway = names.is_some_and(|names| names.iter().any(|name| name == GATEWAY));
    let told =
        if is_gateway || witness.believes(headers) { forwarded::told(headers) } else { None };
    told.or_else(|| origin?.address)
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, service: S) -> Guarded<S> {
        Guarded { guard: self.clone(), service }
    }
}

/// A service with the layers around it.
#[derive(Clone)]
pub struct Guarded<S> {
    guard: Guard,
    service: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The service is asked when the call is admitted.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (guard, service) = (self.guard.clone(), self.service.clone());
        let request_id = request_id::ensure(request.headers_mut());
        let method = guard.method(&request);
        let span = trace::call(method, &request_id, request.headers());
        let answer = async move {
            let measure = Measure::begin(method);
            let response = guard.handle(service, request).await;
            measure.end(&response);
            Ok(response)
        };
        answer.instrument(span).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use bytes::Bytes;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic_types::StatusExt;
    use tower::service_fn;

    use super::*;
    use crate::{
        Clock,
        access::Role,
        session::{Ask, Key},
        token::Claims,
    };

    /// Nobody asks anything.
    struct Nobody;

    impl Ask for Nobody {
        fn session(&self, _: &Claims) -> BoxFuture<'_, Result<Option<Role>>> {
            Box::pin(async { Ok(None) })
        }

        fn key(&self, _: String) -> BoxFuture<'_, Result<Option<Key>>> {
            Box::pin(async { Ok(None) })
        }
    }

    /// Layers through which at most `calls` go at once, to one public method.
    fn guard(calls: usize) -> Guard {
        let methods = [("/any.Service/Method", false, true, std::iter::empty())];
        let verifier = Verifier::new(Clock::system(), || Box::pin(async { Ok(Vec::new()) }));
        let sessions = Sessions::new(Arc::new(Nobody));
        let guard =
            Guard::new(Rules::new(methods).unwrap(), verifier, sessions, Witness::new("secret"));
        Guard { permits: Arc::new(Semaphore::new(calls)), ..guard }
    }

    /// What a call of `path` is answered, by a service that has no complaints.
    async fn answer(guard: &Guard, path: &str) -> Status {
        let content = |_: Request<Body>| async { Ok::<_, Infallible>(Status::ok("").into_http()) };
        let service = guard.layer(service_fn(content));
        let request = Request::post(path).body(Body::empty()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        Status::from_header_map(response.headers()).unwrap()
    }

    #[tokio::test]
    async fn a_call_too_many_is_refused_and_a_health_check_is_not() {
        let (free, full) = (guard(1), guard(0));

        assert_eq!(answer(&free, "/any.Service/Method").await.code(), Code::Ok);
        let refused = answer(&full, "/any.Service/Method").await;

        let said = (refused.code(), refused.message());
        assert_eq!(said, (Code::ResourceExhausted, "too many calls at once"));
        for path in ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"] {
            assert_eq!(answer(&full, path).await.code(), Code::Ok, "{path}");
        }
    }

    #[tokio::test]
    async fn whoever_dawdles_before_they_said_anything_takes_no_place() {
        let guard = guard(1);
        let content = |_: Request<Body>| async { Ok::<_, Infallible>(Status::ok("").into_http()) };
        let nothing = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let dawdling = Request::post("/any.Service/Method").body(Body::new(nothing)).unwrap();
        let mut dawdling = pin!(guard.layer(service_fn(content)).oneshot(dawdling));

        assert!(dawdling.as_mut().now_or_never().is_none());

        assert_eq!(answer(&guard, "/any.Service/Method").await.code(), Code::Ok);
    }

    #[tokio::test]
    async fn what_tonic_alone_refuses_is_said_as_we_say_it() {
        for (status, code, reason) in [
            (Status::internal("failed to decode"), Code::InvalidArgument, "UNREADABLE"),
            (Status::out_of_range("too large"), Code::InvalidArgument, "UNREADABLE"),
            (Error::NoMethod.into(), Code::Unimplemented, "NO_METHOD"),
            (Error::Internal(anyhow::anyhow!("our fault")).into(), Code::Internal, "INTERNAL"),
        ] {
            let told = explained(status.into_http());
            let told = Status::from_header_map(told.headers()).unwrap();

            let info = told.get_details_error_info().unwrap();
            assert_eq!((told.code(), info.reason.as_str()), (code, reason));
        }
    }
}
