//! RRsets and how their records are read.
//!
//! RRsets are views into a [`Snapshot`](super::Snapshot): nothing is copied, and only globs allocate. Records are handed
//! to a visitor, which may stop where its message is full, so that a service of thousands costs no more than what is
//! sent of it. An answer begins at the record that a seed picks, so that clients which take the first spread.

use std::ops::ControlFlow;

use super::apex::{EXPIRE, MAILBOX, NAME_SERVER, REFRESH, RETRY, Zone};
use super::distinct::Distinct;
use super::group::{Group, Served};
use super::host::{Counted, Host};
use super::member::{Member, Target, V4, V6};
use super::pointer::HostName;
use super::pool::Pool;
use super::seen::Patience;
use super::set::Set;

/// Record types that the zone has or that questions speak of (RFC 1035 §3.2.2).
pub mod rtype {
    #![allow(missing_docs, reason = "they are the standard's names")]
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const OPT: u16 = 41;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const ANY: u16 = 255;
}

/// Records of one name and type.
#[derive(Debug)]
pub struct Rrset<'a> {
    /// `None` is the name asked for, bit by bit as asked.
    pub owner: Option<Name<'a>>,
    /// See [`rtype`].
    pub rtype: u16,
    /// Seconds.
    pub ttl: u32,
    pub(super) data: Data<'a>,
}

/// A name in three pieces of wire form that follow each other; the last ends with the root label. Equal pieces
/// of one snapshot's names are mostly the same octets in memory, which makes for cheap compression.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a>(pub [&'a [u8]; 3]);

/// The data of one record.
#[derive(Debug, Clone, Copy)]
pub enum Rdata<'a> {
    /// Of A, AAAA and TXT, as it is on the wire.
    Octets(&'a [u8]),
    /// Of NS and PTR.
    Name(Name<'a>),
    /// Priority, weight and port as on the wire, and the target, which is never compressed (RFC 2782).
    Srv(&'a [u8; 6], Name<'a>),
    /// Primary, mailbox; serial, refresh, retry, expire, minimum.
    Soa(Name<'a>, Name<'a>, [u32; 5]),
}

/// Where the records of an RRset come from.
#[derive(Debug)]
pub(super) enum Data<'a> {
    Soa(&'a Zone, [u32; 5]),
    NameServer(&'a Zone),
    /// PTR to the zone itself (RFC 6763 §11).
    Browse(&'a Zone),
    /// Of a host with one instance.
    A(&'a [[u8; 4]]),
    Aaaa(&'a [[u8; 16]]),
    /// Of a host with several.
    CountedA(&'a Set<Counted<4>>),
    CountedAaaa(&'a Set<Counted<16>>),
    /// Of a service.
    PoolA(Pool<'a>),
    PoolAaaa(Pool<'a>),
    /// PTR to service types (RFC 6763 §9).
    Services(&'a Set<Served>, &'a Zone),
    /// PTR to the members of a type or subtype, whose names are below the type.
    Instances(&'a Group, &'a Group, &'a Zone),
    /// SRV of the members of a type or subtype.
    Targets(&'a Group, &'a Zone),
    /// PTR to hosts that have an address.
    Hosts(&'a Set<HostName>, &'a Zone),
    Target(&'a Member, &'a Zone),
    Txt(&'a Member),
    MatchedInstances(Vec<(&'a Member, &'a Group)>, &'a Zone),
    MatchedTargets(Vec<(&'a Member, &'a Group)>, &'a Zone),
}

impl<'a> Rrset<'a> {
    /// Hands every record to `visit`, beginning with the one that `seed` picks, until that breaks. Where instances
    /// repeat what others gave, it breaks by itself after more repeats than a message with `room` for so many octets
    /// is worth: then there may be more records.
    #[inline]
    pub fn records(
        &self,
        seed: usize,
        room: usize,
        mut visit: impl FnMut(Rdata<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match &self.data {
            Data::Soa(zone, numbers) => visit(Rdata::Soa(zone.child(NAME_SERVER), zone.child(MAILBOX), *numbers)),
            Data::NameServer(zone) => visit(Rdata::Name(zone.child(NAME_SERVER))),
            Data::Browse(zone) => visit(Rdata::Name(zone.child(&[]))),
            Data::A(all) => rotated(all, seed).try_for_each(|octets| visit(Rdata::Octets(octets))),
            Data::Aaaa(all) => rotated(all, seed).try_for_each(|octets| visit(Rdata::Octets(octets))),
            Data::CountedA(set) => set.iter_from(seed).try_for_each(|a| visit(Rdata::Octets(&a.octets))),
            Data::CountedAaaa(set) => set.iter_from(seed).try_for_each(|a| visit(Rdata::Octets(&a.octets))),
            Data::PoolA(pool) => pool.v4(seed, Patience::of(room), |octets| visit(Rdata::Octets(octets))),
            Data::PoolAaaa(pool) => pool.v6(seed, Patience::of(room), |octets| visit(Rdata::Octets(octets))),
            Data::Services(set, zone) => {
                set.iter_from(seed).try_for_each(|s| visit(Rdata::Name(zone.child(s.labels()))))
            }
            Data::Instances(group, service, zone) => {
                group.each(seed, |m| visit(Rdata::Name(zone.instance(m, service))))
            }
            Data::Targets(group, zone) => {
                let (mut distinct, mut patience) = (Distinct::new(), Patience::of(room));
                group.each(seed, |m| if distinct.is_new(m) { visit(zone.srv(m)) } else { patience.bear() })
            }
            Data::Hosts(hosts, zone) => {
                hosts.iter_from(seed).try_for_each(|host| visit(Rdata::Name(zone.child(host.label()))))
            }
            Data::Target(member, zone) => visit(zone.srv(member)),
            Data::Txt(member) => visit(Rdata::Octets(member.txt())),
            Data::MatchedInstances(all, zone) => {
                rotated(all, seed).try_for_each(|(m, service)| visit(Rdata::Name(zone.instance(m, service))))
            }
            Data::MatchedTargets(all, zone) => {
                let mut distinct = Distinct::new();
                let mut all = rotated(all, seed).filter(|(m, _)| distinct.is_new(m));
                all.try_for_each(|(m, _)| visit(zone.srv(m)))
            }
        }
    }
}

/// All of them, beginning with the one that `seed` picks.
#[inline]
pub(crate) fn rotated<T>(all: &[T], seed: usize) -> impl Iterator<Item = &T> {
    let (before, after) = all.split_at(if all.len() < 2 { 0 } else { seed % all.len() });
    after.iter().chain(before)
}

impl Host {
    pub(super) fn a(&self) -> Data<'_> {
        match self {
            Self::Sole(member) => Data::A(member.v4()),
            Self::Shared(addresses) => Data::CountedA(&addresses.v4),
        }
    }

    pub(super) fn aaaa(&self) -> Data<'_> {
        match self {
            Self::Sole(member) => Data::Aaaa(member.v6()),
            Self::Shared(addresses) => Data::CountedAaaa(&addresses.v6),
        }
    }
}

impl Data<'_> {
    /// Whether addresses are none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Data::A(all) => all.is_empty(),
            Data::Aaaa(all) => all.is_empty(),
            Data::CountedA(all) => all.is_empty(),
            Data::CountedAaaa(all) => all.is_empty(),
            Data::PoolA(pool) => !pool.has(V4),
            Data::PoolAaaa(pool) => !pool.has(V6),
            _ => false,
        }
    }
}

impl Zone {
    #[inline]
    pub(super) fn child<'a>(&'a self, labels: &'a [u8]) -> Name<'a> {
        Name([labels, &[], self.name.as_wire()])
    }

    #[inline]
    pub(super) fn instance<'a>(&'a self, member: &'a Member, service: &'a Group) -> Name<'a> {
        Name([member.label(), service.labels(), self.name.as_wire()])
    }

    fn srv<'a>(&'a self, member: &'a Member) -> Rdata<'a> {
        let target = match member.target() {
            Target::Label(label) => self.child(label),
            Target::Foreign(name) => Name([&[], &[], name]),
        };
        Rdata::Srv(member.srv_head(), target)
    }

    /// The SOA record; `ttl` in seconds.
    pub(super) fn soa<'a>(&'a self, owner: Option<Name<'a>>, ttl: u32, serial: u32, minimum: u32) -> Rrset<'a> {
        Rrset { owner, rtype: rtype::SOA, ttl, data: Data::Soa(self, [serial, REFRESH, RETRY, EXPIRE, minimum]) }
    }
}
