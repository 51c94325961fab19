//! Access tokens: only ours are taken, whatever they say.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| kit::fuzz::access_token(input.0, input.1, input.2));
