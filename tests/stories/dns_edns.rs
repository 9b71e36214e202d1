//! EDNS and sizes: items 19 to 27, asked with dig.

use serde_json::{Value, json};

use crate::support::Portolan;
use crate::support::dig::ask;

/// A registry with `count` instances of one type.
fn start(count: usize) -> Portolan {
    let portolan = Portolan::start(&[]);
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
