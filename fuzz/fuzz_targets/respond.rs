//! The reply to any request: see `portolan::dns::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| portolan::dns::fuzzing::respond(octets));
