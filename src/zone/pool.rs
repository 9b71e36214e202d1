//! The addresses of a service, for programs that know no SRV: those of all its instances.
//!
//! They are kept nowhere: an answer gathers them from the instances until its message is full. Such programs connect
//! to the first address, so the order is what an SRV client would choose: by priority, then by weight.

use std::ops::ControlFlow;

use super::draw::draw;
use super::group::Group;
use super::member::{Member, V4, V6};
use super::seen::{Patience, Seen};
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

    /// Whether an instance has addresses of this kind: [`V4`] or [`V6`].
    pub(super) fn has(&self, family: u8) -> bool {
        self.groups().any(|group| group.lots_with(family).next().is_some())
    }

    /// Hands every address to `visit` once, until that or the patience breaks.
    pub(super) fn v4(
        &self,
        seed: usize,
        patience: Patience,
        visit: impl FnMut(&'a [u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.addresses(V4, Member::v4, seed, patience, visit)
    }

    /// Hands every address to `visit` once, until that or the patience breaks.
    pub(super) fn v6(
        &self,
        seed: usize,
        patience: Patience,
        visit: impl FnMut(&'a [u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.addresses(V6, Member::v6, seed, patience, visit)
    }

    fn addresses<const N: usize>(
        &self,
        family: u8,
        of: impl Fn(&'a Member) -> &'a [[u8; N]],
        seed: usize,
        mut patience: Patience,
        mut visit: impl FnMut(&'a [u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut given = Seen::new();
        let mut give = |octets: &'a [u8; N]| if given.is_new(*octets) { visit(octets) } else { patience.bear() };
        self.each(family, seed, |member| of(member).iter().try_for_each(&mut give))
    }

    /// Hands the instances that have addresses of this kind to `visit`, in the order that priorities and weights
    /// want; where all are alike, in turn.
    fn each<B>(&self, family: u8, seed: usize, visit: impl FnMut(&'a Member) -> ControlFlow<B>) -> ControlFlow<B> {
        let [tcp, udp] = self.0;
        let mut alike = self.groups().map(Group::likeness);
        let first = alike.next().flatten();
        if first.is_some() && alike.all(|other| other == first) {
            return self.in_turn(seed).try_for_each(visit);
        }
        let lots =
            |group: Option<&'a Group>| group.into_iter().flat_map(move |group| group.lots_with(family)).peekable();
        let (mut tcp, mut udp) = (lots(tcp), lots(udp));
        let by_priority = std::iter::from_fn(|| match (tcp.peek(), udp.peek()) {
            (Some(one), Some(other)) if one.priority() > other.priority() => udp.next(),
            (Some(_), _) => tcp.next(),
            (None, _) => udp.next(),
        });
        draw(by_priority, seed, visit)
    }

    /// All instances, beginning with one that `seed` picks.
    fn in_turn(&self, seed: usize) -> impl Iterator<Item = &'a Member> {
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
