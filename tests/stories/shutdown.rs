//! Who stops it: what was begun is finished, nothing that was answered is lost, and nobody waits for ever.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Launch, Portolan, cli, run, wait_until};

/// More than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A heartbeat of which the server has the head and all but the last octet of the body.
fn begin_heartbeat(to: SocketAddr, instance: &str) -> TcpStream {
    let body = json!({"service": "auth", "instance": instance, "port": 8080}).to_string();
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /v1/heartbeat HTTP/1.1\r\nHost: {to}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // That the server asks for the body shows that the request is at hand.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..body.len() - 1]).unwrap();
    stream
}

fn stopping(portolan: &Portolan) {
    wait_until("it says that it stops", PATIENCE, || portolan.log().contains("no new requests").then_some(()));
}

fn refuses(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err()
}

#[test]
fn either_signal_ends_it_with_success() {
    for signal in ["TERM", "INT"] {
        let mut portolan = Portolan::start(&[]);
        portolan.signal(signal);
        assert_eq!(portolan.wait().code(), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_hang_up_does_not_end_it() {
    let mut portolan = Portolan::start(&[]);
    portolan.signal("HUP");
    wait_until("it says so", PATIENCE, || portolan.log().contains("SIGHUP: going on").then_some(()));
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 8080}));
    portolan.signal("TERM");
    assert_eq!(portolan.wait().code(), Some(0));
}

#[test]
fn a_terminal_that_is_gone_does_not_end_it() {
    let data_dir = TempDir::new().unwrap();
    let mut serve = cli(&["serve", "--no-mdns", "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--data-dir"]);
    let serve = serve.arg(data_dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut serve = serve.spawn().unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("ready"));
    // Nobody reads the log any more.
    drop(serve.stderr.take());
    for signal in ["HUP", "TERM"] {
        run(Command::new("sh").args(["-c", &format!("kill -{signal} {}", serve.id())]));
    }
    assert_eq!(serve.wait().unwrap().code(), Some(0));
}

#[test]
fn intake_stops_what_is_in_flight_is_answered_and_dns_is_last() {
    let data_dir = TempDir::new().unwrap();
    let mut portolan = Portolan::start_in(data_dir.path(), &[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 8080}));
    let mut in_flight = begin_heartbeat(portolan.http, "a2");

    portolan.signal("TERM");
    stopping(&portolan);
    wait_until("HTTP takes no more connections", PATIENCE, || refuses(portolan.http).then_some(()));
    let answer = portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]);
    assert_eq!(answer, "0 0 8080 ip-127-0-0-1.registry.local.\n", "DNS answers while requests are in flight");

    in_flight.write_all(b"}").unwrap();
    let mut answer = String::new();
    in_flight.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    assert_eq!(portolan.wait().code(), Some(0));

    let again = Portolan::start_in(data_dir.path(), &[]);
    let kept = again.get("/v1/instances?service=auth").expect(200).json();
    let names: Vec<_> = kept["instances"].as_array().unwrap().iter().map(|i| i["instance"].clone()).collect();
    assert_eq!(names, ["a1", "a2"], "what was answered was kept");
}

#[test]
fn a_request_that_never_ends_does_not_hold_it_up() {
    let mut portolan = Portolan::start(&[]);
    let _in_flight = begin_heartbeat(portolan.http, "never");
    let began = Instant::now();
    portolan.signal("TERM");
    assert_eq!(portolan.wait().code(), Some(0), "{}", portolan.log());
    assert!(began.elapsed() < Duration::from_secs(9), "within the grace, took {:?}", began.elapsed());
    assert!(portolan.log().contains("cut off"), "{}", portolan.log());
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let mut portolan = Portolan::start(&[]);
    let http = TcpStream::connect(portolan.http).unwrap();
    let dns = TcpStream::connect(portolan.dns).unwrap();
    // Both have been accepted: later ones are served.
    portolan.get("/healthz").expect(200);
    portolan.dig(&["+tcp", "SOA", "registry.local"]);
    let began = Instant::now();
    portolan.signal("TERM");
    assert_eq!(portolan.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(3), "took {:?}", began.elapsed());
    drop((http, dns));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 128 + 15), ("INT", 128 + 2)] {
        let mut portolan = Portolan::start(&[]);
        let _in_flight = begin_heartbeat(portolan.http, "never");
        portolan.signal("TERM");
        stopping(&portolan);
        let began = Instant::now();
        portolan.signal(signal);
        assert_eq!(portolan.wait().code(), Some(code), "SIG{signal}");
        assert!(began.elapsed() < Duration::from_secs(2), "took {:?}", began.elapsed());
    }
}

#[test]
fn what_was_answered_under_load_is_there_after_a_stop() {
    let data_dir = TempDir::new().unwrap();
    let mut portolan = Portolan::start_in(data_dir.path(), &[]);
    let address = portolan.http;
    let writers: Vec<_> =
        (0..4).map(|writer| std::thread::spawn(move || answered_until_refused(address, writer))).collect();
    wait_until("a hundred are registered", PATIENCE, || {
        let list = portolan.get("/v1/services").expect(200).json();
        (list["services"][0]["instances"].as_u64() > Some(100)).then_some(())
    });
    portolan.signal("TERM");
    assert_eq!(portolan.wait().code(), Some(0));
    let answered: Vec<String> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();

    let again = Portolan::start_in(data_dir.path(), &[]);
    for name in &answered {
        again.get(&format!("/v1/instances/_auth._tcp/{name}")).expect(200);
    }
}

/// Registers one after another until the server takes no more; the names of those that it answered with success.
fn answered_until_refused(to: SocketAddr, writer: usize) -> Vec<String> {
    let mut answered = Vec::new();
    for number in 0.. {
        let name = format!("w{writer}-{number}");
        let body = json!({"service": "auth", "instance": name, "port": 8080}).to_string();
        let mut answer = String::new();
        let head = format!("POST /v1/heartbeat HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
        let exchange = TcpStream::connect(to).and_then(|mut stream| {
            stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        if exchange.is_err() || !answer.starts_with("HTTP/1.1 20") {
            break;
        }
        answered.push(name);
    }
    answered
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = [
        ("--http", tcp.local_addr().unwrap()),
        ("--dns", tcp.local_addr().unwrap()),
        ("--dns", udp.local_addr().unwrap()),
    ];
    for (flag, address) in taken {
        let data_dir = TempDir::new().unwrap();
        let launch = Launch::new().data_dir(data_dir.path());
        let (status, said) = launch.args([flag.to_owned(), address.to_string()]).start_in_vain();
        assert_eq!(status.code(), Some(5), "{said}");
        assert!(said.contains(&address.to_string()) && said.contains(flag), "{flag}: {said}");
        assert_eq!(std::fs::read_dir(data_dir.path()).unwrap().count(), 0, "the store is opened last");
    }
}

#[test]
fn a_second_registry_on_the_same_data_is_refused() {
    let portolan = Portolan::start(&[]);
    let (status, said) = Launch::new().data_dir(portolan.data_dir()).start_in_vain();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(said.contains("--data-dir"), "{said}");
}

#[test]
fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()
    };
    let portolan = Launch::new().env("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    assert_eq!(told(), "READY=1");
    portolan.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
}
