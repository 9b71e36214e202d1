//! Why an answer is what it is: over HTTP and from the command line, beside what dig gets.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::dig::ask;
use crate::support::netns::Net;
use crate::support::{Launch, Portolan, run, wait_until};

fn explain(portolan: &Portolan, query: &str) -> Value {
    let response = portolan.get(&format!("/v1/explain?{query}"));
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

fn candidate<'a>(explanation: &'a Value, label: &str) -> &'a Value {
    let all = explanation["instances"].as_array().unwrap();
    all.iter().find(|one| one["name"].as_str().unwrap().starts_with(&format!("{label}."))).unwrap()
}

/// Registers all of them, a thousand at a time.
fn register(portolan: &Portolan, all: impl Iterator<Item = Value>) {
    for some in all.collect::<Vec<_>>().chunks(1000) {
        portolan.post("/v1/heartbeat", &json!(some)).expect(200);
    }
}

fn set_status(portolan: &Portolan, instance: &str, status: &Value) {
    portolan.request("PUT", &format!("/v1/instances/{instance}/status"), &[], &status.to_string()).expect(200);
}

#[test]
fn each_instance_is_in_the_answer_or_has_a_reason_not_to_be() {
    let portolan = Launch::new().env("PORTOLAN_LEASE_SHORTEST", "1s").start();
    let heartbeat = |instance: &str, more: Value| {
        let mut body =
            json!({"service": "auth", "instance": instance, "host": instance, "addresses": ["10.0.0.1"], "port": 80});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        portolan.heartbeat(&body);
    };
    heartbeat("up", json!({}));
    heartbeat("starting", json!({"status": "starting"}));
    heartbeat("drained", json!({}));
    heartbeat("failing", json!({}));
    heartbeat("short", json!({"lease": 1}));
    let set = |instance: &str, status: Value| {
        let path = format!("/v1/instances/_auth._tcp/{instance}/status");
        portolan.request("PUT", &path, &[], &status.to_string()).expect(200);
    };
    set("drained", json!({"status": "out-of-service"}));
    set("failing", json!({"status": "down", "reason": "no route"}));
    let lapsed = wait_until("the short lease ends", Duration::from_secs(20), || {
        let explanation = explain(&portolan, "name=_auth._tcp.registry.local&type=SRV");
        (candidate(&explanation, "short")["status"] == "down").then_some(explanation)
    });
    for (label, reason) in [
        ("starting", "it says that it is starting"),
        ("drained", "drained by an operator"),
        ("failing", "its check fails: no route"),
        ("short", "its lease lapsed"),
    ] {
        let one = candidate(&lapsed, label);
        assert_eq!((&one["answered"], &one["reason"]), (&json!(false), &json!(reason)), "{lapsed}");
    }
    for label in ["starting", "drained", "failing", "short"] {
        assert!(candidate(&lapsed, label)["since"].is_string(), "{lapsed}");
    }
    let up = candidate(&lapsed, "up");
    assert_eq!((&up["answered"], &up["since"]), (&json!(true), &Value::Null));
    assert_eq!((&lapsed["answered"], &lapsed["left_out"]), (&json!(1), &json!(4)));

    let asked = ask(portolan.dns, &["SRV", "_auth._tcp.registry.local"]);
    assert_eq!(asked.data(), ["0 0 80 up.registry.local."]);
    assert_eq!(lapsed["records"], json!(["_auth._tcp.registry.local. 10 IN SRV 0 0 80 up.registry.local."]));
    assert_eq!(
        (&lapsed["code"], &lapsed["ttl"], &lapsed["ttl_from"]),
        (&json!("NOERROR"), &json!(10), &json!("zone.ttl"))
    );
    assert_eq!(lapsed["zone"], "registry.local.");
}

#[test]
fn sizes_and_truncation_are_those_that_dig_sees() {
    let portolan = Portolan::start(&[]);
    // Names of one length: which of them a truncated reply has is left to chance.
    for (service, count) in [("many", 60), ("few", 3)] {
        let instance = |n: usize| {
            let host = format!("{service}{n:02}");
            json!({"service": service, "instance": host, "host": host, "addresses": ["10.0.0.1"], "port": 80})
        };
        register(&portolan, (0..count).map(instance));
        compare_sizes(&portolan, &format!("_{service}._tcp.registry.local"));
    }
}

fn compare_sizes(portolan: &Portolan, name: &str) {
    let explanation = explain(portolan, &format!("name={name}"));
    assert_eq!(explanation["type"], "SRV", "what one would ask for first");
    for (size, arguments) in explanation["sizes"].as_array().unwrap().iter().zip([
        &["+noedns", "+ignore", "+notcp"][..],
        &["+edns=0", "+bufsize=1232", "+nocookie", "+ignore", "+notcp"],
        &["+noedns", "+tcp"],
    ]) {
        let reply = ask(portolan.dns, &[arguments, &["SRV", name]].concat());
        assert_eq!(size["truncated"], reply.has("tc"), "{size}");
        assert_eq!(size["answers"], reply.data().len(), "{size}");
        assert_eq!(size["additionals"], reply.additional.len(), "{size}");
        assert_eq!(size["octets"], reply.size, "{size}");
    }
}

#[test]
fn foreign_missing_and_malformed_questions_are_told_what_they_are() {
    let portolan = Portolan::start(&[]);
    let foreign = explain(&portolan, "name=example.org&type=A");
    assert_eq!((&foreign["code"], &foreign["rule"]), (&json!("REFUSED"), &json!("in no zone of ours")));
    let missing = explain(&portolan, "name=nothing.registry.local");
    assert_eq!((&missing["code"], &missing["ttl_from"]), (&json!("NXDOMAIN"), &json!("zone.negative_ttl")));
    for rtype in ["TYPE65535", "AAAA"] {
        assert_eq!(explain(&portolan, &format!("name=nothing.registry.local&type={rtype}"))["type"], rtype);
    }
    for (query, kind) in [
        ("", "invalid-parameter"),
        ("name=a..b", "invalid-parameter"),
        ("name=a&type=NOPE", "invalid-parameter"),
        ("name=a&name=b", "invalid-parameter"),
        ("name=a&type=A&type=A", "invalid-parameter"),
        ("name=a&colour=red", "unknown-parameter"),
    ] {
        let response = portolan.get(&format!("/v1/explain?{query}"));
        assert_eq!((response.status, &response.json()["type"]), (400, &json!(format!("/problems/{kind}"))), "{query}");
    }
}

#[test]
fn the_command_line_says_it_for_people() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(
        &json!({"service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.1"], "port": 80}),
    );
    let text = run(&mut portolan.cli(&["explain", "_auth._tcp.registry.local", "PTR"]));
    for part in
        ["_auth._tcp.registry.local. 10 IN PTR a1._auth._tcp.registry.local.", "zone.ttl", "NOERROR", "UDP with EDNS"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let nothing = portolan.cli(&["explain", "ghost.registry.local"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("NXDOMAIN"));
}

#[test]
fn an_address_in_a_reverse_zone_tells_whose_it_is() {
    let portolan = Launch::new().env("PORTOLAN_ZONE_REVERSE", "10.0.0.0/8").start();
    portolan.heartbeat(
        &json!({"service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.7"], "port": 80}),
    );
    let explanation = explain(&portolan, "name=7.0.0.10.in-addr.arpa");
    assert_eq!((&explanation["type"], &explanation["zone"]), (&json!("PTR"), &json!("10.in-addr.arpa.")));
    assert_eq!(candidate(&explanation, "a1")["answered"], true);
    let zone = explain(&portolan, "name=10.in-addr.arpa");
    assert_eq!((&zone["type"], &zone["code"]), (&json!("SOA"), &json!("NOERROR")));
    let starting = json!({"status": "starting", "host": "web1", "addresses": ["10.0.0.7"], "port": 80,
        "service": "auth", "instance": "a1"});
    portolan.heartbeat(&starting);
    let explanation = explain(&portolan, "name=7.0.0.10.in-addr.arpa");
    assert_eq!((&explanation["code"], &candidate(&explanation, "a1")["answered"]), (&json!("NXDOMAIN"), &json!(false)));
}

#[test]
fn what_a_limit_leaves_out_is_told_one_by_one() {
    let portolan = Launch::new().env("PORTOLAN_DNS_GLOB_LIMIT", "3").start();
    for n in 0..5 {
        let host = format!("h{n}");
        portolan.heartbeat(
            &json!({"service": "many", "instance": host, "host": host, "addresses": ["10.0.0.1"], "port": 80}),
        );
    }
    for rtype in ["SRV", "PTR"] {
        let explanation = explain(&portolan, &format!("name=*._tcp.registry.local&type={rtype}"));
        let found = ask(portolan.dns, &["+tcp", rtype, "*._tcp.registry.local"]);
        let all = explanation["instances"].as_array().unwrap();
        assert_eq!(
            (all.len(), &explanation["answered"], &explanation["left_out"]),
            (5, &json!(3), &json!(2)),
            "{explanation}"
        );
        for one in all {
            let label = one["name"].as_str().unwrap().split('.').next().unwrap();
            let is_found =
                found.data().iter().any(|data| data.rsplit(' ').next().unwrap().starts_with(&format!("{label}.")));
            assert_eq!(one["answered"], is_found, "{one} in {found:?}");
            assert!(one["answered"] == true || one["reason"].as_str().unwrap().contains("dns.glob_limit"), "{one}");
        }
    }
}

#[test]
fn since_when_a_status_is_stands_through_heartbeats_and_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let body = json!({"service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.1"], "port": 80});
    let told = |portolan: &Portolan| {
        let explanation = explain(portolan, "name=_auth._tcp.registry.local");
        let one = candidate(&explanation, "a1");
        (one["reason"].clone(), one["since"].clone())
    };
    let portolan = Portolan::start_in(data.path(), &[]);
    portolan.heartbeat(&body);
    let before = jiff::Timestamp::now();
    set_status(&portolan, "_auth._tcp/a1", &json!({"status": "out-of-service"}));
    let (reason, since) = told(&portolan);
    assert_eq!(reason, "drained by an operator");
    let at: jiff::Timestamp = since.as_str().unwrap().parse().unwrap();
    // It counts in milliseconds.
    assert!(at.as_millisecond() >= before.as_millisecond() && at <= jiff::Timestamp::now(), "{at}");
    let mut other = body.clone();
    other["port"] = json!(81);
    portolan.heartbeat(&other);
    assert_eq!(told(&portolan), (reason.clone(), since.clone()), "a heartbeat is none of the operator's");
    let text = portolan.cli(&["explain", "_auth._tcp.registry.local"]).output().unwrap().stdout;
    assert!(String::from_utf8(text).unwrap().contains("drained by an operator, "));
    portolan.kill();
    let portolan = Portolan::start_in(data.path(), &[]);
    assert_eq!(told(&portolan), (reason, since), "restarted");
    set_status(&portolan, "_auth._tcp/a1", &json!({"status": "up"}));
    assert_eq!(told(&portolan), (Value::Null, Value::Null));
}

#[test]
fn one_that_is_left_out_is_shown_however_many_are_answered() {
    let portolan = Portolan::start(&[]);
    let instance = |n: usize| {
        let host = format!("h{n:04}");
        json!({"service": "many", "instance": host, "host": host, "addresses": ["10.0.0.1"], "port": 80})
    };
    register(&portolan, (0..251).map(instance));
    set_status(&portolan, "_many._tcp/h0250", &json!({"status": "out-of-service"}));
    let explanation = explain(&portolan, "name=_many._tcp.registry.local&type=SRV");
    let counts = |explanation: &Value| {
        ["answered", "left_out", "not_shown"]
            .map(|count| usize::try_from(explanation[count].as_u64().unwrap()).unwrap())
    };
    assert_eq!(counts(&explanation), [250, 1, 51]);
    assert_eq!(explanation["instances"].as_array().unwrap().len(), 200);
    assert_eq!(candidate(&explanation, "h0250")["reason"], "drained by an operator");
    let text = run(&mut portolan.cli(&["explain", "_many._tcp.registry.local", "SRV"]));
    assert!(text.contains("250 in the answer, 1 left out, 51 of these not shown"), "{text}");

    // More than a message holds.
    set_status(&portolan, "_many._tcp/h0250", &json!({"status": "up"}));
    register(&portolan, (251..4_000).map(instance));
    let explanation = explain(&portolan, "name=_many._tcp.registry.local&type=SRV");
    let found = ask(portolan.dns, &["+tcp", "+noedns", "SRV", "_many._tcp.registry.local"]).data().len();
    assert!(found < 4_000, "{found}");
    assert_eq!(counts(&explanation), [found, 4_000 - found, 3_800]);
    let all = explanation["instances"].as_array().unwrap();
    let (left_out, answered) = all.split_at(100);
    assert!(left_out.iter().all(|one| one["reason"] == "beyond the 64 KiB of a message over TCP"), "{left_out:?}");
    assert!(answered.iter().all(|one| one["answered"] == true), "{answered:?}");
    assert_eq!(answered.len(), 100);
}

#[test]
fn what_limits_an_answer_is_told_apart() {
    let limit = 1_660;
    let portolan = Launch::new().env("PORTOLAN_DNS_GLOB_LIMIT", &limit.to_string()).start();
    let instance = |n: usize| {
        let host = format!("h{n:04}");
        json!({"service": "many", "instance": host, "host": host, "addresses": ["10.0.0.1"], "port": 80})
    };
    register(&portolan, (0..1_700).map(instance));
    let left_out = |name: &str| {
        let explanation = explain(&portolan, &format!("name={name}.registry.local&type=SRV"));
        let mut counts = BTreeMap::new();
        for reason in explanation["instances"].as_array().unwrap().iter().filter_map(|one| one["reason"].as_str()) {
            *counts.entry(reason.to_owned()).or_default() += 1;
        }
        counts
    };
    let found = ask(portolan.dns, &["+tcp", "+noedns", "SRV", "*._many._tcp.registry.local"]).data().len();
    assert!(found < limit, "{found}");
    let (glob, size) = ("beyond dns.glob_limit", "beyond the 64 KiB of a message over TCP");
    let counts = |counts: &[(&str, usize)]| counts.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
    assert_eq!(left_out("*._many._tcp"), counts(&[(glob, 1_700 - limit), (size, limit - found)]));
    assert_eq!(left_out("_many._tcp"), counts(&[(size, 1_700 - found)]));
    assert_eq!(left_out("h1*._many._tcp"), counts(&[]));

    // More repeats than an answer looks at: what comes behind them is not found, however small the answer is.
    let shared = |n: usize| {
        let (host, priority) = if n < 33_000 { ("shared", 0) } else { ("last", 1) };
        json!({"service": "repeats", "instance": format!("r{n}"), "host": host, "addresses": ["10.0.0.1"], "port": 80,
            "priority": priority})
    };
    register(&portolan, (0..33_001).map(shared));
    let repeats = "not looked at: too many before it repeat what others have";
    assert_eq!(left_out("_repeats._tcp"), counts(&[(repeats, 1)]));
    // The limit is on what is examined as well, and may leave nothing.
    assert_eq!(left_out("*33000._repeats._tcp"), counts(&[(glob, 1)]));
}

#[test]
fn a_host_with_nothing_up_tells_why() {
    let portolan = Portolan::start(&[]);
    for (instance, service, host) in [("a1", "auth", "web1"), ("a2", "auth", "web1"), ("b1", "web1", "other")] {
        portolan.heartbeat(&json!({"service": service, "instance": instance, "host": host,
            "addresses": ["10.0.0.1"], "port": 80}));
    }
    let told = || explain(&portolan, "name=web1.registry.local&type=A");
    let reason = |explanation: &Value, label: &str| candidate(explanation, label)["reason"].clone();
    set_status(&portolan, "_web1._tcp/b1", &json!({"status": "down", "reason": "no route"}));
    set_status(&portolan, "_auth._tcp/a1", &json!({"status": "out-of-service"}));
    let some = told();
    assert_eq!((&some["code"], &some["answered"], &some["left_out"]), (&json!("NOERROR"), &json!(1), &json!(2)));
    set_status(&portolan, "_auth._tcp/a2", &json!({"status": "starting"}));
    let none = told();
    assert_eq!((&none["code"], &none["answered"], &none["left_out"]), (&json!("NXDOMAIN"), &json!(0), &json!(3)));
    assert_eq!(reason(&none, "a1"), "drained by an operator");
    assert_eq!(reason(&none, "a2"), "it says that it is starting");
    assert_eq!(reason(&none, "b1"), "its check fails: no route", "a service may have that name, too");
    assert!(ask(portolan.dns, &["A", "web1.registry.local"]).is_negative("NXDOMAIN"));
}

#[test]
fn of_a_host_and_a_service_of_one_name_the_one_that_is_passed_over_is_told() {
    let portolan = Portolan::start(&[]);
    for (service, host, address) in [("auth", "web1", "10.0.0.1"), ("web1", "other", "10.0.0.2")] {
        portolan.heartbeat(&json!({"service": service, "instance": service, "host": host,
            "addresses": [address], "port": 80}));
    }
    let explanation = explain(&portolan, "name=web1.registry.local&type=A");
    assert_eq!(candidate(&explanation, "auth")["answered"], true);
    assert_eq!(candidate(&explanation, "web1")["reason"], "the host of this name comes before the service");
    assert_eq!(ask(portolan.dns, &["A", "web1.registry.local"]).data(), ["10.0.0.1"]);
}

#[test]
fn a_host_of_the_link_tells_that_a_service_of_its_name_comes_before_it() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    let announced = json!({"type": "_demo._udp", "name": "linked", "host": "board", "port": 7, "txt": "00",
        "addresses": [host.ipv4()]});
    let _announcer = host.zeroconf(&announced);
    let told = || explain(&portolan, "name=board.registry.local&type=A");
    wait_until("the link's is served", Duration::from_secs(15), || (told()["answered"] == 1).then_some(()));
    portolan.heartbeat(&json!({"service": "board", "instance": "b1", "host": "web1", "addresses": ["10.0.0.1"],
        "port": 80}));
    let explanation = told();
    let reason = "the service of this name has a higher source and comes before the host";
    assert_eq!(candidate(&explanation, "linked")["reason"], reason);
    assert_eq!(candidate(&explanation, "b1")["answered"], true);
    assert_eq!(ask(portolan.dns, &["A", "board.registry.local"]).data(), ["10.0.0.1"]);
}

#[test]
fn what_a_link_says_of_a_name_is_hidden_by_what_the_api_says_until_that_is_down() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    let announced = json!({"type": "_demo._udp", "name": "both", "host": "board", "port": 7, "txt": "00",
        "addresses": [host.ipv4()]});
    let _announcer = host.zeroconf(&announced);
    let name = "both._demo._udp.registry.local";
    // Of each source why it is not in the answer, null where it is.
    let told = || {
        let explanation = explain(&portolan, &format!("name={name}&type=SRV"));
        let all = explanation["instances"].as_array().unwrap().iter();
        let mut all: Vec<_> = all.map(|one| json!([one["source"], one["reason"]])).collect();
        all.sort_by_key(Value::to_string);
        Value::Array(all)
    };
    let served = || ask(portolan.dns, &["SRV", name]).data();
    let of_the_link = ["0 0 7 board.registry.local."];
    wait_until("the link's is served", Duration::from_secs(15), || (told() == json!([["mdns", null]])).then_some(()));
    assert_eq!(served(), of_the_link);

    portolan.heartbeat(&json!({"service": "demo", "transport": "udp", "instance": "both", "host": "web1",
        "addresses": ["10.0.0.1"], "port": 80}));
    let hidden = "hidden by what api says of the same name";
    assert_eq!(told(), json!([["api", null], ["mdns", hidden]]));
    assert_eq!(served(), ["0 0 80 web1.registry.local."]);
    let text = run(&mut portolan.cli(&["explain", name, "SRV"]));
    assert!(text.contains(hidden), "{text}");

    let set = |status: Value| {
        let path = "/v1/instances/_demo._udp/both/status";
        portolan.request("PUT", path, &[], &status.to_string()).expect(200);
    };
    set(json!({"status": "down", "reason": "no route"}));
    assert_eq!(told(), json!([["api", "its check fails: no route"], ["mdns", null]]));
    assert_eq!(served(), of_the_link);
    // Who takes something out of service does not want the link's instead.
    set(json!({"status": "out-of-service"}));
    assert_eq!(told(), json!([["api", "drained by an operator"], ["mdns", hidden]]));
    assert!(served().is_empty());
    portolan.request("DELETE", "/v1/instances/_demo._udp/both", &[], "").expect(204);
    assert_eq!(told(), json!([["mdns", null]]));
}
