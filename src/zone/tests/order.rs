//! The order in which instances come: by priority, by weight, in turn; and which of them where not all fit.

use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Instant;

use super::super::{Answer, Question, Rdata, rtype};
use super::{Fixture, ROOM, at};
use crate::service::{DomainName, InstanceId, Registration};

/// Whether counts of draws are what shares of these weights would give: Pearson's chi-square against the quantile
/// that chance exceeds once in a thousand times. (The draws are the same in every run.)
fn is_as_expected(drawn: &[u32], weights: &[u32], quantile: f64) -> bool {
    let (all, sum) = (f64::from(drawn.iter().sum::<u32>()), f64::from(weights.iter().sum::<u32>()));
    let square = |(drawn, weight): (&u32, &u32)| {
        let expected = all * f64::from(*weight) / sum;
        (f64::from(*drawn) - expected).powi(2) / expected
    };
    drawn.iter().zip(weights).map(square).sum::<f64>() < quantile
}

/// Of five classes: four degrees of freedom, 99.9 %.
const CHI_SQUARE_4: f64 = 18.47;
const DRAWS: usize = 20_000;

#[test]
fn item_37_addresses_of_a_service_come_by_priority_and_then_by_weight() {
    let weights = [10, 20, 5, 1, 64];
    let mut zone = Fixture::new();
    for (n, weight) in (1..).zip(weights) {
        let registration = at("auth", &format!("a{n}"), &format!("web{n}"), &[&format!("10.0.0.{n}")]);
        zone.add(Registration { weight, ..registration });
    }
    let backup = at("_auth._udp", "b", "backup", &["10.0.0.9"]);
    zone.add(Registration { priority: 1, weight: 60_000, ..backup });
    let mut firsts = [0; 5];
    for seed in 0..DRAWS {
        let lines = zone.ask_from("auth.registry.local", rtype::A, seed);
        assert_eq!((lines.len(), lines.last().unwrap().as_str()), (6, "30 A 10.0.0.9"));
        let first: usize = lines[0].rsplit('.').next().unwrap().parse().unwrap();
        firsts[first - 1] += 1;
    }
    let weights = weights.map(u32::from);
    assert!(is_as_expected(&firsts, &weights, CHI_SQUARE_4), "{firsts:?} for {weights:?}");
    assert!(!is_as_expected(&[4000; 5], &weights, CHI_SQUARE_4), "the test would notice equal shares");
}

#[test]
fn item_37_equal_weights_are_equal_chances_and_no_weight_beside_some_is_hardly_any() {
    let firsts = |weights: [u16; 5]| {
        let mut zone = Fixture::new();
        for (n, weight) in (0..).zip(weights) {
            let registration = at("auth", &format!("a{n}"), &format!("web{n}"), &[&format!("10.0.0.{n}")]);
            zone.add(Registration { weight, ..registration });
        }
        let mut firsts = [0; 5];
        for seed in 0..DRAWS {
            let lines = zone.ask_from("_auth._tcp.registry.local", rtype::PTR, seed);
            assert_eq!(lines.len(), 5);
            firsts[usize::from(lines[0].as_bytes()["30 PTR a".len()] - b'0')] += 1;
        }
        firsts
    };
    for weights in [[0; 5], [7; 5], [4, 4, 4, 4, 5]] {
        assert!(is_as_expected(&firsts(weights), &weights.map(|w| u32::from(w).max(1)), CHI_SQUARE_4), "{weights:?}");
    }
    let [none, other, ..] = firsts([0, 0, 50, 50, 50]);
    assert!(none + other > 50 && none + other < 250, "{none} and {other} of {DRAWS}, about 132 expected");
}

#[test]
fn item_37_a_part_of_a_large_service_is_fair_and_costs_what_it_has() {
    let weights = [1, 2, 4, 8, 800];
    let mut zone = Fixture::new();
    for n in 0..2_000_u32 {
        let address = Ipv4Addr::from(0x0a00_0000 + n).to_string();
        let registration = at("many", &format!("m{n:04}"), &format!("h{n:04}"), &[&address]);
        // Fifths of the names, with weights that differ by factors.
        zone.add(Registration { weight: weights[n as usize / 400], ..registration.clone() });
        zone.add(Registration {
            id: InstanceId::new("even".parse().unwrap(), registration.id.instance().clone()),
            ..registration
        });
    }
    // How many of each fifth there are in so many records, of so many answers.
    let part = |name: &str, rtype: u16, records_each: usize, room: usize, answers: usize| {
        let name: DomainName = format!("{name}.registry.local").parse().unwrap();
        let question = Question { name: name.as_wire(), rtype, globs: None };
        let mut fifths = [0; 5];
        for seed in 0..answers {
            let Answer::Records(records) = zone.zone.answer(&question) else { panic!("no records") };
            let mut given = std::collections::HashSet::new();
            let _ = records.answer.records(seed, room, |rdata| {
                let number = match rdata {
                    Rdata::Name(name) => String::from_utf8_lossy(&name.0[0][2..]).parse::<usize>().unwrap(),
                    Rdata::Srv(_, name) => String::from_utf8_lossy(&name.0[0][2..]).parse().unwrap(),
                    _ => panic!("another type"),
                };
                assert!(given.insert(number), "given twice");
                fifths[number / 400] += 1;
                if given.len() == records_each { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!(given.len(), records_each);
        }
        fifths
    };
    for rtype in [rtype::SRV, rtype::PTR] {
        // Twenty neighbours are given at once, so the thousand beginnings are what is random.
        let even = part("_even._tcp", rtype, 20, ROOM, 1_000).map(|count| count / 20);
        assert!(is_as_expected(&even, &[1; 5], CHI_SQUARE_4), "{even:?}");
        // The first of a part are chances by weight; those behind it are of what is left.
        for room in [DATAGRAM, ROOM] {
            let firsts = part("_many._tcp", rtype, 1, room, DRAWS);
            assert!(is_as_expected(&firsts, &weights.map(u32::from), CHI_SQUARE_4), "{firsts:?} for {weights:?}");
        }
        let [.., eights, heavy] = part("_many._tcp", rtype, 20, ROOM, 1_000);
        assert!(heavy > 19_000 && eights > 100, "{heavy} and {eights} of 20,000: 800 to 8");
    }
    assert_eq!(zone.ask("_many._tcp.registry.local", rtype::SRV).len(), 2_000);
    assert_eq!(zone.ask("many.registry.local", rtype::A).len(), 2_000);
}

#[test]
fn few_of_many_that_have_an_ipv6_address_are_found() {
    let mut zone = Fixture::new();
    for n in 0..300 {
        zone.add(at("auth", &format!("a{n}"), &format!("web{n}"), &[&format!("10.0.{}.{}", n / 250, n % 250)]));
    }
    assert_eq!(zone.ask("auth.registry.local", rtype::AAAA), ["NODATA"]);
    let six = zone.add(at("auth", "six", "six", &["2001:db8::6", "10.1.0.6"]));
    assert_eq!(zone.ask("auth.registry.local", rtype::AAAA), ["30 AAAA 2001:db8::6"]);
    assert_eq!(zone.ask("auth.registry.local", rtype::A).len(), 301);
    zone.change(Some(&six), None);
    assert_eq!(zone.ask("auth.registry.local", rtype::AAAA), ["NODATA"]);
}

#[test]
fn few_that_have_an_ipv6_address_behind_thousands_of_priorities_are_found_as_soon_as_behind_a_few() {
    let zone = |priorities: u16, last: &[&str]| {
        let mut zone = Fixture::new();
        for n in 0..priorities {
            let registration =
                at("auth", &format!("a{n}"), &format!("web{n}"), &[&format!("10.0.{}.{}", n >> 8, n & 255)]);
            zone.add(Registration { priority: n, ..registration });
        }
        zone.add(Registration { priority: u16::MAX, ..at("auth", "last", "last", last) });
        zone
    };
    let name: DomainName = "auth.registry.local".parse().unwrap();
    let question = Question { name: name.as_wire(), rtype: rtype::AAAA, globs: None };
    // The quickest of many: the others were interrupted.
    let took = |zone: &Fixture, expected: usize| {
        let tries = (0..200).map(|seed| {
            let (start, mut count) = (Instant::now(), 0);
            if let Answer::Records(records) = zone.zone.answer(&question) {
                let _ = records.answer.records(seed, ROOM, |_| {
                    count += 1;
                    ControlFlow::Continue(())
                });
            }
            assert_eq!(count, expected);
            start.elapsed()
        });
        tries.min().unwrap()
    };
    for (last, expected) in [(&["2001:db8::6"], 1), (&["10.1.0.6"], 0)] {
        let [few, thousands] = [10, 5_000].map(|priorities| took(&zone(priorities, last), expected));
        // Five hundred times as many lots, which are searched by halving.
        assert!(thousands < few * 20, "{thousands:?} instead of {few:?} for {expected}");
    }
}

/// Octets of a datagram.
const DATAGRAM: usize = 1_232;

/// A service of 5,000 instances on one host, and one on another; their weights from those given, in turn.
fn crowded(weights: &[u16]) -> Fixture {
    let mut zone = Fixture::new();
    let mut add = |name: &str, host: &str, address: &str, weight| {
        zone.add(Registration { weight, ..at("many", name, host, &[address]) });
    };
    for (n, weight) in (0..5_000).zip(weights.iter().cycle()) {
        add(&format!("m{n:04}"), "one", "10.0.0.1", *weight);
    }
    add("m2500x", "other", "10.0.0.2", weights[weights.len() - 1]);
    zone
}

/// How many records an answer to such a question has, and whether those are all, as far as it says.
fn found(zone: &Fixture, name: &str, rtype: u16, seed: usize, room: usize) -> (usize, bool) {
    let name: DomainName = name.parse().unwrap();
    let Answer::Records(records) = zone.zone.answer(&Question { name: name.as_wire(), rtype, globs: None }) else {
        panic!("no records")
    };
    let mut count = 0;
    let flow = records.answer.records(seed, room, |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    (count, flow.is_continue())
}

#[test]
fn who_looks_for_a_record_among_thousands_of_repeats_gives_up_and_says_so() {
    for weights in [&[7][..], &[1, 1_000]] {
        let zone = crowded(weights);
        for (name, rtype) in [("many.registry.local", rtype::A), ("_many._tcp.registry.local", rtype::SRV)] {
            let answers: Vec<_> = (0..200).map(|seed| found(&zone, name, rtype, seed, DATAGRAM)).collect();
            // Some 617 of 5,001 are visited, or of the heavy half: so about 25 or 50 of 200 answers come by the one
            // that is different.
            let lucky = answers.iter().filter(|(count, _)| *count > 1).count();
            assert!((5..90).contains(&lucky), "{lucky} for {weights:?}: more were visited, or fewer");
            assert!(answers.iter().all(|(_, whole)| !whole));
            // Over a stream there is room for all of them; SRV records have the weights in them.
            let all = if rtype == rtype::A { 2 } else { 1 + weights.len() };
            assert_eq!(found(&zone, name, rtype, 3, ROOM), (all, true), "{name} for {weights:?}");
        }
    }
}

#[test]
fn addresses_of_targets_are_looked_for_as_long_as_records_are() {
    let zone = crowded(&[7]);
    let name: DomainName = "_many._tcp.registry.local".parse().unwrap();
    let question = Question { name: name.as_wire(), rtype: rtype::SRV, globs: None };
    let Answer::Records(records) = zone.zone.answer(&question) else { panic!("no records") };
    let given = |seed, room| {
        let mut count = 0;
        let flow = records.additionals(seed, room, |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        (count, flow.is_continue())
    };
    let lucky = (0..200).filter(|seed| given(*seed, DATAGRAM) == (2, false)).count();
    assert!((5..60).contains(&lucky), "{lucky}: more were visited, or fewer");
    assert_eq!(given(3, ROOM), (2, true));
}

#[test]
fn a_service_of_some_hundred_instances_on_a_few_hosts_is_whole_in_a_datagram() {
    let mut zone = Fixture::new();
    for n in 0..500_u16 {
        let host = n / 50;
        let registration = at("auth", &format!("a{n:03}"), &format!("web{host}"), &[&format!("10.0.0.{host}")]);
        zone.add(Registration { weight: n % 3, ..registration });
    }
    for seed in 0..50 {
        assert_eq!(found(&zone, "auth.registry.local", rtype::A, seed, DATAGRAM), (10, true));
    }
}
