//! The instances of a service that are not all alike, sorted into lots for drawing.
//!
//! A lot has the members of one priority whose weights have the same number of bits and whose addresses are of the
//! same kinds. Whoever draws picks a lot by its sum of weights, and from it any member, which he keeps with a chance
//! of at least one half: so a weighted draw from many thousands looks at a few (RFC 2782's running sum would
//! walk them all), and a question for AAAA never meets those that have none. Nor does it meet their lots, of which there
//! may be one for each of thousands of priorities: lots of the same kinds of addresses lie side by side.

use std::cmp::Ordering;

use imbl::OrdMap;

use super::member::{Member, V4, V6};
use super::set::{Iter, Keyed, Set};

/// All members of a group, once more.
#[derive(Debug, Clone)]
pub(super) struct Lots {
    /// By the kinds of addresses, then by priority.
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

    /// By priority, the lowest number first: all, or those whose members have this kind of addresses.
    pub(super) fn iter(&self, family: Option<u8>) -> impl Iterator<Item = Lot<'_>> {
        ByPriority::new(&self.all, family).map(|kept| Lot {
            kind: kept.kind,
            members: &kept.members,
            weight: kept.weight,
        })
    }
}

/// Kinds of addresses, as [`Member::families`] has them.
const FAMILIES: [u8; 4] = [0, V4, V6, V4 | V6];

/// Lots of several kinds of addresses, merged.
struct ByPriority<'a> {
    heads: [Option<&'a Kept>; FAMILIES.len()],
    rest: [Iter<'a, Kept>; FAMILIES.len()],
}

impl<'a> ByPriority<'a> {
    fn new(all: &'a Set<Kept>, family: Option<u8>) -> Self {
        let mut heads = [None; FAMILIES.len()];
        let mut rest = FAMILIES.map(|families| all.iter_at(&[families]));
        for ((head, rest), families) in heads.iter_mut().zip(&mut rest).zip(FAMILIES) {
            if family.is_none_or(|family| families & family != 0) {
                *head = rest.next().filter(|kept| kept.families() == families);
            }
        }
        Self { heads, rest }
    }
}

impl<'a> Iterator for ByPriority<'a> {
    type Item = &'a Kept;

    fn next(&mut self) -> Option<&'a Kept> {
        let heads = self.heads.iter_mut().zip(&mut self.rest);
        let (head, rest) = heads.filter(|(head, _)| head.is_some()).min_by_key(|(head, _)| head.map(Kept::order))?;
        let kept = head.take()?;
        *head = rest.next().filter(|next| next.families() == kept.families());
        Some(kept)
    }
}

impl Kept {
    fn families(&self) -> u8 {
        self.kind[0]
    }

    /// Priority and bits of the weight, and where these are the same, the kinds of addresses.
    fn order(&self) -> ([u8; 3], u8) {
        let [families, order @ ..] = self.kind;
        (order, families)
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
        let [_, high, low, _] = self.kind;
        u16::from_be_bytes([high, low])
    }

    /// More than any weight in it: a power of two, and 1 where all are 0.
    pub(super) fn ceiling(&self) -> u32 {
        let [.., bits] = self.kind;
        1 << bits
    }

    /// The kinds of addresses, as [`Member::families`] has them.
    pub(super) fn families(&self) -> u8 {
        self.kind[0]
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
    /// What sorts it into a lot: kinds of addresses, priority, bits of the weight.
    fn kind(&self) -> [u8; 4] {
        let [high, low] = self.priority().to_be_bytes();
        let bits = u8::try_from(u16::BITS - self.weight().leading_zeros()).expect("at most 16");
        [self.families(), high, low, bits]
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
