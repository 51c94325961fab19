//! Reading the body of a request without trusting its sender.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;
use tonic::body::Body;

use crate::problem::Problem;

/// How much of a refused body is swallowed, and for how long, so that the client gets to read why.
const DISCARDED_BYTES: usize = 64 << 20;
const DISCARDED_FOR: Duration = Duration::from_secs(10);

/// Reads at most `limit` bytes. `idle` is how long the sender may pause.
pub async fn read(body: &mut Body, limit: usize, idle: Duration) -> Result<Bytes, Problem> {
    // What Content-Length announces is refused before it is sent.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced <= limit) {
        let mut content = BytesMut::new();
        while let Some(data) = next(body, idle).await? {
            if limit - content.len() < data.len() {
                return Err(too_large(limit));
            }
            content.extend_from_slice(&data);
        }
        return Ok(content.freeze());
    }
    Err(too_large(limit))
}

/// Whether `content` says that it is JSON; no content need not.
pub fn check_type(method: &Method, headers: &HeaderMap, content: &[u8]) -> Result<(), Problem> {
    if content.is_empty() || is_json(method, headers) {
        return Ok(());
    }
    let detail = "The body must be sent with Content-Type: application/json.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail))
}

/// Swallows what is left of the body beside the answer: a connection that closes on a client which is still sending
/// loses the answer.
pub fn discard(mut body: Body) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(timeout(DISCARDED_FOR, async move {
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES {
            match body.frame().await {
                Some(Ok(frame)) => discarded += frame.data_ref().map_or(0, Bytes::len),
                _ => break,
            }
        }
    }));
}

/// The next piece of data; trailers have nothing to say here.
async fn next(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, Problem> {
    loop {
        match timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                return Err(Problem::field("", "The body broke off."));
            }
            Err(_) => {
                let detail = "The body did not arrive in time.";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", detail));
            }
        }
    }
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("The body is larger than {limit} bytes.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail)
}

fn is_json(method: &Method, headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let charset = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"))
        .map_or("utf-8", |(_, charset)| charset.trim_matches('"'));

    let is_patch =
        method == Method::PATCH && kind.eq_ignore_ascii_case("application/merge-patch+json");
    let is_utf_8 = charset.eq_ignore_ascii_case("utf-8");
    is_utf_8 && (is_patch || kind.eq_ignore_ascii_case("application/json"))
}
