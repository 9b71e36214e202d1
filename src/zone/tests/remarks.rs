//! What an answer says besides its records: of what, and why not more.

use super::super::{Question, Remark, rtype};
use super::{Fixture, THREE, at, drained, tagged};
use crate::service::{DomainName, Registration, Tag, registration};

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
