//! A plain REST client.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Value, json};
use tonic::Status;

/// Speaks to the gateway as somebody.
#[derive(Clone)]
pub struct Rest {
    client: Client,
    url: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Null when there is none.
    pub body: Value,
}

impl Rest {
    /// Nobody yet.
    pub fn new(url: &str) -> Self {
        // Shorter than the gateway's patience with a connection: else it closes one as a request is on its way.
        let client = Client::builder().pool_idle_timeout(Duration::from_secs(5)).build();
        Self { client: client.unwrap(), url: url.to_owned(), token: None }
    }

    pub async fn login(&self, username: &str, password: &str) -> Self {
        let body = json!({ "username": username, "password": password });
        let answer = self.post("/api/token", &body).await.ok();
        Self { token: Some(answer["access"].as_str().unwrap().to_owned()), ..self.clone() }
    }

    /// Somebody whose credential is known.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    /// A request in their name, if they are somebody.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// How a call of a method by gRPC-Web ends that has `frame` as its only message.
    pub async fn call(&self, path: &str, frame: &[u8]) -> Status {
        let request = self.request(Method::POST, path).body(frame.to_vec());
        let request = request.header("content-type", "application/grpc-web+proto");
        let answer = request.send().await.unwrap();
        let head = Status::from_header_map(answer.headers());
        let trailers = answer.bytes().await.unwrap();
        head.or_else(|| Status::from_header_map(&in_body(&trailers))).expect("it ends")
    }

    /// What a call of a method by gRPC-Web in text is answered, without the text; `frame` is its only message.
    pub async fn call_in_text(&self, path: &str, frame: &[u8]) -> Vec<u8> {
        let request = self.request(Method::POST, path).body(BASE64_STANDARD.encode(frame));
        let request = request.header("content-type", "application/grpc-web-text");
        let request = request.header("accept", "application/grpc-web-text");
        let text = request.send().await.unwrap().bytes().await.unwrap();
        // Each frame is a text of its own.
        text.chunks(4).flat_map(|four| BASE64_STANDARD.decode(four).unwrap()).collect()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.try_send(method, path, body, headers).await.unwrap()
    }

    /// The same, where it may be that nobody answers.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body })
    }

    /// What is told at `path`, as it is told: JSON lines.
    pub async fn watch(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(self.token());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }
}

impl Answer {
    pub fn ok(self) -> Value {
        self.with(StatusCode::OK)
    }

    pub fn created(self) -> Value {
        assert!(self.headers.contains_key("location"), "{self:?}");
        self.with(StatusCode::CREATED)
    }

    /// The body of an answer with `status`.
    pub fn with(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// The text at `field`.
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// The trailers that are all of a body: a frame that is marked as theirs, and a line each.
fn in_body(body: &[u8]) -> HeaderMap {
    assert_eq!(body[0], 0x80, "trailers alone");
    let lines = str::from_utf8(&body[5..]).unwrap().lines();
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.parse::<HeaderName>().ok()?, value.trim().parse().ok()?))
    };
    lines.filter_map(pair).collect()
}
