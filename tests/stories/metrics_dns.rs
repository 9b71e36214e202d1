//! What an operator is shown at `/metrics` of questions: each is counted, exactly.
#![expect(clippy::float_cmp, reason = "counts this low are exact, whatever they are written as")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::metrics::register;
use crate::support::dig::ask;
use crate::support::page::Page;
use crate::support::wire::{Client, Name, Query, SRV};
use crate::support::{Launch, Portolan, python, run, tool, wait_until};

/// SRV of `_auth._tcp.registry.local`.
const QUESTION: &[u8] = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x05_auth\x04_tcp\x08registry\x05local\0\0\x21\0\x01";

/// Asks it four times of the server whose address and port it is given.
const ASK_OVER_QUIC: &str = "import sys, dns.message, dns.query
for _ in range(4):
    question = dns.message.make_query('_auth._tcp.registry.local', 'SRV', id=0)
    dns.query.quic(question, sys.argv[1], port=int(sys.argv[2]), timeout=20, verify=False)";

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
