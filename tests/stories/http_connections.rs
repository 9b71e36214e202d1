//! Who holds a connection: kept alive, slow, idle, one too many, and the one that is open when the registry stops.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Launch, Portolan, wait_until};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry with these lines under `[http]`.
fn start(settings: &str) -> Portolan {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, format!("[http]\n{settings}\n")).unwrap();
    Launch::new().args(["--config", file.to_str().unwrap()]).start()
}

fn connect(portolan: &Portolan) -> TcpStream {
    let stream = TcpStream::connect(portolan.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Reads one answer, which has a Content-Length.
fn answer(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    let mut octet = [0];
    while !octets.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut octet).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&octets));
        octets.push(octet[0]);
    }
    let head = String::from_utf8(octets).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// Whether the server closes the connection, without a word or after one, before our patience ends.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn a_connection_serves_many_requests_and_some_at_once() {
    let portolan = start("");
    let mut stream = connect(&portolan);
    for _ in 0..3 {
        stream.write_all(GET).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    }
    stream.write_all(&GET.repeat(10)).unwrap();
    for _ in 0..10 {
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn a_client_that_has_said_all_is_answered() {
    let portolan = start("");
    for n in 0..50 {
        let body = format!(r#"{{"service":"half","instance":"i{n}","port":1}}"#);
        let mut stream = connect(&portolan);
        let head = format!("POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 201"));
        assert!(is_closed(&mut stream));
    }
}

#[test]
fn a_connection_that_says_nothing_or_too_slowly_is_closed() {
    let portolan = start("idle_timeout = \"300ms\"");
    let mut silent = connect(&portolan);
    let mut kept = connect(&portolan);
    kept.write_all(GET).unwrap();
    answer(&mut kept);
    let mut slow = connect(&portolan);
    // One octet after the other, as a slow loris does: the head as a whole is late.
    let trickled = wait_until("the slow one is closed", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(20));
        slow.write_all(b"G").err()
    });
    assert!(matches!(trickled.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{trickled}");
    assert!(is_closed(&mut silent));
    assert!(is_closed(&mut kept));
}

#[test]
fn a_body_that_does_not_arrive_is_answered_and_closed() {
    let portolan = start("request_timeout = \"300ms\"");
    let mut stream = connect(&portolan);
    stream.write_all(b"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{").unwrap();
    let answer = answer(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("300ms (http.request_timeout)"), "{answer}");
    assert!(is_closed(&mut stream));
}

#[test]
fn a_client_has_a_share_of_the_connections() {
    let portolan = start("connections_per_client = 2");
    let mut first = connect(&portolan);
    let mut second = connect(&portolan);
    for stream in [&mut first, &mut second] {
        stream.write_all(GET).unwrap();
        answer(stream);
    }
    assert!(is_closed(&mut connect(&portolan)));
    first.write_all(GET).unwrap();
    assert!(answer(&mut first).starts_with("HTTP/1.1 200"), "those that are there go on");
    drop(second);
    wait_until("there is room again", PATIENCE, || {
        let mut stream = connect(&portolan);
        let _ = stream.write_all(GET);
        let mut start = [0; 12];
        stream.read_exact(&mut start).is_ok().then(|| assert_eq!(&start, b"HTTP/1.1 200"))
    });
}

#[test]
fn beyond_all_connections_clients_wait_their_turn() {
    let portolan = start("connections = 1");
    let mut first = connect(&portolan);
    first.write_all(b"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    first.write_all(b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n").unwrap();
    // It is told to go on when its body is being read.
    assert!(answer(&mut first).starts_with("HTTP/1.1 100"));
    let mut second = connect(&portolan);
    second.write_all(GET).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(first);
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(answer(&mut second).starts_with("HTTP/1.1 200"));
}

#[test]
fn for_a_further_client_the_quietest_without_a_request_is_closed() {
    let portolan = start("connections = 8");
    let mut half_heads: Vec<_> = (0..8).map(|_| connect(&portolan)).collect();
    for stream in &mut half_heads {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ").unwrap();
    }
    let mut next = connect(&portolan);
    next.write_all(GET).unwrap();
    assert!(answer(&mut next).starts_with("HTTP/1.1 200"));
    assert!(is_closed(&mut half_heads[0]), "it was there first");
}

#[test]
fn a_client_that_takes_no_answers_is_given_up() {
    let portolan = start("connections = 1\nrequest_timeout = \"500ms\"");
    let item = |n| serde_json::json!({"service": "auth", "instance": format!("a{n}"), "port": 1});
    portolan.post("/v1/heartbeat", &(0..1000).map(item).collect()).expect(200);

    // More than socket buffers hold, and none of it is read.
    let mut greedy = connect(&portolan);
    let request = b"GET /v1/instances?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    greedy.write_all(&request.repeat(50)).unwrap();
    greedy.read_exact(&mut [0]).unwrap();

    // There is room for one connection only.
    let mut next = connect(&portolan);
    next.write_all(GET).unwrap();
    assert!(answer(&mut next).starts_with("HTTP/1.1 200"));
    drop(greedy);
}

#[test]
fn out_of_file_descriptors_it_waits_and_goes_on() {
    let portolan = with_descriptors("-n 64");
    let crowd: Vec<_> = (0..80).map(|_| connect(&portolan)).collect();
    wait_until("it has noticed", PATIENCE, || portolan.log().contains("can be accepted").then_some(()));
    let before = portolan.processor_time();
    // Nothing happens that could be awaited: that is what is to be seen.
    std::thread::sleep(Duration::from_secs(1));
    let spent = portolan.processor_time().saturating_sub(before);
    assert!(spent < Duration::from_millis(250), "it spent {spent:?} of a second on waiting");
    drop(crowd);
    portolan.get("/healthz").expect(200);
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let portolan = start("");
    let address = portolan.http.to_string();
    let Err((status, said)) = Launch::new().args(["--http", &address]).try_start() else { panic!("it started") };
    assert!(!status.success());
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    assert!(said.contains("stop it, or choose another address with --http or http.listen"), "{said}");
}

#[test]
fn what_is_no_http_is_refused_and_closed() {
    let portolan = start("");
    for octets in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"HELO you\r\n\r\n", &vec![b'a'; 100_000]] {
        let mut stream = connect(&portolan);
        // It may be closed before all is written.
        let _ = stream.write_all(octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert!(is_closed(&mut stream));
    }
    portolan.get("/healthz").expect(200);
    let mut nameless = connect(&portolan);
    nameless.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(answer(&mut nameless).starts_with("HTTP/1.1 400"));
    let mut old = connect(&portolan);
    old.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert!(answer(&mut old).starts_with("HTTP/1.0 200"));
}

#[test]
fn a_request_in_flight_is_answered_when_the_registry_stops() {
    let mut portolan = start("");
    let mut idle = connect(&portolan);
    idle.write_all(GET).unwrap();
    answer(&mut idle);
    let body = r#"{"service": "auth", "port": 8080}"#;
    let head = format!("POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut busy = connect(&portolan);
    busy.write_all(head.as_bytes()).unwrap();
    busy.write_all(&body.as_bytes()[..10]).unwrap();
    // The server has taken the head once it takes no more connections but has not closed this one.
    let mut settled = connect(&portolan);
    settled.write_all(GET).unwrap();
    answer(&mut settled);

    portolan.signal("TERM");
    assert!(is_closed(&mut idle), "an idle connection does not hold it up");
    busy.write_all(&body.as_bytes()[10..]).unwrap();

    let answered = answer(&mut busy);
    assert!(answered.starts_with("HTTP/1.1 201"), "{answered}");
    assert!(is_closed(&mut busy));
    let start = Instant::now();
    assert!(portolan.wait().success());
    assert!(start.elapsed() < PATIENCE / 2);
    assert!(TcpStream::connect(portolan.http).is_err());
}

/// The program with so many descriptors; `-Hn` and `-Sn` set one of the limits, `-n` both.
fn with_descriptors(limit: &str) -> Portolan {
    Launch::new().under(["sh", "-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]).start()
}

#[test]
fn running_out_of_descriptors_is_told_once_and_so_is_its_end() {
    let portolan = with_descriptors("-n 64");
    assert!(portolan.log().contains("64 files may be open"), "{}", portolan.log());
    let told = |what: &str| portolan.log().matches(what).count();
    let held: Vec<_> = (0..100).map(|_| TcpStream::connect(portolan.dns).unwrap()).collect();
    wait_until("DNS has none left", PATIENCE, || (told("no DNS connection can be accepted") > 0).then_some(()));
    // Only now, since it would have been accepted before.
    let held_too = TcpStream::connect(portolan.http).unwrap();
    wait_until("HTTP has none left", PATIENCE, || (told("no HTTP connection can be accepted") > 0).then_some(()));
    // Time for several tries of both, none of which leaves a trace to wait for.
    std::thread::sleep(Duration::from_secs(1));
    drop((held, held_too));
    wait_until("both are well", PATIENCE, || {
        let _ = (TcpStream::connect(portolan.dns), TcpStream::connect(portolan.http));
        (told("DNS connections are accepted again") > 0 && told("HTTP connections are accepted again") > 0)
            .then_some(())
    });
    assert_eq!((told("can be accepted"), told("are accepted again")), (2, 2), "{}", portolan.log());
}

#[test]
fn all_descriptors_that_the_system_allows_are_used() {
    let portolan = with_descriptors("-Sn 256");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", portolan.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let columns: Vec<_> = line.split_whitespace().collect();
    assert!(columns[3] == columns[4] && columns[3] != "256", "{line}");
}
