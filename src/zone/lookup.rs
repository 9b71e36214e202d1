//! From a question to what is at its name.
//!
//! First the name alone decides what is there, then the type picks from it: so a name that exists never becomes
//! NXDOMAIN for the type that was asked (RFC 2308 §2.2).

use super::addresses::Addresses;
use super::answer::{Answer, Data, Records, Remark, Rrset, rtype};
use super::apex::{NAME_SERVER, Zone};
use super::glob::Matches;
use super::labels::Labels;
use super::member::Member;
use super::place::Place;
use super::snapshot::{Group, Service, Snapshot};
use crate::service::NAME_MAX;

const TCP: &[u8] = b"\x04_tcp";
const UDP: &[u8] = b"\x04_udp";
const SUBTYPES: &[u8] = b"\x04_sub";
const META: &[u8] = b"\x07_dns-sd\x04_udp";
/// Where clients look for ways to change the zone or to be told of changes: names that exist without records
/// while there are none (RFC 9665 §10.4, RFC 8765 §6.1).
const OFFERS: [&[u8]; 3] = [b"\x0a_dnssd-srp\x04_tcp", b"\x0e_dnssd-srp-tls\x04_tcp", b"\x0d_dns-push-tls\x04_tcp"];

/// A question of class IN.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The name in uncompressed wire form with its root label, at most 255 octets, any case.
    pub name: &'q [u8],
    /// See [`rtype`].
    pub rtype: u16,
    /// How many instances a glob may return, at most; `None` takes `*` and `?` as the characters they are.
    pub globs: Option<usize>,
}

/// What exists at a name.
enum Found<'a> {
    Apex,
    /// A name with others below it and no records of its own (RFC 8020 §2).
    Empty,
    Addresses(&'a Addresses),
    /// PTR to the zone (RFC 6763 §11).
    Browse,
    /// PTR to service types (RFC 6763 §9).
    Services,
    /// A service type or a subtype: the group, and the type that its instances' names are below.
    Group(&'a Group, &'a Service),
    Instance(&'a Member, &'a Service),
    Glob(Matches<'a>),
}

impl Found<'_> {
    fn place(&self) -> Option<Place> {
        match self {
            Self::Group(_, service) | Self::Instance(_, service) => Some(service.place),
            _ => None,
        }
    }

    fn remark(&self) -> Option<Remark> {
        match self {
            Self::Group(group, _) if group.members.is_empty() => Some(Remark::NothingUp { known: group.known }),
            Self::Glob(matches) if matches.is_cut => Some(Remark::Cut),
            _ => None,
        }
    }
}

impl Snapshot {
    /// What the zone that encloses the name says.
    pub fn answer(&self, question: &Question<'_>) -> Answer<'_> {
        let mut folded = [0; NAME_MAX];
        let Some(folded) = folded.get_mut(..question.name.len()) else { return Answer::Refused };
        folded.copy_from_slice(question.name);
        folded.make_ascii_lowercase();
        let Some((zone, labels)) = self.fixed.enclosing(folded) else { return Answer::Refused };
        match self.find(&labels, question.globs) {
            None => Answer::NxDomain(self.negative(zone)),
            Some(found) => {
                let (place, remark) = (found.place(), found.remark());
                match self.rrset(found, question.rtype, zone) {
                    None => Answer::NoData(self.negative(zone), place, remark),
                    Some(answer) => Answer::Records(Records { answer, place, remark, snapshot: self }),
                }
            }
        }
    }

    /// The SOA of a negative answer, whose TTL bounds how long the answer holds (RFC 2308 §3).
    fn negative<'a>(&self, zone: &'a Zone) -> Rrset<'a> {
        let minimum = self.fixed.negative_ttl;
        zone.soa(Some(zone.child(&[])), self.fixed.ttl.min(minimum), self.serial, minimum)
    }

    fn find(&self, labels: &Labels<'_>, globs: Option<usize>) -> Option<Found<'_>> {
        match labels.as_slice() {
            [] => Some(Found::Apex),
            [NAME_SERVER] => Some(Found::Addresses(&self.fixed.name_server)),
            // `_udp` has `_dns-sd` below it, and `_tcp` what is in `OFFERS`.
            [TCP | UDP] => Some(Found::Empty),
            [label] => self.addresses(label).map(Found::Addresses),
            [service, TCP | UDP] => self.find_service(labels.from(0)).or_else(|| {
                let matches = Matches::of_services(self, service, labels.from(1), globs?)?;
                Some(Found::Glob(matches))
            }),
            [label, service, TCP | UDP] => self.find_instance(label, labels.from(1)).or_else(|| {
                let matches = Matches::of_instances(self, label, service, labels.from(2), globs?)?;
                Some(Found::Glob(matches))
            }),
            [subtype, SUBTYPES, _, TCP | UDP] => {
                let service = self.service(labels.from(2))?;
                let group = service.subtypes.get(&subtype[1..])?;
                Some(Found::Group(group, service))
            }
            _ => None,
        }
    }

    fn find_service(&self, labels: &[u8]) -> Option<Found<'_>> {
        if let Some(service) = self.service(labels) {
            return Some(Found::Group(&service.all, service));
        }
        (labels == META || OFFERS.contains(&labels)).then_some(Found::Empty)
    }

    fn find_instance(&self, label: &[u8], service: &[u8]) -> Option<Found<'_>> {
        if service == META {
            match label {
                b"\x01b" | b"\x02lb" => return Some(Found::Browse),
                b"\x09_services" => return Some(Found::Services),
                _ => {}
            }
        }
        let service = self.service(service)?;
        match service.all.members.get(&label[1..]) {
            Some(member) => Some(Found::Instance(member, service)),
            None if label == SUBTYPES && !service.subtypes.is_empty() => Some(Found::Empty),
            None => None,
        }
    }

    /// The RRset of one type at a name; for ANY one of those it has (RFC 8482 §4.1).
    fn rrset<'a>(&'a self, found: Found<'a>, wanted: u16, zone: &'a Zone) -> Option<Rrset<'a>> {
        use rtype::{A, AAAA, ANY, NS, PTR, SOA, SRV, TXT};
        let zone_ttl = self.fixed.ttl;
        let (rtype, ttl, data) = match (found, wanted) {
            (Found::Apex, SOA | ANY) => {
                return Some(zone.soa(None, zone_ttl, self.serial, self.fixed.negative_ttl));
            }
            (Found::Apex, NS) => (NS, zone_ttl, Data::NameServer(zone)),
            (Found::Addresses(addresses), wanted) => {
                let ttl = addresses.ttls.shortest(zone_ttl);
                match wanted {
                    A | ANY if !addresses.v4.is_empty() => (A, ttl, Data::A(&addresses.v4)),
                    AAAA | ANY if !addresses.v6.is_empty() => (AAAA, ttl, Data::Aaaa(&addresses.v6)),
                    _ => return None,
                }
            }
            (Found::Browse, PTR | ANY) => (PTR, zone_ttl, Data::Browse(zone)),
            (Found::Services, PTR | ANY) if !self.served.is_empty() => {
                (PTR, self.served_ttls.shortest(zone_ttl), Data::Services(&self.served, zone))
            }
            (Found::Group(group, service), PTR | SRV | ANY) if !group.members.is_empty() => {
                let ttl = group.ttls.shortest(zone_ttl);
                match wanted {
                    SRV => (SRV, ttl, Data::Targets(&group.members, zone)),
                    _ => (PTR, ttl, Data::Instances(&group.members, &service.all, zone)),
                }
            }
            (Found::Instance(member, _), SRV | ANY) => (SRV, member.ttl(), Data::Target(member, zone)),
            (Found::Instance(member, _), TXT) => (TXT, member.ttl(), Data::Txt(member)),
            (Found::Glob(matches), SRV) => (SRV, matches.ttl(), Data::MatchedTargets(matches.found, zone)),
            (Found::Glob(matches), PTR | ANY) => (PTR, matches.ttl(), Data::MatchedInstances(matches.found, zone)),
            _ => return None,
        };
        Some(Rrset { owner: None, rtype, ttl, data })
    }
}
