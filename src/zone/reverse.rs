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

use super::answer::{Answer, Data, Name, Records, Rrset, rtype};
use super::lookup::Question;
use super::member::Member;
use super::pointer::{self, HostName, Pointers};
use super::set::{Keyed, Set};
use super::snapshot::Snapshot;
use super::ttl::Ttls;
use crate::service::DomainName;

const UDP: &[u8] = b"\x04_udp";
const BROWSING: &[u8] = b"\x07_dns-sd";

/// One reverse zone.
#[derive(Debug)]
pub(super) struct Reverse {
    net: IpNet,
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
    let units = usize::from(net.prefix_len() / bits);
    let labels: Vec<String> = match net.network() {
        IpAddr::V4(v4) => v4.octets()[..units].iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(v6) => nibbles(&v6.octets())[..units].iter().rev().map(|nibble| format!("{nibble:x}")).collect(),
    };
    format!("{}.{domain}", labels.join(".")).parse().ok()
}

fn nibbles(octets: &[u8]) -> Vec<u8> {
    octets.iter().flat_map(|octet| [octet >> 4, octet & 15]).collect()
}

/// What exists at a name of a reverse zone.
enum Found<'a> {
    Apex,
    Empty,
    Browse,
    Hosts(&'a Set<HostName>, &'a Ttls),
}

impl Reverse {
    /// `None` of a prefix that has no name; the settings were checked.
    pub(super) fn new(net: &IpNet) -> Option<Self> {
        Some(Self { net: *net, name: reverse_name(net)? })
    }

    fn owner(&self) -> Name<'_> {
        Name([&[], &[], self.name.as_wire()])
    }

    /// The units of its prefix: octets of IPv4, nibbles of IPv6.
    fn prefix(&self) -> Vec<u8> {
        match self.net.network() {
            IpAddr::V4(v4) => v4.octets()[..usize::from(self.net.prefix_len() / 8)].to_vec(),
            IpAddr::V6(v6) => nibbles(&v6.octets())[..usize::from(self.net.prefix_len() / 4)].to_vec(),
        }
    }

    fn unit(&self, label: &[u8]) -> Option<u8> {
        let text = std::str::from_utf8(label.get(1..)?).ok()?;
        let unit = match self.net {
            IpNet::V4(_) => text.parse::<u8>().ok().filter(|unit| unit.to_string() == text)?,
            IpNet::V6(_) => {
                u8::from_str_radix(text, 16).ok().filter(|unit| format!("{unit:x}") == text && *unit < 16)?
            }
        };
        Some(unit)
    }

    fn find<'a>(&self, labels: &[&[u8]], backwards: &'a Backwards) -> Option<Found<'a>> {
        let mut units = self.prefix();
        let mut rest = labels;
        let all = if matches!(self.net, IpNet::V4(_)) { 4 } else { 32 };
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
            [b"\x01b" | b"\x02lb", BROWSING, UDP] if self.is_browsable(&units, all, is_base) => Some(Found::Browse),
            _ => None,
        }
    }

    /// Whether domains to browse are found below: at the zone itself and at the base of a subnet.
    fn is_browsable(&self, units: &[u8], all: usize, is_base: bool) -> bool {
        units.len() == self.prefix().len() || (units.len() == all && is_base)
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
        if all == 4 {
            return find(&self.v4, units, is_whole, |octets| octets.starts_with(units));
        }
        // Half an octet is begun with zero: whatever its other half is comes behind.
        let octets: Vec<u8> = units.chunks(2).map(|pair| (pair[0] << 4) | pair.get(1).unwrap_or(&0)).collect();
        find(&self.v6, &octets, is_whole, |octets| nibbles(octets).starts_with(units))
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
    Some(if is_whole { Found::Hosts(&first.hosts, &first.ttls) } else { Found::Empty })
}

impl Snapshot {
    /// The reverse zone that a name in lower case is at or below, and the labels in front of it.
    pub(super) fn enclosing_reverse<'q>(&self, folded: &'q [u8]) -> Option<(&Reverse, Vec<&'q [u8]>)> {
        let mut zones = self.fixed.reverse.iter();
        zones.find_map(|zone| Some((zone, split(folded.strip_suffix(zone.name.as_wire())?)?)))
    }

    /// What the reverse zone that encloses the name, in lower case, says.
    pub(super) fn answer_backwards(&self, folded: &[u8], question: &Question<'_>) -> Answer<'_> {
        let Some((zone, labels)) = self.enclosing_reverse(folded) else { return Answer::Refused };
        let (home, ttl) = (self.fixed.home(), self.fixed.ttl);
        let minimum = self.fixed.negative_ttl;
        let negative = || home.soa(Some(zone.owner()), ttl.min(minimum), self.serial, minimum);
        let Some(found) = zone.find(&labels, &self.backwards) else { return Answer::NxDomain(negative()) };
        let rrset = |rtype, ttl, data| Rrset { owner: None, rtype, ttl, data };
        let answer = match (found, question.rtype) {
            (Found::Apex, rtype::SOA | rtype::ANY) => home.soa(None, ttl, self.serial, minimum),
            (Found::Apex, rtype::NS) => rrset(rtype::NS, ttl, Data::NameServer(home)),
            (Found::Browse, rtype::PTR | rtype::ANY) => rrset(rtype::PTR, ttl, Data::Browse(home)),
            (Found::Hosts(hosts, ttls), rtype::PTR | rtype::ANY) => {
                rrset(rtype::PTR, ttls.shortest(ttl), Data::Hosts(hosts, home))
            }
            _ => return Answer::NoData(negative(), None, None),
        };
        Answer::Records(Records { answer, place: None, remark: None, snapshot: self })
    }
}

/// Labels, each with its length in front; `None` where the octets do not end with one.
fn split(mut octets: &[u8]) -> Option<Vec<&[u8]>> {
    let mut labels = Vec::new();
    while let Some(length) = octets.first() {
        let (label, rest) = octets.split_at_checked(1 + usize::from(*length))?;
        labels.push(label);
        octets = rest;
    }
    Some(labels)
}
