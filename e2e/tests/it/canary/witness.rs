//! A client that remembers what it was told, and every secret that it had to do with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use reqwest::{Client, Method};
use serde_json::Value;
use testkit::canary::Secrets;
use tonic::{Request, Response, Status};

use crate::site::Site;

/// An id that is in every log, by design.
pub const REQUEST_ID: &str = "the-request-of-the-canary";

/// Somebody who sends and is told.
pub struct Witness<'a> {
    site: &'a Site,
    client: Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By what they are called.
    secrets: BTreeMap<String, String>,
    answers: Vec<Answer>,
}

/// What was told.
struct Answer {
    to: String,
    bytes: Vec<u8>,
    is_error: bool,
    /// The secrets that are its very purpose.
    meant: BTreeSet<String>,
}

impl<'a> Witness<'a> {
    pub fn new(site: &'a Site) -> Self {
        // Shorter than the gateway's patience with a connection: else it closes one as a request is on its way.
        let client = Client::builder().pool_idle_timeout(Duration::from_secs(5)).build();
        Self { site, client: client.unwrap(), known: Mutex::default() }
    }

    /// Remembers a secret, and answers it.
    pub fn secret<S: Into<String>>(&self, name: &str, secret: S) -> String {
        let secret = secret.into();
        self.known().secrets.insert(name.to_owned(), secret.clone());
        // Whoever has this can do what the whole token can.
        if let Some((_, signature)) = secret.rsplit_once('.') {
            self.known().secrets.insert(format!("{name}, its signature"), signature.to_owned());
        }
        secret
    }

    /// Sends `body` as it stands, with `authorization`, if there is one.
    pub async fn rest(&self, method: Method, path: &str, authorization: &str, body: &str) -> Value {
        let request = self.client.request(method.clone(), format!("{}{path}", self.site.http));
        let request = match authorization {
            "" => request,
            authorization => request.header("authorization", authorization.as_bytes()),
        };
        let request = request
            .header("content-type", "application/json")
            .header("idempotency-key", "the canary's")
            .header("x-request-id", REQUEST_ID);
        let response = request.body(body.to_owned()).send().await.unwrap();
        let (status, headers) = (response.status(), format!("{:?}", response.headers()));
        let text = response.text().await.unwrap();
        self.keep(&format!("{method} {path}: {status}"), &(headers, &text), !status.is_success());
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Sends JSON as nobody or somebody, and wants it to succeed.
    pub async fn post(&self, path: &str, authorization: &str, body: &Value) -> Value {
        let answer = self.rest(Method::POST, path, authorization, &body.to_string()).await;
        assert!(answer["reason"].is_null(), "{path}: {answer}");
        answer
    }

    /// Remembers what a call to a service was answered.
    pub async fn grpc<T: Debug>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        match answer.await {
            Ok(answer) => {
                self.keep(what, &answer.get_ref(), false);
                Ok(answer.into_inner())
            }
            Err(status) => {
                let details = status.details().escape_ascii().to_string();
                let what = format!("{what}: {:?}", status.code());
                self.keep(&what, &(status.message(), details, &status), true);
                Err(status)
            }
        }
    }

    /// A secret that the last answer was meant to tell.
    pub fn told(&self, name: &str, answer: &Value, field: &str) -> String {
        let secret = self.secret(name, crate::rest::text(answer, field));
        let found = self.secrets().in_bytes(&self.known().answers.last().unwrap().bytes).len();
        assert_ne!(found, 0, "{name} is found where it is");
        let meant = [name.to_owned(), format!("{name}, its signature")];
        self.known().answers.last_mut().unwrap().meant.extend(meant);
        secret
    }

    fn keep(&self, to: &str, answer: &dyn Debug, is_error: bool) {
        let bytes = format!("{answer:?}").into_bytes();
        let answer = Answer { to: to.to_owned(), bytes, is_error, meant: BTreeSet::new() };
        self.known().answers.push(answer);
    }

    /// All of them.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.known().secrets.clone())
    }

    /// Checks that nothing was answered that was not meant to be; answers how many errors there were.
    pub fn assert_discreet(&self) -> usize {
        let (secrets, known) = (self.secrets(), self.known());
        for answer in &known.answers {
            let mut found = secrets.in_bytes(&answer.bytes);
            found.retain(|name| !answer.meant.contains(*name));
            assert!(found.is_empty(), "{} was told {found:?}", answer.to);
        }
        known.answers.iter().filter(|answer| answer.is_error).count()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }
}

/// A request with an `authorization`, and an id that is in every log.
pub fn request<T>(authorization: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-request-id", REQUEST_ID.parse().unwrap());
    request.metadata_mut().insert("authorization", authorization.parse().unwrap());
    request
}
