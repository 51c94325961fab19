//! Query strings and path segments, read strictly: what isn't well-formed is refused instead of guessed at.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use prost_reflect::{DynamicMessage, FieldDescriptor};

use crate::{
    field::Field,
    problem::{FieldError, Problem},
    request::MASK,
    routes::Route,
    rule::BodyRule,
};

/// Reads every parameter into `message` and reports every one that cannot be.
pub fn apply(route: &Route, query: &str, message: &mut DynamicMessage) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let mut seen = HashSet::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        if let Err(error) = apply_one(route, parameter, &mut seen, message) {
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::fields(errors)) }
}

fn apply_one(
    route: &Route,
    parameter: &str,
    seen: &mut HashSet<String>,
    message: &mut DynamicMessage,
) -> Result<(), FieldError> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let error = |field: &str, problem: &str| FieldError {
        field: field.to_owned(),
        message: problem.to_owned(),
    };
    let name = decode(&name.replace('+', " ")).map_err(|problem| error(name, problem))?;
    let value = decode(&value.replace('+', " ")).map_err(|problem| error(&name, problem))?;

    let field = Field::resolve(&route.method.input(), &name).filter(|field| is_open(route, field));
    let Some(field) = field else { return Err(error(&name, "is not a parameter of this method")) };
    if !seen.insert(field.path.clone()) && field.is_singular() {
        return Err(error(&field.path, "is given twice"));
    }
    field.set(message, &value).map_err(|expected| error(&field.path, &expected))
}

/// Whether the query may fill `field`: what path, body and headers say is not the query's to say again.
pub fn is_open(route: &Route, field: &Field) -> bool {
    let in_path = route.path_fields.iter().any(|of_path| of_path.path == field.path);
    // A browser's event source can't say in a header where it begins.
    let in_header = route
        .header_fields
        .iter()
        .any(|(header, of_header)| header != "last-event-id" && of_header == field.root());
    let is_version = route.version_field.as_ref().is_some_and(|of| of.path == field.path);
    !in_path && !in_header && !is_version && !is_in_body(route, field.root())
}

/// Whether the body says what `field` of the request is.
pub fn is_in_body(route: &Route, field: &FieldDescriptor) -> bool {
    match &route.body {
        BodyRule::None => false,
        BodyRule::Whole => true,
        // The mask is what the body names.
        BodyRule::Field(resource, _) => field == resource || field.name() == MASK,
    }
}

/// Undoes percent-encoding.
///
/// # Errors
///
/// What is wrong with it.
pub fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_escape = |next: Option<u8>| next.is_some_and(|next| next.is_ascii_hexdigit());
        if byte == b'%' && !(is_escape(bytes.next()) && is_escape(bytes.next())) {
            return Err("has a % that two hexadecimal digits do not follow");
        }
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| "is not UTF-8")?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(decode("a%20b%C3%A9"), Ok("a bé".to_owned()));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%2", "%zz", "a%2", "%%20", "%C3", "%ff"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
