//! What messages look like, as far as their writer must know.

use std::collections::HashMap;

use anyhow::{Context, Result};
use prost_reflect::{FieldDescriptor, Kind as Described, MessageDescriptor};

/// The messages that are written, by number: they stand in each other.
#[derive(Default)]
pub struct Shapes {
    messages: Vec<Shape>,
    known: HashMap<String, usize>,
}

/// One message.
#[derive(Default)]
pub struct Shape {
    pub fields: Vec<Field>,
    /// The field numbers in order, each with its place in `fields`.
    numbers: Vec<(u32, usize)>,
}

/// One field.
pub struct Field {
    /// Its name as it is written: `"title":`.
    pub key: Vec<u8>,
    pub card: Card,
    pub kind: Kind,
    /// The choice (`oneof`) of which it is one, if it is.
    pub choice: Option<usize>,
    name: String,
    number: u32,
}

/// How often a field is there.
#[derive(PartialEq)]
pub enum Card {
    /// Always: zero is a value.
    Always,
    /// Once or not at all.
    Optional,
    List,
    /// Keys of this kind to values.
    Map(Kind),
}

/// What a value is.
#[derive(PartialEq)]
pub enum Kind {
    Double,
    Float,
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    String,
    Bytes,
    /// Numbers and names as they are written.
    Enum(Vec<(i32, Vec<u8>)>),
    Message(usize),
    Timestamp,
    Duration,
    /// A well-known type that is rare: it is read into a message of descriptors.
    Reflected(MessageDescriptor),
}

impl Shapes {
    /// The number of `message`, which is known from now on.
    pub fn add(&mut self, message: &MessageDescriptor) -> Result<usize> {
        if let Some(index) = self.known.get(message.full_name()) {
            return Ok(*index);
        }
        let index = self.messages.len();
        self.known.insert(message.full_name().to_owned(), index);
        self.messages.push(Shape::default());

        let fields = message.fields().map(|field| self.describe(&field));
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let mut numbers: Vec<_> =
            fields.iter().enumerate().map(|(place, field)| (field.number, place)).collect();
        numbers.sort_unstable();
        self.messages[index] = Shape { fields, numbers };
        Ok(index)
    }

    pub fn get(&self, index: usize) -> &Shape {
        &self.messages[index]
    }

    /// The number of the field called `name` of message `index`, if it holds one text.
    pub fn text_field(&self, index: usize, name: &str) -> Option<u32> {
        let field = self.get(index).fields.iter().find(|field| field.name == name)?;
        let is_one = matches!(field.card, Card::Always | Card::Optional);
        (is_one && field.kind == Kind::String).then_some(field.number)
    }

    fn describe(&mut self, field: &FieldDescriptor) -> Result<Field> {
        let (card, kind) = match field.kind() {
            Described::Message(entry) if field.is_map() => {
                let key = self.kind_of(&entry.map_entry_key_field().kind())?;
                (Card::Map(key), self.kind_of(&entry.map_entry_value_field().kind())?)
            }
            kind if field.is_list() => (Card::List, self.kind_of(&kind)?),
            kind if field.supports_presence() => (Card::Optional, self.kind_of(&kind)?),
            kind => (Card::Always, self.kind_of(&kind)?),
        };
        let choice = field.containing_oneof().and_then(|choice| choice.path().last().copied());
        Ok(Field {
            key: format!("\"{}\":", field.name()).into_bytes(),
            card,
            kind,
            choice: choice.map(usize::try_from).transpose().context("a choice has a place")?,
            name: field.name().to_owned(),
            number: field.number(),
        })
    }

    fn kind_of(&mut self, kind: &Described) -> Result<Kind> {
        Ok(match kind {
            Described::Double => Kind::Double,
            Described::Float => Kind::Float,
            Described::Bool => Kind::Bool,
            Described::Int32 => Kind::Int32,
            Described::Int64 => Kind::Int64,
            Described::Uint32 => Kind::Uint32,
            Described::Uint64 => Kind::Uint64,
            Described::Sint32 => Kind::Sint32,
            Described::Sint64 => Kind::Sint64,
            Described::Fixed32 => Kind::Fixed32,
            Described::Fixed64 => Kind::Fixed64,
            Described::Sfixed32 => Kind::Sfixed32,
            Described::Sfixed64 => Kind::Sfixed64,
            Described::String => Kind::String,
            Described::Bytes => Kind::Bytes,
            Described::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => {
                Kind::Enum(vec![(0, b"null".to_vec())])
            }
            Described::Enum(kind) => {
                // Of two names for one number the first is written.
                let mut names: Vec<(i32, Vec<u8>)> = Vec::new();
                for value in kind.values() {
                    if !names.iter().any(|(number, _)| *number == value.number()) {
                        let name = format!("\"{}\"", value.name());
                        names.push((value.number(), name.into_bytes()));
                    }
                }
                Kind::Enum(names)
            }
            Described::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => Kind::Timestamp,
                "google.protobuf.Duration" => Kind::Duration,
                "google.protobuf.Empty" => Kind::Message(self.add(message)?),
                name if name.starts_with("google.protobuf.") => Kind::Reflected(message.clone()),
                _ => Kind::Message(self.add(message)?),
            },
        })
    }
}

impl Shape {
    /// The place of the field with this number.
    pub fn find(&self, number: u32) -> Option<usize> {
        // Where no number was ever left out, it is the place.
        let guess = usize::try_from(number).ok()?.wrapping_sub(1);
        if let Some((there, place)) = self.numbers.get(guess)
            && *there == number
        {
            return Some(*place);
        }
        let at = self.numbers.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(self.numbers[at].1)
    }
}

impl Kind {
    pub fn is_message(&self) -> bool {
        matches!(self, Self::Message(_) | Self::Timestamp | Self::Duration | Self::Reflected(_))
    }

    /// Whether a list of them may come as one run of bytes.
    pub fn is_packable(&self) -> bool {
        !self.is_message() && !matches!(self, Self::String | Self::Bytes)
    }
}
