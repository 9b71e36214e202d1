//! The parser of plain questions: see `portolan::dns::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| portolan::dns::fuzzing::question(octets));
