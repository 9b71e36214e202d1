//! The addresses of a service, for programs that know no SRV: those of all its instances.
//!
//! They are kept nowhere: an answer gathers them from the instances until its message is full.

use std::ops::ControlFlow;

use super::group::Group;
use super::member::Member;
use super::seen::Seen;
use crate::service::Source;

/// The instances of one service over TCP and UDP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool<'a>([Option<&'a Group>; 2]);

impl<'a> Pool<'a> {
    /// `None` where no instance has addresses of ours.
    pub(super) fn of(tcp: Option<&'a Group>, udp: Option<&'a Group>) -> Option<Self> {
        let with_addresses = |group: Option<&'a Group>| group.filter(|group| group.source().is_some());
        let pool = Self([with_addresses(tcp), with_addresses(udp)]);
        pool.groups().next()?;
        Some(pool)
    }

    /// The highest that serves an instance.
    pub(super) fn source(&self) -> Option<Source> {
        self.groups().filter_map(Group::source).max()
    }

    /// Seconds.
    pub(super) fn ttl(&self, zone_ttl: u32) -> u32 {
        self.groups().map(|group| group.ttls.shortest(zone_ttl)).min().unwrap_or(zone_ttl)
    }

    pub(super) fn has_v4(&self) -> bool {
        self.members(0).any(|member| !member.v4().is_empty())
    }

    pub(super) fn has_v6(&self) -> bool {
        self.members(0).any(|member| !member.v6().is_empty())
    }

    /// Hands every address to `visit` once, until that breaks.
    pub(super) fn v4<B>(&self, seed: usize, visit: impl FnMut(&'a [u8]) -> ControlFlow<B>) -> ControlFlow<B> {
        distinct(self.members(seed).flat_map(Member::v4), visit)
    }

    /// Hands every address to `visit` once, until that breaks.
    pub(super) fn v6<B>(&self, seed: usize, visit: impl FnMut(&'a [u8]) -> ControlFlow<B>) -> ControlFlow<B> {
        distinct(self.members(seed).flat_map(Member::v6), visit)
    }

    /// All members, beginning with one that `seed` picks.
    fn members(&self, seed: usize) -> impl Iterator<Item = &'a Member> {
        let all: usize = self.groups().map(|group| group.members.len()).sum();
        let [first, second] = self.0;
        let begins_first = first.is_some_and(|first| seed % all < first.members.len());
        let order = if begins_first { [first, second] } else { [second, first] };
        order.into_iter().flatten().flat_map(move |group| group.members.iter_from(seed))
    }

    fn groups(&self) -> impl Iterator<Item = &'a Group> {
        self.0.into_iter().flatten()
    }
}

fn distinct<'a, B, const N: usize>(
    all: impl Iterator<Item = &'a [u8; N]>,
    mut visit: impl FnMut(&'a [u8]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut seen = Seen::new();
    for octets in all {
        if seen.is_new(*octets) {
            visit(octets)?;
        }
    }
    ControlFlow::Continue(())
}
