//! `If-Match`: only if the resource is still what the client has read (RFC 9110 §13.1.1). A write carries the version to the
//! service, which alone can compare and change at once; a read is compared here.

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use prost_reflect::MessageDescriptor;

use crate::{field::Field, problem::Problem, rule::BodyRule};

/// What requests and resources call their version.
const ETAG: &str = "etag";

/// Where the request for a write takes the version that it is for, if it takes one: its own field, or the resource's.
pub fn field(verb: &Method, input: &MessageDescriptor, body: &BodyRule) -> Option<Field> {
    let is_update = verb == Method::PUT || verb == Method::PATCH;
    Field::resolve(input, ETAG).or_else(|| match body {
        BodyRule::Field(resource, _) if is_update => {
            Field::resolve(input, &format!("{}.{ETAG}", resource.name()))
        }
        _ => None,
    })
}

/// The one version that a write is for; none if any will do.
pub fn version(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    if headers.contains_key(IF_NONE_MATCH) {
        return Err(Problem::field(IF_NONE_MATCH.as_str(), "is for reads; a write takes If-Match"));
    }
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refuse = || Err(Problem::field(IF_MATCH.as_str(), "must name one version, or be *"));
    let (Ok(text), None) = (value.to_str(), values.next()) else { return refuse() };
    match text.trim() {
        "*" => Ok(None),
        // A weak version never matches strongly, and one without content is nobody's.
        weak if weak.starts_with("W/") => Err(stale("a weak version cannot be matched")),
        "\"\"" => Err(stale("the resource has another version")),
        text => {
            let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let version = quoted.unwrap_or(text);
            let is_one = !version.is_empty() && !version.contains(['"', ',', ' ']);
            if is_one { Ok(Some(version)) } else { refuse() }
        }
    }
}

/// Refuses a write for two versions, by its header and by an `etag` in its body: of one of them it can't be.
pub fn agree(version: &str, etag: Option<&str>) -> Result<(), Problem> {
    if etag.is_none_or(|etag| etag == version) {
        return Ok(());
    }
    Err(stale("If-Match and etag name two versions, and the resource has one"))
}

/// Refuses to show a client that wants another version the one that is there.
pub fn check(headers: &HeaderMap, etag: &HeaderValue) -> Result<(), Problem> {
    let is_wanted = |wanted: &str| {
        wanted == "*" || wanted.as_bytes() == etag || format!("\"{wanted}\"").as_bytes() == etag
    };
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    if values.peek().is_none()
        || values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|wanted| is_wanted(wanted.trim()))
    {
        return Ok(());
    }
    Err(stale("the resource has another version"))
}

fn stale(detail: &str) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "STALE", detail)
}
