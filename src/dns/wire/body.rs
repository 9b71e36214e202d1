//! What is behind the question: records, one after the other, as far as there is room.
//!
//! Names are compressed (`names`) but SRV targets, which are written out (RFC 2782). The question's name, which came
//! from outside, is found by its octets. They must be equal bit by bit: a pointer to a question in other case would
//! lose the case that was registered (RFC 4343 §4.1).

use std::mem;
use std::ops::ControlFlow;

use super::names::Names;
use crate::dns::query::HEADER;
use crate::zone::{Additional, Name, Rdata, Records, Rrset, SoleHost, rotated, rtype};

/// To the name of the question.
const TO_QUESTION: [u8; 2] = [0xc0, 0x0c];
const CLASS_IN: [u8; 2] = [0, 1];
/// Octets of a record in front of its data, with a pointer to its owner.
const HEAD: usize = 12;

/// A message as it grows behind its question.
pub(super) struct Body<'b> {
    buffer: &'b mut [u8],
    /// Octets up to the end of the question's name, which begins behind the header.
    question: usize,
    /// Octets that are written.
    length: usize,
    names: Names,
}

/// What the records of an RRset have in common.
struct Common<'a> {
    /// A pointer, or the name where the message does not have it yet.
    owner: Result<[u8; 2], &'a Name<'a>>,
    rtype: u16,
    ttl: u32,
}

impl<'b> Body<'b> {
    /// Behind header and question, which end here, in all that the response may take; the question's name ends there.
    pub(super) fn behind(end: usize, name_end: usize, buffer: &'b mut [u8]) -> Self {
        Self { buffer, question: name_end, length: end, names: Names::NONE }
    }

    /// Octets that are written, with header and question.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Writes the RRset without which the response is not whole; whether it is.
    pub(super) fn required(&mut self, rrset: &Rrset<'_>, seed: usize, count: &mut u16) -> bool {
        self.rrset(rrset, seed, count).is_some()
    }

    /// Writes the RRsets that fit: each goes in whole or not at all, and its absence is no truncation (RFC 2181 §9).
    pub(super) fn additionals(&mut self, records: &Records<'_>, seed: usize, count: &mut u16) {
        let _ = records.belonging(seed, self.buffer.len(), |additional| {
            match additional {
                Additional::Rrset(rrset) => self.additional(&rrset, seed, count),
                Additional::Host(host) => self.host(&host, seed, count),
            }
            ControlFlow::Continue(())
        });
    }

    fn additional(&mut self, rrset: &Rrset<'_>, seed: usize, count: &mut u16) {
        let (start, before) = (self.length, *count);
        if self.rrset(rrset, seed, count).is_none() {
            self.length = start;
            self.names.forget(start);
            *count = before;
        }
    }

    /// Writes the addresses of a host, which are most of all records: so it does no more than they need.
    fn host(&mut self, host: &SoleHost<'_>, seed: usize, count: &mut u16) {
        let Some(owner) = self.names.pointer_to(&host.owner(), 0) else {
            return host.rrsets().for_each(|rrset| self.additional(&rrset, seed, count));
        };
        let written = self.addresses(host.v4(), seed, head(owner, rtype::A, host.ttl(), 4))
            + self.addresses(host.v6(), seed, head(owner, rtype::AAAA, host.ttl(), 16));
        *count = count.saturating_add(written);
    }

    /// Writes all of them or none, each behind the same head, and returns how many.
    #[inline]
    fn addresses<const N: usize>(&mut self, all: &[[u8; N]], seed: usize, head: [u8; HEAD]) -> u16 {
        if all.is_empty() {
            return 0;
        }
        let Some(mut place) = self.place(all.len() * (HEAD + N)) else { return 0 };
        let mut written = 0;
        rotated(all, seed).for_each(|octets| {
            let (record, rest) = mem::take(&mut place).split_at_mut(HEAD + N);
            let (start, data) = record.split_at_mut(HEAD);
            start.copy_from_slice(&head);
            data.copy_from_slice(octets);
            place = rest;
            written += 1;
        });
        written
    }

    /// Writes records until the buffer is full or no more are looked for, which gives `None`; what is written and
    /// counted stays.
    #[inline]
    fn rrset(&mut self, rrset: &Rrset<'_>, seed: usize, count: &mut u16) -> Option<()> {
        let owner = rrset.owner.as_ref().map_or(Ok(TO_QUESTION), |owner| self.names.pointer_to(owner, 0).ok_or(owner));
        let common = Common { owner, rtype: rrset.rtype, ttl: rrset.ttl };
        let written = rrset.records(seed, self.buffer.len(), |rdata| {
            let start = self.length;
            if self.record(&common, &rdata).is_none() {
                // What was remembered since is nothing to anybody: no other record of the RRset follows.
                self.length = start;
                return ControlFlow::Break(());
            }
            *count = count.saturating_add(1);
            ControlFlow::Continue(())
        });
        written.is_continue().then_some(())
    }

    #[inline]
    fn record(&mut self, common: &Common<'_>, rdata: &Rdata<'_>) -> Option<()> {
        match rdata {
            Rdata::Octets(octets) => {
                let data = self.data(common, octets.len())?;
                match (octets.as_array::<4>(), data.as_mut_array()) {
                    // Of known length, they are not worth a call.
                    (Some(v4), Some(data)) => *data = *v4,
                    _ => data.copy_from_slice(octets),
                }
            }
            Rdata::Srv(numbers, target) => {
                let [first, middle, last] = target.0;
                let end = first.len() + middle.len() + last.len();
                let (start, rest) = self.data(common, numbers.len() + end)?.split_first_chunk_mut()?;
                *start = **numbers;
                let (to_first, rest) = rest.split_at_mut(first.len());
                let (to_middle, to_last) = rest.split_at_mut(middle.len());
                to_first.copy_from_slice(first);
                // Hardly any has one.
                if !middle.is_empty() {
                    to_middle.copy_from_slice(middle);
                }
                to_last.copy_from_slice(last);
                // Else it lies elsewhere, and nothing of the zone ends like it.
                if !first.is_empty() {
                    self.names.remember(target, 0, self.length - end);
                    self.names.remember(target, 2, self.length - last.len());
                }
            }
            Rdata::Name(name) => self.measured(common, |body| body.compressed(name))?,
            Rdata::Soa(primary, mailbox, numbers) => self.measured(common, |body| {
                body.compressed(primary)?;
                body.compressed(mailbox)?;
                numbers.iter().try_for_each(|number| body.put(&number.to_be_bytes()))
            })?,
        }
        Some(())
    }

    /// Writes a record whose length shows when its data is written.
    #[inline]
    fn measured(&mut self, common: &Common<'_>, put_data: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.data(common, 0)?;
        let start = self.length;
        put_data(self)?;
        let length = u16::try_from(self.length - start).ok()?;
        self.buffer[start - 2..start].copy_from_slice(&length.to_be_bytes());
        Some(())
    }

    /// Writes what is in front of so many octets of data, and gives the place for these.
    #[expect(clippy::inline_always, reason = "most of it is known where it is called, and it is for every record")]
    #[inline(always)]
    fn data(&mut self, common: &Common<'_>, length: usize) -> Option<&mut [u8]> {
        let size = u16::try_from(length).ok()?;
        match common.owner {
            Ok(pointer) => {
                let (start, data) = self.place(HEAD + length)?.split_first_chunk_mut()?;
                *start = head(pointer, common.rtype, common.ttl, size);
                Some(data)
            }
            Err(owner) => {
                self.owner(owner)?;
                let [_, _, behind_owner @ ..] = head([0, 0], common.rtype, common.ttl, size);
                self.put(&behind_owner)?;
                self.place(length)
            }
        }
    }

    /// Writes the name of a record: often one that the message has.
    fn owner(&mut self, name: &Name<'_>) -> Option<()> {
        match self.names.pointer_to(name, 0) {
            Some(pointer) => self.put(&pointer),
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
                return self.put(&pointer);
            }
            self.names.remember(name, 1, self.length);
            self.put(middle)?;
        }
        if let Some(pointer) = self.pointer_to(name, 2) {
            return self.put(&pointer);
        }
        self.names.remember(name, 2, self.length);
        self.put(last)
    }

    /// Where the message has the name from its `n`th piece on, of which there is more than the first.
    fn pointer_to(&mut self, name: &Name<'_>, n: usize) -> Option<[u8; 2]> {
        if let Some(pointer) = self.names.pointer_to(name, n) {
            return Some(pointer);
        }
        let question = &self.buffer[HEADER..self.question];
        let front = name.0[n..].iter().rev().try_fold(question, |rest, piece| rest.strip_suffix(*piece))?;
        self.names.remember(name, n, HEADER + front.len());
        self.names.pointer_to(name, n)
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        self.place(octets.len())?.copy_from_slice(octets);
        Some(())
    }

    /// The next octets, so many.
    #[inline]
    fn place(&mut self, length: usize) -> Option<&mut [u8]> {
        let start = self.length;
        let place = self.buffer.get_mut(start..)?.get_mut(..length)?;
        self.length = start + length;
        Some(place)
    }
}

/// What is in front of a record's data of this length, with a pointer to its owner.
#[inline]
fn head([owner0, owner1]: [u8; 2], rtype: u16, ttl: u32, length: u16) -> [u8; HEAD] {
    let ([type0, type1], [class0, class1]) = (rtype.to_be_bytes(), CLASS_IN);
    let ([ttl0, ttl1, ttl2, ttl3], [length0, length1]) = (ttl.to_be_bytes(), length.to_be_bytes());
    [owner0, owner1, type0, type1, class0, class1, ttl0, ttl1, ttl2, ttl3, length0, length1]
}
