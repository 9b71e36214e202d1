//! Patterns in names.

use super::super::{Answer, Globs, Question, rtype};
use super::Fixture;
use crate::service::{DomainName, registration};

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
