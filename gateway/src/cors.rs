//! Which pages of other origins may call from a browser (the Fetch standard's CORS protocol).
//!
//! Callers prove themselves by a header that their page sets, never by a cookie that a browser sends unasked: credentials
//! in the protocol's sense are not needed, and another origin's page has only what its own user gave it.

use std::{fmt, str::FromStr};

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
    request::Parts,
};
use tonic::body::Body;

/// What a page may send, REST's headers and those of gRPC-Web clients.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "accept, authorization, content-type, grpc-timeout, idempotency-key, if-match, if-none-match, \
                       last-event-id, traceparent, x-grpc-web, x-request-id, x-user-agent";
/// What a page may read beyond what every page may.
const EXPOSED: &str = "etag, grpc-message, grpc-status, grpc-status-details-bin, location, retry-after, \
                       www-authenticate, x-request-id";
/// Seconds for which a browser needs not ask again.
const MAX_AGE: &str = "7200";

/// The origins whose pages may call; none, unless they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    named: Vec<String>,
}

impl Origins {
    /// The answer to a browser that asks before it sends what a page wants; none if it doesn't ask, or the page may not.
    pub fn preflight(&self, head: &Parts) -> Option<Response<Body>> {
        let asks = head.method == Method::OPTIONS
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || !self.allow(&head.headers) {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        for (header, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ] {
            response.headers_mut().insert(header, HeaderValue::from_static(value));
        }
        Some(response)
    }

    /// Says in `answer` whether the page that `request` comes from may read it.
    pub fn mark(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if !self.any && !self.named.is_empty() {
            // Also where it is not allowed: a cache must not show one page's answer to another.
            answer.append(VARY, HeaderValue::from_static("origin"));
        }
        let origin = request.get(ORIGIN).filter(|_| self.allow(request));
        let Some(origin) = origin else { return };
        let allowed = if self.any { HeaderValue::from_static("*") } else { origin.clone() };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }

    fn allow(&self, request: &HeaderMap) -> bool {
        let mut origins = request.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
        self.any || self.named.iter().any(|named| named.as_bytes() == origin)
    }
}

impl FromStr for Origins {
    type Err = String;

    /// Reads `https://a.example, http://localhost:5173`, or `*` for all.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut origins = Self::default();
        for origin in text.split(',').map(str::trim).filter(|origin| !origin.is_empty()) {
            match origin {
                "*" => origins.any = true,
                _ if is_origin(origin) => origins.named.push(origin.to_owned()),
                _ => {
                    return Err(format!(
                        "{origin} is not an origin such as https://example.org: scheme, host and port, \
                         in lower case, without a path"
                    ));
                }
            }
        }
        Ok(origins)
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if self.any { "*".to_owned() } else { self.named.join(",") })
    }
}

/// Whether browsers write an origin like this: they compare letter by letter.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_plain = |character: char| {
        character.is_ascii_graphic()
            && !character.is_ascii_uppercase()
            && !"/?#@\\*".contains(character)
    };
    !scheme.is_empty() && !host.is_empty() && scheme.chars().chain(host.chars()).all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let origins: Origins = "https://a.example, http://localhost:5173".parse().unwrap();
        assert_eq!(origins.to_string(), "https://a.example,http://localhost:5173");
        assert_eq!(" , ".parse(), Ok(Origins::default()));
        assert_eq!("*".parse::<Origins>().unwrap().to_string(), "*");
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "a.example",
            "https://a.example/",
            "https://a.example/path",
            "https://A.example",
            "https://*.example",
            "https://u@a.example",
            "null",
            "://a",
            "https://",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
    }
}
