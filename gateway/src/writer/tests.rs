//! The writer held against the reflective one, which it replaces.

use std::{path::Path, sync::LazyLock};

use proptest::{collection::vec, prelude::*};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    SerializeOptions, Value,
};
use serde_json::Value as Json;

use super::{Writer, Writers};

/// The answers of every method of ours, and a message of every shape, each with its writer.
static MESSAGES: LazyLock<Vec<(MessageDescriptor, Writer)>> = LazyLock::new(|| {
    let messages = messages();
    let writers = Writers::of(messages.iter().cloned()).unwrap();
    messages.into_iter().zip(writers).collect()
});

static EVERY: LazyLock<(MessageDescriptor, Writer)> = LazyLock::new(|| {
    let every = every();
    (every.clone(), Writers::of(std::iter::once(every)).unwrap().remove(0))
});

fn messages() -> Vec<MessageDescriptor> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let mut messages = methods.map(|method| method.output()).collect::<Vec<_>>();
    messages.push(every());
    messages
}

fn every() -> MessageDescriptor {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/writer");
    let mut compiler = protox::Compiler::new([&folder]).unwrap();
    compiler.include_imports(true).open_files([folder.join("every.proto")]).unwrap();
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    pool.get_message_by_name("flightline.trial.v1.Every").unwrap()
}

/// What the reflective writer says of `bytes`; none if it can't.
fn reflected(message: &MessageDescriptor, bytes: &[u8]) -> Option<Json> {
    let message = DynamicMessage::decode(message.clone(), bytes).ok()?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    let mut json = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).ok()?;
    serde_json::from_slice(&json).ok()
}

fn written(writer: &Writer, bytes: &[u8]) -> Option<Json> {
    let json = writer.write(bytes).ok()?;
    Some(serde_json::from_slice(&json).expect("what is written is JSON"))
}

/// Decisions, from bytes that the test framework can make smaller.
struct Chance<'a>(std::iter::Copied<std::slice::Iter<'a, u8>>);

impl Chance<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or_default()
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
            let sign = if chance.byte().is_multiple_of(2) { 1 } else { -1 };
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
        Kind::Double => Value::F64(f64::from_bits(number)),
        Kind::Float => Value::F32(f32::from_bits(number as u32)),
        Kind::Bool => Value::Bool(number % 2 == 1),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number.cast_signed()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number),
        Kind::String => Value::String(chance.text()),
        Kind::Bytes => Value::Bytes(chance.text().into_bytes().into()),
        Kind::Enum(_) => Value::EnumNumber(i32::try_from(number % 7).unwrap() - 3),
        Kind::Message(kind) => Value::Message(message(kind, chance, depth.saturating_sub(1))),
    }
}

fn random(kind: &MessageDescriptor, bytes: &[u8]) -> DynamicMessage {
    message(kind, &mut Chance(bytes.iter().copied()), 3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_message_is_written_as_the_reflective_writer_does(bytes in vec(any::<u8>(), 0..400)) {
        for (kind, writer) in MESSAGES.iter() {
            let encoded = random(kind, &bytes).encode_to_vec();
            let expected = reflected(kind, &encoded);
            prop_assert!(expected.is_some(), "{}", kind.full_name());
            prop_assert_eq!(written(writer, &encoded), expected, "{}", kind.full_name());
        }
    }

    #[test]
    fn a_message_in_two_parts_is_their_merger(
        one in vec(any::<u8>(), 0..200),
        other in vec(any::<u8>(), 0..200),
    ) {
        let (kind, writer) = &*EVERY;
        let parts = [random(kind, &one).encode_to_vec(), random(kind, &other).encode_to_vec()];
        let encoded = parts.concat();
        prop_assert_eq!(written(writer, &encoded), reflected(kind, &encoded));
    }

    #[test]
    fn broken_bytes_are_refused_or_written_but_never_a_panic(
        seed in vec(any::<u8>(), 0..200),
        cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (kind, writer) = &*EVERY;
        let mut encoded = random(kind, &seed).encode_to_vec();
        for (at, byte) in cuts {
            if !encoded.is_empty() {
                let at = at.index(encoded.len());
                encoded[at] = byte;
            }
        }
        let json = writer.write(&encoded);
        prop_assert!(json.is_err() || serde_json::from_slice::<Json>(&json.unwrap()).is_ok());
    }

    #[test]
    fn noise_is_never_a_panic(noise in vec(any::<u8>(), 0..64)) {
        let json = EVERY.1.write(&noise);
        prop_assert!(json.is_err() || serde_json::from_slice::<Json>(&json.unwrap()).is_ok());
    }
}

#[test]
fn a_field_that_is_not_known_is_passed_over() {
    // Field 1000 as a number, text, 32 and 64 bits; then `string`.
    let unknown = [0xc0, 0x3e, 5, 0xc2, 0x3e, 1, 7, 0xc5, 0x3e, 0, 0, 0, 0];
    let known = [0x72, 1, b'x'];

    let json = written(&EVERY.1, &[&unknown[..], &known].concat()).unwrap();

    assert_eq!(json["string"], "x");
}

#[test]
fn messages_that_stand_too_deep_in_each_other_are_refused() {
    let (_, writer) = &*EVERY;
    let mut bytes = Vec::new();
    for _ in 0..99 {
        bytes = [&[0x8a, 0x01][..], &length(bytes.len()), &bytes].concat();
    }
    assert!(writer.write(&bytes).is_ok());

    for _ in 0..1000 {
        bytes = [&[0x8a, 0x01][..], &length(bytes.len()), &bytes].concat();
    }
    assert!(writer.write(&bytes).is_err());
}

fn length(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(length as u64, &mut bytes);
    bytes
}

#[test]
fn text_of_the_message_itself_is_found() {
    let (kind, writer) = &*EVERY;
    let mut value = DynamicMessage::new(kind.clone());
    value.set_field_by_name("string", Value::String("found".into()));

    assert_eq!(writer.text(&value.encode_to_vec(), "string"), Some("found"));
    assert_eq!(writer.text(&value.encode_to_vec(), "maybe"), None);
    assert_eq!(writer.text(&value.encode_to_vec(), "strings"), None);
    assert_eq!(writer.text(&value.encode_to_vec(), "nothing"), None);
}
