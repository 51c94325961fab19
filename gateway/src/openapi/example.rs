//! Bodies that a reader can send as they stand.

use anyhow::{Context, Result};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::options::Options;

/// How deep messages are shown inside messages.
const DEPTH: usize = 3;

/// The value that the `example` option of `field` shows.
pub fn example(options: &Options, field: &FieldDescriptor) -> Result<Option<Value>> {
    let Some(text) = options.example(field) else { return Ok(None) };
    if is_text(field) {
        return Ok(Some(text.into()));
    }
    let value = serde_json::from_str(&text);
    Ok(Some(value.with_context(|| format!("the example of {} is no JSON", field.full_name()))?))
}

/// A body made of the examples of its fields; none if there are none.
pub fn body(
    options: &Options,
    message: &MessageDescriptor,
    is_in_body: &dyn Fn(&FieldDescriptor) -> bool,
) -> Result<Option<Value>> {
    object(options, message, is_in_body, DEPTH)
}

fn object(
    options: &Options,
    message: &MessageDescriptor,
    is_shown: &dyn Fn(&FieldDescriptor) -> bool,
    depth: usize,
) -> Result<Option<Value>> {
    let mut fields = Map::new();
    for field in message.fields().filter(is_shown) {
        if let Some(value) = value(options, &field, depth)? {
            fields.insert(field.name().to_owned(), value);
        }
    }
    Ok((!fields.is_empty()).then_some(Value::Object(fields)))
}

fn value(options: &Options, field: &FieldDescriptor, depth: usize) -> Result<Option<Value>> {
    if let Some(example) = example(options, field)? {
        return Ok(Some(example));
    }
    match field.kind() {
        Kind::Message(message) if 0 < depth && !field.is_map() => {
            let inner = object(options, &message, &|_| true, depth - 1)?;
            Ok(inner.map(|inner| if field.is_list() { json!([inner]) } else { inner }))
        }
        _ => Ok(None),
    }
}

/// Whether the value is a JSON string.
fn is_text(field: &FieldDescriptor) -> bool {
    let is_text = match field.kind() {
        Kind::String | Kind::Bytes | Kind::Enum(_) => true,
        Kind::Message(message) => {
            matches!(message.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration")
        }
        _ => false,
    };
    is_text && !field.is_list() && !field.is_map()
}
