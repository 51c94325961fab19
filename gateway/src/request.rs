//! The gRPC request that an HTTP request stands for.

use http::{Method, header::IF_MATCH, request::Parts};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

use crate::{
    condition,
    json::{self, Body},
    problem::{FieldError, Problem},
    query,
    routes::Route,
    rule::BodyRule,
};

/// Builds the message out of body, `query`, headers and path. What two of them give, the later of these says.
pub fn build(
    route: &Route,
    variables: &[String],
    head: &Parts,
    query: &str,
    body: &[u8],
) -> Result<DynamicMessage, Problem> {
    let Body { mut message, given } = from_body(route, body)?;
    if head.method == Method::PATCH {
        name_changes(route, given, &mut message);
    }
    query::apply(route, query, &mut message)?;
    for (header, field) in &route.header_fields {
        let mut values = head.headers.get_all(header).iter();
        if let Some(value) = values.next() {
            if values.next().is_some() {
                return Err(Problem::field(header.as_str(), "is given twice"));
            }
            let Ok(text) = value.to_str() else {
                return Err(Problem::field(header.as_str(), "must be plain ASCII"));
            };
            if text.is_empty() {
                // Whoever gives none means to send no other; theirs is a mistake that would act twice.
                return Err(Problem::field(header.as_str(), "is empty"));
            }
            message.set_field(field, Value::String(text.to_owned()));
        }
    }
    if !head.method.is_safe()
        && let Some(version) = condition::version(&head.headers)?
    {
        let unmet = |problem: &str| Problem::field(IF_MATCH.as_str(), problem);
        let field = route.version_field.as_ref();
        let field = field.ok_or_else(|| unmet("is not a header that this method takes"))?;
        condition::agree(version, field.text(&message).as_deref())?;
        field.set(&mut message, version).map_err(|expected| unmet(&expected))?;
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
    if route.version_field.as_ref().is_some_and(|field| field.path == path)
        && head.headers.contains_key(IF_MATCH)
    {
        return IF_MATCH.to_string();
    }
    if path == MASK {
        return "body".to_owned();
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

/// Names in `update_mask`, where the request has one, the fields that the body of a PATCH gives: all others stay.
fn name_changes(route: &Route, given: Vec<String>, message: &mut DynamicMessage) {
    let BodyRule::Field(_, resource) = &route.body else { return };
    let Some(mask) = message.descriptor().get_field_by_name(MASK) else { return };
    let Kind::Message(kind) = mask.kind() else { return };
    let mut paths: Vec<Value> = given.into_iter().map(Value::String).collect();
    if paths.is_empty() {
        // No path at all would mean every field. The etag is a condition and never changed, nor is the id of what has none.
        let has_etag = resource.get_field_by_name("etag").is_some();
        paths.push(Value::String(if has_etag { "etag" } else { "id" }.to_owned()));
    }
    let mut value = DynamicMessage::new(kind);
    value.set_field_by_name("paths", Value::List(paths));
    message.set_field(&mask, Value::Message(value));
}

/// What an update request calls the names of the fields that it changes (AIP-134).
pub const MASK: &str = "update_mask";

fn from_body(route: &Route, body: &[u8]) -> Result<Body, Problem> {
    let input = route.method.input();
    let nothing = || Body { message: DynamicMessage::new(input.clone()), given: Vec::new() };
    match &route.body {
        // The path makes the resource be there; the service could not tell that nothing was said of it.
        BodyRule::Field(field, _) if body.is_empty() && is_in_path(route, field) => {
            Err(Problem::field("body", "is required"))
        }
        _ if body.is_empty() => Ok(nothing()),
        BodyRule::None => Ok(nothing()),
        BodyRule::Whole => {
            let body = json::read(&input, body).or_else(|problem| {
                let by_item = route.items.as_ref().and_then(|items| items.read(body));
                by_item.unwrap_or(Err(problem))
            })?;
            refuse_given_beside(route, &body)?;
            Ok(body)
        }
        BodyRule::Field(field, resource) => {
            let Body { message: resource, given } = json::read(resource, body)?;
            let mut message = DynamicMessage::new(input);
            message.set_field(field, Value::Message(resource));
            Ok(Body { message, given })
        }
    }
}

/// Whether the path says which resource `field` holds, as that of an update does.
fn is_in_path(route: &Route, field: &FieldDescriptor) -> bool {
    let inside = |path: &str| path.split_once('.').is_some_and(|(first, _)| first == field.name());
    route.path_fields.iter().any(|field| inside(&field.path))
}

/// A request that is the body has no field in the body that the path or a header gives.
fn refuse_given_beside(route: &Route, body: &Body) -> Result<(), Problem> {
    let descriptor = body.message.descriptor();
    let fields = body.given.iter().filter_map(|name| descriptor.get_field_by_name(name));
    let refused = fields.filter_map(|field| {
        let message = match route.beside_body(&field)? {
            "path" => "is given in the path".to_owned(),
            header => format!("is given in the header {header}"),
        };
        Some(FieldError { field: field.name().to_owned(), message })
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(Problem::fields(refused)) }
}
