//! A client of several gateways that sends again what docs/api/README.md says may be sent again, as often as it says.

use std::time::Duration;

use kit::peer::{self, Peer};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Status};

use crate::rest::{Answer, Rest, text};

const ATTEMPTS: u32 = 4;
/// Well before a token ends.
const RENEW_AFTER: Duration = Duration::from_mins(2);

/// Somebody who calls.
#[derive(Clone)]
pub struct Patient {
    /// The gateways, by REST.
    gateways: Vec<Rest>,
    /// All of them, by gRPC.
    pub peer: Peer,
    password: String,
    token: String,
    logged_in_at: Instant,
    /// Calls so far.
    turn: usize,
}

/// Why an attempt came to nothing.
struct Failure {
    said: String,
    is_passing: bool,
    /// When the suite says to come again.
    after: Option<Duration>,
}

impl Patient {
    /// The first admin, at the gateways at `urls`.
    pub async fn new(urls: &[String], password: &str) -> Self {
        let mut patient = Self {
            gateways: urls.iter().map(|url| Rest::new(url)).collect(),
            peer: peer::remote(&urls.join(","), None).unwrap(),
            password: password.to_owned(),
            token: String::new(),
            logged_in_at: Instant::now(),
            turn: 0,
        };
        patient.log_in().await;
        patient
    }

    /// Logs in. A log-in may be sent again: a session more does no harm.
    async fn log_in(&mut self) {
        let login = json!({ "username": "admin", "password": self.password });
        let pair = self.send(Method::POST, "/api/token", Some(&login), None).await;
        self.token = text(&pair, "access");
        let as_admin = |gateway: &Rest| gateway.with_token(&self.token);
        self.gateways = self.gateways.iter().map(as_admin).collect();
        self.logged_in_at = Instant::now();
    }

    pub async fn renew(&mut self) {
        if RENEW_AFTER < self.logged_in_at.elapsed() {
            self.log_in().await;
        }
    }

    pub async fn get(&mut self, path: &str) -> Value {
        self.send(Method::GET, path, None, None).await
    }

    /// Sends what has one effect however often it is sent: because of its key, or without one, because it says so itself.
    pub async fn post(&mut self, path: &str, body: &Value, key: Option<&str>) -> Value {
        self.send(Method::POST, path, Some(body), key).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Value {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let mut attempts = Attempts::of(format!("{method} {path}"));
        loop {
            // Each goes to the next gateway.
            self.turn += 1;
            let gateway = &self.gateways[self.turn % self.gateways.len()];
            match gateway.try_send(method.clone(), path, body, &headers).await {
                Ok(answer) if answer.status.is_success() => return answer.body,
                Ok(answer) => attempts.failed(answer.into()).await,
                Err(error) => attempts.failed(error.into()).await,
            }
        }
    }

    /// Calls over gRPC, by what makes one attempt.
    pub async fn call<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let mut attempts = Attempts::of(what.to_owned());
        loop {
            match attempt().await {
                Ok(answer) => return answer.into_inner(),
                Err(status) => attempts.failed(status.into()).await,
            }
        }
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }
}

/// What became of the attempts at one call.
struct Attempts {
    call: String,
    failed: Vec<String>,
}

impl Attempts {
    fn of(call: String) -> Self {
        Self { call, failed: Vec::new() }
    }

    /// Waits until the next may be made. When there is none, the call has failed.
    async fn failed(&mut self, failure: Failure) {
        self.failed.push(failure.said);
        let count = u32::try_from(self.failed.len()).unwrap();
        assert!(failure.is_passing && count < ATTEMPTS, "{}: {:#?}", self.call, self.failed);
        let usual = Duration::from_millis(250) * 2_u32.pow(count - 1);
        sleep(failure.after.unwrap_or(usual)).await;
    }
}

impl From<Answer> for Failure {
    fn from(answer: Answer) -> Self {
        let after = answer.headers.get("retry-after");
        let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
        Self {
            said: format!("{} {}", answer.status, answer.body),
            is_passing: matches!(
                answer.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            ),
            after: after.map(Duration::from_secs),
        }
    }
}

impl From<reqwest::Error> for Failure {
    /// Nobody answered.
    fn from(error: reqwest::Error) -> Self {
        Self { said: format!("{error:?}"), is_passing: true, after: None }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let is_passing = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
        Self { said: format!("{status:?}"), is_passing, after: None }
    }
}
