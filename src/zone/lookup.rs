//! From a question to what is at its name.
//!
//! First the name alone decides what is there, then the type picks from it: so a name that exists never becomes
//! NXDOMAIN for the type that was asked (RFC 2308 §2.2).

use super::answer::{Answer, Records, Remark};
use super::apex::{NAME_SERVER, Zone};
use super::glob::{Cut, Globs, Matches};
use super::group::{Group, Service};
use super::host::Host;
use super::labels::Labels;
use super::member::Member;
use super::place::Place;
use super::pointer::HostName;
use super::pool::Pool;
use super::rrset::{Data, Rrset, rtype};
use super::set::Set;
use super::snapshot::Snapshot;
use super::ttl::Ttls;
use crate::service::{LABEL_MAX, NAME_MAX, Source};

pub(super) const TCP: &[u8] = b"\x04_tcp";
pub(super) const UDP: &[u8] = b"\x04_udp";
const SUBTYPES: &[u8] = b"\x04_sub";
pub(super) const META: &[u8] = b"\x07_dns-sd\x04_udp";
/// Where clients look for ways to change the zone or to be told of changes: names that exist without records
/// while there are none (RFC 9665 §10.4, RFC 8765 §6.1).
const OFFERS: [&[u8]; 3] = [b"\x0a_dnssd-srp\x04_tcp", b"\x0e_dnssd-srp-tls\x04_tcp", b"\x0d_dns-push-tls\x04_tcp"];

/// Octets of a name that is folded in a small buffer.
pub(super) const SHORT: usize = 64;

/// A question of class IN.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The name in uncompressed wire form with its root label, at most 255 octets, any case.
    pub name: &'q [u8],
    /// See [`rtype`].
    pub rtype: u16,
    /// How far a glob is followed; `None` takes `*` and `?` as the characters they are.
    pub globs: Option<Globs>,
}

/// What exists at a name, of a reverse zone as well.
pub(super) enum Found<'a> {
    Apex,
    /// A name with others below it and no records of its own (RFC 8020 §2); in a reverse zone one that may have some.
    Empty,
    Host(&'a Host),
    /// The addresses of a service.
    Pool(Pool<'a>),
    /// PTR to the zone, from a reverse zone to the first (RFC 6763 §11).
    Browse,
    /// PTR to service types (RFC 6763 §9).
    Services,
    /// A service type or a subtype: the group, and the type that its instances' names are below.
    Group(&'a Group, &'a Service),
    Instance(&'a Member, &'a Service),
    Glob(Matches<'a>),
    /// An address in a reverse zone: PTR to the hosts that have it.
    Address(&'a Set<HostName>, &'a Ttls),
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
            Self::Group(group, _) if group.members.is_empty() => Some(Remark::NothingUp { known: group.known() }),
            Self::Glob(matches) if matches.cut == Some(Cut::Limit) => Some(Remark::Cut),
            _ => None,
        }
    }

    /// Whether it takes a stream to tell what has this type.
    fn is_unfinished(&self, wanted: u16) -> bool {
        // Of another type there is nothing, however many match.
        let is_known = |matches: &Matches<'_>| {
            !matches.found.is_empty() && !matches!(wanted, rtype::SRV | rtype::PTR | rtype::ANY)
        };
        matches!(self, Self::Glob(matches) if matches.cut == Some(Cut::Datagram) && !is_known(matches))
    }
}

impl Snapshot {
    /// What the zone that encloses the name says.
    pub fn answer(&self, question: &Question<'_>) -> Answer<'_> {
        // Nearly all names are short, and what is not cleared costs nothing.
        match question.name.len() {
            0..=SHORT => self.answer_in(question, &mut [0; SHORT]),
            _ => self.answer_in(question, &mut [0; NAME_MAX]),
        }
    }

    fn answer_in(&self, question: &Question<'_>, buffer: &mut [u8]) -> Answer<'_> {
        let Some(folded) = buffer.get_mut(..question.name.len()) else { return Answer::Refused };
        folded.copy_from_slice(question.name);
        folded.make_ascii_lowercase();
        let Some((zone, labels)) = self.fixed.enclosing(folded) else {
            return self.answer_backwards(folded, question);
        };
        match self.find(&labels, question.globs) {
            None => Answer::NxDomain(self.negative(zone)),
            Some(found) if found.is_unfinished(question.rtype) => Answer::Unfinished,
            Some(found) => self.answer_of(found, question, zone),
        }
    }

    /// What is said of what was found in this zone.
    pub(super) fn answer_of<'a>(&'a self, found: Found<'a>, question: &Question<'_>, zone: &'a Zone) -> Answer<'a> {
        let (place, remark) = (found.place(), found.remark());
        match self.rrset(found, question.rtype, zone) {
            None => Answer::NoData(self.negative(zone), place, remark),
            Some(answer) => Answer::Records(Records { answer, place, remark, snapshot: self }),
        }
    }

    /// The SOA of a negative answer, whose TTL bounds how long the answer holds (RFC 2308 §3).
    fn negative<'a>(&self, zone: &'a Zone) -> Rrset<'a> {
        let minimum = self.fixed.negative_ttl;
        zone.soa(Some(zone.child(&[])), self.fixed.ttl.min(minimum), self.serial, minimum)
    }

    pub(super) fn find(&self, labels: &Labels<'_>, globs: Option<Globs>) -> Option<Found<'_>> {
        match labels.as_slice() {
            [] => Some(Found::Apex),
            [NAME_SERVER] => Some(Found::Host(&self.fixed.name_server)),
            // `_udp` has `_dns-sd` below it, and `_tcp` what is in `OFFERS`.
            [TCP | UDP] => Some(Found::Empty),
            [label] => self.find_addresses(label),
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
                let group = service.subtype(&subtype[1..])?;
                Some(Found::Group(group, service))
            }
            _ => None,
        }
    }

    /// A host, unless the service of its name comes from a higher layer; or a service, for programs that know no SRV.
    fn find_addresses(&self, label: &[u8]) -> Option<Found<'_>> {
        let host = self.host(label).and_then(|host| Some((host, host.source()?)));
        match host {
            // None is higher: nothing more to look for.
            Some((host, source)) if source == Source::ALL[0] => Some(Found::Host(host)),
            Some((host, source)) => match self.pool(label).filter(|pool| pool.source() > Some(source)) {
                Some(pool) => Some(Found::Pool(pool)),
                None => Some(Found::Host(host)),
            },
            None => self.pool(label).map(Found::Pool),
        }
    }

    /// The addresses of the service `auth`.
    fn pool(&self, label: &[u8]) -> Option<Pool<'_>> {
        let (length, text) = label.split_first()?;
        if usize::from(*length) == LABEL_MAX {
            return None;
        }
        let mut labels = [0; 2 + LABEL_MAX + TCP.len()];
        let end = 2 + text.len();
        labels[0] = length + 1;
        labels[1] = b'_';
        labels[2..end].copy_from_slice(text);
        let [tcp, udp] = [TCP, UDP].map(|transport| {
            labels[end..end + transport.len()].copy_from_slice(transport);
            self.service(&labels[..end + transport.len()]).map(|service| &service.all)
        });
        Pool::of(tcp, udp)
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
                b"\x01b" | b"\x02db" | b"\x02lb" => return Some(Found::Browse),
                b"\x09_services" => return Some(Found::Services),
                _ => {}
            }
        }
        let service = self.service(service)?;
        match service.all.members.get(&label[1..]) {
            Some(member) => Some(Found::Instance(member, service)),
            None if label == SUBTYPES && service.has_subtypes() => Some(Found::Empty),
            None => None,
        }
    }

    /// The RRset of one type at a name; for ANY one of those it has (RFC 8482 §4.1).
    pub(super) fn rrset<'a>(&'a self, found: Found<'a>, wanted: u16, zone: &'a Zone) -> Option<Rrset<'a>> {
        use rtype::{ANY, NS, PTR, SOA, SRV, TXT};
        let zone_ttl = self.fixed.ttl;
        let (rtype, ttl, data) = match (found, wanted) {
            (Found::Apex, SOA | ANY) => {
                return Some(zone.soa(None, zone_ttl, self.serial, self.fixed.negative_ttl));
            }
            (Found::Apex, NS) => (NS, zone_ttl, Data::NameServer(zone)),
            (Found::Host(host), _) => addresses(wanted, host.ttl(zone_ttl), host.a(), host.aaaa())?,
            (Found::Pool(pool), _) => addresses(wanted, pool.ttl(zone_ttl), Data::PoolA(pool), Data::PoolAaaa(pool))?,
            (Found::Browse, PTR | ANY) => (PTR, zone_ttl, Data::Browse(zone)),
            (Found::Services, PTR | ANY) if !self.served.is_empty() => {
                (PTR, self.served_ttls.shortest(zone_ttl), Data::Services(&self.served, zone))
            }
            (Found::Group(group, service), PTR | SRV | ANY) if !group.members.is_empty() => {
                let ttl = group.ttls.shortest(zone_ttl);
                match wanted {
                    SRV => (SRV, ttl, Data::Targets(group, zone)),
                    _ => (PTR, ttl, Data::Instances(group, &service.all, zone)),
                }
            }
            (Found::Instance(member, _), SRV | ANY) => (SRV, member.ttl(), Data::Target(member, zone)),
            (Found::Instance(member, _), TXT) => (TXT, member.ttl(), Data::Txt(member)),
            (Found::Glob(matches), SRV) => (SRV, matches.ttl()?, Data::MatchedTargets(matches.found, zone)),
            (Found::Glob(matches), PTR | ANY) => (PTR, matches.ttl()?, Data::MatchedInstances(matches.found, zone)),
            (Found::Address(hosts, ttls), PTR | ANY) => (PTR, ttls.shortest(zone_ttl), Data::Hosts(hosts, zone)),
            _ => return None,
        };
        Some(Rrset { owner: None, rtype, ttl, data })
    }
}

/// Those of the type that is wanted; for ANY those that there are.
fn addresses<'a>(wanted: u16, ttl: u32, a: Data<'a>, aaaa: Data<'a>) -> Option<(u16, u32, Data<'a>)> {
    use rtype::{A, AAAA, ANY};
    match wanted {
        A | ANY if !a.is_empty() => Some((A, ttl, a)),
        AAAA | ANY if !aaaa.is_empty() => Some((AAAA, ttl, aaaa)),
        _ => None,
    }
}
