//! Finds the OPT record of a whole message, request or reply, and what options are in it (RFC 6891 §6.1.2).
//!
//! For those who have no more than the octets: plain questions are read with their options in `query`.
#![warn(clippy::indexing_slicing)]

use super::query::HEADER;

/// An OPT record begins with the root and its type (RFC 6891 §6.1.2).
const OPT: [u8; 3] = [0, 0, 41];
/// Octets of it up to its options, of which the last two say how long those are.
pub(super) const OPT_HEAD: usize = 11;
/// Octets of any record between its name and its data, of which the last two say how long that is.
const RECORD_HEAD: usize = 10;

/// Whether there is an option of this code in the OPT record that ends a message.
pub(super) fn has(message: &[u8], code: u16) -> bool {
    options_from(message, code).is_some()
}

/// The options from the first of this code on.
fn options_from(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut options = message.get(last_opt(message)? + OPT_HEAD..)?;
    loop {
        let (code, rest) = options.split_first_chunk()?;
        if u16::from_be_bytes(*code) == wanted {
            return Some(options);
        }
        let (length, rest) = rest.split_first_chunk()?;
        options = rest.get(usize::from(u16::from_be_bytes(*length))..)?;
    }
}

/// Where the OPT record begins that ends a message.
pub(super) fn last_opt(message: &[u8]) -> Option<usize> {
    let (header, _) = message.split_first_chunk::<HEADER>()?;
    let count = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low]));
    let [_, _, _, _, questions0, questions1, counts @ ..] = *header;
    let mut at = HEADER;
    for _ in 0..count(questions0, questions1) {
        // Type and class.
        at = name_end(message, at)? + 4;
    }
    let [answers0, answers1, authorities0, authorities1, additionals0, additionals1] = counts;
    let records = count(answers0, answers1) + count(authorities0, authorities1) + count(additionals0, additionals1);
    let mut last = None;
    for _ in 0..records {
        last = Some(at);
        let data = name_end(message, at)? + RECORD_HEAD;
        let [high, low] = *message.get(data - 2..data)?.as_array()?;
        at = data + count(high, low);
    }
    let opt = last?;
    (at == message.len() && message.get(opt..opt + OPT.len())? == OPT).then_some(opt)
}

/// Where the name ends that begins at `at`.
fn name_end(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            // A pointer has two octets, and ends the name.
            0xc0..=0xff => return Some(at + 2),
            _ => return None,
        }
    }
}
