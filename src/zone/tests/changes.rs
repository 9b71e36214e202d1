//! What a change does: to the serial, and to all that an instance has.

use super::super::rtype;
use super::{Fixture, at, drained, instance, tagged};
use crate::service::{Registration, Reported, Revision, Source, Tag, Txt, registration};

#[test]
fn the_serial_moves_when_a_record_does_and_only_then() {
    let mut zone = Fixture::new();
    assert_eq!(zone.zone.clone().at(Revision((7 << 32) + 5)).serial, 5);
    let a1 = zone.add(registration("auth", "a1", "web1"));
    assert_eq!(zone.serial(), 101);
    // The same records again; listed but not served; gone while not served.
    zone.change(Some(&a1), Some(&instance(a1.registration.clone(), Source::Api)));
    let starting = zone.add(Registration { reported: Reported::Starting, ..registration("x", "s", "web2") });
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
