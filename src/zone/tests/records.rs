//! What records a service, an instance and a host have, and for how long.

use std::collections::HashSet;

use super::super::rtype;
use super::{Fixture, at, instance};
use crate::service::{Addresses, Details, Host, Lease, Registration, Source, Subtype, Txt, registration};

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
    let far = Host::Foreign("web1.registry.local".parse().unwrap());
    for n in 0..3 {
        let registration = registration("pg", &format!("p{n}"), "x");
        zone.add(Registration { host: far.clone(), addresses: Vec::new().into(), ..registration });
    }
    for (name, count) in [("_auth._tcp", 101), ("_pg._tcp", 1), ("*._auth._tcp", 3), ("_p*._tcp", 1)] {
        let lines = zone.ask(&format!("{name}.registry.local"), rtype::SRV);
        let distinct: HashSet<_> = lines.iter().map(|line| line.to_lowercase()).collect();
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
fn a_foreign_host_is_a_target_without_addresses() {
    let mut zone = Fixture::new();
    let host = Host::Foreign("Db.Example.ORG".parse().unwrap());
    zone.add(Registration { host, addresses: Addresses::default(), ..registration("pg", "db", "x") });
    assert_eq!(zone.ask("_pg._tcp.registry.local", rtype::SRV), ["30 SRV 0 0 80 Db.Example.ORG."]);
    assert!(zone.additionals("_pg._tcp.registry.local", rtype::SRV).is_empty());
    assert_eq!(zone.ask("pg.registry.local", rtype::A), ["NXDOMAIN"]);
}
