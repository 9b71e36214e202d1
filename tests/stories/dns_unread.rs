//! Clients that ask for much and take nothing of it: what is made for them holds up nobody else, and takes no memory
//! to speak of.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::lease_clock::held_up;
use crate::support::tls::Certificate;
use crate::support::tls::framed;
use crate::support::{Launch, Portolan, python, run};

/// `_many._tcp.registry.local PTR`, whose answer is as long as any over a stream.
const QUESTION: &[u8] = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x05_many\x04_tcp\x08registry\x05local\0\0\x0c\0\x01";

/// 3,000 instances of `_many._tcp`.
fn fill(portolan: &Portolan) {
    let instance =
        |n| json!({"service": "many", "instance": format!("i{n}"), "port": 1, "txt": {"k": "v".repeat(200)}});
    for thousand in 0..3 {
        let some: Vec<_> = (0..1000).map(|n| instance(thousand * 1000 + n)).collect();
        assert_eq!(portolan.post("/v1/heartbeat", &Value::Array(some)).status, 200);
    }
}

/// A connection from one of several addresses, over which much was asked, and which is not read.
fn asks_and_never_reads(server: SocketAddr, n: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 1, n % 8), 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(&framed(QUESTION).repeat(50)).unwrap();
    stream
}

#[test]
#[expect(clippy::print_stdout, reason = "how long it took is of interest also where it was not too long")]
fn questions_whose_answers_nobody_takes_hold_up_neither_heartbeats_nor_leases() {
    // Without a turn for others a heartbeat takes as long as all replies do, 5,000 of some milliseconds.
    const LONG: Duration = Duration::from_secs(5);
    const LATE: Duration = Duration::from_secs(2);
    let portolan = Portolan::start(&["--log", "warn,portolan::registry=debug"]);
    fill(&portolan);
    let before = held_up(&portolan.log());
    let _unread: Vec<_> = (0..100).map(|n| asks_and_never_reads(portolan.dns, n)).collect();
    let (start, mut longest) = (Instant::now(), Duration::ZERO);
    // With a lease, so that the writer has something to be late for.
    while start.elapsed() < Duration::from_secs(4) {
        let asked = Instant::now();
        portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 1, "lease": "5s"}));
        longest = longest.max(asked.elapsed());
    }
    let late = held_up(&portolan.log()).saturating_sub(before);
    println!("a heartbeat took {longest:?} at most; leases were extended by {late:?}");
    assert!(longest < LONG, "a heartbeat took {longest:?}");
    assert!(late < LATE, "the registry was held up for {late:?}");
}

#[test]
fn questions_over_quic_whose_answers_nobody_takes_are_answered_few_at_a_time() {
    // 20 connections with 64 questions each, whose answers have 80 MB.
    const MOST: u64 = 32 << 20;
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::in_folder(folder.path());
    certificate.write(&["localhost"]);
    let portolan = Launch::new()
        .env("PORTOLAN_DNS_QUIC_LISTEN", "127.0.0.1:0")
        .env("PORTOLAN_DNS_TCP_IDLE", "5s")
        .env("PORTOLAN_TLS_CERTIFICATE", certificate.file.to_str().unwrap())
        .env("PORTOLAN_TLS_KEY", certificate.key.to_str().unwrap())
        .start();
    fill(&portolan);
    let before = portolan.resident_most();
    let server: SocketAddr = portolan.ready["dns_quic"][0].as_str().unwrap().parse().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/quic_unread.py");
    let arguments = [&server.ip().to_string(), &server.port().to_string(), certificate.file.to_str().unwrap()];
    assert_eq!(run(python("aioquic").arg(script).args(arguments)).trim(), "all as it should be");
    let taken = portolan.resident_most() - before;
    assert!(taken < MOST, "{taken} octets were taken");
}
