//! `order_by`, and the place where the next page of it begins.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| kit::fuzz::order(input.0, input.1));
