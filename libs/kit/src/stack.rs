//! The layers around every service, whether it is reached over the network or from this process: request id, access,
//! deadline, load limit, panics, metrics.

mod credential;
mod measure;
mod vigil;

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Request, Response};
use measure::Measure;
use tokio::{sync::Semaphore, time::Instant};
use tonic::{Status, body::Body};
use tower::{Layer, Service, ServiceExt};
use tracing::Instrument;
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

/// The longest that any call may take to begin its answer, whatever its caller says.
const CEILING: Duration = Duration::from_secs(10);
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
}

impl Guard {
    /// Layers that let callers through by `rules`, know them by `verifier`, by `sessions` whether they are still good, and by
    /// `witness` where those are for whom the gateway calls.
    pub fn new(rules: Rules, verifier: Verifier, sessions: Sessions, witness: Witness) -> Self {
        let permits = Arc::new(Semaphore::new(CALLS));
        Self { rules: Arc::new(rules), verifier, sessions, witness, permits }
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
        let deadline = Instant::now() + timeout(request.headers());
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
        if let Some(vigil) = vigil.clone() {
            request = request.map(|body| vigil.over_request(body));
        }
        let answer = AssertUnwindSafe(service.oneshot(request)).catch_unwind();
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(Ok(response))) => match vigil {
                Some(vigil) => response.map(|body| vigil.over_answer(body)),
                None => response,
            },
            Ok(Err(_)) => {
                Status::from(Error::Internal(anyhow::anyhow!("a handler panicked"))).into_http()
            }
            Err(_) => Status::from(Error::TimedOut).into_http(),
        }
    }

    /// Finds out who calls, asks the method's rule, and notes both for the handler. Answers who looks after the call, if
    /// it may go on for long.
    async fn admit(&self, request: &mut Request<Body>, deadline: Instant) -> Result<Option<Vigil>> {
        let path = request.uri().path();
        if Rules::is_open(path) {
            return Ok(None);
        }
        let Some((method, rule)) = self.rules.find(path) else {
            return Err(Error::NoMethod);
        };
        let request_id = request_id::of(request.headers());
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
        let credential = credential.filter(|_| self.rules.streams(method));
        Ok(credential.map(|credential| Vigil { guard: self.clone(), credential, method }))
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

/// How long the caller waits (`grpc-timeout`), at most [`CEILING`].
fn timeout(headers: &HeaderMap) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    asked.and_then(parse_timeout).map_or(CEILING, |asked| asked.min(CEILING))
}

/// Reads `grpc-timeout`: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (amount, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = (amount.len() <= 8).then(|| amount.parse().ok())??;
    Some(match unit {
        "H" => Duration::from_hours(amount),
        "M" => Duration::from_mins(amount),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
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
    use tonic::Code;
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

    #[test]
    fn a_timeout_is_read_in_every_unit() {
        assert_eq!(parse_timeout("2S"), Some(Duration::from_secs(2)));
        assert_eq!(parse_timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for nonsense in ["", "S", "1", "123456789S", "-1S", "1 S", "1é"] {
            assert_eq!(parse_timeout(nonsense), None, "{nonsense:?}");
        }
    }
}
