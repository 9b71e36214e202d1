//! Writes an answer as octets behind the question that it answers, without allocating.
//!
//! The question stays where it came; the header is written last, once it is known what to count; between them comes
//! the `body`.

mod body;
mod names;

use super::edns::Opt;
use super::query::{HEADER, Query};
use super::reply::TRUNCATED;
use crate::zone::Answer;
use body::Body;

/// Flags in the third octet of the header.
const RESPONSE: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;

/// Response codes (RFC 1035 §4.1.1).
pub(super) mod rcode {
    pub(crate) const NO_ERROR: u8 = 0;
    pub(crate) const NX_DOMAIN: u8 = 3;
    pub(crate) const REFUSED: u8 = 5;
}

/// What of a query its response repeats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Octets of header and question.
    length: usize,
    /// Octets of the question's name.
    name: usize,
    recursion_desired: bool,
    checking_disabled: bool,
}

impl Asked {
    pub(super) fn by(query: &Query<'_>) -> Self {
        Self {
            length: HEADER + query.question.len(),
            name: query.name.len(),
            recursion_desired: query.recursion_desired,
            checking_disabled: query.checking_disabled,
        }
    }
}

/// Writes the response behind the question, over the request that `asked` is of, and returns its length. `buffer` is
/// as long as the response may be, and at least 512 octets; `opt` is its OPT record.
pub(super) fn write(asked: Asked, answer: &Answer<'_>, opt: &mut Opt, seed: usize, buffer: &mut [u8]) -> usize {
    let end = buffer.len() - opt.least();
    let mut body = Body::behind(asked.length, HEADER + asked.name, &mut buffer[..end]);
    let mut counts = Counts::default();
    let whole = match answer {
        Answer::Refused => true,
        Answer::Unfinished => false,
        Answer::NxDomain(soa) | Answer::NoData(soa, ..) => body.required(soa, seed, &mut counts.authority),
        Answer::Records(records) => {
            let whole = body.required(&records.answer, seed, &mut counts.answer);
            if whole {
                body.additionals(records, seed, &mut counts.additional);
            }
            whole
        }
    };
    let authoritative = if matches!(answer, Answer::Refused) { 0 } else { AUTHORITATIVE };
    let truncated = if whole { 0 } else { TRUNCATED };
    let start = body.len();
    let opt = opt.within(buffer.len() - start);
    let length = start + opt.len();
    buffer[start..length].copy_from_slice(opt);
    counts.additional += u16::from(!opt.is_empty());
    let ([answer0, answer1], [authority0, authority1], [additional0, additional1]) =
        (counts.answer.to_be_bytes(), counts.authority.to_be_bytes(), counts.additional.to_be_bytes());
    buffer[2..HEADER].copy_from_slice(&[
        RESPONSE | authoritative | truncated | u8::from(asked.recursion_desired),
        (u8::from(asked.checking_disabled) << 4) | code(answer),
        0,
        1,
        answer0,
        answer1,
        authority0,
        authority1,
        additional0,
        additional1,
    ]);
    length
}

/// The response code of an answer.
pub(super) fn code(answer: &Answer<'_>) -> u8 {
    match answer {
        Answer::Refused => rcode::REFUSED,
        Answer::NxDomain(_) => rcode::NX_DOMAIN,
        Answer::NoData(..) | Answer::Unfinished | Answer::Records(_) => rcode::NO_ERROR,
    }
}

/// Takes TC back: over a stream there is nowhere else to go, and what fits is what there is.
pub(super) fn clear_truncation(message: &mut [u8]) {
    if let Some(flags) = message.get_mut(2) {
        *flags &= !TRUNCATED;
    }
}

/// Records per section.
#[derive(Default)]
struct Counts {
    answer: u16,
    authority: u16,
    additional: u16,
}
