//! JSON to protobuf to JSON: a body that is read is written, and reads again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| gateway::fuzz::body(input.0, input.1));
