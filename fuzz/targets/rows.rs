//! Files of readings are read to their end.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| flightline::fuzz::rows(file));
