//! Proto3 JSON: bodies read into messages, messages written as bodies.

use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::de::DeserializeSeed;
use serde_json::Error;
use serde_path_to_error::{Path, Segment, Track};

use crate::{
    keys::{Keys, Place, push_place},
    problem::Problem,
};

/// Reads a body that must be one JSON object. Errors name the field by its path from there.
pub fn read(message: &MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, Problem> {
    let Ok(text) = std::str::from_utf8(body) else { return Err(not_json("it is not UTF-8")) };
    if !text.trim_start().starts_with('{') {
        return Err(not_json("it must be an object"));
    }
    check_keys(message, text)?;

    let mut json = serde_json::Deserializer::from_str(text);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    DynamicMessage::deserialize_with_options(message.clone(), tracked, &DeserializeOptions::new())
        .map_err(|error| refusal(&path(message, &track.path()), &error))
}

/// Writes `message` with its proto names: what is zero or empty is written, what is absent is left out.
pub fn write(message: &DynamicMessage) -> Result<Vec<u8>, Error> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    let mut body = Vec::with_capacity(512);
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut body), &options)?;
    Ok(body)
}

fn check_keys(message: &MessageDescriptor, text: &str) -> Result<(), Problem> {
    let mut json = serde_json::Deserializer::from_str(text);
    let place = Place::Message(message.clone());
    let mut path = String::new();
    let keys = Keys { place: &place, path: &mut path };
    let walk = keys.deserialize(&mut json).and_then(|()| json.end());
    walk.map_err(|error| refusal(&path, &error))
}

fn refusal(path: &str, error: &Error) -> Problem {
    if !error.is_data() {
        return not_json(&error.to_string());
    }
    // The path says where better than a line and a column do.
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    Problem::field(path, message.strip_suffix(&position).unwrap_or(&message))
}

fn not_json(why: &str) -> Problem {
    let mut problem = Problem::field("", format!("cannot be read as JSON: {why}"));
    "INVALID_JSON".clone_into(&mut problem.reason);
    problem
}

/// A path as the validation of the services writes it: `tags[1]`, `owner.email`, `attributes["colour"]`.
fn path(message: &MessageDescriptor, steps: &Path) -> String {
    let mut place = Place::Message(message.clone());
    let mut path = String::new();
    for step in steps {
        match step {
            Segment::Seq { index } => push_place(&mut path, index),
            Segment::Map { key } => place = place.enter(key, &mut path).unwrap_or(Place::Free),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    path
}
