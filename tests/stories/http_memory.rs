//! What strangers can have the HTTP door hold, seen in the memory of the process: nothing that grows with what they
//! ask for.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http2::{self, Http2};
use crate::support::{Launch, Portolan, wait_until};

/// What a debug build with a few hundred streams may take; each of the attacks took hundreds of MiB.
const GROWTH_MAX: u64 = 48 << 20;
/// More than a connection has streams.
const REQUESTS: u32 = 100;
/// Longer than a heartbeat takes on a busy machine; behind a hundred lists it takes many times that.
const PATIENCE: Duration = Duration::from_secs(2);
/// As many are answered.
const STREAMS: usize = 32;

/// So many instances, each as large as they come: a list of all has 7.6 MB.
fn with_large_instances(count: usize, settings: &[(&str, &str)]) -> Portolan {
    let portolan = settings.iter().fold(Launch::new(), |launch, (name, value)| launch.env(name, value)).start();
    let txt: Value =
        (0..5).map(|n| (format!("k{n}"), "\u{1}".repeat(240).into())).collect::<serde_json::Map<_, _>>().into();
    let item = |n| json!({"service": "large", "instance": format!("i{n}"), "port": 1, "txt": txt});
    let items: Vec<_> = (0..count).map(item).collect();
    for some in items.chunks(100) {
        portolan.post("/v1/heartbeat", &some.into()).expect(200);
    }
    portolan
}

fn requests(path: &str) -> Vec<u8> {
    (0..REQUESTS).flat_map(|n| http2::head(1 + 2 * n, "GET", path, false)).collect()
}

#[test]
fn lists_that_nobody_takes_are_not_held() {
    let portolan = with_large_instances(1000, &[]);
    let before = portolan.resident();
    let connections: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = Http2::connect(portolan.http, &[(http2::INITIAL_WINDOW_SIZE, 0)]);
            connection.send(&requests("/v1/instances?limit=1000"));
            connection.wait_for_heads(STREAMS);
            connection
        })
        .collect();
    let grown = portolan.resident().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} octets for {} connections that take nothing", connections.len());
}

#[test]
fn bodies_that_never_end_are_held_up_to_a_clients_share() {
    let portolan = Launch::new().start();
    let before = portolan.resident();
    let length = 1 << 20;
    let begin = || {
        let mut connection = TcpStream::connect(portolan.http).unwrap();
        let head = format!("POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        // Who is refused may find the connection closed.
        let _ = connection.write_all(&[head.as_bytes(), &vec![b' '; length - 10]].concat());
        connection.set_nonblocking(true).unwrap();
        connection
    };
    let mut connections: Vec<_> = (0..100).map(|_| begin()).collect();
    // Sixteen have a place, and nobody else is waited for.
    wait_until("the others are answered", Duration::from_secs(10), || {
        let is_answered = |connection: &&TcpStream| {
            connection.peek(&mut [0]).map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |_| true)
        };
        (connections.iter().filter(is_answered).count() >= 80).then_some(())
    });
    let grown = portolan.resident().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} octets");
    // Where several were refused at once, there is room for more of them yet.
    let large = wait_until("the share is taken", Duration::from_secs(10), || {
        let answer = portolan.request("POST", "/v1/heartbeat", &[], &" ".repeat(length));
        if answer.status != 503 {
            connections.push(begin());
        }
        (answer.status == 503).then_some(answer)
    });
    let grown = portolan.resident().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} octets");
    assert_eq!(
        (large.json()["type"].as_str().unwrap().ends_with("/busy"), large.header("retry-after")),
        (true, Some("1"))
    );
    portolan.heartbeat(&json!({"service": "auth", "port": 1}));

    drop(connections);
    wait_until("there is room again", Duration::from_secs(10), || {
        let answer = portolan.request("POST", "/v1/heartbeat", &[], &" ".repeat(length));
        (answer.status == 400).then_some(())
    });
}

#[test]
fn answers_that_nobody_takes_are_held_up_to_a_clients_share() {
    let portolan = Launch::new().start();
    let item = |n| json!({"service": format!("s{n:060}"), "port": 1});
    portolan.post("/v1/heartbeat", &(0..1000).map(item).collect()).expect(200);
    let list = "/v1/services?limit=1000";
    assert!(portolan.get(list).expect(200).body.len() > 200_000);
    let connections: Vec<_> = (0..4)
        .map(|_| {
            let mut connection = Http2::connect(portolan.http, &[(http2::INITIAL_WINDOW_SIZE, 0)]);
            connection.send(&requests(list));
            connection.wait_for_heads(STREAMS);
            connection
        })
        .collect();
    assert!(portolan.get(list).expect(503).json()["type"].as_str().unwrap().ends_with("/busy"));
    drop(connections);
    wait_until("there is room again", Duration::from_secs(10), || (portolan.get(list).status == 200).then_some(()));
    let refused = "portolan_http_requests_total{route=\"/v1/services\",method=\"GET\",status=\"5xx\"} ";
    assert!(portolan.get("/metrics").body.contains(refused), "what was refused for its length counts as refused");
}

#[test]
fn a_list_of_many_pieces_is_the_page_that_it_was() {
    let portolan = with_large_instances(150, &[]);
    let whole = portolan.get("/v1/instances?limit=1000").expect(200);
    assert!(whole.body.len() > 1 << 20 && whole.body.ends_with("}\n"));
    let whole = whole.json();
    assert!(whole.get("cursor").is_none() && whole["revision"].is_u64(), "{}", whole["revision"]);

    let names =
        |page: &Value| page["instances"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect::<Vec<_>>();
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = portolan.get(&format!("/v1/instances?limit=40{cursor}")).expect(200).json();
        paged.extend(names(&page));
        match page.get("cursor") {
            Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(names(&whole), paged);
    assert_eq!(paged.len(), 150);
}

#[test]
fn a_list_that_is_not_taken_in_time_breaks_off() {
    let portolan = with_large_instances(20, &[("PORTOLAN_HTTP_REQUEST_TIMEOUT", "500ms")]);
    let mut connection = Http2::connect(portolan.http, &[(http2::INITIAL_WINDOW_SIZE, 512)]);
    connection.send(&http2::head(1, "GET", "/v1/instances", false));
    connection.wait_for_heads(1);
    // At this pace it would take it six seconds.
    let last = loop {
        let frame = connection.next().expect("the connection stays");
        if frame.ends_stream() {
            break frame;
        }
        if frame.kind == http2::DATA {
            std::thread::sleep(Duration::from_millis(20));
            connection.send(&http2::frame(http2::WINDOW_UPDATE, 0, 1, &512_u32.to_be_bytes()));
            connection.send(&http2::frame(http2::WINDOW_UPDATE, 0, 0, &512_u32.to_be_bytes()));
        }
    };
    assert_eq!(last.kind, http2::RST_STREAM, "{last:?}");
}

#[test]
fn heartbeats_go_on_beside_many_long_lists() {
    let portolan = with_large_instances(1000, &[]);
    // Connections that take all they are given, until the process ends.
    for _ in 0..6 {
        let window = (http2::INITIAL_WINDOW_SIZE, (1 << 31) - 1);
        let mut connection = Http2::connect(portolan.http, &[window]);
        connection.send(&http2::frame(http2::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
        connection.send(&requests("/v1/instances?limit=1000"));
        std::thread::spawn(move || while connection.next().is_some() {});
    }
    for _ in 0..20 {
        let start = Instant::now();
        portolan.heartbeat(&json!({"service": "auth", "port": 1}));
        assert!(start.elapsed() < PATIENCE, "a heartbeat took {:?}", start.elapsed());
    }
}

#[test]
fn streams_that_are_reset_write_no_lines() {
    // Of a zone in .local it would write a line at the start, which may arrive after we look.
    let portolan = Launch::new().args(["--zone", "registry.internal"]).start();
    let mut connection = Http2::connect(portolan.http, &[]);
    for n in 0..200 {
        let reset = http2::frame(http2::RST_STREAM, 0, 1 + 2 * n, &8_u32.to_be_bytes());
        connection.try_send(&[http2::head(1 + 2 * n, "GET", "/healthz", false), reset].concat());
    }
    connection.try_send(&http2::head(401, "GET", "/healthz", false));
    while connection.next().is_some_and(|frame| frame.stream != 401) {}
    portolan.get("/healthz").expect(200);
    assert_eq!(portolan.log(), "");
}
