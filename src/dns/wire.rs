//! Writes an answer as octets into a buffer that is given, without allocating.
//!
//! Compression leans on how the zone hands out names: in pieces that lie at the same place in memory whenever
//! they are the same. So a name seen before is found by comparing addresses, and only the question's name, which
//! came from outside, by its octets. They must be equal bit by bit: a pointer to a question in other case would
//! lose the case that was registered (RFC 4343 §4.1). SRV targets are written out (RFC 2782).

use std::ops::ControlFlow;

use super::edns::Opt;
use super::query::{HEADER, Query};
use crate::zone::{Answer, Name, Rdata, Records, Rrset};

/// Names remembered for compression, at most: what a datagram of 1,232 octets can hold of different names.
const NAMES: usize = 48;
/// Offsets that a pointer can reach, exclusive (RFC 1035 §4.1.4).
const POINTER_END: usize = 0x4000;
/// To the name of the question.
const TO_QUESTION: u16 = 0xc00c;
const CLASS_IN: u16 = 1;
/// Flags in the third octet of the header.
const RESPONSE: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;
const TRUNCATED: u8 = 0x02;

/// Response codes (RFC 1035 §4.1.1).
pub(super) mod rcode {
    pub(crate) const NO_ERROR: u8 = 0;
    pub(crate) const NX_DOMAIN: u8 = 3;
    pub(crate) const REFUSED: u8 = 5;
}

/// Writes the response to `query` and returns its length. `buffer` is as long as the response may be, and at
/// least 512 octets.
pub(super) fn write(query: &Query<'_>, answer: &Answer<'_>, opt: &Opt, seed: usize, buffer: &mut [u8]) -> usize {
    let opt = opt.as_slice();
    let end = buffer.len() - opt.len();
    let mut message = Message::begin(query, &mut buffer[..end]);
    let mut counts = Counts::default();
    let flags = match answer {
        Answer::Refused => 0,
        Answer::NxDomain(soa) | Answer::NoData(soa, ..) => message.required(soa, seed, &mut counts.authority),
        Answer::Records(records) => {
            let flags = message.required(&records.answer, seed, &mut counts.answer);
            if flags & TRUNCATED == 0 {
                message.additionals(records, seed, &mut counts.additional);
            }
            flags
        }
    };
    let length = message.length + opt.len();
    buffer[length - opt.len()..length].copy_from_slice(opt);
    counts.additional += u16::from(!opt.is_empty());
    buffer[2] = RESPONSE | flags | u8::from(query.recursion_desired);
    buffer[3] = (u8::from(query.checking_disabled) << 4) | code(answer);
    buffer[6..8].copy_from_slice(&counts.answer.to_be_bytes());
    buffer[8..10].copy_from_slice(&counts.authority.to_be_bytes());
    buffer[10..12].copy_from_slice(&counts.additional.to_be_bytes());
    length
}

/// The response code of an answer.
pub(super) fn code(answer: &Answer<'_>) -> u8 {
    match answer {
        Answer::Refused => rcode::REFUSED,
        Answer::NxDomain(_) => rcode::NX_DOMAIN,
        Answer::NoData(..) | Answer::Records(_) => rcode::NO_ERROR,
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

/// The buffer is full.
struct Full;

struct Message<'b, 'q> {
    buffer: &'b mut [u8],
    length: usize,
    /// The question's name, which begins behind the header.
    question: &'q [u8],
    /// Pieces of names by their place in memory, and where in the message the name begins with them.
    names: [(usize, u16); NAMES],
    named: usize,
}

impl<'b, 'q> Message<'b, 'q> {
    fn begin(query: &Query<'q>, buffer: &'b mut [u8]) -> Self {
        let length = HEADER + query.question.len();
        buffer[..2].copy_from_slice(&query.id);
        buffer[2..HEADER].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        buffer[HEADER..length].copy_from_slice(query.question);
        Self { buffer, length, question: query.name, names: [(0, 0); NAMES], named: 0 }
    }

    /// Writes the RRset without which the response is not whole, and returns the flags that come of it.
    fn required(&mut self, rrset: &Rrset<'_>, seed: usize, count: &mut u16) -> u8 {
        let whole = self.rrset(rrset, seed, count).is_ok();
        if whole { AUTHORITATIVE } else { AUTHORITATIVE | TRUNCATED }
    }

    /// Writes the RRsets that fit: each goes in whole or not at all, and its absence is no truncation (RFC 2181 §9).
    fn additionals(&mut self, records: &Records<'_>, seed: usize, count: &mut u16) {
        let _ = records.additionals(seed, |rrset| {
            let (mark, before) = (self.mark(), *count);
            if self.rrset(&rrset, seed, count).is_err() {
                self.back_to(mark);
                *count = before;
            }
            ControlFlow::<()>::Continue(())
        });
    }

    /// Writes records until the buffer is full; what is written and counted stays.
    fn rrset(&mut self, rrset: &Rrset<'_>, seed: usize, count: &mut u16) -> Result<(), Full> {
        let written = rrset.records(seed, |rdata| {
            let mark = self.mark();
            if self.record(rrset, &rdata).is_err() {
                self.back_to(mark);
                return ControlFlow::Break(());
            }
            *count = count.saturating_add(1);
            ControlFlow::Continue(())
        });
        if written.is_break() { Err(Full) } else { Ok(()) }
    }

    fn record(&mut self, rrset: &Rrset<'_>, rdata: &Rdata<'_>) -> Result<(), Full> {
        match &rrset.owner {
            None => self.put(&TO_QUESTION.to_be_bytes())?,
            Some(owner) => self.compressed(owner)?,
        }
        let [type0, type1] = rrset.rtype.to_be_bytes();
        let [class0, class1] = CLASS_IN.to_be_bytes();
        let [ttl0, ttl1, ttl2, ttl3] = rrset.ttl.to_be_bytes();
        // The length of the data follows when it is known.
        self.put(&[type0, type1, class0, class1, ttl0, ttl1, ttl2, ttl3, 0, 0])?;
        let start = self.length;
        match rdata {
            Rdata::Octets(octets) => self.put(octets)?,
            Rdata::Name(name) => self.compressed(name)?,
            Rdata::Srv(head, target) => {
                self.put(head)?;
                self.written_out(target)?;
            }
            Rdata::Soa(primary, mailbox, numbers) => {
                self.compressed(primary)?;
                self.compressed(mailbox)?;
                numbers.iter().try_for_each(|number| self.put(&number.to_be_bytes()))?;
            }
        }
        let length = u16::try_from(self.length - start).map_err(|_| Full)?;
        self.buffer[start - 2..start].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.length + octets.len();
        self.buffer.get_mut(self.length..end).ok_or(Full)?.copy_from_slice(octets);
        self.length = end;
        Ok(())
    }

    fn compressed(&mut self, name: &Name<'_>) -> Result<(), Full> {
        for (n, piece) in name.0.iter().enumerate() {
            if piece.is_empty() {
                continue;
            }
            if let Some(pointer) = self.pointer_to(name, n) {
                return self.put(&pointer.to_be_bytes());
            }
            self.remember(piece, self.length);
            self.put(piece)?;
        }
        Ok(())
    }

    fn written_out(&mut self, name: &Name<'_>) -> Result<(), Full> {
        name.0.iter().filter(|piece| !piece.is_empty()).try_for_each(|piece| {
            self.remember(piece, self.length);
            self.put(piece)
        })
    }

    /// Where the message has the name from its `n`th piece on.
    fn pointer_to(&mut self, name: &Name<'_>, n: usize) -> Option<u16> {
        let at = name.0[n].as_ptr().addr();
        if let Some((_, pointer)) = self.names[..self.named].iter().find(|(piece, _)| *piece == at) {
            return Some(*pointer);
        }
        let in_front = name.0[n..].iter().rev().try_fold(self.question, |rest, piece| rest.strip_suffix(*piece))?;
        let offset = HEADER + in_front.len();
        self.remember(name.0[n], offset);
        u16::try_from(offset).ok().map(|offset| 0xc000 | offset)
    }

    fn remember(&mut self, piece: &[u8], offset: usize) {
        if offset < POINTER_END
            && let Some(free) = self.names.get_mut(self.named)
            && let Ok(offset) = u16::try_from(offset)
        {
            *free = (piece.as_ptr().addr(), 0xc000 | offset);
            self.named += 1;
        }
    }

    fn mark(&self) -> (usize, usize) {
        (self.length, self.named)
    }

    fn back_to(&mut self, (length, named): (usize, usize)) {
        self.length = length;
        self.named = named;
    }
}
