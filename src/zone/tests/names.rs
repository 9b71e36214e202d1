//! Which names exist, and what of.

use super::super::rtype;
use super::{CNAME, Fixture, TYPE65280, at, drained, instance, tagged};
use crate::service::{Registration, Source, Tag, registration};

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
