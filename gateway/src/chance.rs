//! Messages that nobody thought of, for tests.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    SerializeOptions, Value,
};
use serde_json::Value as Json;

/// How deep messages stand in each other.
const DEPTH: usize = 3;

/// Any message of `kind`: `bytes` decide.
pub fn random(kind: &MessageDescriptor, bytes: &[u8]) -> DynamicMessage {
    message(kind, &mut Chance { bytes: bytes.iter().copied(), is_tame: false }, DEPTH)
}

/// One that a client could send, which stays one when it is merged with another: its numbers are numbers, its enums have
/// values that are declared, and its durations, whose seconds and fraction have one sign, are positive.
pub fn tame(kind: &MessageDescriptor, bytes: &[u8]) -> DynamicMessage {
    message(kind, &mut Chance { bytes: bytes.iter().copied(), is_tame: true }, DEPTH)
}

/// What the reflective writer says of `bytes`; none if it can't, or if it would make a time of what is none.
pub fn reflected(message: &MessageDescriptor, bytes: &[u8]) -> Option<Json> {
    let message = DynamicMessage::decode(message.clone(), bytes).ok()?;
    if has_odd_fraction(&message) {
        return None;
    }
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    let mut json = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Whether some time or duration in `message` has a fraction that protobuf's have not: of a second or more, or of another sign.
fn has_odd_fraction(message: &DynamicMessage) -> bool {
    let number = |name: &str| match message.get_field_by_name(name).as_deref() {
        Some(Value::I64(seconds)) => *seconds,
        Some(Value::I32(nanos)) => i64::from(*nanos),
        _ => 0,
    };
    let is_odd = match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => !(0..1_000_000_000).contains(&number("nanos")),
        "google.protobuf.Duration" => {
            let (seconds, nanos) = (number("seconds"), number("nanos"));
            999_999_999 < nanos.abs() || seconds.signum() * nanos.signum() < 0
        }
        _ => false,
    };
    let in_value = |value: &Value| value.as_message().is_some_and(has_odd_fraction);
    is_odd
        || message.fields().any(|(_, value)| match value {
            Value::List(items) => items.iter().any(in_value),
            Value::Map(entries) => entries.values().any(in_value),
            value => in_value(value),
        })
}

/// Decisions, from bytes that the test framework can make smaller.
struct Chance<'a> {
    bytes: std::iter::Copied<std::slice::Iter<'a, u8>>,
    /// Whether numbers that are none, values of enums that nobody declared and negative durations are left out.
    is_tame: bool,
}

impl Chance<'_> {
    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or_default()
    }

    fn number(&mut self) -> u64 {
        // Small ones as often as those that fill their bits.
        match self.byte() % 4 {
            0 => 0,
            1 => u64::from(self.byte()),
            2 => u64::MAX,
            _ => u64::from_le_bytes([(); 8].map(|()| self.byte())),
        }
    }

    fn text(&mut self) -> String {
        let length = self.byte() % 6;
        let letters = ['a', 'Z', '"', '\\', '\n', '\0', 'é', '😀', '\u{2028}', '/'];
        (0..length).map(|_| letters[usize::from(self.byte()) % letters.len()]).collect()
    }
}

fn message(kind: &MessageDescriptor, chance: &mut Chance, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    match kind.full_name() {
        "google.protobuf.Timestamp" => {
            let seconds = i64::try_from(chance.number() % 315_537_897_600).unwrap();
            message.set_field_by_name("seconds", Value::I64(seconds - 62_135_596_800));
            message.set_field_by_name("nanos", Value::I32(nanos(chance)));
        }
        "google.protobuf.Duration" => {
            let is_positive = chance.byte().is_multiple_of(2) || chance.is_tame;
            let sign = if is_positive { 1 } else { -1 };
            let seconds = i64::try_from(chance.number() % 315_576_000_000).unwrap();
            message.set_field_by_name("seconds", Value::I64(seconds * i64::from(sign)));
            message.set_field_by_name("nanos", Value::I32(nanos(chance) * sign));
        }
        "google.protobuf.FieldMask" => {
            let paths = Value::List(vec![Value::String("a_path.b".into())]);
            message.set_field_by_name("paths", paths);
        }
        "google.protobuf.Value" => {
            message.set_field_by_name("string_value", Value::String(chance.text()));
        }
        _ => {
            for field in kind.fields() {
                if !chance.byte().is_multiple_of(3)
                    && (0 < depth || field.kind().as_message().is_none())
                {
                    message.set_field(&field, value(&field, chance, depth));
                }
            }
        }
    }
    message
}

fn nanos(chance: &mut Chance) -> i32 {
    let nanos = i32::try_from(chance.number() % 1_000_000_000).unwrap();
    nanos - nanos % [1, 1000, 1_000_000, 1_000_000_000][usize::from(chance.byte()) % 4]
}

fn value(field: &FieldDescriptor, chance: &mut Chance, depth: usize) -> Value {
    let count = chance.byte() % 3;
    if field.is_list() {
        return Value::List((0..count).map(|_| one(&field.kind(), chance, depth)).collect());
    }
    if let Kind::Message(entry) = field.kind()
        && field.is_map()
    {
        let (key, value) =
            (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        let entries = (0..count).map(|_| {
            let key = match one(&key, chance, depth) {
                Value::Bool(key) => MapKey::Bool(key),
                Value::I32(key) => MapKey::I32(key),
                Value::String(key) => MapKey::String(key),
                other => panic!("no key: {other:?}"),
            };
            (key, one(&value, chance, depth))
        });
        return Value::Map(entries.collect());
    }
    one(&field.kind(), chance, depth)
}

#[expect(clippy::cast_possible_truncation, reason = "any value will do")]
fn one(kind: &Kind, chance: &mut Chance, depth: usize) -> Value {
    let number = chance.number();
    match kind {
        Kind::Double => {
            let value = f64::from_bits(number);
            Value::F64(if chance.is_tame && !value.is_finite() { 0.5 } else { value })
        }
        Kind::Float => {
            let value = f32::from_bits(number as u32);
            Value::F32(if chance.is_tame && !value.is_finite() { 0.5 } else { value })
        }
        Kind::Bool => Value::Bool(number % 2 == 1),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number.cast_signed()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number),
        Kind::String => Value::String(chance.text()),
        Kind::Bytes => Value::Bytes(chance.text().into_bytes().into()),
        Kind::Enum(values) if chance.is_tame => {
            let at = usize::try_from(number).unwrap() % values.values().len();
            Value::EnumNumber(values.values().nth(at).unwrap().number())
        }
        Kind::Enum(_) => Value::EnumNumber(i32::try_from(number % 7).unwrap() - 3),
        Kind::Message(kind) => Value::Message(message(kind, chance, depth.saturating_sub(1))),
    }
}
