//! The writer held against the reflective one, which it replaces.

use std::{path::Path, sync::LazyLock};

use proptest::{collection::vec, prelude::*};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::{Writer, Writers};
use crate::chance::{random, reflected, tame};

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

fn written(writer: &Writer, bytes: &[u8]) -> Option<Json> {
    let json = writer.write(bytes).ok()?;
    Some(serde_json::from_slice(&json).expect("what is written is JSON"))
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
        let parts = [tame(kind, &one).encode_to_vec(), tame(kind, &other).encode_to_vec()];
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
