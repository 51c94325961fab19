//! The one form in which anything goes wrong: `application/problem+json` (RFC 9457).

use std::collections::BTreeMap;

use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use serde::Serialize;
use tonic::body::Body;

/// A refusal or a failure, as the client is told of it.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// What a program decides by: upper case, stable, and the word that kit's errors have for it.
    pub reason: String,
    /// What a person reads: a fragment in lower case, as the services write.
    pub detail: String,
    pub metadata: BTreeMap<String, String>,
    pub errors: Vec<FieldError>,
    headers: Box<HeaderMap>,
}

/// What is wrong with one field, by its path: `title`, `tags[1]`, `owner.email`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// The document. There is none that explains a `type`, so it says what the status says and `reason` says the rest.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    reason: &'a str,
    metadata: &'a BTreeMap<String, String>,
    request_id: &'a str,
    errors: &'a [FieldError],
}

impl Problem {
    /// Statuses that need a header to be understood get it here.
    pub fn new(status: StatusCode, reason: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut headers = Box::<HeaderMap>::default();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        Self {
            status,
            reason: reason.into(),
            detail: detail.into(),
            metadata: BTreeMap::new(),
            errors: Vec::new(),
            headers,
        }
    }

    /// Input whose fields are wrong. What is wrong with the request as a whole has an empty `field`.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = sentence(&errors);
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", detail) }
    }

    /// Input with one wrong field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// A fault of ours: what it was is for the log alone.
    pub fn internal() -> Self {
        let detail = "internal error; the request_id finds it in the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail)
    }

    /// Nobody in particular, where somebody must be.
    pub fn unauthenticated() -> Self {
        let detail = "an access token is required";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", detail)
    }

    /// Says that it is the token that lets nobody in (RFC 6750 §3.1): there was one.
    pub fn blame_token(&mut self) {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        self.headers.insert(WWW_AUTHENTICATE, challenge);
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NO_SUCH_PATH", "no such path")
    }

    pub fn method_not_allowed(allow: HeaderValue) -> Self {
        let detail = "the path does not take this method";
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail);
        problem.headers.insert(ALLOW, allow);
        problem
    }

    pub fn retry_after(&mut self, seconds: u64) {
        self.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }

    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: &self.reason,
            metadata: &self.metadata,
            request_id,
            errors: &self.errors,
        };
        // Text and numbers always have a JSON form; an empty body would still carry the status.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    pub fn into_response(self, request_id: &str) -> Response<Body> {
        let body = Body::new(Full::from(self.to_json(request_id)));
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// All that is wrong in one line.
pub fn sentence(errors: &[FieldError]) -> String {
    let part = |error: &FieldError| match error.field.as_str() {
        "" => error.message.clone(),
        field => format!("{field}: {}", error.message),
    };
    errors.iter().map(part).collect::<Vec<_>>().join("; ")
}
