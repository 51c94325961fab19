//! A query string and a body make one request.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str, &[u8])| gateway::fuzz::request(input.0, input.1, input.2));
