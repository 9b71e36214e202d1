//! What is known of a reply once it is written, for those who send and count it.

use super::cookie::Standing;
use super::edns::Opt;
use super::query::{self, HEADER};
use crate::zone::Place;

/// TC in the third octet of the header (RFC 1035 §4.1.1).
pub(super) const TRUNCATED: u8 = 0x02;

/// A reply in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// Octets; 0 is no reply.
    pub(super) length: usize,
    /// The response code with its extended bits (RFC 6891 §6.1.3).
    pub(super) rcode: u16,
    /// Whether TC is set.
    pub(super) truncated: bool,
    /// See [`Answer::place`](crate::zone::Answer::place).
    pub(super) place: Option<Place>,
    /// How the client stands that it is for.
    pub(super) standing: Standing,
    /// Octets of the OPT record at its end.
    pub(super) opt: usize,
}

impl Reply {
    /// None: the request gets no reply.
    pub(super) const NONE: Self =
        Self { length: 0, rcode: 0, truncated: false, place: None, standing: Standing::Unknown, opt: 0 };

    /// What was written to `message`, from its beginning.
    pub(super) fn written(message: &[u8], rcode: u16, place: Option<Place>) -> Self {
        let truncated = message.first_chunk::<HEADER>().is_some_and(|header| header[2] & TRUNCATED != 0);
        Self { length: message.len(), rcode, truncated, place, ..Self::NONE }
    }

    /// The same, whose last octets are this record's.
    pub(super) fn ending_in(self, opt: &Opt) -> Self {
        Self { standing: opt.standing, opt: opt.len(), ..self }
    }

    /// Leaves of the reply in `message` its header, with TC set, the question, and the OPT record. Where the question
    /// cannot be told, because there is none or several, that goes as well. `None`, and nothing done, where what is
    /// said of the reply is not so.
    pub(super) fn truncate(&mut self, message: &mut [u8]) -> Option<()> {
        let end = query::question_of(message.get(..self.length)?).map_or(HEADER, |(_, end)| end);
        let opt = self.length.checked_sub(self.opt).filter(|opt| *opt >= end)?;
        let [_, _, flags, _, counts @ ..] = message.first_chunk_mut::<HEADER>()?;
        *flags |= TRUNCATED;
        *counts = [0, u8::from(end > HEADER), 0, 0, 0, 0, 0, u8::from(self.opt > 0)];
        message.copy_within(opt..self.length, end);
        (self.length, self.truncated) = (end + self.opt, true);
        Some(())
    }

    /// Copies `message` to `buffer`; none where it is too long.
    pub(super) fn copied(message: &[u8], rcode: u16, place: Option<Place>, buffer: &mut [u8]) -> Self {
        buffer.get_mut(..message.len()).map_or(Self::NONE, |free| {
            free.copy_from_slice(message);
            Self::written(message, rcode, place)
        })
    }
}
