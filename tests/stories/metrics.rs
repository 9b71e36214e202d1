//! What an operator is shown at `/metrics`: read with Prometheus' own tools, and exact.
#![expect(clippy::float_cmp, reason = "counts this low are exact, whatever they are written as")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::OpCode;
use serde_json::json;

use super::mdns::{GROUP, message, records};
use crate::support::dig::ask;
use crate::support::netns::Net;
use crate::support::page::{Page, fetch, piped};
use crate::support::{Launch, Portolan, tool, wait_until};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn register(portolan: &Portolan, service: &str) {
    portolan.heartbeat(&json!({"service": service, "instance": "a1", "addresses": ["10.0.0.1"], "port": 80}));
}

#[test]
fn connections_that_a_client_has_too_many_of_are_counted() {
    let portolan = Launch::new().env("PORTOLAN_HTTP_CONNECTIONS_PER_CLIENT", "3").start();
    let ask = || {
        let mut stream = TcpStream::connect(portolan.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // One that is closed may be so before this is taken.
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream
    };
    let mut held = [(); 3].map(|()| ask());
    // Whoever is answered has a place.
    assert!(held.iter_mut().all(|stream| stream.read(&mut [0]).unwrap() == 1));
    let closed = (0..5).filter(|_| ask().read(&mut [0]).unwrap_or(0) == 0);
    assert_eq!(closed.count(), 5);
    let [asks, _others @ ..] = &mut held;
    write!(asks, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    asks.read_to_string(&mut said).unwrap();
    let page = Page::read("text", said.rsplit("\r\n\r\n").next().unwrap());
    assert_eq!(page.value("portolan_http_connections", &[]), 3.0);
    assert_eq!(page.value("portolan_http_refused_connections_total", &[]), 5.0);
}

#[test]
fn what_is_registered_and_what_becomes_of_it_is_counted() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth");
    register(&portolan, "auth");
    let body =
        json!({"service": "auth", "instance": "s", "host": "elsewhere.example.org", "port": 80, "status": "starting"});
    portolan.heartbeat(&body);
    register(&portolan, "web");
    portolan.request("DELETE", "/v1/instances/_web._tcp/a1", &[], "").expect(204);
    let drain = json!({"status": "out-of-service"}).to_string();
    portolan.request("PUT", "/v1/instances/_auth._tcp/a1/status", &[], &drain).expect(200);
    let page = Page::of(&portolan);
    let instances = |status| page.value("portolan_instances", &[("source", "api"), ("status", status)]);
    assert_eq!(["up", "starting", "down", "out-of-service"].map(instances), [0.0, 1.0, 0.0, 1.0]);
    let types = |state| page.value("portolan_service_types", &[("state", state)]);
    assert_eq!((types("listed"), types("served"), page.value("portolan_hosts", &[])), (1.0, 0.0, 0.0));
    let changes = |cause| page.value("portolan_changes_total", &[("cause", cause)]);
    assert_eq!(["registered", "deregistered", "status-set", "lapsed"].map(changes), [3.0, 1.0, 1.0, 0.0]);
    assert_eq!(page.value("portolan_renewals_total", &[]), 1.0);
    assert!(page.value("portolan_store_commit_duration_seconds_count", &[]) >= 5.0);
    assert_eq!(page.value("portolan_store_writable", &[]), 1.0);
    let serial = ask(portolan.dns, &["SOA", "registry.local"]).data()[0].split(' ').nth(2).unwrap().to_owned();
    assert_eq!(page.value("portolan_zone_serial", &[]), serial.parse::<f64>().unwrap());
}

#[test]
fn what_comes_from_a_link_is_counted_and_why_some_of_it_is_passed_over() {
    let net = Net::enter();
    let host = net.host();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[mdns]\nlink_limit = 2\n").unwrap();
    let portolan = Portolan::start(&["--mdns", "--config", file.to_str().unwrap()]);
    let patience = Duration::from_secs(20);
    wait_until("it listens", patience, || portolan.log().contains("listening").then_some(()));
    host.within(|| {
        let [responder, stranger] = ["10.9.1.2:5353", "10.9.1.2:0"].map(|address| UdpSocket::bind(address).unwrap());
        let said = |label, service, opcode| message(records(label, service, 120), opcode);
        for _ in 0..2 {
            stranger.send_to(&said("port", "_made", OpCode::Query), GROUP).unwrap();
        }
        responder.send_to(b"no header", GROUP).unwrap();
        responder.send_to(&said("opcode", "_made", OpCode::Status), GROUP).unwrap();
        responder.send_to(&said("long", "_longer-than-fifteen", OpCode::Query), GROUP).unwrap();
        for label in ["a", "b", "c"] {
            responder.send_to(&said(label, "_made", OpCode::Query), GROUP).unwrap();
        }
    });
    let ignored =
        |page: &Page, what, reason| page.value(&format!("portolan_mdns_ignored_{what}_total"), &[("reason", reason)]);
    let page = wait_until("the last is passed over", patience, || {
        let counted = |page: &Page| ignored(page, "records", "limit") >= 3.0;
        Some(Page::of(&portolan)).filter(counted).map(|_| Page::of(&portolan))
    });
    assert_eq!(["unfit", "limit"].map(|reason| ignored(&page, "records", reason)), [3.0, 3.0]);
    assert_eq!(["source-port", "unreadable"].map(|reason| ignored(&page, "datagrams", reason)), [2.0, 1.0]);
    // What we ask comes back to us, and is no response, either.
    let no_response = ignored(&page, "datagrams", "no-response");
    assert!(no_response >= 1.0, "{no_response}");
    let received = page.value("portolan_mdns_received_datagrams_total", &[]);
    assert!(received >= no_response + 7.0, "{received}");
    assert_eq!(page.value("portolan_mdns_instances", &[]), 2.0);
}

#[test]
fn no_counter_ever_goes_back() {
    let portolan = Portolan::start(&[]);
    let mut before = BTreeMap::new();
    for round in 0..10 {
        for service in ["auth", "web", "pg"] {
            register(&portolan, service);
            ask(portolan.dns, &["SRV", &format!("_{service}._tcp.registry.local")]);
        }
        let leaving = ["auth", "web", "pg"][round % 3];
        portolan.request("DELETE", &format!("/v1/instances/_{leaving}._tcp/a1"), &[], "").expect(204);
        let after = Page::of(&portolan).counters();
        for (name, value) in &before {
            // A service that is gone has no series.
            assert!(after.get(name).is_none_or(|now| now >= value), "{name} was {value}, is {:?}", after.get(name));
        }
        before = after;
    }
    assert!(before.len() > 100, "{}", before.len());
}

#[test]
fn every_name_follows_the_rules_of_prometheus() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth");
    ask(portolan.dns, &["SRV", "_auth._tcp.registry.local"]);
    portolan.get("/healthz");
    let text = fetch(&portolan, "*/*");
    // It says nothing where it finds nothing.
    assert_eq!(piped(tool("promtool").args(["check", "metrics"]), &text), "");

    let page = Page::of(&portolan);
    assert!(page.0.len() > 25, "{} metrics", page.0.len());
    for family in &page.0 {
        let [name, kind, unit, help] = ["name", "type", "unit", "help"].map(|key| family[key].as_str().unwrap());
        let words: Vec<_> = name.split('_').collect();
        let is_word =
            |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        assert!(words.iter().all(is_word), "{name} is of words in lower case");
        assert!(["portolan", "process"].contains(&words[0]), "{name} says whose it is");
        let last = *words.last().unwrap();
        let is_reserved = ["total", "count", "sum", "bucket", "created"].contains(&last);
        assert!(!is_reserved, "{name} ends in what means something else");
        assert_eq!(last == "info", name == "portolan_build_info", "{name}");
        let has_unit = ["seconds", "bytes"].contains(&last);
        assert_eq!(unit, if has_unit { last } else { "" }, "{name} has a base unit at its end, or none");
        let small = ["ms", "milliseconds", "microseconds", "minutes", "hours", "kb", "mb", "octets", "percent"];
        assert!(!words.iter().any(|word| small.contains(word)), "{name} has no base unit");
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{name} is a {kind}");
        assert!(!(kind == "histogram" && unit.is_empty()), "{name} is a histogram of what?");
        assert!(help.len() > 15 && help.ends_with('.') && !help.ends_with(".."), "{name}: {help:?}");
        for sample in family["samples"].as_array().unwrap() {
            let labels = sample["labels"].as_object().unwrap();
            assert!(labels.keys().filter(|label| *label != "le").count() <= 3, "{name} has too many labels");
            assert!(labels.keys().all(|label| is_word(&label.as_str())), "{name}: {labels:?}");
            assert!(!labels.values().any(|value| value == ""), "an empty label is none: {name} {labels:?}");
        }
    }
}

#[test]
fn both_formats_say_the_same_and_say_what_they_are() {
    let portolan = Portolan::start(&[]);
    let fetch = |accept: &[(&str, &str)]| portolan.request("GET", "/metrics", accept, "").expect(200);
    let (open, text) = (fetch(&[("Accept", "application/openmetrics-text;q=0.5, text/plain;q=0.3")]), fetch(&[]));
    assert_eq!(open.header("content-type"), Some(OPEN_METRICS));
    assert_eq!(text.header("content-type"), Some(TEXT));
    assert_eq!(text.header("cache-control"), Some("no-store"));
    let names = |page: &Page| -> Vec<_> { page.0.iter().map(|f| (f["name"].clone(), f["type"].clone())).collect() };
    let (open, text) = (Page::read("openmetrics", &open.body), Page::read("text", &text.body));
    let (mut open, mut text) = (names(&open), names(&text));
    // Those that begin with the first request.
    for names in [&mut open, &mut text] {
        names.retain(|(name, _)| !name.as_str().unwrap().starts_with("portolan_http_request"));
    }
    assert_eq!(open, text);
}

#[test]
fn metrics_are_for_those_who_may_ask() {
    let portolan = Portolan::start(&[]);
    portolan.request("GET", "/metrics", &[("Host", "evil.example")], "").expect(403);
    portolan.request("GET", "/metrics", &[("Sec-Fetch-Site", "cross-site")], "").expect(403);
    portolan.request("POST", "/metrics", &[], "").expect(405);
    let page = Page::of(&portolan);
    let labels = [("route", "/metrics"), ("method", "GET"), ("status", "4xx")];
    assert_eq!(page.value("portolan_http_requests_total", &labels), 2.0);
}
