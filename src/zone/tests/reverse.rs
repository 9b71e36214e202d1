//! Reverse zones: what their names have, and which of them exist.

use super::super::{Answer, Config, Question, Snapshot, Subject, rtype};
use super::{CNAME, Fixture, at, config, lines};
use crate::service::{Address, DomainName};

pub(super) fn with_reverse(prefixes: &[&str]) -> Fixture {
    let reverse = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
    let name_server = Address::new([192, 0, 2, 53].into()).unwrap();
    Fixture { zone: Snapshot::new(&Config { reverse, ..config() }, &[name_server]), revision: 100 }
}

fn code(zone: &Fixture, name: &str, rtype: u16) -> String {
    let name: DomainName = name.parse().unwrap();
    match zone.zone.answer(&Question { name: name.as_wire(), rtype, globs: None }) {
        Answer::Refused => "REFUSED".into(),
        Answer::NxDomain(_) => "NXDOMAIN".into(),
        Answer::NoData(..) | Answer::Unfinished => "NODATA".into(),
        Answer::Records(records) => lines(&records.answer, 0).join(", "),
    }
}

#[test]
fn item_55_an_address_points_to_the_hosts_that_have_it() {
    let mut zone = with_reverse(&["10.0.0.0/8", "2001:db8::/32"]);
    let a1 = zone.add(at("auth", "a1", "Web1", &["10.0.0.7", "2001:db8::1f", "192.0.2.1"]));
    zone.add(at("http", "h1", "web1", &["10.0.0.7"]));
    zone.add(at("http", "h2", "web2", &["10.0.0.7"]));
    let seven = "7.0.0.10.in-addr.arpa";
    let six = "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.IP6.arpa";
    assert_eq!(code(&zone, seven, rtype::PTR), "30 PTR Web1.registry.local., 30 PTR web2.registry.local.");
    assert_eq!(code(&zone, six, rtype::PTR), "30 PTR Web1.registry.local.");
    assert_eq!(code(&zone, seven, rtype::A), "NODATA");
    let soa = "30 SOA ns.registry.local. hostmaster.registry.local. 103 5";
    for apex in ["10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        assert_eq!(code(&zone, apex, rtype::SOA), soa);
        assert_eq!(code(&zone, apex, rtype::NS), "30 NS ns.registry.local.");
        assert_eq!(code(&zone, apex, rtype::PTR), "NODATA");
    }
    let before = zone.serial();
    zone.change(Some(&a1), None);
    assert_eq!(zone.serial(), before + 1);
    assert_eq!(
        code(&zone, seven, rtype::PTR),
        "30 PTR web1.registry.local., 30 PTR web2.registry.local.".replace("web1", "Web1")
    );
    assert_eq!(code(&zone, six, rtype::PTR), "NXDOMAIN");
}

#[test]
fn item_55_names_of_a_reverse_zone_exist_as_far_as_something_is_below() {
    let mut zone = with_reverse(&["10.0.0.0/8", "2001:db8::/32"]);
    zone.add(at("auth", "a1", "web1", &["10.1.2.3", "2001:db8::1f"]));
    for ent in [
        "1.10.in-addr.arpa",
        "2.1.10.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "_udp.10.in-addr.arpa",
        "_dns-sd._udp.0.9.9.10.in-addr.arpa",
    ] {
        for rtype in [rtype::PTR, rtype::SOA, rtype::ANY, CNAME] {
            assert_eq!(code(&zone, ent, rtype), "NODATA", "{ent}");
        }
    }
    for missing in [
        "4.2.1.10.in-addr.arpa",
        "x.10.in-addr.arpa",
        "256.1.10.in-addr.arpa",
        "03.2.1.10.in-addr.arpa",
        "00.1.10.in-addr.arpa",
        "0003.2.1.10.in-addr.arpa",
        "1x.10.in-addr.arpa",
        "3.2.1.10.10.in-addr.arpa",
        "x.3.2.1.10.in-addr.arpa",
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "10.8.b.d.0.1.0.0.2.ip6.arpa",
        "g.8.b.d.0.1.0.0.2.ip6.arpa",
        "lb._dns-sd._udp.3.2.1.10.in-addr.arpa",
        "lb._dns-sd._udp.2.1.10.in-addr.arpa",
        "r._dns-sd._udp.10.in-addr.arpa",
        "_tcp.10.in-addr.arpa",
    ] {
        for rtype in [rtype::PTR, rtype::SOA, rtype::ANY, CNAME] {
            assert_eq!(code(&zone, missing, rtype), "NXDOMAIN", "{missing}");
        }
    }
    for foreign in ["in-addr.arpa", "11.in-addr.arpa", "9.b.d.0.1.0.0.2.ip6.arpa", "110.in-addr.arpa"] {
        assert_eq!(code(&zone, foreign, rtype::PTR), "REFUSED", "{foreign}");
    }
    assert_eq!(code(&Fixture::new(), "1.10.in-addr.arpa", rtype::PTR), "REFUSED", "off by default");
}

#[test]
fn item_53_domains_to_browse_are_found_by_the_base_address_of_a_subnet() {
    let zone = with_reverse(&["192.168.0.0/16", "2001:db8::/32"]);
    let subnet = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    for base in ["0.1.168.192.in-addr.arpa", "0.0.168.192.in-addr.arpa", "168.192.in-addr.arpa", subnet] {
        for name in ["b", "db", "lb"] {
            let name = format!("{name}._dns-sd._udp.{base}");
            assert_eq!(code(&zone, &name, rtype::PTR), "30 PTR registry.local.", "{name}");
        }
        assert_eq!(code(&zone, base, rtype::PTR), "NODATA", "{base}");
    }
}

#[test]
fn what_a_name_of_a_reverse_zone_is_can_be_told() {
    let mut zone = with_reverse(&["10.0.0.0/8"]);
    zone.add(at("auth", "a1", "web1", &["10.1.2.3"]));
    for (name, subject) in [
        ("10.in-addr.arpa", Subject::Apex),
        ("2.1.10.IN-ADDR.arpa", Subject::Empty),
        ("lb._dns-sd._udp.10.in-addr.arpa", Subject::Browse),
        ("db._dns-sd._udp.10.in-addr.arpa", Subject::Browse),
        ("DB._dns-sd._udp.registry.local", Subject::Browse),
        ("3.2.1.10.in-addr.arpa", Subject::Address),
        ("4.2.1.10.in-addr.arpa", Subject::Missing),
        ("11.in-addr.arpa", Subject::Foreign),
    ] {
        let name: DomainName = name.parse().unwrap();
        let (found, zone) = zone.zone.subject(&Question { name: name.as_wire(), rtype: 0, globs: None });
        assert_eq!((found, zone.is_some()), (subject, subject != Subject::Foreign), "{name}");
    }
}
