//! The zone as a question sees it: changes in, answers out, as text.

mod order;
mod reverse;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Config, Globs, Name, Question, Rdata, Remark, Rrset, Snapshot, rtype};
use crate::service::{
    Address, Addresses, Cause, Change, Details, DomainName, Instance, Lease, Moment, Origin, Rare, Registration,
    Revision, Source, Subtype, Tag, Txt, UnixMillis, registration, strings,
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

#[test]
fn a_service_type_has_srv_and_ptr_of_every_instance() {
    let mut zone = Fixture::new();
    zone.add(Registration { priority: 1, weight: 2, ..registration("auth", "Main Auth", "web1") });
    zone.add(registration("auth", "a2", "web2"));
    assert_eq!(
        zone.ask("_auth._tcp.registry.local", rtype::SRV),
        ["30 SRV 0 0 80 web2.registry.local.", "30 SRV 1 2 80 web1.registry.local."]
    );
    assert_eq!(
        zone.ask("_auth._tcp.registry.local", rtype::PTR),
        [r"30 PTR a2._auth._tcp.registry.local.", r"30 PTR Main\032Auth._auth._tcp.registry.local."]
    );
    for seed in 0..20 {
        let first = &zone.ask_from("_auth._tcp.registry.local", rtype::SRV, seed)[0];
        assert_eq!(first, "30 SRV 0 0 80 web2.registry.local.", "the lower priority comes first");
    }
    zone.add(registration("even", "e1", "web1"));
    zone.add(registration("even", "e2", "web2"));
    let first = |seed| zone.ask_from("_even._tcp.registry.local", rtype::SRV, seed).remove(0);
    assert_ne!(first(0), first(1), "among equals another seed begins elsewhere");
}

#[test]
fn item_33_instances_of_one_endpoint_make_one_srv_record() {
    let mut zone = Fixture::new();
    // Far more than are remembered on the stack, each endpoint thrice and once in other case.
    for n in 0..400 {
        let (host, weight) = (format!("{}{}", if n % 4 == 0 { "WEB" } else { "web" }, n % 100), (n % 100) / 50);
        zone.add(Registration { weight, ..registration("auth", &format!("a{n}"), &host) });
    }
    zone.add(Registration { weight: 7, ..registration("auth", "other", "web1") });
    let far = crate::service::Host::Foreign("web1.registry.local".parse().unwrap());
    for n in 0..3 {
        let registration = registration("pg", &format!("p{n}"), "x");
        zone.add(Registration { host: far.clone(), addresses: Vec::new().into(), ..registration });
    }
    for (name, count) in [("_auth._tcp", 101), ("_pg._tcp", 1), ("*._auth._tcp", 3), ("_p*._tcp", 1)] {
        let lines = zone.ask(&format!("{name}.registry.local"), rtype::SRV);
        let distinct: std::collections::HashSet<_> = lines.iter().map(|line| line.to_lowercase()).collect();
        assert_eq!((lines.len(), distinct.len()), (count, count), "{name}: {lines:?}");
    }
    assert_eq!(zone.ask("_auth._tcp.registry.local", rtype::PTR).len(), 401);
}

#[test]
fn an_instance_has_srv_and_txt_and_txt_is_never_empty() {
    let mut zone = Fixture::new();
    let txt = Txt::new([("path", Some(&b"/x"[..])), ("k", None)]).unwrap();
    zone.add(Registration { txt, ..registration("auth", r"Joe.s\ Lab", "web1") });
    zone.add(registration("auth", "plain", "web1"));
    let name = r"joe\.s\\\032lab._AUTH._tcp.Registry.Local";
    assert_eq!(zone.ask(name, rtype::SRV), ["30 SRV 0 0 80 web1.registry.local."]);
    assert_eq!(zone.ask(name, rtype::TXT), [r"30 TXT \x07path=/x\x01k"]);
    assert_eq!(zone.ask("plain._auth._tcp.registry.local", rtype::TXT), [r"30 TXT \x00"]);
}

#[test]
fn additionals_are_what_rfc_6763_asks_and_each_once() {
    let mut zone = Fixture::new();
    zone.add(at("auth", "a1", "web1", &["10.0.0.1", "2001:db8::1"]));
    zone.add(at("auth", "a2", "WEB1", &["10.0.0.1"]));
    let addresses = ["web1.registry.local. 30 A 10.0.0.1", "web1.registry.local. 30 AAAA 2001:db8::1"];
    assert_eq!(zone.additionals("_auth._tcp.registry.local", rtype::SRV), addresses);
    let a1 = "a1._auth._tcp.registry.local. 30";
    let a2 = "a2._auth._tcp.registry.local. 30";
    assert_eq!(
        zone.additionals("_auth._tcp.registry.local", rtype::PTR),
        [
            &format!("{a1} SRV 0 0 80 web1.registry.local."),
            &format!(r"{a1} TXT \x00"),
            addresses[0],
            addresses[1],
            &format!("{a2} SRV 0 0 80 WEB1.registry.local."),
            &format!(r"{a2} TXT \x00"),
        ]
    );
    assert!(zone.additionals("a1._auth._tcp.registry.local", rtype::TXT).is_empty());
    assert_eq!(zone.additionals("registry.local", rtype::NS), ["ns.registry.local. 30 A 192.0.2.53"]);
}

#[test]
fn the_apex_has_soa_and_ns_and_the_zone_is_browsable() {
    let zone = Fixture::new();
    assert_eq!(zone.ask("Registry.LOCAL", rtype::SOA), ["30 SOA ns.registry.local. hostmaster.registry.local. 0 5"]);
    assert_eq!(zone.ask("registry.local", rtype::NS), ["30 NS ns.registry.local."]);
    assert_eq!(zone.ask("ns.registry.local", rtype::A), ["30 A 192.0.2.53"]);
    assert_eq!(zone.ask("registry.local", rtype::A), ["NODATA"]);
    for name in ["b", "db", "lb"] {
        assert_eq!(zone.ask(&format!("{name}._dns-sd._udp.registry.local"), rtype::PTR), ["30 PTR registry.local."]);
    }
    for name in ["r", "dr"] {
        assert_eq!(zone.ask(&format!("{name}._dns-sd._udp.registry.local"), rtype::PTR), ["NXDOMAIN"]);
    }
    assert_eq!(zone.ask("_dnssd-srp._tcp.registry.local", rtype::SRV), ["NODATA"]);
    assert_eq!(zone.ask("_dns-push-tls._tcp.registry.local", rtype::SRV), ["NODATA"]);
}

#[test]
fn services_are_listed_once_while_they_are_served() {
    let mut zone = Fixture::new();
    assert_eq!(zone.ask("_services._dns-sd._udp.registry.local", rtype::PTR), ["NODATA"]);
    let a1 = zone
        .add(Registration { details: tagged(vec![Tag::new("blue").unwrap()]), ..registration("auth", "a1", "web1") });
    zone.add(registration("auth", "a2", "web1"));
    let a2 = zone.add(registration("_ntp._udp", "n", "web1"));
    assert_eq!(
        zone.ask("_services._dns-sd._udp.registry.local", rtype::PTR),
        ["30 PTR _auth._tcp.registry.local.", "30 PTR _ntp._udp.registry.local."]
    );
    zone.change(Some(&a2), None);
    zone.change(Some(&a1), None);
    assert_eq!(zone.ask("_services._dns-sd._udp.registry.local", rtype::PTR), ["30 PTR _auth._tcp.registry.local."]);
}

#[test]
fn the_code_depends_on_the_name_and_never_on_the_type() {
    let mut zone = Fixture::new();
    let tags = vec![Tag::new("blue").unwrap()];
    let a1 = zone.add(Registration { details: tagged(tags), ..at("auth", "a1", "web1", &["10.0.0.1"]) });
    let exists = [
        "registry.local",
        "_tcp.registry.local",
        "_udp.registry.local",
        "_dns-sd._udp.registry.local",
        "_services._dns-sd._udp.registry.local",
        "web1.registry.local",
        "auth.registry.local",
        "_auth._tcp.registry.local",
        "a1._auth._tcp.registry.local",
        "_sub._auth._tcp.registry.local",
        "_blue._sub._auth._tcp.registry.local",
        "*._auth._tcp.registry.local",
    ];
    let missing = [
        "web2.registry.local",
        "x.web1.registry.local",
        "_auth._udp.registry.local",
        "_aut._tcp.registry.local",
        "a2._auth._tcp.registry.local",
        "_red._sub._auth._tcp.registry.local",
        "a1._blue._sub._auth._tcp.registry.local",
        "x.a1._auth._tcp.registry.local",
        "b?._auth._tcp.registry.local",
        "*.registry.local",
        "a.b.c.d.e.f.g.registry.local",
    ];
    for name in exists {
        assert_eq!(zone.ask(name, TYPE65280), ["NODATA"], "{name}");
        assert_eq!(zone.ask(name, CNAME), ["NODATA"], "{name}");
    }
    for name in missing {
        for rtype in [rtype::A, rtype::SRV, rtype::PTR, rtype::ANY, rtype::SOA, TYPE65280] {
            assert_eq!(zone.ask(name, rtype), ["NXDOMAIN"], "{name} {rtype}");
        }
    }
    assert_eq!(zone.ask("web1.registry.local", rtype::AAAA), ["NODATA"]);
    for name in [".", "local", "example.org", "xregistry.local", r"x\009registry\005local"] {
        assert_eq!(zone.ask(name, rtype::A), ["REFUSED"], "{name}");
    }
    // A type of which an instance is listed exists, even if none is up: NODATA. A name with nothing does not.
    zone.change(Some(&a1), Some(&drained(&a1)));
    assert_eq!(zone.ask("_auth._tcp.registry.local", rtype::SRV), ["NODATA"]);
    assert_eq!(zone.ask("_blue._sub._auth._tcp.registry.local", rtype::PTR), ["NODATA"]);
    assert_eq!(zone.ask("a1._auth._tcp.registry.local", rtype::SRV), ["NXDOMAIN"]);
    assert_eq!(zone.ask("web1.registry.local", rtype::A), ["NXDOMAIN"]);
    zone.change(Some(&drained(&a1)), None);
    assert_eq!(zone.ask("_auth._tcp.registry.local", rtype::SRV), ["NXDOMAIN"]);
}

#[test]
fn any_gets_one_rrset() {
    let mut zone = Fixture::new();
    zone.add(at("auth", "a1", "web1", &["2001:db8::1"]));
    assert_eq!(zone.ask("web1.registry.local", rtype::ANY), ["30 AAAA 2001:db8::1"]);
    assert_eq!(zone.ask("_auth._tcp.registry.local", rtype::ANY), ["30 PTR a1._auth._tcp.registry.local."]);
    assert_eq!(zone.ask("registry.local", rtype::ANY).len(), 1);
}

#[test]
fn a_subtype_leads_to_base_names_and_their_targets() {
    let mut zone = Fixture::new();
    let subtypes = vec![Subtype::new("_printer").unwrap()];
    zone.add(Registration {
        details: Details { subtypes, ..Details::default() }.into(),
        ..registration("http", "p1", "web1")
    });
    zone.add(registration("http", "p2", "web2"));
    let name = "_PRINTER._sub._http._tcp.registry.local";
    assert_eq!(zone.ask(name, rtype::PTR), ["30 PTR p1._http._tcp.registry.local."]);
    assert_eq!(zone.ask(name, rtype::SRV), ["30 SRV 0 0 80 web1.registry.local."]);
}

#[test]
fn a_ttl_is_the_zones_unless_a_lease_or_multicast_is_shorter() {
    let mut zone = Fixture::new();
    let lease = |seconds| Lease::from_seconds(seconds).unwrap();
    zone.add(Registration { lease: lease(0.0), ..at("auth", "a0", "web0", &["10.0.0.1"]) });
    let short = zone.add(Registration { lease: lease(7.9), ..at("auth", "a1", "web1", &["10.0.0.2"]) });
    assert_eq!(zone.ask("a0._auth._tcp.registry.local", rtype::SRV), ["30 SRV 0 0 80 web0.registry.local."]);
    assert_eq!(zone.ask("a1._auth._tcp.registry.local", rtype::TXT), [r"7 TXT \x00"]);
    assert_eq!(zone.ask("web1.registry.local", rtype::A), ["7 A 10.0.0.2"]);
    for (name, rtype) in [
        ("_auth._tcp.registry.local", rtype::SRV),
        ("_auth._tcp.registry.local", rtype::PTR),
        ("auth.registry.local", rtype::A),
        ("_services._dns-sd._udp.registry.local", rtype::PTR),
        ("*._tcp.registry.local", rtype::PTR),
    ] {
        let lines = zone.ask(name, rtype);
        assert!(lines.iter().all(|line| line.starts_with("7 ")), "{name}: {lines:?}");
    }
    zone.change(Some(&short), None);
    assert!(zone.ask("_auth._tcp.registry.local", rtype::SRV)[0].starts_with("30 "));
    let heard = instance(Registration { lease: lease(4500.0), ..registration("ipp", "p", "printer") }, Source::Mdns);
    zone.change(None, Some(&heard));
    assert!(zone.ask("_ipp._tcp.registry.local", rtype::SRV)[0].starts_with("10 "));
}

#[test]
fn a_service_name_has_the_addresses_of_its_instances_unless_a_host_has_it() {
    let mut zone = Fixture::new();
    let file = instance(at("auth", "a1", "web1", &["10.0.0.1"]), Source::File);
    let udp = instance(at("_auth._udp", "a1", "web2", &["10.0.0.2"]), Source::File);
    zone.change(None, Some(&file));
    zone.change(None, Some(&udp));
    assert_eq!(zone.ask("auth.registry.local", rtype::A), ["30 A 10.0.0.1", "30 A 10.0.0.2"]);
    // A host of a lower layer does not take the name, one of an equal layer does.
    let lower = instance(at("ipp", "p", "auth", &["10.0.0.3"]), Source::Mdns);
    let equal = instance(at("http", "h", "auth", &["10.0.0.4"]), Source::File);
    zone.change(None, Some(&lower));
    assert_eq!(zone.ask("auth.registry.local", rtype::A).len(), 2);
    zone.change(Some(&lower), None);
    zone.change(None, Some(&equal));
    assert_eq!(zone.ask("auth.registry.local", rtype::A), ["30 A 10.0.0.4"]);
    zone.change(Some(&equal), None);
    assert_eq!(zone.ask("auth.registry.local", rtype::A).len(), 2);
}

#[test]
fn a_foreign_host_is_a_target_without_addresses() {
    let mut zone = Fixture::new();
    let host = crate::service::Host::Foreign("Db.Example.ORG".parse().unwrap());
    zone.add(Registration { host, addresses: Addresses::default(), ..registration("pg", "db", "x") });
    assert_eq!(zone.ask("_pg._tcp.registry.local", rtype::SRV), ["30 SRV 0 0 80 Db.Example.ORG."]);
    assert!(zone.additionals("_pg._tcp.registry.local", rtype::SRV).is_empty());
    assert_eq!(zone.ask("pg.registry.local", rtype::A), ["NXDOMAIN"]);
}

#[test]
fn globs_match_labels_and_a_literal_name_wins() {
    let mut zone = Fixture::new();
    zone.add(registration("auth", "web-1", "web1"));
    zone.add(registration("auth", "web-10", "web2"));
    zone.add(registration("audit", "x", "web3"));
    zone.add(registration("_auth._udp", "web-1", "web4"));
    let ask = |name: &str| {
        let mut lines = zone.ask(&format!("{name}.registry.local"), rtype::PTR);
        lines.sort();
        lines
    };
    let ptr = |name: &str| format!("30 PTR {name}.registry.local.");
    assert_eq!(ask("_AU*._tcp"), [ptr("web-1._auth._tcp"), ptr("web-10._auth._tcp"), ptr("x._audit._tcp")]);
    assert_eq!(ask("web-?._auth._tcp"), [ptr("web-1._auth._tcp")]);
    assert_eq!(ask("WEB-?._a*._tcp"), [ptr("web-1._auth._tcp")]);
    assert_eq!(ask("x._a*._tcp"), [ptr("x._audit._tcp")]);
    assert_eq!(ask("nope-*._auth._tcp"), ["NXDOMAIN"]);
    assert_eq!(zone.ask("web-?._auth._tcp.registry.local", rtype::SRV), ["30 SRV 0 0 80 web1.registry.local."]);
    assert_eq!(zone.ask("web-?._auth._tcp.registry.local", rtype::TXT), ["NODATA"]);
    zone.add(registration("auth", "web-?", "web5"));
    assert_eq!(zone.ask("web-?._auth._tcp.registry.local", rtype::SRV), ["30 SRV 0 0 80 web5.registry.local."]);
    assert_eq!(zone.ask("web-?._auth._tcp.registry.local", rtype::PTR), ["NODATA"]);
}

#[test]
fn globs_are_capped_and_can_be_off() {
    let mut zone = Fixture::new();
    for n in 0..200 {
        zone.add(registration("auth", &format!("a{n:03}"), "web1"));
    }
    zone.add(registration("auth", "zz", "web1"));
    assert_eq!(zone.ask("*._auth._tcp.registry.local", rtype::PTR).len(), 3);
    assert_eq!(zone.ask("*._tcp.registry.local", rtype::PTR).len(), 3);
    // Thirty names are looked at, so nobody knows of more; what the pattern begins with saves the rest.
    assert_eq!(zone.ask("*z._auth._tcp.registry.local", rtype::PTR), ["NODATA"]);
    assert_eq!(zone.ask("z*._auth._tcp.registry.local", rtype::PTR), ["30 PTR zz._auth._tcp.registry.local."]);
    let name: DomainName = "*._tcp.registry.local".parse().unwrap();
    let question = Question { name: name.as_wire(), rtype: rtype::PTR, globs: None };
    assert!(matches!(zone.zone.answer(&question), Answer::NxDomain(_)));
}

#[test]
fn a_glob_in_a_datagram_that_would_take_long_is_unfinished() {
    let mut zone = Fixture::new();
    for n in 0..199 {
        zone.add(registration("auth", &format!("a{n:03}"), "web1"));
    }
    let (datagram, stream) = (true, false);
    let ask = |zone: &Fixture, labels: &str, rtype, in_datagram| {
        zone.ask_by(&format!("{labels}.registry.local"), rtype, Some(Globs { limit: 1000, in_datagram }), 0)
    };
    // With the name of the service two hundred names.
    for glob in ["*._auth._tcp", "_a*._tcp", "*._tcp"] {
        assert_eq!(ask(&zone, glob, rtype::PTR, datagram).len(), 199, "{glob}");
    }
    assert_eq!(ask(&zone, "*z._auth._tcp", rtype::PTR, datagram), ["NXDOMAIN"]);
    zone.add(registration("auth", "z", "web1"));
    for glob in ["*._auth._tcp", "_a*._tcp", "*._tcp"] {
        assert_eq!(ask(&zone, glob, rtype::PTR, datagram), ["UNFINISHED"], "{glob}");
        assert_eq!(ask(&zone, glob, rtype::PTR, stream).len(), 200, "{glob}");
        assert_eq!(ask(&zone, glob, rtype::A, datagram), ["NODATA"], "{glob}: of no match is there an address");
    }
    assert_eq!(ask(&zone, "*z._auth._tcp", rtype::A, datagram), ["UNFINISHED"], "perhaps there is no such name");
    for (glob, transport) in [("*z._auth._tcp", stream), ("z*._auth._tcp", datagram)] {
        assert_eq!(ask(&zone, glob, rtype::PTR, transport), ["30 PTR z._auth._tcp.registry.local."]);
    }
}

#[test]
fn an_answer_remarks_on_what_is_not_up_and_on_what_a_limit_left_out() {
    let mut zone = Fixture::new();
    let tags = vec![Tag::new("blue").unwrap()];
    let a1 = zone.add(Registration { details: tagged(tags), ..registration("auth", "a1", "web1") });
    for n in 0..3 {
        zone.add(registration("http", &format!("h{n}"), "web1"));
    }
    let remark = |zone: &Fixture, name: &str, rtype: u16| {
        let name: DomainName = format!("{name}.registry.local").parse().unwrap();
        zone.zone.answer(&Question { name: name.as_wire(), rtype, globs: THREE }).remark()
    };
    for (name, rtype) in [("_auth._tcp", rtype::SRV), ("_auth._tcp", rtype::TXT), ("a1._auth._tcp", rtype::PTR)] {
        assert_eq!(remark(&zone, name, rtype), None, "{name}");
    }
    assert_eq!(remark(&zone, "*._http._tcp", rtype::PTR), None, "three are the limit and all there is");
    zone.add(registration("http", "h3", "web1"));
    for glob in ["*._http._tcp", "_http*._tcp", "*._tcp"] {
        assert_eq!(remark(&zone, glob, rtype::SRV), Some(Remark::Cut), "{glob}");
    }
    zone.change(Some(&a1), Some(&drained(&a1)));
    for name in ["_auth._tcp", "_blue._sub._auth._tcp"] {
        assert_eq!(remark(&zone, name, rtype::SRV), Some(Remark::NothingUp { known: 1 }), "{name}");
    }
}

#[test]
fn the_serial_moves_when_a_record_does_and_only_then() {
    let mut zone = Fixture::new();
    assert_eq!(zone.zone.clone().at(Revision((7 << 32) + 5)).serial, 5);
    let a1 = zone.add(registration("auth", "a1", "web1"));
    assert_eq!(zone.serial(), 101);
    // The same records again; listed but not served; gone while not served.
    zone.change(Some(&a1), Some(&instance(a1.registration.clone(), Source::Api)));
    let starting =
        zone.add(Registration { reported: crate::service::Reported::Starting, ..registration("x", "s", "web2") });
    zone.change(Some(&starting), None);
    assert_eq!(zone.serial(), 101);
    let mut changed = a1.registration.clone();
    changed.txt = Txt::new([("k", None)]).unwrap();
    let a2 = instance(changed, Source::Api);
    zone.change(Some(&a1), Some(&a2));
    assert_eq!(zone.serial(), 105);
    zone.change(Some(&a2), Some(&drained(&a2)));
    assert_eq!(zone.serial(), 106);
}

#[test]
fn item_41_the_serial_grows_through_zero() {
    let mut zone = Fixture::new();
    zone.revision = (7 << 32) - 3;
    let mut before = None;
    for n in 0..6 {
        zone.add(registration("auth", &format!("a{n}"), "web1"));
        let serial = zone.serial();
        // RFC 1982 §3.2: greater if it is ahead by less than half the numbers there are.
        let grows = before.is_none_or(|before: u32| (1..1 << 31).contains(&serial.wrapping_sub(before)));
        assert!(grows, "{before:?}, then {serial}");
        before = Some(serial);
    }
    assert_eq!(before, Some(3));
}

#[test]
fn every_record_of_an_instance_goes_in_one_serial_step() {
    let mut zone = Fixture::new();
    let tags = vec![Tag::new("blue").unwrap()];
    let a1 = zone.add(Registration { details: tagged(tags), ..registration("auth", "a1", "web1") });
    let before = zone.serial();
    zone.change(Some(&a1), None);
    assert_eq!(zone.serial(), before + 1);
    for name in [
        "_auth._tcp.registry.local",
        "_blue._sub._auth._tcp.registry.local",
        "a1._auth._tcp.registry.local",
        "web1.registry.local",
        "auth.registry.local",
    ] {
        assert_eq!(zone.ask(name, rtype::ANY), ["NXDOMAIN"], "{name}");
    }
    assert_eq!(zone.ask("_services._dns-sd._udp.registry.local", rtype::PTR), ["NODATA"]);
}

#[test]
fn an_instance_that_moves_leaves_nothing_behind() {
    let mut zone = Fixture::new();
    let tags = |text: &str| vec![Tag::new(text).unwrap()];
    let here = zone.add(Registration { details: tagged(tags("blue")), ..at("auth", "a1", "web1", &["10.0.0.1"]) });
    let there =
        instance(Registration { details: tagged(tags("red")), ..at("auth", "A1", "web2", &["10.0.0.2"]) }, Source::Api);
    zone.change(Some(&here), Some(&there));
    assert_eq!(zone.ask("_auth._tcp.registry.local", rtype::PTR), ["30 PTR A1._auth._tcp.registry.local."]);
    assert_eq!(zone.ask("_red._sub._auth._tcp.registry.local", rtype::SRV).len(), 1);
    assert_eq!(zone.ask("_blue._sub._auth._tcp.registry.local", rtype::SRV), ["NXDOMAIN"]);
    assert_eq!(zone.ask("auth.registry.local", rtype::A), ["30 A 10.0.0.2"]);
    assert_eq!(zone.ask("web1.registry.local", rtype::A), ["NXDOMAIN"]);
}

#[test]
fn several_zones_serve_the_same() {
    let domains = ["internal", "registry.local", "Lan.example"].map(|name| name.parse().unwrap()).to_vec();
    let mut zone = Fixture::of(domains);
    zone.add(registration("auth", "a1", "web1"));
    for name in ["internal.", "registry.local.", "Lan.example."] {
        let expected = format!("30 SRV 0 0 80 web1.{name}");
        assert_eq!(zone.ask(&format!("_auth._tcp.{name}"), rtype::SRV), [expected]);
    }
    assert_eq!(zone.ask("_auth._tcp.local.", rtype::SRV), ["REFUSED"]);
    // The octets of a zone's name, but within a label.
    assert_eq!(zone.ask(r"web1.x\008internal.", rtype::A), ["REFUSED"]);
}

#[test]
fn an_answer_says_which_service_type_was_asked_for() {
    let mut zone = Fixture::new();
    let tags = vec![Tag::new("blue").unwrap()];
    let a1 = zone.add(Registration { details: tagged(tags), ..at("auth", "a1", "web1", &["10.0.0.1"]) });
    zone.add(registration("http", "h", "web1"));
    let place = |zone: &Fixture, name: &str, rtype| {
        let name: DomainName = format!("{name}registry.local").parse().unwrap();
        zone.zone.answer(&Question { name: name.as_wire(), rtype, globs: THREE }).place()
    };
    let auth = place(&zone, "_Auth._tcp.", rtype::SRV).expect("a service type has a place");
    for name in ["_auth._tcp.", "a1._auth._tcp.", "_blue._sub._auth._tcp."] {
        for rtype in [rtype::SRV, rtype::A] {
            assert_eq!(place(&zone, name, rtype), Some(auth), "{name} {rtype}");
        }
    }
    for name in ["", "web1.", "auth.", "_services._dns-sd._udp.", "*._tcp.", "x._auth._tcp.", "_x._tcp."] {
        assert_eq!(place(&zone, name, rtype::PTR), None, "{name}");
    }
    let labels: Vec<_> = zone.zone.service_types().filter(|(place, _)| *place == auth).map(|(_, l)| l).collect();
    assert_eq!(labels, [b"\x05_auth\x04_tcp"]);
    assert_ne!(place(&zone, "_http._tcp.", rtype::SRV), Some(auth));
    // Another type takes the number when this one is forgotten, and is told apart; drained is not forgotten.
    zone.change(Some(&a1), Some(&drained(&a1)));
    assert_eq!(place(&zone, "_auth._tcp.", rtype::SRV), Some(auth));
    zone.change(Some(&drained(&a1)), None);
    zone.add(registration("pg", "db", "web1"));
    let pg = place(&zone, "_pg._tcp.", rtype::SRV).unwrap();
    assert_eq!((pg.number, pg.generation), (auth.number, auth.generation + 1));
}
