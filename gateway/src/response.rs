//! The HTTP answer that a gRPC answer stands for.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION},
};
use kit::once;
use tonic::body::Body;

use crate::{condition, encoding, problem::Problem, routes::Route, transcode::Exchange};

/// Turns the answer of a unary call into HTTP.
pub async fn build(
    exchange: &Exchange,
    answer: tonic::Response<Bytes>,
) -> Result<Response<Body>, Problem> {
    let Exchange { route, head, .. } = exchange;
    let status = status(route, &answer);
    let message = answer.into_inner();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;

    if let Some(etag) = etag(route, &message) {
        response.headers_mut().insert(ETAG, etag.clone());
        if is_read(&head.method) {
            condition::check(&head.headers, &etag)?;
            if is_known(&head.headers, &etag) {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return Ok(response);
            }
        }
    }
    if status == StatusCode::CREATED
        && let Some(collection) = &route.collection
        && let Some(id) = route.writer.text(&message, "id")
        && let Ok(location) = HeaderValue::from_str(&collection.locate(head.uri.path(), id))
    {
        response.headers_mut().insert(LOCATION, location);
    }
    if status != StatusCode::NO_CONTENT {
        let content = route.writer.write(&message).map_err(|error| exchange.unwritable(&error))?;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        encoding::fill(&mut response, &head.headers, content.into()).await;
    }
    Ok(response)
}

/// A retry created nothing, nor did what was only tried.
fn status(route: &Route, answer: &tonic::Response<Bytes>) -> StatusCode {
    let is = |mark: &str| answer.metadata().get(mark).is_some_and(|value| value == "true");
    let created_nothing = is(once::REPLAYED) || is(once::TRIED);
    if created_nothing && route.success == StatusCode::CREATED {
        StatusCode::OK
    } else {
        route.success
    }
}

fn etag(route: &Route, message: &[u8]) -> Option<HeaderValue> {
    let etag = route.writer.text(message, "etag");
    let etag = etag.filter(|etag| !etag.is_empty() && !etag.contains('"'))?;
    HeaderValue::from_str(&format!("\"{etag}\"")).ok()
}

/// Whether it asks for what is there.
pub fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Whether the client has this version already (RFC 9110 §13.1.2, weak comparison).
pub fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}
