//! What a link is said to hold, moment by moment.

use super::super::message::tests::an_instance;
use super::*;
use crate::service::Txt;

const TTL: Duration = Duration::from_mins(2);

fn seconds(n: f64) -> Duration {
    Duration::from_secs_f64(n)
}

fn hear(link: &mut Link, fact: Fact, ttl: Duration, now: Instant) {
    link.hear(Heard { fact, ttl, flush: true }, now);
}

fn target(host: &str) -> Target {
    Target { host: host.parse().unwrap(), port: 80, priority: 0, weight: 0 }
}

fn address(host: &str, address: [u8; 4]) -> Fact {
    Fact::Address(host.parse().unwrap(), address.into())
}

/// All that is said of the instance `label` on `host`.
fn whole(label: &str, host: &str) -> [Fact; 4] {
    let named = an_instance(label, "http");
    let txt = Txt::from_wire(b"\x03a=1").unwrap();
    [
        Fact::Pointer(named.clone()),
        Fact::Target(named.clone(), target(host)),
        Fact::Attributes(named, Some(txt)),
        address(host, [10, 0, 0, 1]),
    ]
}

fn announce(link: &mut Link, label: &str, now: Instant) {
    for fact in whole(label, "web.local") {
        hear(link, fact, TTL, now);
    }
}

fn is_there(link: &mut Link, label: &str, now: Instant) -> bool {
    link.sweep(now);
    link.registration(&an_instance(label, "http").id).is_some()
}

#[test]
fn an_instance_is_there_until_its_ttl_ends() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    assert!(is_there(&mut link, "x", start));
    assert!(is_there(&mut link, "x", start + seconds(119.9)));
    link.take_changed();
    assert!(!is_there(&mut link, "x", start + TTL));
    assert_eq!(link.take_changed().len(), 1);
    assert!(link.instances.is_empty() && link.hosts.is_empty());
    assert_eq!(link.next(), None);
}

#[test]
fn a_goodbye_takes_it_away_after_one_second_unless_it_comes_back() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    let goodbye = || Fact::Pointer(an_instance("x", "http"));
    hear(&mut link, goodbye(), Duration::ZERO, start + seconds(5.0));
    assert!(is_there(&mut link, "x", start + seconds(5.9)));
    announce(&mut link, "x", start + seconds(5.9));
    assert!(is_there(&mut link, "x", start + seconds(7.0)));
    hear(&mut link, goodbye(), Duration::ZERO, start + seconds(8.0));
    assert_eq!(link.next(), Some(start + seconds(9.0)));
    assert!(!is_there(&mut link, "x", start + seconds(9.0)));
}

#[test]
fn a_goodbye_for_another_target_leaves_the_present_one() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    hear(&mut link, Fact::Target(an_instance("x", "http"), target("old.local")), Duration::ZERO, start);
    assert!(is_there(&mut link, "x", start + seconds(3.0)));
}

#[test]
fn a_flushing_address_replaces_those_that_are_older_than_a_second() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    hear(&mut link, address("web.local", [10, 0, 0, 2]), TTL, start + seconds(0.5));
    hear(&mut link, address("web.local", [10, 0, 0, 3]), TTL, start + seconds(1.2));
    link.sweep(start + seconds(2.2));
    let addresses = link.registration(&an_instance("x", "http").id).unwrap().addresses;
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.2", "10.0.0.3"]);
}

#[test]
fn an_instance_that_moves_takes_the_addresses_of_its_new_host() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    hear(&mut link, address("new.local", [10, 0, 0, 9]), TTL, start);
    hear(&mut link, Fact::Target(an_instance("x", "http"), target("new.local")), TTL, start);
    let moved = link.registration(&an_instance("x", "http").id).unwrap();
    assert_eq!((moved.host.to_string(), moved.addresses[0].to_string()), ("new".into(), "10.0.0.9".into()));
    hear(&mut link, address("new.local", [10, 0, 0, 8]), TTL, start);
    assert_eq!(link.registration(&an_instance("x", "http").id).unwrap().addresses.len(), 2);
}

#[test]
fn without_addresses_it_waits_two_seconds_and_is_told_then() {
    let (mut link, start) = (Link::new(9), Instant::now());
    for fact in whole("x", "web.local").into_iter().take(3) {
        hear(&mut link, fact, TTL, start);
    }
    assert!(!is_there(&mut link, "x", start + seconds(1.9)));
    link.take_changed();
    assert!(is_there(&mut link, "x", start + seconds(2.0)));
    assert_eq!(link.take_changed().len(), 1);
    assert!(link.registration(&an_instance("x", "http").id).unwrap().addresses.is_empty());
}

#[test]
fn what_has_too_long_a_txt_record_is_not_there_until_it_has_a_shorter_one() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    hear(&mut link, Fact::Attributes(an_instance("x", "http"), None), TTL, start);
    assert!(!is_there(&mut link, "x", start) && !is_there(&mut link, "x", start + seconds(3.0)));
    hear(&mut link, Fact::Attributes(an_instance("x", "http"), Some(Txt::default())), TTL, start + seconds(4.0));
    assert!(is_there(&mut link, "x", start + seconds(4.0)));
}

#[test]
fn no_more_instances_are_taken_than_the_limit() {
    let (mut link, start) = (Link::new(2), Instant::now());
    for label in ["a", "b", "c"] {
        announce(&mut link, label, start);
    }
    assert!(link.beyond() > 0);
    assert!(is_there(&mut link, "b", start) && !is_there(&mut link, "c", start));
    for n in 0..100 {
        hear(&mut link, address(&format!("h{n}.local"), [10, 0, 0, 1]), TTL, start);
    }
    assert!(link.hosts.len() <= 4, "{}", link.hosts.len());
}

#[test]
fn a_dotted_name_is_asked_for_by_us_when_its_records_run_out() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "a.b", start);
    announce(&mut link, "plain", start);
    assert_eq!(link.sweep(start + seconds(95.9)), []);
    let questions = link.sweep(start + seconds(96.0));
    assert_eq!(questions, [an_instance("a.b", "http")]);
    assert_eq!(link.sweep(start + seconds(97.0)), []);
    assert_eq!(link.sweep(start + seconds(102.0)).len(), 1);
}

#[test]
fn what_was_lost_of_an_announcement_is_asked_for_by_us_a_few_times() {
    let start = Instant::now();
    for lost in 1..4 {
        let mut link = Link::new(9);
        for (index, fact) in whole("x", "web.local").into_iter().enumerate() {
            if index != lost {
                hear(&mut link, fact, TTL, start);
            }
        }
        let asked: Vec<u32> =
            (0..100).filter(|n| !link.sweep(start + Duration::from_secs((*n).into())).is_empty()).collect();
        assert_eq!(asked, [1, 2, 4, 8, 16], "fact {lost} lacks");
        // Another announcement brings it.
        announce(&mut link, "x", start + seconds(100.0));
        assert_eq!(link.sweep(start + seconds(102.0)), []);
    }
}

#[test]
fn invented_instances_do_not_fill_the_link_with_questions() {
    let (mut link, start) = (Link::new(5_000), Instant::now());
    for n in 0..5_000 {
        hear(&mut link, Fact::Pointer(an_instance(&format!("invented {n}"), "http")), TTL, start);
    }
    assert_eq!(link.sweep(start + seconds(1.0)).len(), QUESTIONS_MAX);
    assert_eq!(link.sweep(start + seconds(1.1)).len(), QUESTIONS_MAX);
}

#[test]
fn what_has_an_instance_is_browsed_on() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    hear(&mut link, Fact::Subtype(an_instance("x", "http"), Subtype::new("_blue").unwrap()), TTL, start);
    hear(&mut link, Fact::Pointer(an_instance("invented", "ipp")), TTL, start);
    assert_eq!(link.browsed().collect::<Vec<_>>(), ["_blue._sub._http._tcp", "_http._tcp"]);
    link.sweep(start + TTL);
    assert_eq!(link.browsed().count(), 0);
}

#[test]
fn a_subtype_lasts_until_it_is_taken_back() {
    let (mut link, start) = (Link::new(9), Instant::now());
    announce(&mut link, "x", start);
    let blue = || Fact::Subtype(an_instance("x", "http"), Subtype::new("_blue").unwrap());
    hear(&mut link, blue(), TTL, start);
    hear(&mut link, blue(), TTL, start);
    assert_eq!(link.registration(&an_instance("x", "http").id).unwrap().details.subtypes.len(), 1);
    hear(&mut link, blue(), Duration::ZERO, start);
    link.sweep(start + GRACE);
    assert_eq!(link.registration(&an_instance("x", "http").id).unwrap().details.subtypes.len(), 0);
}
