//! What of a request comes in its path, its query and its headers.

use anyhow::Result;
use http::HeaderName;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use crate::{field::Field, query, routes::Route, template::Template};

use super::{Form, schema::Schemas};

/// How deep the query can reach into messages.
const DEPTH: usize = 3;

/// The parameters in the path, by the names that `template` has for them. `read` is what fetches the resource there, if
/// anything does: its request says what an id is, where an update has the resource's own field.
pub fn path(
    schemas: &mut Schemas,
    route: &Route,
    read: Option<&Route>,
    template: &str,
) -> Result<Vec<Value>> {
    let template = Template::parse(template)?;
    let fields = &read.unwrap_or(route).path_fields;
    let mut parameters = Vec::new();
    for (name, field) in template.variables().zip(fields) {
        let mut parameter = parameter(name, "path", schemas.field(field.leaf(), Form::Input)?);
        parameter["required"] = true.into();
        let schema = &mut parameter["schema"];
        if schema.get("minLength").is_none() && schema["type"] == "string" {
            schema["minLength"] = 1.into();
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// The parameters in the query.
pub fn query(schemas: &mut Schemas, route: &Route) -> Result<Vec<Value>> {
    let mut parameters = Vec::new();
    fields(schemas, route, &route.method.input(), "", DEPTH, &mut parameters)?;
    Ok(parameters)
}

fn fields(
    schemas: &mut Schemas,
    route: &Route,
    message: &MessageDescriptor,
    prefix: &str,
    depth: usize,
    parameters: &mut Vec<Value>,
) -> Result<()> {
    for field in message.fields() {
        let path = format!("{prefix}{}", field.name());
        let taken = Field::resolve(&route.method.input(), &path);
        if let Some(taken) = taken {
            if query::is_open(route, &taken) {
                let mut parameter = parameter(&path, "query", schemas.field(&field, Form::Input)?);
                if prefix.is_empty() && schemas.is_required(&field, Form::Input) {
                    parameter["required"] = true.into();
                }
                parameters.push(parameter);
            }
        } else if let Some(inner) = message_of(&field).filter(|_| 0 < depth)
            && !query::is_in_body(route, &field)
        {
            fields(schemas, route, &inner, &format!("{path}."), depth - 1, parameters)?;
        }
    }
    Ok(())
}

fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if !field.is_list() && !field.is_map() => Some(message),
        _ => None,
    }
}

/// The headers that fill a field of the request.
pub fn headers(schemas: &mut Schemas, route: &Route) -> Result<Vec<Value>> {
    let mut parameters = Vec::new();
    for (header, field) in &route.header_fields {
        let mut schema = schemas.field(field, Form::Input)?;
        schema["pattern"] = "^[\\t -~]+$".into();
        parameters.push(parameter(&spelled(header), "header", schema));
    }
    Ok(parameters)
}

/// The header that makes a write conditional.
pub fn if_match() -> Value {
    let description = "The `ETag` that was read: the write happens only if it is the last, and is `412` otherwise.";
    json!({
        "name": "If-Match", "in": "header", "description": description,
        "schema": { "type": "string", "pattern": "^(\\*|\"[!#-+\\--~]*\"|[!#-+\\--~]+)$" },
    })
}

/// The header by which a client says what it has already.
pub fn if_none_match() -> Value {
    let description = "The `ETag` that the client has; the answer is `304` while it is the last.";
    json!({
        "name": "If-None-Match", "in": "header", "description": description,
        "schema": { "type": "string" },
    })
}

fn parameter(name: &str, place: &str, mut schema: Value) -> Value {
    let mut parameter = json!({ "name": name, "in": place });
    if let Some(description) = schema.as_object_mut().and_then(|it| it.remove("description")) {
        parameter["description"] = description;
    }
    parameter["schema"] = schema;
    parameter
}

/// `Idempotency-Key`: as people write it.
fn spelled(header: &HeaderName) -> String {
    let words = header.as_str().split('-').map(|word| match word {
        "id" => "ID".to_owned(),
        _ => word[..1].to_uppercase() + &word[1..],
    });
    words.collect::<Vec<_>>().join("-")
}
