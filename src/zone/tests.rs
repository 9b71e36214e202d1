//! The zone as a question sees it: changes in, answers out, as text.

mod changes;
mod globs;
mod names;
mod order;
mod records;
mod remarks;
mod reverse;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Config, Globs, Name, Question, Rdata, Rrset, Snapshot, rtype};
use crate::service::{
    Address, Cause, Change, Details, DomainName, Instance, Moment, Origin, Rare, Registration, Revision, Source, Tag,
    UnixMillis, registration, strings,
};

const TYPE65280: u16 = 65280;
const CNAME: u16 = 5;
/// Globs return three instances and look at thirty.
const THREE: Option<Globs> = Some(Globs { limit: 3, in_datagram: false });
/// Octets of a message over a stream.
const ROOM: usize = 65_535;

/// A zone with these registrations, for tests of any room; its name server is 192.0.2.53.
pub(crate) fn serving(registrations: impl IntoIterator<Item = Registration>) -> Snapshot {
    serving_in(config().domains, registrations)
}

/// The same in these zones.
pub(crate) fn serving_in(domains: Vec<DomainName>, registrations: impl IntoIterator<Item = Registration>) -> Snapshot {
    let mut fixture = Fixture::of(domains);
    for registration in registrations {
        fixture.add(registration);
    }
    fixture.zone
}

/// The same as [`serving`], with reverse zones for these prefixes.
pub(crate) fn serving_backwards(prefixes: &[&str], registrations: impl IntoIterator<Item = Registration>) -> Snapshot {
    let mut fixture = reverse::with_reverse(prefixes);
    for registration in registrations {
        fixture.add(registration);
    }
    fixture.zone
}

/// A zone and the number of its last change.
struct Fixture {
    zone: Snapshot,
    revision: u64,
}

fn config() -> Config {
    Config { ttl: Duration::from_secs(30), ..Config::default() }
}

impl Fixture {
    fn new() -> Self {
        Self::of(config().domains)
    }

    fn of(domains: Vec<DomainName>) -> Self {
        let name_server = Address::new([192, 0, 2, 53].into()).unwrap();
        Self { zone: Snapshot::new(&Config { domains, ..config() }, &[name_server]), revision: 100 }
    }

    fn change(&mut self, before: Option<&Arc<Instance>>, after: Option<&Arc<Instance>>) {
        self.revision += 1;
        let id = before.or(after).unwrap().id().clone();
        let (before, after) = (before.cloned(), after.cloned());
        let change = Change { revision: Revision(self.revision), id, cause: Cause::Registered, before, after };
        self.zone = self.zone.with(&[change]);
    }

    fn add(&mut self, registration: Registration) -> Arc<Instance> {
        let instance = instance(registration, Source::Api);
        self.change(None, Some(&instance));
        instance
    }

    /// The answer as lines: a code, or records that `owner` is left out of where it is the question.
    fn ask(&self, name: &str, rtype: u16) -> Vec<String> {
        self.ask_from(name, rtype, 0)
    }

    fn ask_from(&self, name: &str, rtype: u16, seed: usize) -> Vec<String> {
        self.ask_by(name, rtype, THREE, seed)
    }

    fn ask_by(&self, name: &str, rtype: u16, globs: Option<Globs>, seed: usize) -> Vec<String> {
        let name: DomainName = name.parse().unwrap();
        match self.zone.answer(&Question { name: name.as_wire(), rtype, globs }) {
            Answer::Refused => vec!["REFUSED".into()],
            Answer::NxDomain(soa) => negative("NXDOMAIN", &soa),
            Answer::NoData(soa, ..) => negative("NODATA", &soa),
            Answer::Unfinished => vec!["UNFINISHED".into()],
            Answer::Records(records) => lines(&records.answer, seed),
        }
    }

    fn additionals(&self, name: &str, rtype: u16) -> Vec<String> {
        let name: DomainName = name.parse().unwrap();
        let question = Question { name: name.as_wire(), rtype, globs: THREE };
        let Answer::Records(records) = self.zone.answer(&question) else { panic!("no records") };
        let mut all = Vec::new();
        let _ = records.additionals(0, ROOM, |rrset| {
            all.extend(lines(&rrset, 0));
            ControlFlow::Continue(())
        });
        all
    }

    fn serial(&self) -> u32 {
        let line = self.ask("registry.local", rtype::SOA).remove(0);
        line.split(' ').nth(4).unwrap().parse().unwrap()
    }
}

fn negative(code: &str, soa: &Rrset<'_>) -> Vec<String> {
    assert!(lines(soa, 0)[0].starts_with("registry.local. 5 SOA "), "{:?}", lines(soa, 0));
    vec![code.into()]
}

fn lines(rrset: &Rrset<'_>, seed: usize) -> Vec<String> {
    let owner = rrset.owner.as_ref().map_or(String::new(), |owner| text(owner) + " ");
    let mut lines = Vec::new();
    let _ = rrset.records(seed, ROOM, |rdata| {
        let data = match rdata {
            Rdata::Name(name) => format!("{} {}", if rrset.rtype == rtype::NS { "NS" } else { "PTR" }, text(&name)),
            Rdata::Srv(head, target) => {
                let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
                format!("SRV {} {} {} {}", number(0), number(2), number(4), text(&target))
            }
            Rdata::Soa(primary, mailbox, [serial, .., minimum]) => {
                format!("SOA {} {} {serial} {minimum}", text(&primary), text(&mailbox))
            }
            Rdata::Octets(octets) => match rrset.rtype {
                rtype::A => format!("A {}", Ipv4Addr::from(<[u8; 4]>::try_from(octets).unwrap())),
                rtype::AAAA => format!("AAAA {}", Ipv6Addr::from(<[u8; 16]>::try_from(octets).unwrap())),
                _ => format!("TXT {}", octets.escape_ascii()),
            },
        };
        lines.push(format!("{owner}{} {data}", rrset.ttl));
        ControlFlow::Continue(())
    });
    lines
}

fn text(name: &Name<'_>) -> String {
    let wire = name.0.concat();
    let labels: Vec<_> = strings(&wire).collect();
    let (root, labels) = labels.split_last().unwrap();
    assert!(root.is_empty(), "a name ends with the root");
    DomainName::from_labels(labels.iter().copied()).unwrap().to_string()
}

fn instance(registration: Registration, source: Source) -> Arc<Instance> {
    let origin = Origin::new(source, "");
    Arc::new(Instance::new(registration, origin, UnixMillis(0), Moment(0), Revision(1)))
}

fn drained(of: &Arc<Instance>) -> Arc<Instance> {
    let mut instance = Instance::clone(of);
    instance.facts.drained = true;
    Arc::new(instance)
}

fn tagged(tags: Vec<Tag>) -> Rare<Details> {
    Details { tags, ..Details::default() }.into()
}

fn at(service: &str, instance: &str, host: &str, addresses: &[&str]) -> Registration {
    let addresses = addresses.iter().map(|a| Address::new(a.parse().unwrap()).unwrap()).collect();
    Registration { addresses, ..registration(service, instance, host) }
}
