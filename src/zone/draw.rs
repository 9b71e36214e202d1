//! The order in which instances are given: by priority, and among equals at random in proportion to weight
//! (RFC 2782). So a client that takes the first address takes the right one, and what of a large service fits into
//! a message is a fair part of it.
//!
//! An instance of weight 0 beside others that have some is chosen about as seldom as the RFC's algorithm does it:
//! all of them together weigh 1.
//!
//! That is the order of as many as anyone looks at: [`DRAWN`] of a priority. The others come behind them in turn, the
//! heaviest lots first, so that nothing need be remembered that does not lie on the stack.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::chance::Chance;
use super::lots::Lot;
use super::member::Member;
use super::set::Set;

/// Lots of one priority, at most: 17 lengths of weights by four kinds of addresses, over TCP and over UDP.
const LOTS: usize = 17 * 4 * 2;
/// Members of a priority that are drawn: more than a datagram has SRV records (which take 45 octets of 1,232 and more).
/// It has more addresses, but who takes one takes one of the first, and each draw looks at places in memory that are in
/// no cache: all of 73 cost as much as an answer and a half.
const DRAWN: usize = 28;
/// Members that are looked at for one to be kept. Half of them are, or more, unless most were given before.
const TRIES: usize = 32;

/// Where in memory the members are that were drawn.
type Given = SmallVec<[usize; DRAWN]>;

/// A lot that is being drawn from.
struct Urn<'a> {
    members: &'a Set<Member>,
    ceiling: u32,
    /// Members in it that were not given yet, and their weight.
    left: usize,
    weight: u64,
}

/// Hands every member of the lots, which come by priority, to `visit`, until that breaks.
pub(super) fn draw<'a, B>(
    lots: impl Iterator<Item = Lot<'a>>,
    seed: usize,
    mut visit: impl FnMut(&'a Member) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut chance = Chance::new(seed);
    let mut lots = lots.peekable();
    while let Some(priority) = lots.peek().map(Lot::priority) {
        let mut urns: SmallVec<[Urn<'a>; LOTS]> = SmallVec::new();
        while let Some(lot) = lots.next_if(|lot| lot.priority() == priority) {
            urns.push(Urn {
                members: lot.members,
                ceiling: lot.ceiling(),
                left: lot.members.len(),
                weight: lot.weight,
            });
        }
        let mut given = Given::new();
        while given.len() < DRAWN
            && let Some(urn) = choose(&mut urns, &mut chance)
        {
            visit(urn.take(&mut given, &mut chance))?;
        }
        for urn in urns.iter().rev().filter(|urn| urn.left > 0) {
            let mut others = urn.members.iter_from(seed).filter(|member| !given.contains(&identity(member)));
            others.try_for_each(&mut visit)?;
        }
    }
    ControlFlow::Continue(())
}

/// What tells a member from others.
fn identity(member: &Member) -> usize {
    member.label().as_ptr().addr()
}

/// An urn by the weight that is left in it; `None` when all are empty.
fn choose<'u, 'a>(urns: &'u mut [Urn<'a>], chance: &mut Chance) -> Option<&'u mut Urn<'a>> {
    let (mut weighted, mut weightless) = (0, 0);
    for urn in &*urns {
        weighted += urn.weight;
        weightless += if urn.weight == 0 { urn.left } else { 0 };
    }
    if weighted == 0 && weightless == 0 {
        return None;
    }
    if weightless > 0 && chance.below(weighted + 1) == weighted {
        let mut at = chance.index(weightless);
        return urns.iter_mut().filter(|urn| urn.weight == 0).find(|urn| {
            let is_it = at < urn.left;
            at = at.saturating_sub(urn.left);
            is_it
        });
    }
    let mut at = chance.below(weighted);
    urns.iter_mut().find(|urn| {
        let is_it = at < urn.weight;
        at = at.saturating_sub(urn.weight);
        is_it
    })
}

impl<'a> Urn<'a> {
    /// A member that was not given yet, of which there is one.
    fn take(&mut self, given: &mut Given, chance: &mut Chance) -> &'a Member {
        let kept = (0..TRIES).find_map(|_| {
            let member = self.members.any(chance)?;
            let stays = self.ceiling == 1 || chance.below(u64::from(self.ceiling)) < u64::from(member.weight());
            (stays && !given.contains(&identity(member))).then_some(member)
        });
        // Most are gone: the next one, then.
        let mut next =
            || self.members.iter_from(chance.index(usize::MAX)).find(|member| !given.contains(&identity(member)));
        let member = kept.or_else(&mut next).expect("one is left");
        given.push(identity(member));
        self.left -= 1;
        self.weight -= u64::from(member.weight());
        member
    }
}
