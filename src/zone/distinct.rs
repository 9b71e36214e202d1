//! SRV records that several instances share: the same target, port, priority and weight make one record, since an
//! RRset has none twice (RFC 2181 §5).
//!
//! Instances of one endpoint are rare, and every SRV answer looks for them: so each record leaves a mark of 64 bits
//! on the stack, and only equal marks are looked at closely. A datagram has no room for more records than that holds;
//! what goes over a stream continues in a hash set.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use super::member::{Member, Target};

/// Records remembered on the stack: more than fit into 1,232 octets.
const FIRST: usize = 64;
/// An odd number with bits all over: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The members, each beginning with the same one whenever it is called, but for those whose SRV record an earlier
/// one has.
pub(super) fn distinct<'a, I>(members: impl Fn() -> I) -> impl Iterator<Item = &'a Member>
where
    I: Iterator<Item = &'a Member>,
{
    let mut marks = [0; FIRST];
    let mut more = None;
    members().enumerate().filter_map(move |(n, member)| {
        let record = Record::of(member);
        if let Some(free) = marks.get_mut(n) {
            *free = record.mark;
            let mut alike = marks[..n].iter().enumerate().filter(|(_, mark)| **mark == record.mark);
            let is_known = alike.any(|(at, _)| members().nth(at).is_some_and(|other| Record::of(other) == record));
            return (!is_known).then_some(member);
        }
        let more: &mut HashSet<_> = more.get_or_insert_with(|| members().take(FIRST).map(Record::of).collect());
        more.insert(record).then_some(member)
    })
}

/// What an SRV record holds. Names that differ in case are the same (RFC 4343 §3).
struct Record<'a> {
    head: &'a [u8],
    target: Target<'a>,
    mark: u64,
}

impl<'a> Record<'a> {
    fn of(member: &'a Member) -> Self {
        let (head, target) = (member.srv_head(), member.target());
        let (Target::Label(name) | Target::Foreign(name)) = target;
        let mix = |mark: u64, part: &[u8]| {
            let mut octets = [0; 8];
            octets[..part.len()].copy_from_slice(part);
            // The bit that tells cases apart is set in all: no matter that others look alike as well then.
            ((mark.rotate_left(5) ^ u64::from_ne_bytes(octets)) | 0x2020_2020_2020_2020).wrapping_mul(SPREAD)
        };
        let mark = name.chunks(8).fold(mix(0, head), mix);
        Self { head, target, mark }
    }
}

impl PartialEq for Record<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head
            && match (self.target, other.target) {
                (Target::Label(a), Target::Label(b)) | (Target::Foreign(a), Target::Foreign(b)) => {
                    a.eq_ignore_ascii_case(b)
                }
                _ => false,
            }
    }
}

impl Eq for Record<'_> {}

impl Hash for Record<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.mark);
    }
}
