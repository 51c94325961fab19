//! Answers written as proto3 JSON straight from the bytes that the service sent.
//!
//! To read an answer into a message of descriptors and to write that costs several times the call itself, for a list. What a
//! message looks like is worked out once, at start ([`shape`]); one pass over the bytes then finds the fields, and a second
//! writes them in the order of their declaration: what is zero or empty, too, but nothing that is absent.

mod scalar;
mod shape;
mod time;
mod wire;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use anyhow::Result as Built;
use prost_reflect::MessageDescriptor;

use self::{
    shape::{Card, Field, Kind, Shapes},
    wire::{Reader, Value},
};

/// How deep messages may stand in each other, as everywhere in protobuf.
const DEPTH: usize = 100;

/// Bytes that a service sent, and why they cannot be written.
#[derive(Debug)]
pub struct Unwritable(&'static str);

impl fmt::Display for Unwritable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

type Result<T> = std::result::Result<T, Unwritable>;

/// Works out writers.
pub struct Writers;

/// Writes the messages of one type.
#[derive(Clone)]
pub struct Writer {
    shapes: Arc<Shapes>,
    root: usize,
}

impl Writers {
    /// A writer of each of `messages`, in their order.
    ///
    /// # Errors
    ///
    /// A kind of field that has no JSON form.
    pub fn of(messages: impl Iterator<Item = MessageDescriptor>) -> Built<Vec<Writer>> {
        let mut shapes = Shapes::default();
        let roots = messages.map(|message| shapes.add(&message)).collect::<Built<Vec<_>>>()?;
        let shapes = Arc::new(shapes);
        Ok(roots.into_iter().map(|root| Writer { shapes: Arc::clone(&shapes), root }).collect())
    }
}

impl Writer {
    /// # Errors
    ///
    /// `bytes` are not such a message, or hold what JSON has no form for, such as a time beyond the year 9999.
    pub fn write(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut json = Vec::with_capacity(2 * bytes.len() + 256);
        self.shapes.message(self.root, bytes, DEPTH, &mut json)?;
        Ok(json)
    }

    /// The text in the field called `name` of the message itself; none if it has none or it is not there.
    pub fn text<'a>(&self, bytes: &'a [u8], name: &str) -> Option<&'a str> {
        let number = self.shapes.text_field(self.root, name)?;
        let (mut reader, mut text) = (Reader::new(bytes), None);
        while let Ok(Some((at, value))) = reader.next() {
            if let Value::Bytes(bytes) = value
                && at == number
            {
                text = std::str::from_utf8(bytes).ok();
            }
        }
        text
    }
}

impl Shapes {
    fn message(&self, index: usize, bytes: &[u8], depth: usize, json: &mut Vec<u8>) -> Result<()> {
        let depth =
            depth.checked_sub(1).ok_or(Unwritable("messages stand too deep in each other"))?;
        let shape = self.get(index);
        let mut found: Vec<(usize, Value)> = Vec::with_capacity(16);
        let mut reader = Reader::new(bytes);
        while let Some((number, value)) = reader.next()? {
            let Some(at) = shape.find(number) else { continue };
            if let Some(choice) = shape.fields[at].choice {
                found.retain(|(other, _)| {
                    *other == at || shape.fields[*other].choice != Some(choice)
                });
            }
            found.push((at, value));
        }
        if !found.is_sorted_by_key(|(at, _)| *at) {
            found.sort_by_key(|(at, _)| *at);
        }

        json.push(b'{');
        let (empty, mut rest) = (json.len(), found.as_slice());
        for (at, field) in shape.fields.iter().enumerate() {
            let count = rest.iter().take_while(|(found, _)| *found == at).count();
            let (values, others) = rest.split_at(count);
            rest = others;
            if values.is_empty() && field.card == Card::Optional {
                continue;
            }
            if empty < json.len() {
                json.push(b',');
            }
            json.extend_from_slice(&field.key);
            self.field(field, values, depth, json)?;
        }
        json.push(b'}');
        Ok(())
    }

    fn field(
        &self,
        field: &Field,
        values: &[(usize, Value)],
        depth: usize,
        json: &mut Vec<u8>,
    ) -> Result<()> {
        match (&field.card, &field.kind) {
            (Card::List, kind) => self.list(kind, values, depth, json),
            (Card::Map(key), kind) => self.map(key, kind, values, depth, json),
            // A message that came in several parts is all of them.
            (_, kind) if kind.is_message() && 1 < values.len() => {
                let mut whole = Vec::new();
                for (_, value) in values {
                    whole.extend_from_slice(value.bytes()?);
                }
                self.value(kind, &Value::Bytes(&whole), depth, json)
            }
            (_, kind) => {
                if let Some((_, value)) = values.last() {
                    return self.value(kind, value, depth, json);
                }
                kind.zero(json);
                Ok(())
            }
        }
    }

    fn list(
        &self,
        kind: &Kind,
        values: &[(usize, Value)],
        depth: usize,
        json: &mut Vec<u8>,
    ) -> Result<()> {
        json.push(b'[');
        let empty = json.len();
        let separate = |json: &mut Vec<u8>| {
            if empty < json.len() {
                json.push(b',');
            }
        };
        for (_, value) in values {
            match value {
                Value::Bytes(packed) if kind.is_packable() => {
                    let mut reader = Reader::new(packed);
                    while let Some(value) = kind.unpack(&mut reader)? {
                        separate(json);
                        self.value(kind, &value, depth, json)?;
                    }
                }
                value => {
                    separate(json);
                    self.value(kind, value, depth, json)?;
                }
            }
        }
        json.push(b']');
        Ok(())
    }

    fn map(
        &self,
        key: &Kind,
        kind: &Kind,
        values: &[(usize, Value)],
        depth: usize,
        json: &mut Vec<u8>,
    ) -> Result<()> {
        let mut entries = Vec::with_capacity(values.len());
        for (_, entry) in values {
            let (mut at, mut value) = (None, None);
            let mut reader = Reader::new(entry.bytes()?);
            while let Some((number, found)) = reader.next()? {
                match number {
                    1 => at = Some(found),
                    2 => value = Some(found),
                    _ => {}
                }
            }
            let mut name = Vec::new();
            key.name(at.as_ref(), &mut name)?;
            entries.push((name, value));
        }
        // What is sent again replaces what was sent before.
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        json.push(b'{');
        for (index, (name, value)) in entries.iter().enumerate() {
            if entries.get(index + 1).is_some_and(|(next, _)| next == name) {
                continue;
            }
            if json.last() != Some(&b'{') {
                json.push(b',');
            }
            json.extend_from_slice(name);
            json.push(b':');
            match value {
                Some(value) => self.value(kind, value, depth, json)?,
                None if kind.is_message() => self.value(kind, &Value::Bytes(&[]), depth, json)?,
                None => kind.zero(json),
            }
        }
        json.push(b'}');
        Ok(())
    }

    fn value(&self, kind: &Kind, value: &Value, depth: usize, json: &mut Vec<u8>) -> Result<()> {
        match kind {
            Kind::Message(index) => self.message(*index, value.bytes()?, depth, json),
            Kind::Timestamp => time::timestamp(value.bytes()?, json),
            Kind::Duration => time::duration(value.bytes()?, json),
            Kind::Reflected(message) => scalar::reflected(message, value.bytes()?, json),
            scalar => scalar.write(value, json),
        }
    }
}
