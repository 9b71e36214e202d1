//! The instances of a service that are not all alike, sorted into lots for drawing.
//!
//! A lot has the members of one priority whose weights have the same number of bits and whose addresses are of the
//! same kinds. Whoever draws picks a lot by its sum of weights, and from it any member, which he keeps with a chance
//! of at least one half: so a weighted draw from many thousands looks at a few (RFC 2782's running sum would
//! walk them all), and a question for AAAA never meets those that have none.

use std::cmp::Ordering;

use imbl::OrdMap;

use super::member::Member;
use super::set::{Keyed, Set};

/// All members of a group, once more.
#[derive(Debug, Clone)]
pub(super) struct Lots {
    all: Set<Kept>,
    /// How many members there are of each priority and weight.
    shares: OrdMap<(u16, u16), u32>,
}

/// A lot as it is kept.
#[derive(Debug, Clone)]
struct Kept {
    kind: [u8; 4],
    members: Set<Member>,
    weight: u64,
}

/// Members of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lot<'a> {
    kind: [u8; 4],
    pub(super) members: &'a Set<Member>,
    /// The sum of their weights.
    pub(super) weight: u64,
}

impl Lots {
    /// Of members that are alike.
    pub(super) fn of(members: &Set<Member>) -> Self {
        let mut lots = Self { all: Set::new(), shares: OrdMap::new() };
        if let Some(lot) = Lot::of(members) {
            let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
            lots.shares.extend(members.first().map(|member| (member.share(), count)));
            lots.all.insert(Kept { kind: lot.kind, members: members.clone(), weight: lot.weight });
        }
        lots
    }

    pub(super) fn add(&mut self, member: &Member) {
        *self.shares.entry(member.share()).or_insert(0) += 1;
        let empty = || Kept { kind: member.kind(), members: Set::new(), weight: 0 };
        let mut lot = self.all.get(&member.kind()).cloned().unwrap_or_else(empty);
        lot.weight += u64::from(member.weight());
        lot.members.insert(member.clone());
        self.all.insert(lot);
    }

    pub(super) fn remove(&mut self, member: &Member) {
        if let Some(count) = self.shares.get_mut(&member.share()) {
            *count -= 1;
            if *count == 0 {
                self.shares.remove(&member.share());
            }
        }
        let Some(mut lot) = self.all.get(&member.kind()).cloned() else { return };
        lot.weight -= u64::from(member.weight());
        lot.members.remove(member.key());
        if lot.members.is_empty() {
            self.all.remove(&lot.kind);
        } else {
            self.all.insert(lot);
        }
    }

    /// Whether all have the same priority and weight.
    pub(super) fn is_even(&self) -> bool {
        self.shares.len() <= 1
    }

    /// Whether all are alike, so that nobody needs lots.
    pub(super) fn is_one(&self) -> bool {
        self.is_even() && self.all.len() <= 1
    }

    /// By priority, the lowest number first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Lot<'_>> {
        self.all.iter().map(|kept| Lot { kind: kept.kind, members: &kept.members, weight: kept.weight })
    }
}

impl<'a> Lot<'a> {
    /// Of members that are alike; `None` of none.
    pub(super) fn of(members: &'a Set<Member>) -> Option<Self> {
        let first = members.first()?;
        let weight = u64::from(first.weight()) * members.len() as u64;
        Some(Self { kind: first.kind(), members, weight })
    }

    pub(super) fn priority(&self) -> u16 {
        u16::from_be_bytes([self.kind[0], self.kind[1]])
    }

    /// More than any weight in it: a power of two, and 1 where all are 0.
    pub(super) fn ceiling(&self) -> u32 {
        1 << self.kind[2]
    }

    /// The kinds of addresses, as [`Member::families`] has them.
    pub(super) fn families(&self) -> u8 {
        self.kind[3]
    }
}

impl Keyed for Kept {
    fn key(&self) -> &[u8] {
        &self.kind
    }

    /// Numbers are no letters.
    fn compare(&self, key: &[u8]) -> Ordering {
        self.kind[..].cmp(key)
    }
}

impl Member {
    /// What sorts it into a lot: priority, bits of the weight, kinds of addresses.
    fn kind(&self) -> [u8; 4] {
        let [high, low] = self.priority().to_be_bytes();
        let bits = u8::try_from(u16::BITS - self.weight().leading_zeros()).expect("at most 16");
        [high, low, bits, self.families()]
    }

    /// Priority, weight and kinds of addresses: members that are alike in them need no drawing.
    pub(super) fn likeness(&self) -> (u16, u16, u8) {
        (self.priority(), self.weight(), self.families())
    }

    /// Priority and weight.
    fn share(&self) -> (u16, u16) {
        (self.priority(), self.weight())
    }
}
