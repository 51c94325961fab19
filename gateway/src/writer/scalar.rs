//! Values that are no messages.

use base64::{Engine, prelude::BASE64_STANDARD};
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::Serialize;

use super::{
    Result, Unwritable,
    shape::Kind,
    wire::{MISMATCH, Reader, Value},
};

impl Kind {
    /// What is written where nothing was sent.
    pub fn zero(&self, json: &mut Vec<u8>) {
        match self {
            Self::Double | Self::Float => json.extend_from_slice(b"0.0"),
            Self::Bool => json.extend_from_slice(b"false"),
            Self::String | Self::Bytes => json.extend_from_slice(b"\"\""),
            Self::Enum(names) => enumeration(0, names, json),
            Self::Message(_) | Self::Timestamp | Self::Duration | Self::Reflected(_) => {
                json.extend_from_slice(b"null");
            }
            _ => json.push(b'0'),
        }
    }

    pub fn write(&self, value: &Value, json: &mut Vec<u8>) -> Result<()> {
        match (self, *value) {
            (Self::Double, Value::Fixed64(bits)) => double(f64::from_bits(bits), json),
            (Self::Float, Value::Fixed32(bits)) => float(f32::from_bits(bits), json),
            (Self::Bool, Value::Varint(bits)) => put(&(bits != 0), json),
            (Self::String, Value::Bytes(bytes)) => put(text(bytes)?, json),
            (Self::Bytes, Value::Bytes(bytes)) => put(&BASE64_STANDARD.encode(bytes), json),
            (Self::Enum(names), Value::Varint(bits)) => enumeration(low(bits), names, json),
            (Self::Uint64, Value::Varint(bits)) | (Self::Fixed64, Value::Fixed64(bits)) => {
                put(&bits, json);
            }
            (Self::Fixed32, Value::Fixed32(bits)) => put(&bits, json),
            (Self::Uint32, Value::Varint(bits)) => put(&low(bits).cast_unsigned(), json),
            (kind, value) => put(&kind.signed(value)?, json),
        }
        Ok(())
    }

    fn signed(&self, value: Value) -> Result<i64> {
        Ok(match (self, value) {
            (Self::Int32, Value::Varint(bits)) => low(bits).into(),
            (Self::Int64, Value::Varint(bits)) | (Self::Sfixed64, Value::Fixed64(bits)) => {
                bits.cast_signed()
            }
            (Self::Sint32, Value::Varint(bits)) => {
                let bits = low(bits).cast_unsigned();
                ((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()).into()
            }
            (Self::Sint64, Value::Varint(bits)) => {
                (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
            }
            (Self::Sfixed32, Value::Fixed32(bits)) => bits.cast_signed().into(),
            _ => return Err(MISMATCH),
        })
    }

    /// The next value of a run of them.
    pub fn unpack<'a>(&self, reader: &mut Reader<'a>) -> Result<Option<Value<'a>>> {
        if reader.is_at_end() {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => Value::Fixed64(reader.fixed64()?),
            Self::Float | Self::Fixed32 | Self::Sfixed32 => Value::Fixed32(reader.fixed32()?),
            _ => Value::Varint(reader.varint()?),
        }))
    }

    /// The key of a map: always text.
    pub fn name(&self, value: Option<&Value>, json: &mut Vec<u8>) -> Result<()> {
        let is_text = *self == Self::String;
        if !is_text {
            json.push(b'"');
        }
        match value {
            Some(value) => self.write(value, json)?,
            None => self.zero(json),
        }
        if !is_text {
            json.push(b'"');
        }
        Ok(())
    }
}

/// A well-known type that is rare.
pub fn reflected(message: &MessageDescriptor, bytes: &[u8], json: &mut Vec<u8>) -> Result<()> {
    let broken = |_| Unwritable("a message cannot be read");
    let value = DynamicMessage::decode(message.clone(), bytes).map_err(broken)?;
    let unwritable = |_| Unwritable("a message has no JSON form");
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    let mut serializer = serde_json::Serializer::new(json);
    value.serialize_with_options(&mut serializer, &options).map_err(unwritable)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Unwritable("text is not UTF-8"))
}

/// What the wire has in 64 bits and the field in 32.
#[expect(clippy::cast_possible_truncation, reason = "protobuf drops what is more")]
pub fn low(bits: u64) -> i32 {
    bits as i32
}

fn enumeration(number: i32, names: &[(i32, Vec<u8>)], json: &mut Vec<u8>) {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => json.extend_from_slice(name),
        None => put(&number, json),
    }
}

fn double(value: f64, json: &mut Vec<u8>) {
    match beyond(value) {
        Some(name) => put(name, json),
        None => put(&value, json),
    }
}

fn float(value: f32, json: &mut Vec<u8>) {
    match beyond(value.into()) {
        Some(name) => put(name, json),
        None => put(&value, json),
    }
}

/// What JSON has no number for has a name.
fn beyond(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        return Some("NaN");
    }
    value.is_infinite().then_some(if value < 0.0 { "-Infinity" } else { "Infinity" })
}

/// Numbers, text and truth always have a JSON form, and memory takes it.
fn put<T: Serialize + ?Sized>(value: &T, json: &mut Vec<u8>) {
    let written = serde_json::to_writer(json, value);
    debug_assert!(written.is_ok());
}
