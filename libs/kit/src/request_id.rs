//! The id by which one request is found again in the logs of every service that it passes.

use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

/// The header, and over gRPC the metadata, that carries it.
pub const NAME: &str = "x-request-id";

/// Longest id that is taken over from whoever asks.
const LONGEST: usize = 128;

/// The id that a request came with, or a new one: its text ends up in logs, so it must be short and plain.
pub fn of(headers: &HeaderMap) -> String {
    headers.get(NAME).and_then(plain).unwrap_or_else(|| Uuid::now_v7().to_string())
}

/// The same; from now on the request has it.
pub fn ensure(headers: &mut HeaderMap) -> String {
    let id = of(headers);
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(NAME, value);
    }
    id
}

fn plain(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    ((1..=LONGEST).contains(&text.len()) && is_plain).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &'static str) -> String {
        let mut headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(NAME),
            HeaderValue::from_static(value),
        )]);
        let id = ensure(&mut headers);
        assert_eq!(headers[NAME], id);
        id
    }

    #[test]
    fn a_plain_id_is_kept() {
        assert_eq!(id_for("job-17/retry:2"), "job-17/retry:2");
    }

    #[test]
    fn anything_else_gets_a_new_id() {
        let too_long: &'static str = "x".repeat(129).leak();

        for value in ["", "two words", "tab\there", too_long] {
            assert!(Uuid::parse_str(&id_for(value)).is_ok(), "{value:?}");
        }
    }
}
