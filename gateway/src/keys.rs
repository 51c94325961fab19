//! The form of a JSON body, checked before its values are read: every key must be a field and be there once, and every value
//! of the type that its field has. The reader of values names neither the place of an unknown key nor a repeated one, and
//! says what is wrong in the words of its own types, and of the first alone.

use std::{
    collections::HashSet,
    fmt::{self, Write},
};

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{
    field::{expectation, is_leap_second, most_items, named},
    problem::FieldError,
};

/// What a JSON value stands for.
#[derive(Clone)]
pub enum Place {
    Message(MessageDescriptor),
    /// A map with such values.
    Map(Box<Place>),
    /// A list of at most so many such values.
    List(Box<Place>, usize),
    /// Something with one value.
    Value(Kind),
    /// Something whose form is its own affair.
    Free,
}

impl Place {
    fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                Self::Map(Box::new(Self::of_kind(entry.map_entry_value_field().kind())))
            }
            kind if field.is_list() => {
                let most = most_items(field).unwrap_or(usize::MAX);
                Self::List(Box::new(Self::of_kind(kind)), most)
            }
            kind => Self::of_kind(kind),
        }
    }

    /// The well-known types have JSON forms of their own.
    fn of_kind(kind: Kind) -> Self {
        let Kind::Message(message) = kind else { return Self::Value(kind) };
        match message.full_name() {
            "google.protobuf.Timestamp"
            | "google.protobuf.Duration"
            | "google.protobuf.FieldMask" => Self::Value(Kind::Message(message)),
            name if name.starts_with("google.protobuf.") && name.len() > VALUE.len() => {
                let inner = message.get_field_by_name("value").filter(|_| name.ends_with("Value"));
                inner.map_or(Self::Free, |inner| Self::Value(inner.kind()))
            }
            name if name.starts_with("google.protobuf.") => Self::Free,
            _ => Self::Message(message),
        }
    }

    /// What stands under `key`, with the key added to `path`; none if nothing may stand there.
    pub fn enter(&self, key: &str, path: &mut String) -> Option<Self> {
        let (name, place) = match self {
            Self::Message(message) => match named(message, key) {
                Some(field) => (field.name().to_owned(), Some(Self::of(&field))),
                None => (key.to_owned(), None),
            },
            Self::Map(value) => {
                push_place(path, key);
                return Some(value.as_ref().clone());
            }
            _ => (key.to_owned(), Some(Self::Free)),
        };
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&name);
        place
    }

    /// What stands at an index.
    pub fn item(&self) -> Self {
        match self {
            Self::List(item, _) => item.as_ref().clone(),
            _ => Self::Free,
        }
    }

    /// What it should have been.
    pub fn expectation(&self) -> String {
        match self {
            Self::Message(_) | Self::Map(_) => "must be an object".to_owned(),
            Self::List(..) => "must be a list".to_owned(),
            Self::Value(kind) => expectation(kind),
            Self::Free => "cannot be read".to_owned(),
        }
    }

    fn takes(&self, json: Json) -> bool {
        let Self::Value(kind) = self else { return matches!(self, Self::Free) };
        match json {
            Json::Bool => *kind == Kind::Bool,
            Json::Number => is_number(kind),
            // 64 bits are more than some programs' numbers hold.
            Json::Text => !is_number(kind) && *kind != Kind::Bool || is_long(kind),
        }
    }
}

/// What no wrapper of a value is called.
const VALUE: &str = "google.protobuf.Value";

#[derive(Clone, Copy)]
enum Json {
    Bool,
    Number,
    Text,
}

fn is_long(kind: &Kind) -> bool {
    matches!(kind, Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64)
}

fn is_number(kind: &Kind) -> bool {
    !matches!(kind, Kind::Bool | Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_))
}

/// Adds an index or a key to a path: `tags[1]`, `attributes["colour"]`.
pub fn push_place(path: &mut String, place: impl fmt::Debug) {
    // Writing to a String cannot fail.
    let _ = write!(path, "[{place:?}]");
}

/// What a walk through a body finds wrong, and where it is.
#[derive(Default)]
pub struct Walk {
    pub path: String,
    /// All of it, up to [`MOST`].
    pub problems: Vec<FieldError>,
}

/// How much that is wrong is named: enough to mend a body, whatever a stranger sends.
const MOST: usize = 100;

impl Walk {
    fn note(&mut self, message: impl FnOnce() -> String) {
        if self.problems.len() < MOST {
            self.problems.push(FieldError { field: self.path.clone(), message: message() });
        }
    }
}

/// Walks through one JSON value.
pub struct Keys<'a> {
    pub place: &'a Place,
    pub walk: &'a mut Walk,
    /// Whether null stands for absence, as it does for a field but not in a list.
    pub may_be_absent: bool,
    /// Where the keys of this very object are noted, by their names as fields.
    pub given: Option<&'a mut Vec<String>>,
}

impl Keys<'_> {
    fn check(&mut self, is_good: bool) {
        if !is_good {
            self.walk.note(|| self.place.expectation());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(mut self, _: bool) -> Result<(), E> {
        self.check(self.place.takes(Json::Bool));
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.check(self.place.takes(Json::Number));
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.check(self.place.takes(Json::Number));
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.check(self.place.takes(Json::Number));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        let is_named = match self.place {
            Place::Value(Kind::Enum(names)) => names.get_value_by_name(text).is_some(),
            Place::Value(kind) => !is_leap_second(kind, text),
            _ => true,
        };
        self.check(is_named && self.place.takes(Json::Text));
        Ok(())
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.check(self.may_be_absent || matches!(self.place, Place::Free));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let most = match self.place {
            Place::List(_, most) => *most,
            Place::Free => usize::MAX,
            _ => {
                self.check(false);
                0
            }
        };
        let (parent, place) = (self.walk.path.len(), self.place.item());
        for index in 0..most {
            push_place(&mut self.walk.path, index);
            let item = Keys { place: &place, walk: self.walk, may_be_absent: false, given: None };
            let item = items.next_element_seed(item)?;
            self.walk.path.truncate(parent);
            if item.is_none() {
                return Ok(());
            }
        }
        // Before any of them costs what a message does.
        if items.next_element::<IgnoredAny>()?.is_some() {
            if let Place::List(..) = self.place {
                self.walk.note(|| format!("must have at most {most} items"));
            }
            while items.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        if matches!(self.place, Place::List(..) | Place::Value(_)) {
            self.check(false);
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let parent = self.walk.path.len();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            match self.enter(&key, parent, &mut seen) {
                Ok(place) => entries.next_value_seed(Keys {
                    place: &place,
                    may_be_absent: matches!(self.place, Place::Message(_)),
                    walk: self.walk,
                    given: None,
                })?,
                Err(problem) => {
                    self.walk.note(|| problem.to_owned());
                    entries.next_value::<IgnoredAny>()?;
                }
            }
            self.walk.path.truncate(parent);
        }
        Ok(())
    }
}

impl Keys<'_> {
    /// What stands under `key`, which is added to the path that is `parent` long, if something may and nothing is yet.
    fn enter(
        &mut self,
        key: &str,
        parent: usize,
        seen: &mut HashSet<String>,
    ) -> Result<Place, &'static str> {
        let place = self.place.enter(key, &mut self.walk.path);
        let place = place.ok_or("is not a field that exists here")?;
        let name = &self.walk.path[parent..];
        if !seen.insert(name.to_owned()) {
            return Err("is given twice");
        }
        if let Some(given) = &mut self.given {
            given.push(name.to_owned());
        }
        Ok(place)
    }
}
