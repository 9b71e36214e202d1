//! What an operator is shown at `/metrics`: read with Prometheus' own tools, and exact.
#![expect(clippy::float_cmp, reason = "counts this low are exact, whatever they are written as")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::OpCode;
use serde_json::{Value, json};

use super::mdns::{GROUP, message, records};
use crate::support::dig::ask;
use crate::support::netns::Net;
use crate::support::wire::{Client, Name, Query, SRV};
use crate::support::{Launch, Portolan, python, run, tool, wait_until};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// SRV of `_auth._tcp.registry.local`.
const QUESTION: &[u8] = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x05_auth\x04_tcp\x08registry\x05local\0\0\x21\0\x01";

/// Asks it four times of the server whose address and port it is given.
const ASK_OVER_QUIC: &str = "import sys, dns.message, dns.query
for _ in range(4):
    question = dns.message.make_query('_auth._tcp.registry.local', 'SRV', id=0)
    dns.query.quic(question, sys.argv[1], port=int(sys.argv[2]), timeout=20, verify=False)";

/// A page, as Python's library reads it.
struct Page(Vec<Value>);

impl Page {
    #[track_caller]
    fn of(portolan: &Portolan) -> Self {
        Self::read("openmetrics", &fetch(portolan, "application/openmetrics-text"))
    }

    /// After so many requests over UDP: what they took is counted last, when some have their replies already. A page
    /// is not one moment, so the one that shows them all is followed by another.
    #[track_caller]
    fn after(portolan: &Portolan, requests: f64) -> Self {
        wait_until(&format!("{requests} requests over UDP are counted"), Duration::from_secs(20), || {
            Some(Self::of(portolan).took("udp")).filter(|took| *took >= requests)
        });
        Self::of(portolan)
    }

    #[track_caller]
    fn read(format: &str, text: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/openmetrics.py");
        let said = piped(python("prometheus-client").args([script, format]), text);
        Self(serde_json::from_str(&said).expect("JSON"))
    }

    /// The value of a sample; 0 where there is none.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let samples = self.0.iter().flat_map(|family| family["samples"].as_array().unwrap());
        let is_it = |sample: &&Value| sample["name"] == name && sample["labels"] == json!(labels);
        samples.filter(is_it).map(|sample| sample["value"].as_f64().unwrap()).sum()
    }

    fn queries(&self, service: &str) -> f64 {
        self.value("portolan_dns_queries_total", &[("service", service)])
    }

    fn responses(&self, transport: &str, rcode: &str) -> f64 {
        self.value("portolan_dns_responses_total", &[("transport", transport), ("rcode", rcode)])
    }

    fn took(&self, transport: &str) -> f64 {
        self.value("portolan_dns_response_duration_seconds_count", &[("transport", transport)])
    }

    /// Every sample that may only grow, with its labels.
    fn counters(&self) -> BTreeMap<String, f64> {
        let families = self.0.iter().filter(|family| family["type"] == "counter" || family["type"] == "histogram");
        let samples = families.flat_map(|family| family["samples"].as_array().unwrap());
        samples.map(|s| (format!("{}{}", s["name"], s["labels"]), s["value"].as_f64().unwrap())).collect()
    }
}

#[track_caller]
fn fetch(portolan: &Portolan, accept: &str) -> String {
    portolan.request("GET", "/metrics", &[("Accept", accept)], "").expect(200).body
}

/// What a program says that reads `input`, if it succeeds.
#[track_caller]
fn piped(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}{complaints}", output.status);
    said.into_owned()
}

fn register(portolan: &Portolan, service: &str) {
    portolan.heartbeat(&json!({"service": service, "instance": "a1", "addresses": ["10.0.0.1"], "port": 80}));
}

#[test]
fn every_question_is_counted_by_its_service_and_by_transport_and_code() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth");
    register(&portolan, "Web");
    let questions: [(&[&str], u32); 8] = [
        (&["SRV", "_auth._tcp.registry.local"], 3),
        (&["TXT", "a1._AUTH._tcp.registry.local"], 2),
        (&["AAAA", "_auth._tcp.registry.local"], 1),
        (&["+tcp", "PTR", "_web._tcp.registry.local"], 4),
        (&["A", "auth.registry.local"], 1),
        (&["SRV", "_nope._tcp.registry.local"], 5),
        (&["A", "example.org"], 6),
        (&["+tcp", "+opcode=NOTIFY", "SOA", "registry.local"], 1),
    ];
    for (question, times) in questions {
        for _ in 0..times {
            ask(portolan.dns, question);
        }
    }
    let page = Page::after(&portolan, 18.0);
    let by_service = ["_auth._tcp", "_web._tcp", "none", "missing", "refused", "other"].map(|name| page.queries(name));
    assert_eq!(by_service, [6.0, 4.0, 2.0, 5.0, 6.0, 0.0]);
    assert_eq!(page.responses("udp", "NOERROR"), 7.0);
    assert_eq!(page.responses("udp", "NXDOMAIN"), 5.0);
    assert_eq!(page.responses("udp", "REFUSED"), 6.0);
    assert_eq!(page.responses("tcp", "NOERROR"), 4.0);
    assert_eq!(page.responses("tcp", "NOTIMP"), 1.0);
    assert_eq!((page.took("udp"), page.took("tcp")), (18.0, 5.0));
}

#[test]
fn encrypted_questions_are_counted_by_their_transport() {
    let listen = ["PORTOLAN_DNS_TLS_LISTEN", "PORTOLAN_HTTP_TLS_LISTEN", "PORTOLAN_DNS_QUIC_LISTEN"];
    let launch = listen.into_iter().fold(Launch::new(), |launch, variable| launch.env(variable, "127.0.0.1:0"));
    let portolan = launch.env("PORTOLAN_TLS_SELF_SIGNED", "true").start();
    register(&portolan, "auth");
    let listening = |key| portolan.ready[key][0].as_str().unwrap().parse::<SocketAddr>().unwrap();
    for (over, key, times) in [("+tls", "dns_tls", 2), ("+https", "http_tls", 3)] {
        let server = listening(key);
        let (address, port) = (format!("@{}", server.ip()), server.port().to_string());
        for _ in 0..times {
            let question = [&address, "-p", &port, over, "_auth._tcp.registry.local", "SRV"];
            let said = run(tool("kdig").args(question));
            assert!(said.contains("status: NOERROR"), "{said}");
        }
    }
    let quic = listening("dns_quic");
    run(python("aioquic").args(["-c", ASK_OVER_QUIC, &quic.ip().to_string(), &quic.port().to_string()]));
    let page = Page::of(&portolan);
    let transports = ["udp", "tls", "https", "quic"];
    assert_eq!(transports.map(|transport| page.responses(transport, "NOERROR")), [0.0, 2.0, 3.0, 4.0]);
    assert_eq!(transports.map(|transport| page.took(transport)), [0.0, 2.0, 3.0, 4.0]);
    assert_eq!(page.queries("_auth._tcp"), 9.0);
}

#[test]
fn what_is_cut_off_and_what_gets_no_reply_is_counted() {
    let portolan = Portolan::start(&[]);
    let many: Vec<_> = (0..100)
        .map(|n| json!({"service": "many", "instance": format!("m{n}"), "addresses": [format!("10.0.0.{n}")], "port": 80}))
        .collect();
    portolan.post("/v1/heartbeat", &json!(many)).expect(200);
    assert!(ask(portolan.dns, &["SRV", "_many._tcp.registry.local"]).has("tc"));
    ask(portolan.dns, &["+tcp", "SRV", "_many._tcp.registry.local"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        socket.send_to(b"no header", portolan.dns).unwrap();
    }
    ask(portolan.dns, &["SOA", "registry.local"]);
    // Those without a reply may have gone to another thread.
    let page = Page::after(&portolan, 5.0);
    let udp = |name| page.value(name, &[("transport", "udp")]);
    assert_eq!(udp("portolan_dns_truncated_responses_total"), 1.0);
    assert_eq!(page.value("portolan_dns_truncated_responses_total", &[("transport", "tcp")]), 0.0);
    assert_eq!(udp("portolan_dns_ignored_requests_total"), 3.0);
    assert_eq!((page.queries("_many._tcp"), page.queries("none")), (2.0, 1.0));
}

#[test]
fn what_the_rate_limit_holds_back_is_counted_by_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[dns.rrl]\nrate = 1\nexempt = []\n").unwrap();
    let portolan = Portolan::start(&["--config", file.to_str().unwrap()]);
    register(&portolan, "auth");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        socket.send_to(QUESTION, portolan.dns).unwrap();
    }
    let limited = |page: &Page, action| page.value("portolan_dns_rate_limited_responses_total", &[("action", action)]);
    let page = Page::after(&portolan, 20.0);
    assert_eq!(page.queries("_auth._tcp"), 20.0);
    assert_eq!(limited(&page, "dropped") + page.responses("udp", "NOERROR"), 20.0);
    let [dropped, slipped] = ["dropped", "slipped"].map(|action| limited(&page, action));
    // Twenty questions take less than two seconds: at most three were sent whole. Which of the rest slip is left to
    // chance: that all or none of them do is one in 2^16.
    assert!(dropped + slipped >= 17.0 && dropped > 0.0 && slipped > 0.0, "{dropped} dropped, {slipped} slipped");
    assert_eq!(page.value("portolan_dns_truncated_responses_total", &[("transport", "udp")]), slipped);
}

#[test]
fn what_the_kernel_drops_is_counted_beside_what_is_answered() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth");
    portolan.signal("STOP");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Each takes more of the 4 MiB than its octets.
    let sent = 20_000_u32;
    for _ in 0..sent {
        socket.send_to(QUESTION, portolan.dns).unwrap();
    }
    portolan.signal("CONT");
    let dropped = |page: &Page| page.value("portolan_dns_dropped_datagrams_total", &[]);
    // They were dropped before it went on.
    let lost = dropped(&Page::of(&portolan));
    assert!(lost > 0.0 && lost < f64::from(sent), "{lost}");
    let page = Page::after(&portolan, f64::from(sent) - lost);
    assert_eq!((page.queries("_auth._tcp"), dropped(&page)), (f64::from(sent) - lost, lost));
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
fn a_service_that_leaves_takes_its_series_along_and_whoever_takes_its_number_begins_at_nothing() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth");
    for _ in 0..3 {
        ask(portolan.dns, &["SRV", "_auth._tcp.registry.local"]);
    }
    assert_eq!(Page::of(&portolan).queries("_auth._tcp"), 3.0);
    // One more that nobody has seen yet, and it is gone.
    ask(portolan.dns, &["SRV", "_auth._tcp.registry.local"]);
    portolan.request("DELETE", "/v1/instances/_auth._tcp/a1", &[], "").expect(204);
    register(&portolan, "web");
    let page = Page::of(&portolan);
    assert_eq!((page.queries("_auth._tcp"), page.queries("_web._tcp"), page.queries("other")), (0.0, 0.0, 1.0));
    ask(portolan.dns, &["SRV", "_web._tcp.registry.local"]);
    // Gone and back between two looks: its series goes on.
    portolan.request("DELETE", "/v1/instances/_web._tcp/a1", &[], "").expect(204);
    register(&portolan, "web");
    ask(portolan.dns, &["SRV", "_web._tcp.registry.local"]);
    let page = Page::of(&portolan);
    assert_eq!(page.queries("_web._tcp") + page.queries("other"), 3.0);
}

#[test]
fn of_more_services_than_a_thousand_the_busiest_have_a_series_and_the_rest_are_counted_together() {
    let portolan = Portolan::start(&[]);
    let services: Vec<String> = (0..1_100).map(|n| format!("s{n:04}")).collect();
    for some in services.chunks(550) {
        let all = some.iter().map(|service| json!({"service": service, "instance": "a", "port": 80, "lease": 0}));
        portolan.post("/v1/heartbeat", &all.collect()).expect(200);
    }
    let mut client = Client::of(portolan.dns);
    let mut ask = |service: &str| {
        let name = Name::of("registry.local").below(&format!("_{service}._tcp"));
        assert_eq!(client.udp(&Query::new(&name, SRV)).data().len(), 1, "{service}");
    };
    // Most of them twice, the first ninety once.
    for service in services.iter().chain(&services[90..]) {
        ask(service);
    }
    let page = Page::after(&portolan, 2_110.0);
    let counters = page.counters();
    let own = |name: &&String| name.contains("dns_queries_total") && name.contains("\"_s");
    let shown: Vec<f64> = counters.iter().filter(|(name, _)| own(name)).map(|(_, count)| *count).collect();
    assert_eq!(shown.len(), 1_000);
    assert!(shown.iter().all(|count| *count <= 2.0), "{shown:?}");
    assert!(page.queries("other") >= 110.0, "{}", page.queries("other"));
    assert_eq!(shown.iter().sum::<f64>() + page.queries("other"), 2_110.0);
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

#[test]
fn metrics_are_told_while_dns_is_flooded() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth");
    // Ends with the test, however that ends.
    let flooding = Arc::new(());
    let (watched, server) = (Arc::downgrade(&flooding), portolan.dns);
    let flood = std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sent = 0_u32;
        while watched.upgrade().is_some() {
            socket.send_to(QUESTION, server).unwrap();
            sent += 1;
        }
        sent
    });
    let arrived = || Some(Page::of(&portolan).queries("_auth._tcp")).filter(|queries| *queries > 0.0);
    let mut last = wait_until("the flood arrives", Duration::from_secs(20), arrived);
    for _ in 0..5 {
        let began = Instant::now();
        let page = Page::of(&portolan);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let queries = page.queries("_auth._tcp");
        assert!(queries > last, "{queries} after {last}");
        last = queries;
    }
    drop(flooding);
    let sent = f64::from(flood.join().unwrap());
    assert!(last <= sent, "{last} of {sent}");
}
