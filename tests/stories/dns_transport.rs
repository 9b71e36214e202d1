//! Transports and hostile input: items 11, 12, 21, 31 and 35, with kdig, dnspython and bare sockets.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::json;

use crate::support::dig::ask;
use crate::support::netns::Net;
use crate::support::{Launch, Portolan, python, run, tool};

fn start() -> Portolan {
    let portolan = Portolan::start(&[]);
    register(&portolan);
    portolan
}

fn register(portolan: &Portolan) {
    portolan.heartbeat(&json!({
        "service": "auth", "instance": "Joe.s Café", "host": "web1", "addresses": ["10.0.0.1", "2001:db8::1"], "port": 80,
        "txt": {"k": {"base64": "AP8="}}
    }));
}

fn kdig(server: SocketAddr, arguments: &[&str]) -> String {
    let (address, port) = (format!("@{}", server.ip()), server.port().to_string());
    run(tool("kdig").args([&address, "-p", &port, "+noidn"]).args(arguments))
}

#[test]
fn kdig_agrees_over_udp_and_tcp() {
    let portolan = start();
    for transport in ["+notcp", "+tcp"] {
        let text = kdig(portolan.dns, &[transport, "+edns", "+norec", "_auth._tcp.registry.local", "PTR"]);
        assert!(text.contains("status: NOERROR"), "{text}");
        assert!(text.contains("Flags: qr aa; QUERY: 1; ANSWER: 1; AUTHORITY: 0; ADDITIONAL: 5"), "{text}");
        assert!(!text.contains("WARNING"), "{text}");
    }
}

#[test]
fn transfers_are_refused_for_now() {
    assert_eq!(ask(start().dns, &["AXFR", "registry.local"]).status, "REFUSED");
    assert_eq!(ask(start().dns, &["+notcp", "IXFR=1", "registry.local"]).status, "REFUSED");
}

#[test]
fn dnspython_reads_what_was_registered_and_gets_the_codes_of_the_standard() {
    let portolan = start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/dns_peer.py");
    let server = [portolan.dns.ip().to_string(), portolan.dns.port().to_string()];
    let text = run(python("dnspython").arg(script).args(server));
    assert_eq!(text.trim(), "all as it should be");
}

#[test]
fn item_31_the_reply_leaves_from_the_address_that_was_asked() {
    let net = Net::enter();
    let client = net.host();
    // Left to itself, the kernel answers a neighbour from one address of the link, whichever was asked.
    let asked = ["10.9.1.1", "10.9.1.11", "10.9.1.12", "fd09:1::1", "fd09:1::11", "fd09:1::12"];
    for address in ["10.9.1.11/24", "10.9.1.12/24"] {
        run(tool("ip").args(["address", "add", address, "dev", &client.link]));
    }
    for address in ["fd09:1::11/64", "fd09:1::12/64"] {
        run(tool("ip").args(["address", "add", address, "dev", &client.link, "nodad"]));
    }
    let portolan = Launch::new()
        .args(["--dns", "0.0.0.0:0", "--dns", "[::]:0"])
        .env("PORTOLAN_DNS_QUIC_LISTEN", "0.0.0.0:0,[::]:0")
        .env("PORTOLAN_TLS_SELF_SIGNED", "true")
        .start();
    let port = |key: &str, address: &str| {
        let listener = portolan.ready[key][usize::from(address.contains(':'))].as_str().unwrap();
        listener.parse::<SocketAddr>().unwrap().port().to_string()
    };
    for address in asked {
        // Both take a reply from nobody but whom they asked.
        let (server, udp, quic) = (format!("@{address}"), port("dns", address), port("dns_quic", address));
        let question = ["+notcp", "+tries=1", "+timeout=2", "+short", "registry.local", "NS"];
        let text = run(client.command("dig").args([&server, "-p", &udp]).args(question));
        assert_eq!(text.trim(), "ns.registry.local.", "{address}");
        let question = ["+quic", "+retry=0", "+short", "registry.local", "NS"];
        let text = run(client.command("kdig").args([&server, "-p", &quic]).args(question));
        assert_eq!(text.trim(), "ns.registry.local.", "{address} over QUIC");
    }
}

#[test]
fn items_11_12_and_21_malformed_messages_get_formerr_or_nothing() {
    let portolan = start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(portolan.dns).unwrap();
    let exchange = |octets: &[u8]| {
        socket.send(octets).unwrap();
        let mut reply = [0; 512];
        let length = socket.recv(&mut reply).expect("a reply");
        reply[..length].to_vec()
    };
    let question = b"\x04web1\x08registry\x05local\0\0\x01\0\x01";
    let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
    let header =
        |id: u8, flags: u8, questions: u8, additionals: u8| [0, id, flags, 0, 0, questions, 0, 0, 0, 0, 0, additionals];
    for (octets, what) in [
        ([&header(1, 0, 2, 0)[..], question, question].concat(), "two questions"),
        ([&header(1, 0, 1, 2)[..], question, opt, opt].concat(), "two OPT records"),
        ([&header(1, 0, 1, 0)[..], &question[..10]].concat(), "a cut question"),
        (header(1, 0, 1, 0).to_vec(), "no question where one is announced"),
    ] {
        let reply = exchange(&octets);
        assert_eq!((reply[1], reply[2] & 0x80, reply[3] & 0x0f), (1, 0x80, 1), "{what}");
    }
    // A response is not answered: the first reply is to the question after it.
    socket.send(&[&header(2, 0x80, 1, 0)[..], question].concat()).unwrap();
    let reply = exchange(&[&header(3, 0, 1, 0)[..], question].concat());
    assert_eq!((reply[1], reply[3] & 0x0f), (3, 0));
}

#[test]
fn what_strangers_send_writes_no_line_to_the_log() {
    // A question, and an OPT record whose option ends where its length should be.
    let packet = [
        &b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x05_auth\x04_tcp\x08registry\x05local\x00\x00\x21\x00\x01"
            [..],
        b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x02\x00\x0a",
    ]
    .concat();
    for level in ["debug", "info", "error"] {
        let mut portolan = Portolan::start(&["--log", level]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&packet, portolan.dns).unwrap();
        socket.recv(&mut [0; 512]).expect("a reply");
        // What was to be written has been written.
        portolan.signal("TERM");
        portolan.wait();
        assert!(!portolan.log().contains("hickory"), "--log {level}: {}", portolan.log());
    }
}
