//! The id by which one request is found again in the logs of every service.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from the client.
const MAX_LENGTH: usize = 128;

/// The client's id for this request, or a new one: its text ends up in logs, so it must be short and plain.
pub fn of(headers: &HeaderMap) -> String {
    headers.get(X_REQUEST_ID).and_then(plain).unwrap_or_else(|| Uuid::now_v7().to_string())
}

fn plain(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    ((1..=MAX_LENGTH).contains(&text.len()) && is_plain).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &'static str) -> String {
        of(&HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(value))]))
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
