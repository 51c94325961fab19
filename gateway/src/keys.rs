//! The keys of a JSON body, checked before its values: every one must be a field, and be there once. The reader of
//! values names neither the place of an unknown key nor a repeated one.

use std::{
    collections::HashSet,
    fmt::{self, Write},
};

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::field::named;

/// What a JSON value stands for, as far as its keys matter.
#[derive(Clone)]
pub enum Place {
    /// A message, or a list of them.
    Message(MessageDescriptor),
    /// A map with such values.
    Map(Box<Place>),
    /// Something whose keys, if any, are its own affair.
    Free,
}

impl Place {
    fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                Self::Map(Box::new(Self::of(&entry.map_entry_value_field())))
            }
            // The well-known types have JSON forms of their own.
            Kind::Message(message) if message.package_name() == "google.protobuf" => Self::Free,
            Kind::Message(message) => Self::Message(message),
            _ => Self::Free,
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
            Self::Free => (key.to_owned(), Some(Self::Free)),
        };
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&name);
        place
    }
}

/// Adds an index or a key to a path: `tags[1]`, `attributes["colour"]`.
pub fn push_place(path: &mut String, place: impl fmt::Debug) {
    // Writing to a String cannot fail.
    let _ = write!(path, "[{place:?}]");
}

/// Walks through one JSON value. On an error, `path` is where it happened.
pub struct Keys<'a> {
    pub place: &'a Place,
    pub path: &'a mut String,
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

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let parent = self.path.len();
        for index in 0_usize.. {
            push_place(self.path, index);
            let item = Keys { place: self.place, path: self.path };
            if items.next_element_seed(item)?.is_none() {
                self.path.truncate(parent);
                break;
            }
            self.path.truncate(parent);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let parent = self.path.len();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Some(place) = self.place.enter(&key, self.path) else {
                return Err(A::Error::custom("is not a field that exists here"));
            };
            if !seen.insert(self.path[parent..].to_owned()) {
                return Err(A::Error::custom("is given twice"));
            }
            entries.next_value_seed(Keys { place: &place, path: self.path })?;
            self.path.truncate(parent);
        }
        Ok(())
    }
}
