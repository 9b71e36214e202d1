//! The text form of names: see `portolan::service::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| portolan::service::fuzzing::name(octets));
