//! EDNS and sizes: items 19 to 27, asked with dig.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::dig::ask;
use crate::support::netns::Net;
use crate::support::wire::{A, Client, Edns, Name, Query, Reply};
use crate::support::{Launch, Portolan, run, tool};

/// A registry with `count` instances of one type.
fn start(count: usize) -> Portolan {
    start_at("127.0.0.1:0", count)
}

fn start_at(dns: &str, count: usize) -> Portolan {
    let portolan = Portolan::start(&["--dns", dns]);
    let instance = |n: usize| {
        let address = format!("10.0.{}.{}", n / 250, n % 250 + 1);
        json!({"service": "many", "instance": format!("m{n}"), "host": format!("h{n}"), "addresses": [address], "port": 80})
    };
    for part in (0..count).collect::<Vec<_>>().chunks(1000) {
        let body = Value::Array(part.iter().map(|n| instance(*n)).collect());
        assert_eq!(portolan.post("/v1/heartbeat", &body).status, 200);
    }
    portolan
}

#[test]
fn item_19_without_opt_there_is_none_and_512_octets_are_enough() {
    let portolan = start(100);
    let reply = ask(portolan.dns, &["+noedns", "SRV", "_many._tcp.registry.local"]);
    assert!(reply.edns.is_empty() && reply.size <= 512 && reply.has("tc"), "{reply:?}");
}

#[test]
fn item_20_opt_is_answered_with_opt_also_where_there_is_an_error() {
    let portolan = start(100);
    for question in ["SRV _many._tcp.registry.local", "A nope.registry.local", "A example.org", "+opcode=15 A h1"] {
        let reply = ask(portolan.dns, &question.split(' ').collect::<Vec<_>>());
        assert!(reply.edns.starts_with("version: 0, flags:; udp: 1232"), "{question}: {reply:?}");
    }
}

#[test]
fn item_21_two_opt_records_are_malformed() {
    let portolan = start(1);
    let mut client = Client::of(portolan.dns);
    let mut twice = Query::new(&Name::of("registry.local").below("h0"), A).edns(1232).octets(7);
    twice[11] = 2;
    twice.extend(Edns { size: 1232, ..Edns::default() }.octets());
    for octets in [client.udp_octets(&twice), client.tcp_octets(&twice)] {
        let reply = Reply::read(octets).unwrap();
        assert_eq!((reply.code(), reply.answer.len()), (1, 0), "{reply:?}");
    }
}

#[test]
fn item_22_a_newer_edns_is_told_our_version() {
    let portolan = start(1);
    for transport in ["+notcp", "+tcp"] {
        let reply = ask(portolan.dns, &[transport, "+edns=1", "+noednsnegotiation", "A", "h0.registry.local"]);
        assert!(reply.status == "BADVERS" && reply.edns.starts_with("version: 0") && reply.has("qr"), "{reply:?}");
    }
}

#[test]
fn item_23_unknown_options_and_flags_are_ignored() {
    let portolan = start(1);
    let options = ["+ednsopt=100:cafe", "+ednsflags=0x40", "+nsid", "+subnet=192.0.2.0/24", "+expire"];
    let reply = ask(portolan.dns, &[&options[..], &["A", "h0.registry.local"]].concat());
    assert_eq!(reply.data(), ["10.0.0.1"]);
    assert_eq!(reply.edns, "version: 0, flags:; udp: 1232", "nothing is echoed");
}

#[test]
fn an_extended_error_says_why_to_who_asks_with_edns() {
    let portolan = Launch::new().env("PORTOLAN_DNS_GLOB_LIMIT", "2").start();
    for n in 0..3 {
        let address = format!("10.0.0.{n}");
        portolan.heartbeat(&json!({"service": "many", "instance": n.to_string(), "addresses": [address], "port": 80}));
    }
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "addresses": ["10.0.1.1"], "port": 80}));
    let body = json!({"status": "out-of-service"}).to_string();
    portolan.request("PUT", "/v1/instances/_auth._tcp/a1/status", &[], &body).expect(200);
    for (question, status, error) in [
        ("A example.org", "REFUSED", "20 (Not Authoritative)"),
        ("registry.local A CH", "REFUSED", "21 (Not Supported): (class IN only)"),
        ("IXFR=1 registry.local", "REFUSED", "21 (Not Supported): (no zone transfers)"),
        ("+opcode=2 SOA registry.local", "NOTIMP", "21 (Not Supported): (opcode QUERY only)"),
        ("SRV _auth._tcp.registry.local", "NOERROR", "0 (Other): (instances up: 0 of 1)"),
        ("PTR *._many._tcp.registry.local", "NOERROR", "0 (Other): (more may match: dns.glob_limit)"),
    ] {
        let words: Vec<_> = question.split(' ').collect();
        for transport in ["+notcp", "+tcp"] {
            let reply = ask(portolan.dns, &[&[transport], &words[..]].concat());
            assert_eq!((reply.status.as_str(), &reply.errors[..]), (status, &[error.to_owned()][..]), "{question}");
        }
        let reply = ask(portolan.dns, &[&["+notcp", "+noedns"], &words[..]].concat());
        assert!(reply.errors.is_empty() && reply.edns.is_empty(), "{question}: {reply:?}");
    }
    for question in ["A nope.registry.local", "SRV _many._tcp.registry.local", "TXT _many._tcp.registry.local"] {
        let reply = ask(portolan.dns, &question.split(' ').collect::<Vec<_>>());
        assert!(reply.errors.is_empty(), "there is nothing to say: {reply:?}");
    }
    let (server, port) = (format!("@{}", portolan.dns.ip()), portolan.dns.port().to_string());
    let said = run(tool("kdig").args([server.as_str(), "-p", &port, "+edns", "A", "example.org"]));
    assert!(said.contains("EDE: 20 (Not Authoritative)"), "{said}");
}

#[test]
fn a_glob_from_elsewhere_is_prohibited_and_says_so() {
    let portolan = Launch::new().env("PORTOLAN_DNS_GLOB_FROM", "192.0.2.0/24").start();
    let reply = ask(portolan.dns, &["PTR", "*._tcp.registry.local"]);
    assert!(reply.is_negative("NXDOMAIN"), "{reply:?}");
    assert_eq!(reply.errors, ["18 (Prohibited): (dns.glob_from has not your network)"]);
}

#[test]
fn items_24_and_25_a_reply_is_between_512_and_1232_octets_at_most() {
    let portolan = start(100);
    for (asked, least, most) in [("100", 400, 512), ("512", 400, 512), ("900", 800, 900), ("65535", 1100, 1232)] {
        let reply = ask(portolan.dns, &[&format!("+bufsize={asked}"), "SRV", "_many._tcp.registry.local"]);
        assert!(reply.has("tc") && (least..=most).contains(&reply.size), "{asked}: {} octets", reply.size);
    }
}

#[test]
fn item_26_additional_rrsets_are_dropped_whole_before_anything_is_truncated() {
    let portolan = start(12);
    let reply = ask(portolan.dns, &["+noedns", "SRV", "_many._tcp.registry.local"]);
    assert!(!reply.has("tc") && reply.size <= 512, "{reply:?}");
    assert_eq!(reply.answer.len(), 12);
    assert!(reply.additional.len() < 12, "{reply:?}");
    let whole = ask(portolan.dns, &["SRV", "_many._tcp.registry.local"]);
    assert_eq!(whole.additional.len(), 12);
}

#[test]
fn item_27_tcp_is_not_held_to_the_size_of_a_datagram() {
    let portolan = start(1500);
    let reply = ask(portolan.dns, &["+tcp", "+bufsize=512", "PTR", "_many._tcp.registry.local"]);
    assert_eq!(reply.answer.len(), 1500);
    assert!(!reply.has("tc"), "{}", reply.flags);
}

#[test]
fn what_is_too_long_for_a_link_is_truncated_and_not_sent_in_pieces() {
    let net = Net::enter();
    let host = net.host();
    let portolan = start_at("0.0.0.0:0", 100);
    let server: SocketAddr = ([10, 9, 1, 1], portolan.dns.port()).into();
    let many =
        |options: &[&str]| host.within(|| ask(server, &[options, &["SRV", "_many._tcp.registry.local"]].concat()));
    let one = || host.within(|| ask(server, &["SRV", "m1._many._tcp.registry.local"]));
    let whole = many(&[]);
    assert!(whole.size > 1000 && !whole.answer.is_empty(), "{whole:?}");
    host.narrow(600);
    let reply = many(&[]);
    assert!(reply.has("tc") && reply.answer.is_empty() && reply.size < 100, "{reply:?}");
    assert!(reply.edns.starts_with("version: 0, flags:; udp: 1232") && !reply.cookie.is_empty(), "{reply:?}");
    // What fits comes whole, whatever does not beside it, and all of it over TCP.
    assert!(!many(&["+bufsize=512"]).answer.is_empty());
    assert_eq!(one().answer.len(), 1);
    assert_eq!(many(&["+tcp"]).answer.len(), 100);
}
