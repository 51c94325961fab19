//! The gRPC request that an HTTP request stands for.

use http::request::Parts;
use prost_reflect::{DynamicMessage, Value};

use crate::{json, problem::Problem, query, routes::Route, rule::BodyRule};

/// Builds the message out of body, query, headers and path. What two of them give, the later of these says.
pub fn build(
    route: &Route,
    variables: &[String],
    head: &Parts,
    body: &[u8],
) -> Result<DynamicMessage, Problem> {
    let mut message = from_body(route, body)?;
    query::apply(route, head.uri.query().unwrap_or_default(), &mut message)?;
    for (header, field) in &route.header_fields {
        if let Some(value) = head.headers.get(header) {
            let Ok(text) = value.to_str() else {
                return Err(Problem::field(header.as_str(), "must be plain ASCII"));
            };
            message.set_field(field, Value::String(text.to_owned()));
        }
    }
    for (field, raw) in route.path_fields.iter().zip(variables) {
        let text = query::decode(raw).map_err(|problem| Problem::field(&field.path, problem))?;
        field.set(&mut message, &text).map_err(|expected| Problem::field(&field.path, expected))?;
    }
    Ok(message)
}

/// What the client calls the field at `path` of the gRPC request: the body is the resource itself, and a header has
/// its own name.
pub fn name(route: &Route, head: &Parts, path: &str) -> String {
    for (header, field) in &route.header_fields {
        if path == field.name() && head.headers.contains_key(header) {
            return header.to_string();
        }
    }
    if let BodyRule::Field(resource, _) = &route.body
        && let Some(rest) = path.strip_prefix(resource.name())
    {
        if rest.is_empty() {
            return "body".to_owned();
        }
        if let Some(inside) = rest.strip_prefix('.') {
            return inside.to_owned();
        }
    }
    path.to_owned()
}

fn from_body(route: &Route, body: &[u8]) -> Result<DynamicMessage, Problem> {
    let input = route.method.input();
    match &route.body {
        _ if body.is_empty() => Ok(DynamicMessage::new(input)),
        BodyRule::None => Ok(DynamicMessage::new(input)),
        BodyRule::Whole => json::read(&input, body),
        BodyRule::Field(field, resource) => {
            let mut message = DynamicMessage::new(input);
            message.set_field(field, Value::Message(json::read(resource, body)?));
            Ok(message)
        }
    }
}
