//! What announces itself on a link is in the zone for as long as it does, as it said it, and strangers stay bounded.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::rdata::{A, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::{Value, json};

use crate::support::netns::{Host, Net};
use crate::support::{Portolan, run, tool, wait_until};

/// Multicast DNS takes its time: types, instances and records are asked for one after the other.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is promised after a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
pub(super) const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

/// A printer with everything that makes names and attributes hard.
const PRINTER: &str = r"<name>Büro Nr. 1\2</name><service><type>_ipp._tcp</type>
  <subtype>_universal._sub._ipp._tcp</subtype><port>631</port><txt-record>rp=a=b</txt-record>
  <txt-record>empty=</txt-record><txt-record>flag</txt-record>
  <txt-record value-format='binary-hex'>bin=00ff07</txt-record></service>";
/// The printer's name as dig reads it.
const PRINTER_NAME: &str = r"B\195\188ro\032Nr\.\0321\\2._ipp._tcp.registry.local";
const WEB: &str = "<name>site</name><service><type>_http._tcp</type><port>80</port></service>";

fn listed(portolan: &Portolan, service: &str, instance: &str) -> Option<Value> {
    let list = portolan.get(&format!("/v1/instances?service={service}&limit=1000")).expect(200).json();
    let all = list["instances"].as_array().expect("a list").clone();
    all.into_iter().find(|found| found["instance"] == instance)
}

#[track_caller]
fn appears(portolan: &Portolan, service: &str, instance: &str) -> Value {
    wait_until(&format!("{instance} is listed"), PATIENCE, || listed(portolan, service, instance))
}

fn short(portolan: &Portolan, kind: &str, name: &str) -> Vec<String> {
    let mut lines: Vec<String> = portolan.dig(&["+short", kind, name]).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// How long it took until the zone had no SRV record of that name.
#[track_caller]
fn gone_after(portolan: &Portolan, name: &str, since: Instant) -> Duration {
    wait_until(&format!("{name} is gone"), PATIENCE, || short(portolan, "SRV", name).is_empty().then_some(()));
    since.elapsed()
}

fn zeroconf(host: &Host, name: &str, more: &Value) -> Value {
    let mut said = json!({
        "type": "_demo._udp", "name": name, "host": "board", "port": 7, "txt": "00",
        "addresses": [host.ipv4(), host.ipv6()],
    });
    said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    said
}

#[test]
fn what_avahi_announces_is_in_the_zone_as_it_was_said() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    let _avahi = host.avahi("print_server", &[PRINTER, WEB]);

    let printer = appears(&portolan, "_ipp._tcp", r"Büro Nr. 1\2");
    assert_eq!((&printer["source"], &printer["origin"]), (&json!("mdns"), &json!("link1")), "{printer}");
    wait_until("both addresses are served", PATIENCE, || {
        let addresses = [
            short(&portolan, "A", "print-server-61830496.registry.local"),
            short(&portolan, "AAAA", "print-server-61830496.registry.local"),
        ];
        (addresses == [vec![host.ipv4()], vec![host.ipv6()]]).then_some(())
    });
    assert_eq!(short(&portolan, "SRV", PRINTER_NAME), ["0 0 631 print-server-61830496.registry.local."]);
    assert_eq!(short(&portolan, "TXT", PRINTER_NAME), [r#""rp=a=b" "empty=" "flag" "bin=\000\255\007""#]);
    let names = [format!("{PRINTER_NAME}.")];
    assert_eq!(short(&portolan, "PTR", "_ipp._tcp.registry.local"), names);
    assert_eq!(short(&portolan, "PTR", "_universal._sub._ipp._tcp.registry.local"), names);
    appears(&portolan, "_http._tcp", "site");
    let types = ["_http._tcp.registry.local.", "_ipp._tcp.registry.local."];
    assert_eq!(short(&portolan, "PTR", "_services._dns-sd._udp.registry.local"), types);
    let answer = portolan.dig(&["+noall", "+answer", "SRV", PRINTER_NAME]);
    let ttl: u32 = answer.split_whitespace().nth(1).and_then(|ttl| ttl.parse().ok()).expect(&answer);
    assert!(ttl <= 10, "RFC 8766 §5.5.1: {answer}");
}

#[test]
fn what_says_goodbye_is_gone_within_two_seconds() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    let avahi = host.avahi("web", &[WEB, PRINTER]);
    let mut zeroconf = host.zeroconf(&zeroconf(&host, "board", &json!({})));
    for (service, instance) in [("_http._tcp", "site"), ("_ipp._tcp", r"Büro Nr. 1\2"), ("_demo._udp", "board")] {
        appears(&portolan, service, instance);
    }

    zeroconf.tell("goodbye");
    zeroconf.wait_for("leaving");
    let start = Instant::now();
    let took = gone_after(&portolan, "board._demo._udp.registry.local", start);
    assert!(took <= GOODBYE, "python-zeroconf: {took:?}");
    let start = Instant::now();
    avahi.withdraw(0);
    let took = gone_after(&portolan, "site._http._tcp.registry.local", start);
    assert!(took <= GOODBYE, "avahi: {took:?}");
    assert!(listed(&portolan, "_http._tcp", "site").is_none(), "an announcement that ended is not listed");
    assert!(!short(&portolan, "SRV", PRINTER_NAME).is_empty(), "the other one stays");
}

#[test]
fn without_a_goodbye_it_goes_when_its_ttl_ends_and_not_before() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    let ttl = Duration::from_secs(3);
    let brief = zeroconf(&host, "brief", &json!({ "host_ttl": 3, "other_ttl": 3 }));
    let announcer = host.zeroconf(&brief);
    let first = appears(&portolan, "_demo._udp", "brief");
    // It is asked for again in time: three TTLs later it has never been away.
    let until = Instant::now() + 3 * ttl;
    wait_until("three TTLs have passed", PATIENCE, || {
        assert!(listed(&portolan, "_demo._udp", "brief").is_some(), "it left while it was announced");
        (Instant::now() > until).then_some(())
    });
    let now = listed(&portolan, "_demo._udp", "brief").unwrap();
    assert_eq!(now["registered_at"], first["registered_at"], "{now}");

    let start = Instant::now();
    announcer.kill();
    let took = gone_after(&portolan, "brief._demo._udp.registry.local", start);
    assert!(took <= ttl + Duration::from_secs(1), "{took:?}");
}

#[test]
fn priority_weight_and_every_txt_byte_are_the_wires() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    // `a=1`, `A=2` (a repeated key), `\xff\xfe=\x00` (a key that is no text), an empty string, `k=`, `k2`.
    let more = json!({ "priority": 3, "weight": 40, "txt": "03613d3103413d3204fffe3d0000026b3d026b32" });
    let _announcer = host.zeroconf(&zeroconf(&host, "bytes", &more));
    appears(&portolan, "_demo._udp", "bytes");
    let name = "bytes._demo._udp.registry.local";
    assert_eq!(short(&portolan, "SRV", name), ["3 40 7 board.registry.local."]);
    assert_eq!(short(&portolan, "TXT", name), [r#""a=1" "A=2" "\255\254=\000" "" "k=" "k2""#]);
}

#[test]
fn ipv6_alone_is_enough() {
    let net = Net::enter();
    let host = net.host();
    host.run("ip -4 address flush dev eth0");
    run(tool("ip").args(["-4", "address", "flush", "dev", &host.link]));
    let portolan = Portolan::start(&["--mdns"]);
    let _avahi = host.avahi("six", &[WEB]);
    appears(&portolan, "_http._tcp", "site");
    assert_eq!(short(&portolan, "AAAA", "six.registry.local"), [host.ipv6()]);
    assert_eq!(short(&portolan, "A", "six.registry.local"), [""; 0]);
}

#[test]
fn a_service_name_beyond_fifteen_characters_is_told_of_once_and_passed_over() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    wait_until("it listens", PATIENCE, || portolan.log().contains("listening").then_some(()));
    host.within(|| {
        let responder = UdpSocket::bind("10.9.1.2:5353").unwrap();
        for service in ["_longer-than-fifteen", "_longer-than-fifteen", "_made"] {
            responder.send_to(&message(records("x", service, 120), OpCode::Query), GROUP).unwrap();
        }
    });
    appears(&portolan, "_made._tcp", "x");
    assert_eq!(listed(&portolan, "_longer-than-fifteen._tcp", "x"), None);
    let told = "x._longer-than-fifteen._tcp.local";
    assert_eq!(portolan.log().matches(told).count(), 1, "{}", portolan.log());
}

#[test]
fn a_host_that_only_the_link_can_reach_is_listed_with_the_reason_and_not_served() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    let near = zeroconf(&host, "near", &json!({ "addresses": ["169.254.7.7", "fe80::7"] }));
    let _announcer = host.zeroconf(&near);
    let near = appears(&portolan, "_demo._udp", "near");
    assert_eq!((&near["served"], &near["reason"]), (&json!(false), &json!("no routable address was announced")));
    assert_eq!(short(&portolan, "SRV", "near._demo._udp.registry.local"), [""; 0]);
}

#[test]
fn what_a_link_said_goes_with_the_link_and_comes_back_with_it() {
    let net = Net::enter();
    let (host, other) = (net.host(), net.host());
    let portolan = Portolan::start(&["--mdns"]);
    let _avahi = host.avahi("web", &[WEB]);
    let _other = other.zeroconf(&zeroconf(&other, "stays", &json!({})));
    appears(&portolan, "_http._tcp", "site");
    let stays = appears(&portolan, "_demo._udp", "stays");
    assert_eq!(stays["origin"], "link2");

    host.disconnect();
    let took = gone_after(&portolan, "site._http._tcp.registry.local", Instant::now());
    assert!(took <= GOODBYE, "{took:?}");
    host.connect();
    appears(&portolan, "_http._tcp", "site");
    assert_eq!(listed(&portolan, "_demo._udp", "stays").unwrap()["registered_at"], stays["registered_at"]);
}

#[test]
fn without_multicast_it_says_so_once_and_everything_else_runs() {
    let _net = Net::enter();
    let portolan = Portolan::start(&["--mdns"]);
    let complaint = "no interface can multicast";
    wait_until("it is said", PATIENCE, || portolan.log().contains(complaint).then_some(()));
    portolan.heartbeat(&json!({ "service": "auth", "instance": "a1", "port": 8080, "addresses": ["10.0.0.1"] }));
    assert_eq!(short(&portolan, "SRV", "a1._auth._tcp.registry.local").len(), 1);
    assert_eq!(portolan.log().matches(complaint).count(), 1);
    assert!(portolan.terminate().success());
}

/// The records of an instance, as its announcement holds them.
pub(super) fn records(label: &str, service: &str, ttl: u32) -> Vec<Record> {
    let local = |labels: &[&str]| {
        Name::from_labels(labels.iter().chain(&["local"]).map(|label| label.as_bytes())).expect("short labels")
    };
    let name = local(&[label, service, "_tcp"]);
    let pointer = RData::PTR(PTR(name.clone()));
    vec![
        Record::from_rdata(local(&[service, "_tcp"]), ttl, pointer),
        Record::from_rdata(name.clone(), ttl, RData::SRV(SRV::new(0, 0, 80, local(&["made"])))),
        Record::from_rdata(name, ttl, RData::TXT(TXT::from_bytes(vec![b"x=1"]))),
        Record::from_rdata(local(&["made"]), ttl, RData::A(A::new(10, 9, 1, 2))),
    ]
}

pub(super) fn message(records: Vec<Record>, opcode: OpCode) -> Vec<u8> {
    let mut message = Message::response(0, opcode);
    message.answers = records;
    message.to_vec().expect("a message")
}

#[test]
fn only_multicast_responses_from_port_5353_of_the_link_are_believed() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    wait_until("it listens", PATIENCE, || portolan.log().contains("listening").then_some(()));
    host.within(|| {
        let responder = UdpSocket::bind("10.9.1.2:5353").unwrap();
        let stranger = UdpSocket::bind("10.9.1.2:0").unwrap();
        let said = |label: &str, opcode| message(records(label, "_made", 120), opcode);
        responder.send_to(&said("unicast", OpCode::Query), ("10.9.1.1", 5353)).unwrap();
        stranger.send_to(&said("port", OpCode::Query), GROUP).unwrap();
        responder.send_to(&said("opcode", OpCode::Status), GROUP).unwrap();
        responder.send_to(&[0x84; 40], GROUP).unwrap();
        responder.send_to(&said("honest", OpCode::Query), GROUP).unwrap();
    });
    appears(&portolan, "_made._tcp", "honest");
    for forged in ["unicast", "port", "opcode"] {
        assert_eq!(listed(&portolan, "_made._tcp", forged), None, "{forged}");
    }
}

#[test]
fn a_name_with_a_dot_is_asked_for_by_its_labels_before_it_ends() {
    let net = Net::enter();
    let host = net.host();
    let portolan = Portolan::start(&["--mdns"]);
    wait_until("it listens", PATIENCE, || portolan.log().contains("listening").then_some(()));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let socket = host.within(|| {
        let socket = UdpSocket::bind("0.0.0.0:5353").unwrap();
        socket.join_multicast_v4(&GROUP.0, &Ipv4Addr::new(10, 9, 1, 2)).unwrap();
        socket
    });
    socket.send_to(&message(records("v1.2", "_made", 3), OpCode::Query), GROUP).unwrap();
    // A responder that is there for exact names only.
    std::thread::spawn(move || {
        let mut buffer = [0; 9000];
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
            let mut answers = records("v1.2", "_made", 3);
            let known = |kind: RecordType, query: &Message| {
                let asks = |r: &Record| query.queries.iter().any(|q| q.name() == &r.name && q.query_type() == kind);
                records("v1.2", "_made", 3).iter().any(|r| r.record_type() == kind && asks(r))
            };
            if known(RecordType::SRV, &query) {
                count.fetch_add(1, Ordering::Relaxed);
            } else if known(RecordType::A, &query) {
                answers.retain(|record| record.record_type() == RecordType::A);
            } else if known(RecordType::PTR, &query) {
                answers.truncate(1);
            } else {
                continue;
            }
            if socket.send_to(&message(answers, OpCode::Query), GROUP).is_err() {
                break;
            }
        }
    });
    let first = appears(&portolan, "_made._tcp", "v1.2");
    wait_until("it was asked for three times", PATIENCE, || (asked.load(Ordering::Relaxed) >= 3).then_some(()));
    let now = listed(&portolan, "_made._tcp", "v1.2").expect("it never left");
    assert_eq!(now["registered_at"], first["registered_at"]);
}

#[test]
fn a_flood_on_one_link_is_cut_off_and_leaves_the_other_alone() {
    let net = Net::enter();
    let (host, other) = (net.host(), net.host());
    let portolan = Portolan::start(&["--mdns"]);
    wait_until("it listens", PATIENCE, || (portolan.log().matches("listening").count() >= 2).then_some(()));
    let limit = "more instances are announced than mdns.link_limit";
    let socket = host.within(|| UdpSocket::bind("10.9.1.2:5353").unwrap());
    let mut sent = 0;
    wait_until("the limit is told", 4 * PATIENCE, || {
        let names: Vec<String> = (sent..sent + 20).map(|n| format!("flood {}", n % 8000)).collect();
        sent += 20;
        let all = names.iter().flat_map(|name| records(name, "_flood", 4500)).collect();
        socket.send_to(&message(all, OpCode::Query), GROUP).unwrap();
        (sent % 2000 == 0 && portolan.log().contains(limit)).then_some(())
    });
    let _avahi = other.avahi("web", &[WEB]);
    appears(&portolan, "_http._tcp", "site");
    let services = portolan.get("/v1/services").expect(200).json();
    let flood = services["services"].as_array().unwrap().iter().find(|found| found["service"] == "flood").cloned();
    assert_eq!(flood.expect("it is listed")["instances"], 5000);
    assert_eq!(portolan.log().matches(limit).count(), 1);
}
