//! Who is refused before a door has heard them, or in the place of its answer, is told so in that door's own words: its
//! clients know no others.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http2::{self, Http2};
use crate::support::tokens::Tokens;
use crate::support::{Launch, Portolan, Response, WebSocket, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests at once that a connection of HTTP/2 is answered.
const STREAMS: u32 = 32;

/// How a door says that `kind` was wrong, which is this status in HTTP.
type Words = fn(&Response, status: u16, kind: &str);

/// Where bodies are taken, and in which words they are refused.
const DOORS: [(&str, Words); 4] =
    [("/api", servreg), ("/rpc", calls), ("/registro/1.0/apps", problem), ("/v1/heartbeat", problem)];

/// Both members whatever happens, under the one status that its clients look at.
#[track_caller]
fn servreg(response: &Response, _: u16, kind: &str) {
    let reply = told(response, 200, kind);
    assert_eq!(reply.get("result"), Some(&Value::Null), "{reply}");
}

/// Exactly one of the two (JSON-RPC 2.0 §5).
#[track_caller]
fn calls(response: &Response, status: u16, kind: &str) {
    let reply = told(response, status, kind);
    assert_eq!(reply.get("result"), None, "{reply}");
    assert_eq!(response.header("www-authenticate").is_some(), status == 401, "{response:?}");
}

/// A reply with an error, to nobody knows which call.
#[track_caller]
fn told(response: &Response, status: u16, kind: &str) -> Value {
    assert_eq!((response.status, response.header("content-type")), (status, Some("application/json")), "{response:?}");
    let reply = response.json();
    assert_eq!((&reply["jsonrpc"], reply.get("id")), (&json!("2.0"), Some(&Value::Null)), "{reply}");
    let error = &reply["error"];
    assert!(error["code"].is_i64() && error["message"].is_string(), "{reply}");
    assert_eq!(error["data"]["type"], format!("/problems/{kind}"), "{reply}");
    reply
}

#[track_caller]
fn problem(response: &Response, status: u16, kind: &str) {
    let is_problem = response.header("content-type") == Some("application/problem+json");
    assert_eq!((response.status, is_problem), (status, true), "{response:?}");
    assert_eq!(response.json()["type"], format!("/problems/{kind}"), "{response:?}");
    assert_eq!(response.header("www-authenticate").is_some(), status == 401, "{response:?}");
}

/// Headers, and what is said to who sends them.
type TurnedAway = (&'static [(&'static str, &'static str)], u16, &'static str);

/// Whom the guard does not let pass.
const TURNED_AWAY: [TurnedAway; 5] = [
    (&[("Host", "evil.example")], 403, "unknown-host"),
    (&[("Host", "a b")], 400, "malformed-request"),
    (&[("Origin", "http://evil.example")], 403, "cross-site"),
    (&[("Sec-Fetch-Site", "cross-site")], 403, "cross-site"),
    (&[("Authorization", "Bearer nobody-knows-it")], 401, "invalid-token"),
];

#[test]
fn whom_the_guard_turns_away_every_door_tells_in_its_words() {
    let portolan = Portolan::start(&[]);
    for (path, words) in DOORS {
        for (headers, status, kind) in TURNED_AWAY {
            words(&portolan.request("POST", path, headers, "{}"), status, kind);
        }
    }
    // A WebSocket that does not come about has no words but those of HTTP, whose status is all that its client sees.
    for path in ["/", "/ws"] {
        for (headers, status, kind) in TURNED_AWAY {
            let headers = [headers, &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]].concat();
            problem(&portolan.request("GET", path, &headers, ""), status, kind);
        }
    }
    assert_eq!(portolan.get("/v1/instances").expect(200).json()["instances"], json!([]));
}

#[test]
fn a_name_that_clients_have_in_their_urls_is_refused_with_the_remedy_and_taken_once_it_is_listed() {
    let locate = json!({"jsonrpc": "2.0", "method": "locate_service", "params": ["auth"], "id": 7}).to_string();
    for (profile, method, path, body, words) in [
        ("servreg", "POST", "/api", locate.as_str(), servreg as Words),
        ("registro", "GET", "/registro/1.0/apps", "", problem as Words),
    ] {
        let settings =
            std::fs::read_to_string(format!("{}/config/{profile}.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(settings.matches("\nhosts = []\n").count(), 1, "{settings}");
        let ask = |settings: &str| {
            let portolan = Tokens::new(settings).start();
            portolan.request(method, path, &[("Host", "Registry.corp:5000")], body)
        };
        let refused = ask(&settings);
        words(&refused, 403, "unknown-host");
        assert!(refused.body.contains("add it to http.hosts"), "{refused:?}");
        let taken = ask(&settings.replace("hosts = []", "hosts = [\"registry.corp\"]")).expect(200).json();
        assert!(taken["result"].is_array() || taken["applications"].is_array(), "{taken}");
    }
}

#[test]
fn who_may_not_write_is_told_so_at_every_door() {
    let closed = |settings: &str| Tokens::new(&format!("[http]\nloopback_writes = false\n{settings}"));
    let (without, with) = (closed(""), closed(""));
    with.add("auth-team", "write = [\"auth*\"]");
    for (tokens, status, kind) in [(without, 403, "anonymous-write"), (with, 401, "token-needed")] {
        let portolan = tokens.start();
        let expected = json!(format!("/problems/{kind}"));
        let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 7});
        // A call that was read is answered under its id.
        let register = call("registry.register", json!({"service": "auth", "port": 80}));
        let ping = call("ping", json!(["auth", "10.0.0.7", 80]));
        for reply in [portolan.post("/rpc", &register), portolan.post("/api", &ping)].map(|r| r.expect(200).json()) {
            assert_eq!((&reply["id"], &reply["error"]["data"]["type"]), (&json!(7), &expected), "{reply}");
        }
        let mut hub = WebSocket::open(portolan.http, "/");
        let reply = hub.call(&call("registry.register", json!(["auth", "10.0.0.7", 80])));
        assert_eq!((&reply["id"], &reply["error"]["data"]["type"]), (&json!(7), &expected), "{reply}");
        problem(&portolan.post("/registro/1.0/apps", &json!({"name": "auth"})), status, kind);
        assert_eq!(portolan.get("/v1/instances").expect(200).json()["instances"], json!([]));
    }
}

#[test]
fn a_body_that_is_late_or_too_large_every_door_refuses_in_its_words() {
    let portolan = Launch::new().env("PORTOLAN_HTTP_REQUEST_TIMEOUT", "500ms").start();
    for (path, words) in DOORS {
        words(&portolan.request("POST", path, &[("Content-Length", "100")], "{"), 408, "request-timeout");
        let large = portolan.request("POST", path, &[], &"x".repeat(2_000_000));
        // What the door has begun to read is its own matter, and a reply like any other.
        words(&large, if path == "/rpc" { 200 } else { 413 }, "body-too-large");
    }
}

#[test]
fn who_sends_or_fetches_too_much_at_once_every_door_tells_in_its_words() {
    let portolan = Portolan::start(&[]);
    let item = |n| json!({"service": format!("s{n:060}"), "port": 1});
    portolan.post("/v1/heartbeat", &(0..1000).map(item).collect()).expect(200);

    // Bodies that never end take the client's share.
    let length = 1 << 20;
    let begin = || {
        let mut connection = TcpStream::connect(portolan.http).unwrap();
        let head = format!("POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        // Who is refused may find the connection closed.
        let _ = connection.write_all(&[head.as_bytes(), &vec![b' '; length - 10]].concat());
        connection
    };
    let mut bodies: Vec<_> = (0..16).map(|_| begin()).collect();
    // Where several are refused at once, there is room for more of them yet.
    for (path, words) in DOORS {
        let refused = wait_until("the share is taken", PATIENCE, || {
            let answer = portolan.request("POST", path, &[], &" ".repeat(length));
            let is_refused = answer.body.contains("/problems/busy");
            if !is_refused {
                bodies.push(begin());
            }
            is_refused.then_some(answer)
        });
        words(&refused, if path == "/rpc" { 200 } else { 503 }, "busy");
    }
    drop(bodies);

    // And so do answers that nobody takes: long ones, and then shorter ones, which fit what is left.
    let deaf = |path| {
        let mut connection = Http2::connect(portolan.http, &[(http2::INITIAL_WINDOW_SIZE, 0)]);
        connection.send(&(0..STREAMS).flat_map(|n| http2::head(1 + 2 * n, "GET", path, false)).collect::<Vec<_>>());
        connection.wait_for_heads(STREAMS as usize);
        connection
    };
    let answers = wait_until("the share is taken", PATIENCE, || {
        let long = ["/v1/services?limit=1000"; 4];
        let answers: Vec<_> = long.into_iter().chain(["/v1/services?limit=50"]).map(deaf).collect();
        (portolan.get("/v1/services?limit=100").status == 503).then_some(answers)
    });
    let locate = json!({"jsonrpc": "2.0", "method": "locate_service", "params": ["*"], "id": 7});
    let list = json!({"jsonrpc": "2.0", "method": "registry.list", "params": [], "id": 7});
    servreg(&portolan.post("/api", &locate), 503, "busy");
    calls(&portolan.post("/rpc", &list), 503, "busy");
    drop(answers);
    wait_until("there is room again", PATIENCE, || {
        let reply = portolan.post("/api", &locate).expect(200).json();
        (reply["result"].as_array()?.len() == 1000).then_some(())
    });
}
