//! Page tokens: only ours are taken.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &str| kit::fuzz::page_token(token));
