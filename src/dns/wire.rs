//! Writes an answer as octets behind the question that it answers, without allocating.
//!
//! The question stays where it came; the header is written last, once it is known what to count. Names are compressed
//! (`names`) but SRV targets, which are written out (RFC 2782). The question's name, which came from outside, is
//! found by its octets. They must be equal bit by bit: a pointer to a question in other case would lose the case that
//! was registered (RFC 4343 §4.1).

mod names;

use std::ops::ControlFlow;

use super::edns::Opt;
use super::query::{HEADER, Query};
use crate::zone::{Answer, Name, Rdata, Records, Rrset};
use names::{Mark, Names};

/// To the name of the question.
const TO_QUESTION: [u8; 2] = [0xc0, 0x0c];
const CLASS_IN: [u8; 2] = [0, 1];
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
    let mut message = Message::begin(asked, &mut buffer[..end]);
    let mut counts = Counts::default();
    let flags = match answer {
        Answer::Refused => 0,
        Answer::Unfinished => AUTHORITATIVE | TRUNCATED,
        Answer::NxDomain(soa) | Answer::NoData(soa, ..) => message.required(soa, seed, &mut counts.authority),
        Answer::Records(records) => {
            let flags = message.required(&records.answer, seed, &mut counts.answer);
            if flags & TRUNCATED == 0 {
                message.additionals(records, seed, &mut counts.additional);
            }
            flags
        }
    };
    let start = message.length;
    let opt = opt.within(buffer.len() - start);
    let length = start + opt.len();
    buffer[start..length].copy_from_slice(opt);
    counts.additional += u16::from(!opt.is_empty());
    let ([answer0, answer1], [authority0, authority1], [additional0, additional1]) =
        (counts.answer.to_be_bytes(), counts.authority.to_be_bytes(), counts.additional.to_be_bytes());
    buffer[2..HEADER].copy_from_slice(&[
        RESPONSE | flags | u8::from(asked.recursion_desired),
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

/// A message that grows behind its question.
struct Message<'b> {
    /// The question's name, which begins behind the header.
    question: &'b [u8],
    /// Octets in front of `buffer`: the header and the question.
    front: usize,
    buffer: &'b mut [u8],
    /// Octets of the whole message.
    length: usize,
    names: Names,
}

impl<'b> Message<'b> {
    fn begin(asked: Asked, buffer: &'b mut [u8]) -> Self {
        let (request, buffer) = buffer.split_at_mut(asked.length);
        let question = &request[HEADER..][..asked.name];
        Self { question, front: asked.length, buffer, length: asked.length, names: Names::NONE }
    }

    /// Writes the RRset without which the response is not whole, and returns the flags that come of it.
    fn required(&mut self, rrset: &Rrset<'_>, seed: usize, count: &mut u16) -> u8 {
        let whole = self.rrset(rrset, seed, count).is_some();
        if whole { AUTHORITATIVE } else { AUTHORITATIVE | TRUNCATED }
    }

    /// Writes the RRsets that fit: each goes in whole or not at all, and its absence is no truncation (RFC 2181 §9).
    fn additionals(&mut self, records: &Records<'_>, seed: usize, count: &mut u16) {
        let _ = records.additionals(seed, self.buffer.len(), |rrset| {
            let (mark, before) = (self.mark(), *count);
            if self.rrset(&rrset, seed, count).is_none() {
                self.back_to(mark);
                *count = before;
            }
            ControlFlow::<()>::Continue(())
        });
    }

    /// Writes records until the buffer is full or no more are looked for, which gives `None`; what is written and counted stays.
    #[inline]
    fn rrset(&mut self, rrset: &Rrset<'_>, seed: usize, count: &mut u16) -> Option<()> {
        let pointer = rrset.owner.as_ref().map_or(Some(TO_QUESTION), |owner| self.names.pointer_to(owner, 0));
        let ([type0, type1], [class0, class1]) = (rrset.rtype.to_be_bytes(), CLASS_IN);
        let ([owner0, owner1], [ttl0, ttl1, ttl2, ttl3]) = (pointer.unwrap_or_default(), rrset.ttl.to_be_bytes());
        // The length of the data follows when it is known.
        let head = [owner0, owner1, type0, type1, class0, class1, ttl0, ttl1, ttl2, ttl3, 0, 0];
        // The owner, which the message does not have yet.
        let owner = rrset.owner.as_ref().filter(|_| pointer.is_none());
        let written = rrset.records(seed, self.buffer.len(), |rdata| {
            let start = self.length;
            if self.record(&head, owner, &rdata).is_none() {
                // What was remembered since is nothing to anybody: no other record follows.
                self.length = start;
                return ControlFlow::Break(());
            }
            *count = count.saturating_add(1);
            ControlFlow::Continue(())
        });
        written.is_continue().then_some(())
    }

    #[inline]
    fn record(&mut self, head: &[u8; 12], owner: Option<&Name<'_>>, rdata: &Rdata<'_>) -> Option<()> {
        match (owner, head) {
            (None, _) => self.put_array(head)?,
            (Some(owner), [_, _, behind_owner @ ..]) => {
                self.owner(owner)?;
                self.put_array(behind_owner)?;
            }
        }
        let start = self.length;
        match rdata {
            Rdata::Octets(octets) => match (octets.as_array(), octets.as_array()) {
                // Of known length, they are not worth a call.
                (Some(v4), _) => self.put_array::<4>(v4)?,
                (_, Some(v6)) => self.put_array::<16>(v6)?,
                _ => self.put(octets)?,
            },
            Rdata::Name(name) => self.compressed(name)?,
            Rdata::Srv(head, target) => {
                self.put_array::<6>(head.as_array()?)?;
                self.written_out(target)?;
            }
            Rdata::Soa(primary, mailbox, numbers) => {
                self.compressed(primary)?;
                self.compressed(mailbox)?;
                numbers.iter().try_for_each(|number| self.put_array(&number.to_be_bytes()))?;
            }
        }
        let length = u16::try_from(self.length - start).ok()?;
        let at = start - self.front;
        self.buffer[at - 2..at].copy_from_slice(&length.to_be_bytes());
        Some(())
    }

    /// Writes the name of a record: often one that the message has.
    fn owner(&mut self, name: &Name<'_>) -> Option<()> {
        match self.names.pointer_to(name, 0) {
            Some(pointer) => self.put_array(&pointer),
            None => self.compressed(name),
        }
    }

    /// Writes a name that the message does not have yet, but perhaps its end.
    fn compressed(&mut self, name: &Name<'_>) -> Option<()> {
        let [first, middle, last] = name.0;
        if !first.is_empty() {
            self.names.remember(name, 0, self.length);
            self.put(first)?;
        }
        if !middle.is_empty() {
            if let Some(pointer) = self.pointer_to(name, 1) {
                return self.put_array(&pointer);
            }
            self.names.remember(name, 1, self.length);
            self.put(middle)?;
        }
        if let Some(pointer) = self.pointer_to(name, 2) {
            return self.put_array(&pointer);
        }
        self.names.remember(name, 2, self.length);
        self.put(last)
    }

    #[inline]
    fn written_out(&mut self, name: &Name<'_>) -> Option<()> {
        let [first, middle, last] = name.0;
        // Else it lies elsewhere, and nothing of the zone ends like it.
        if !first.is_empty() {
            self.names.remember(name, 0, self.length);
            self.put(first)?;
            if !middle.is_empty() {
                self.put(middle)?;
            }
            self.names.remember(name, 2, self.length);
        }
        self.put(last)
    }

    /// Where the message has the name from its `n`th piece on, of which there is more than the first.
    fn pointer_to(&mut self, name: &Name<'_>, n: usize) -> Option<[u8; 2]> {
        if let Some(pointer) = self.names.pointer_to(name, n) {
            return Some(pointer);
        }
        let front = name.0[n..].iter().rev().try_fold(self.question, |rest, piece| rest.strip_suffix(*piece))?;
        self.names.remember(name, n, HEADER + front.len());
        self.names.pointer_to(name, n)
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        self.buffer.get_mut(self.length - self.front..)?.get_mut(..octets.len())?.copy_from_slice(octets);
        self.length += octets.len();
        Some(())
    }

    #[inline]
    fn put_array<const N: usize>(&mut self, octets: &[u8; N]) -> Option<()> {
        *self.buffer.get_mut(self.length - self.front..)?.first_chunk_mut()? = *octets;
        self.length += N;
        Some(())
    }

    fn mark(&self) -> (usize, Mark) {
        (self.length, self.names.mark())
    }

    fn back_to(&mut self, (length, names): (usize, Mark)) {
        self.length = length;
        self.names.back_to(names);
    }
}
