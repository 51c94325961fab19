//! In short what the targets in `fuzz/` do at length: noise, and good input with a few bytes changed.

use std::sync::LazyLock;

use gateway::fuzz;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

/// The examples of the document: bodies of every kind.
static EXAMPLES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let document = gateway::document().unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|verbs| verbs.as_object().unwrap().values());
    let examples = operations.filter_map(|operation| {
        let media = &operation["requestBody"]["content"]["application/json"];
        media.get("example").map(Value::to_string)
    });
    examples.collect()
});

/// `text` with some of its bytes changed.
fn changed(text: &str, changes: &[(Index, u8)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_that_is_read_is_written_and_read_again(
        which in any::<u8>(),
        example in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        fuzz::body(which, &changed(example.get(EXAMPLES.as_slice()), &changes));
    }

    #[test]
    fn a_query_and_a_body_are_one_message(
        which in any::<u8>(),
        query in "((page_size|page_token|order_by|status|from|equipment_ids|etag|q|x)=[a-z0-9%:+.-]{0,12}&?){0,4}",
        example in any::<Index>(),
    ) {
        fuzz::request(which, &query, b"");
        fuzz::request(which, &query, example.get(EXAMPLES.as_slice()).as_bytes());
    }

    #[test]
    fn bytes_are_written_as_the_reflective_writer_does(
        which in any::<u8>(),
        bytes in vec(any::<u8>(), 0..100),
        // Small messages: the number of a field, and what a text or a number is.
        fields in vec((1..20_u8, "[a-z0-9-]{0,40}", any::<bool>()), 0..8),
    ) {
        fuzz::bytes(which, &bytes);
        let mut message = Vec::new();
        for (number, text, is_number) in fields {
            if is_number {
                prost::encoding::encode_varint(u64::from(number) << 3, &mut message);
                prost::encoding::encode_varint(text.len() as u64, &mut message);
            } else {
                prost::encoding::encode_varint((u64::from(number) << 3) | 2, &mut message);
                prost::encoding::encode_varint(text.len() as u64, &mut message);
                message.extend_from_slice(text.as_bytes());
            }
        }
        fuzz::bytes(which, &message);
    }
}

#[test]
fn there_are_examples_to_change() {
    assert!(10 < EXAMPLES.len());
    for (which, example) in EXAMPLES.iter().enumerate() {
        assert!(serde_json::from_str::<Value>(example).unwrap().is_object());
        fuzz::body(u8::try_from(which).unwrap(), example.as_bytes());
    }
}
