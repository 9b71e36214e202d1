//! SRV and hosts: items 33 to 43, asked with dig.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dig::ask;
use crate::support::{Launch, Portolan, wait_until};

#[test]
fn items_33_and_36_every_live_instance_with_the_addresses_of_every_target() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!([
        {"service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.1", "2001:db8::1"],
         "port": 8080, "priority": 1, "weight": 65535},
        {"service": "auth", "instance": "a2", "host": "web2", "addresses": ["10.0.0.2"], "port": 1},
        {"service": "auth", "instance": "a3", "host": "db.example.org", "port": 65535},
    ]));
    let reply = ask(portolan.dns, &["SRV", "_auth._tcp.registry.local"]);
    let expected = ["0 0 1 web2.registry.local.", "0 0 65535 db.example.org.", "1 65535 8080 web1.registry.local."];
    assert_eq!(reply.data(), expected);
    for (owner, rtype) in [("web1", "A"), ("web1", "AAAA"), ("web2", "A")] {
        assert!(reply.brings(&format!("{owner}.registry.local."), rtype), "{owner} {rtype}: {reply:?}");
    }
    assert_eq!(reply.additional.len(), 3);
}

#[test]
fn item_37_answers_begin_with_every_instance_in_turn() {
    let portolan = Portolan::start(&[]);
    for n in 1..=4 {
        portolan.heartbeat(
            &json!({"service": "auth", "instance": format!("a{n}"), "addresses": [format!("10.0.0.{n}")], "port": 80}),
        );
    }
    let first = |rtype: &str, name: &str| ask(portolan.dns, &[rtype, name]).answer[0].clone();
    for (rtype, name) in [("SRV", "_auth._tcp.registry.local"), ("A", "auth.registry.local")] {
        // That 60 random beginnings miss one of four is a chance of 1 in 10 million.
        let firsts: HashSet<_> = (0..60).map(|_| first(rtype, name)).collect();
        assert_eq!(firsts.len(), 4, "{rtype}: {firsts:?}");
    }
}

#[test]
fn item_38_a_known_service_with_nothing_up_is_nodata() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "addresses": ["10.0.0.1"], "port": 80}));
    let body = json!({"status": "out-of-service"}).to_string();
    let response = portolan.request("PUT", "/v1/instances/_auth._tcp/a1/status", &[], &body);
    assert_eq!(response.status, 200, "{response:?}");
    assert!(ask(portolan.dns, &["SRV", "_auth._tcp.registry.local"]).is_negative("NOERROR"));
    assert!(ask(portolan.dns, &["SRV", "a1._auth._tcp.registry.local"]).is_negative("NXDOMAIN"));
    portolan.request("DELETE", "/v1/instances/_auth._tcp/a1", &[], "");
    assert!(ask(portolan.dns, &["SRV", "_auth._tcp.registry.local"]).is_negative("NXDOMAIN"));
}

#[test]
fn item_39_one_ttl_per_rrset_never_above_the_shortest_lease() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!([
        {"service": "auth", "instance": "long", "host": "h1", "addresses": ["10.0.0.1"], "port": 80, "lease": 600},
        {"service": "auth", "instance": "short", "host": "h2", "addresses": ["10.0.0.2"], "port": 80, "lease": 6.5},
        {"service": "file", "instance": "kept", "host": "h3", "addresses": ["10.0.0.3"], "port": 80, "lease": 0},
    ]));
    let ttls = |rtype: &str, name: &str| ask(portolan.dns, &[rtype, &format!("{name}registry.local")]).ttls();
    assert_eq!(ttls("SRV", "_auth._tcp."), [6]);
    assert_eq!(ttls("PTR", "_auth._tcp."), [6]);
    assert_eq!(ttls("A", "auth."), [6]);
    assert_eq!(ttls("TXT", "short._auth._tcp."), [6]);
    assert_eq!(ttls("TXT", "long._auth._tcp."), [10]);
    assert_eq!(ttls("A", "h1."), [10]);
    assert_eq!(ttls("SRV", "_file._tcp."), [10]);
    assert_eq!(ttls("PTR", "_services._dns-sd._udp."), [6]);
}

#[test]
fn items_40_and_41_a_lapsed_instance_goes_from_every_name_in_one_step_of_the_serial() {
    let portolan = Launch::new().env("PORTOLAN_ZONE_REVERSE", "10.0.0.0/8").start();
    let serial_of =
        |zone: &str| -> u32 { ask(portolan.dns, &["SOA", zone]).data()[0].split(' ').nth(2).unwrap().parse().unwrap() };
    let serial = || serial_of("registry.local");
    portolan.heartbeat(&json!({"service": "keep", "instance": "k", "addresses": ["10.0.0.8"], "port": 80}));
    let body = json!({
        "service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.1"], "port": 80, "tags": ["blue"], "lease": 5
    });
    portolan.heartbeat(&body);
    let before = serial();
    portolan.heartbeat(&body);
    assert_eq!(serial(), before, "a renewal changes no record");
    let registered = Instant::now();
    let labels = ["_auth._tcp", "_blue._sub._auth._tcp", "a1._auth._tcp", "web1", "auth"];
    let mut names = labels.map(|labels| format!("{labels}.registry.local")).to_vec();
    names.push("1.0.0.10.in-addr.arpa".to_owned());
    let gone = |name: &String| ask(portolan.dns, &["ANY", name]).answer.is_empty();
    assert!(!names.iter().any(gone));
    wait_until("the lease lapses", Duration::from_secs(20), || (serial() != before).then_some(()));
    assert!(registered.elapsed() < Duration::from_secs(7), "{:?}", registered.elapsed());
    assert_eq!((serial(), serial_of("10.in-addr.arpa")), (before + 1, before + 1));
    assert!(names.iter().all(gone));
    assert_eq!(ask(portolan.dns, &["-x", "10.0.0.8"]).answer.len(), 1, "an address that stays");
    assert_eq!(
        ask(portolan.dns, &["PTR", "_services._dns-sd._udp.registry.local"]).data(),
        ["_keep._tcp.registry.local."]
    );
}

#[test]
fn item_41_the_serial_never_goes_back_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let serial = |portolan: &Portolan| -> u32 {
        ask(portolan.dns, &["SOA", "registry.local"]).data()[0].split(' ').nth(2).unwrap().parse().unwrap()
    };
    let first = Portolan::start_in(directory.path(), &[]);
    first.heartbeat(&json!({"service": "auth", "instance": "a1", "addresses": ["10.0.0.1"], "port": 80, "lease": 0}));
    first.request("DELETE", "/v1/instances/_auth._tcp/a1", &[], "");
    let before = serial(&first);
    first.kill();
    // Empty again, and yet not at the beginning.
    let second = Portolan::start_in(directory.path(), &[]);
    let after = serial(&second);
    assert!(after >= before, "{before}, then {after}");
    second.heartbeat(&json!({"service": "auth", "instance": "a1", "addresses": ["10.0.0.1"], "port": 80}));
    assert!(serial(&second) > after);
}

#[test]
fn item_43_targets_are_hostnames_whatever_the_instance_is_called() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(
        &json!({"service": "ipp", "instance": "Drucker im Büro", "addresses": ["2001:db8::7"], "port": 631}),
    );
    let reply = ask(portolan.dns, &["SRV", "_ipp._tcp.registry.local"]);
    assert_eq!(reply.data(), ["0 0 631 ip-2001-db8-0-0-0-0-0-7.registry.local."]);
}
