//! Transports and hostile input: items 11, 12, 21, 28, 31 and 35, with kdig, dnspython and bare sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::dig::ask;
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
    tool("ip");
    let addresses = "ip address add 10.9.9.1/32 dev lo && ip address add 10.9.9.2/32 dev lo && \
                     ip -6 address add fd09::1/128 dev lo nodad && ip -6 address add fd09::2/128 dev lo nodad";
    let setup = format!("ip link set lo up && {addresses} && exec \"$@\"");
    tool("unshare");
    let portolan = Launch::new()
        .under(["unshare", "--net", "sh", "-c", &setup, "sh"])
        .args(["--dns", "0.0.0.0:0", "--dns", "[::]:0", "--http", "127.0.0.1:0"])
        .start();
    let listening: Vec<SocketAddr> =
        portolan.ready["dns"].as_array().unwrap().iter().map(|a| a.as_str().unwrap().parse().unwrap()).collect();
    for (address, listener) in [("10.9.9.1", 0), ("10.9.9.2", 0), ("fd09::1", 1), ("fd09::2", 1)] {
        let mut dig: Command = tool("nsenter");
        dig.arg(format!("--net=/proc/{}/ns/net", portolan.pid()));
        // dig complains of, and does not take, a reply from an address that it did not ask.
        let (server, port) = (format!("@{address}"), listening[listener].port().to_string());
        let text =
            run(dig.args(["dig", &server, "-p", &port, "+tries=1", "+timeout=2", "+short", "registry.local", "NS"]));
        assert_eq!(text.trim(), "ns.registry.local.", "{address}");
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
fn item_28_length_and_message_come_in_one_write() {
    let portolan = start();
    let mut stream = TcpStream::connect(portolan.dns).unwrap();
    let question = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x04web1\x08registry\x05local\0\0\x01\0\x01";
    let framed = [&u16::try_from(question.len()).unwrap().to_be_bytes(), &question[..]].concat();
    stream.write_all(&framed).unwrap();
    // TCP_NODELAY: what was written together arrives together.
    let mut reply = [0; 512];
    let length = stream.read(&mut reply).unwrap();
    assert_eq!(usize::from(u16::from_be_bytes([reply[0], reply[1]])), length - 2);
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
