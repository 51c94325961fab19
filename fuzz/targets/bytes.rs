//! Bytes of a service are written as JSON as the reflective writer does.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| gateway::fuzz::bytes(input.0, input.1));
