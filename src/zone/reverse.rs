//! Reverse zones: from addresses back to hosts of the first zone (RFC 1035 §3.5, RFC 3596 §2.5).
//!
//! A zone is a prefix, cut where names have their labels: at an octet of IPv4, at a nibble of IPv6. Its names are
//! addresses that were begun, and they exist as far as an address below them does.
//!
//! A client finds domains to browse by the base address of its own subnet (RFC 6763 §11), which nobody told us. So
//! these names exist below the addresses that most subnets begin with, whether an instance is near or not: those that
//! end in a zero octet (a /24 or larger), and those with 64 zero bits at their end.

use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::answer::{Answer, Records};
use super::lookup::{Found, Question};
use super::member::Member;
use super::pointer::{self, Pointers};
use super::rrset::Name;
use super::set::{Keyed, Set};
use super::snapshot::Snapshot;
use crate::service::{DomainName, NAME_MAX, split_string};

const UDP: &[u8] = b"\x04_udp";
const BROWSING: &[u8] = b"\x07_dns-sd";
/// Units of an IPv4 address.
const OCTETS: usize = 4;
/// Units of an IPv6 address.
const NIBBLES: usize = 32;

/// An address that was begun, or a whole one: octets of IPv4, nibbles of IPv6, the highest first. Never more than
/// lie in place: a question allocates nothing.
type Units = SmallVec<[u8; NIBBLES]>;

/// All labels in front of a zone's name, each with its length. No name has more: one takes two octets, and the root one.
type Front<'q> = SmallVec<[&'q [u8]; NAME_MAX / 2]>;

/// One reverse zone.
#[derive(Debug)]
pub(super) struct Reverse {
    net: IpNet,
    /// The units of its prefix.
    prefix: Units,
    /// Wire form, which has nothing but lower case.
    pub(super) name: DomainName,
}

/// What the addresses in reverse zones point to.
#[derive(Debug, Clone)]
pub(super) struct Backwards {
    v4: Pointers<4>,
    v6: Pointers<16>,
}

/// The name of the reverse zone of a prefix; `None` where it is not cut at a label, has bits behind its length, or
/// is everything or a single address.
pub fn reverse_name(net: &IpNet) -> Option<DomainName> {
    let (bits, domain) = match net {
        IpNet::V4(_) => (8, "in-addr.arpa"),
        IpNet::V6(_) => (4, "ip6.arpa"),
    };
    if net.prefix_len() == 0
        || net.prefix_len() == net.max_prefix_len()
        || !net.prefix_len().is_multiple_of(bits)
        || net.trunc() != *net
    {
        return None;
    }
    let label = |unit: &u8| if net.addr().is_ipv4() { unit.to_string() } else { format!("{unit:x}") };
    let labels: Vec<String> = prefix(net).iter().rev().map(label).collect();
    format!("{}.{domain}", labels.join(".")).parse().ok()
}

/// The units of a prefix, which ends between two of them.
fn prefix(net: &IpNet) -> Units {
    match net.network() {
        IpAddr::V4(v4) => v4.octets()[..usize::from(net.prefix_len() / 8)].into(),
        IpAddr::V6(v6) => (0..usize::from(net.prefix_len() / 4)).map(|n| nibble(&v6.octets(), n)).collect(),
    }
}

/// The `n`th half octet of an IPv6 address.
fn nibble(octets: &[u8], n: usize) -> u8 {
    let octet = octets[n / 2];
    if n.is_multiple_of(2) { octet >> 4 } else { octet & 15 }
}

impl Reverse {
    /// `None` of a prefix that has no name; the settings were checked.
    pub(super) fn new(net: &IpNet) -> Option<Self> {
        Some(Self { net: *net, prefix: prefix(net), name: reverse_name(net)? })
    }

    fn owner(&self) -> Name<'_> {
        Name([&[], &[], self.name.as_wire()])
    }

    /// The unit that a label in lower case is: a number as one writes it, without zeros in front.
    fn unit(&self, label: &[u8]) -> Option<u8> {
        match (&self.net, label) {
            (IpNet::V4(_), [_, b'0'] | [_, b'1'..=b'9', ..]) => label[1..].iter().try_fold(0_u8, |unit, digit| {
                let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
                unit.checked_mul(10)?.checked_add(digit)
            }),
            (IpNet::V6(_), [_, digit @ b'0'..=b'9']) => Some(digit - b'0'),
            (IpNet::V6(_), [_, digit @ b'a'..=b'f']) => Some(digit - b'a' + 10),
            _ => None,
        }
    }

    fn find<'a>(&self, labels: &[&[u8]], backwards: &'a Backwards) -> Option<Found<'a>> {
        let mut units = self.prefix.clone();
        let mut rest = labels;
        let all = if matches!(self.net, IpNet::V4(_)) { OCTETS } else { NIBBLES };
        while let [front @ .., label] = rest
            && units.len() < all
            && let Some(unit) = self.unit(label)
        {
            units.push(unit);
            rest = front;
        }
        let zeros = units.iter().rev().take_while(|unit| **unit == 0).count();
        // A name that a subnet's base address lies at or below.
        let is_base = match self.net {
            IpNet::V4(_) => units.len() < all || zeros > 0,
            IpNet::V6(_) => units.len() <= 16 || zeros >= units.len() - 16,
        };
        match rest {
            [] if labels.is_empty() => Some(Found::Apex),
            [] => backwards.find(&units, all).or_else(|| is_base.then_some(Found::Empty)),
            [UDP] | [BROWSING, UDP] if self.is_browsable(&units, all, is_base) => Some(Found::Empty),
            [b"\x01b" | b"\x02db" | b"\x02lb", BROWSING, UDP] if self.is_browsable(&units, all, is_base) => {
                Some(Found::Browse)
            }
            _ => None,
        }
    }

    /// Whether domains to browse are found below: at the zone itself and at the base of a subnet.
    fn is_browsable(&self, units: &[u8], all: usize, is_base: bool) -> bool {
        units.len() == self.prefix.len() || (units.len() == all && is_base)
    }
}

impl Backwards {
    pub(super) fn new() -> Self {
        Self { v4: Set::new(), v6: Set::new() }
    }

    /// Counts the addresses in that a member gives its host, as far as they lie in one of the zones.
    pub(super) fn add(&mut self, zones: &[Reverse], member: &Member, zone_ttl: u32) {
        let Some(host) = member.host().filter(|_| !zones.is_empty()) else { return };
        for octets in member.v4().iter().filter(|octets| contains(zones, (**octets).into())) {
            pointer::add(&mut self.v4, *octets, host, member, zone_ttl);
        }
        for octets in member.v6().iter().filter(|octets| contains(zones, (**octets).into())) {
            pointer::add(&mut self.v6, *octets, host, member, zone_ttl);
        }
    }

    /// Counts out what was counted in.
    pub(super) fn remove(&mut self, zones: &[Reverse], member: &Member) {
        let Some(host) = member.host().filter(|_| !zones.is_empty()) else { return };
        member.v4().iter().for_each(|octets| pointer::remove(&mut self.v4, *octets, host, member));
        member.v6().iter().for_each(|octets| pointer::remove(&mut self.v6, *octets, host, member));
    }

    /// At an address or above one.
    fn find(&self, units: &[u8], all: usize) -> Option<Found<'_>> {
        let is_whole = units.len() == all;
        if all == OCTETS {
            return find(&self.v4, units, is_whole, |octets| octets.starts_with(units));
        }
        let mut octets = [0; NIBBLES / 2];
        for (n, unit) in units.iter().enumerate() {
            // Half an octet is begun with zero: whatever its other half is comes behind.
            octets[n / 2] |= if n.is_multiple_of(2) { unit << 4 } else { *unit };
        }
        let begins = |octets: &[u8]| units.iter().enumerate().all(|(n, unit)| nibble(octets, n) == *unit);
        find(&self.v6, &octets, is_whole, begins)
    }
}

fn contains(zones: &[Reverse], address: IpAddr) -> bool {
    zones.iter().any(|zone| zone.net.contains(&address))
}

fn find<'a, const N: usize>(
    pointers: &'a Pointers<N>,
    octets: &[u8],
    is_whole: bool,
    begins: impl Fn(&[u8]) -> bool,
) -> Option<Found<'a>> {
    let first = pointers.iter_at(octets).next().filter(|pointer| begins(pointer.key()))?;
    Some(if is_whole { Found::Address(&first.hosts, &first.ttls) } else { Found::Empty })
}

impl Snapshot {
    /// The reverse zone that a name in lower case is at or below, and what exists at the name.
    pub(super) fn find_backwards(&self, folded: &[u8]) -> Option<(&Reverse, Option<Found<'_>>)> {
        let mut zones = self.fixed.reverse.iter();
        let (zone, labels) = zones.find_map(|zone| Some((zone, split(folded.strip_suffix(zone.name.as_wire())?)?)))?;
        Some((zone, zone.find(&labels, &self.backwards)))
    }

    /// What the reverse zone that encloses the name, in lower case, says.
    pub(super) fn answer_backwards(&self, folded: &[u8], question: &Question<'_>) -> Answer<'_> {
        let Some((zone, found)) = self.find_backwards(folded) else { return Answer::Refused };
        let (home, ttl) = (self.fixed.home(), self.fixed.ttl);
        let minimum = self.fixed.negative_ttl;
        let negative = || home.soa(Some(zone.owner()), ttl.min(minimum), self.serial, minimum);
        let Some(found) = found else { return Answer::NxDomain(negative()) };
        match self.rrset(found, question.rtype, home) {
            None => Answer::NoData(negative(), None, None),
            Some(answer) => Answer::Records(Records { answer, place: None, remark: None, snapshot: self }),
        }
    }
}

/// Labels, each with its length in front; `None` where the octets do not end with one.
fn split(mut octets: &[u8]) -> Option<Front<'_>> {
    let mut labels = Front::new();
    while !octets.is_empty() {
        let (label, rest) = split_string(octets)?;
        labels.push(label);
        octets = rest;
    }
    Some(labels)
}
