//! Bodies of requests, read as proto3 JSON: strictly, since whatever is taken for something else is lost.

use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde::de::DeserializeSeed;
use serde_json::Error;
use serde_path_to_error::{Path, Segment, Track};

use crate::{
    keys::{Keys, Place, Walk, push_place},
    problem::Problem,
};

/// A body, read.
pub struct Body {
    pub message: DynamicMessage,
    /// The names of its fields that were given.
    pub given: Vec<String>,
}

/// Reads a body that must be one JSON object. Errors name the field by its path from there.
pub fn read(message: &MessageDescriptor, body: &[u8]) -> Result<Body, Problem> {
    let Ok(text) = std::str::from_utf8(body) else { return Err(not_json("it is not UTF-8")) };
    if !text.trim_start().starts_with('{') {
        return Err(not_json("it must be an object"));
    }
    let given = check_form(message, text)?;

    let mut json = serde_json::Deserializer::from_str(text);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let options = DeserializeOptions::new();
    let read = DynamicMessage::deserialize_with_options(message.clone(), tracked, &options);
    // What is of the right type and still no value: a time that there never was, a number out of its range.
    let message = read.map_err(|error| match place(message, &track.path()) {
        (path, Place::Free) => refusal(&path, &error),
        (path, place) => Problem::field(path, place.expectation()),
    })?;
    Ok(Body { message, given })
}

fn check_form(message: &MessageDescriptor, text: &str) -> Result<Vec<String>, Problem> {
    let mut json = serde_json::Deserializer::from_str(text);
    let place = Place::Message(message.clone());
    let (mut walk, mut given) = (Walk::default(), Vec::new());
    let keys =
        Keys { place: &place, walk: &mut walk, may_be_absent: false, given: Some(&mut given) };
    let end = keys.deserialize(&mut json).and_then(|()| json.end());
    end.map_err(|error| refusal(&walk.path, &error))?;
    if walk.problems.is_empty() { Ok(given) } else { Err(Problem::fields(walk.problems)) }
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

/// Where the steps lead, and the path as the validation of the services writes it: `tags[1]`, `owner.email`,
/// `attributes["colour"]`.
fn place(message: &MessageDescriptor, steps: &Path) -> (String, Place) {
    let mut place = Place::Message(message.clone());
    let mut path = String::new();
    for step in steps {
        match step {
            Segment::Seq { index } => {
                push_place(&mut path, index);
                place = place.item();
            }
            Segment::Map { key } => place = place.enter(key, &mut path).unwrap_or(Place::Free),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    (path, place)
}
