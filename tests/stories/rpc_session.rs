//! Who holds a WebSocket: calls in order, and instances that go when it closes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::websocket_by_hand::{ByHand, frame};
use crate::support::{Launch, Portolan, WebSocket, wait_until};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn call(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id})
}

fn leased(instance: &str, lease: &Value) -> Value {
    json!({"service": "auth", "instance": instance, "port": 8080, "lease": lease})
}

fn status(portolan: &Portolan, instance: &str) -> u16 {
    portolan.get(&format!("/v1/instances/auth/{instance}")).status
}

#[track_caller]
fn is_gone(portolan: &Portolan, instance: &str) {
    wait_until(&format!("{instance} is gone"), PATIENCE, || (status(portolan, instance) == 404).then_some(()));
}

/// A registry with these lines in its configuration.
fn configured(settings: &str) -> Portolan {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, settings).unwrap();
    Launch::new().args(["--config", file.to_str().unwrap()]).start()
}

#[test]
fn calls_are_answered_in_order_as_over_http() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    for n in 0..50 {
        socket.say(&call(n, "registry.register", &leased(&format!("a{n}"), &json!(60))).to_string());
        socket.say(&call(1000 + n, "registry.get", &json!(["auth", format!("a{n}")])).to_string());
    }
    for n in 0..50 {
        let (registered, found) = (socket.hear(), socket.hear());
        assert_eq!((&registered["id"], &found["id"]), (&json!(n), &json!(1000 + n)));
        assert_eq!(found["result"]["instance"], format!("a{n}"), "{found}");
    }
    assert_eq!(socket.call(&json!("no call"))["error"]["code"], -32600);
    socket.say("{");
    assert_eq!(socket.hear()["error"]["code"], -32700);
    socket.say(&format!("!binary {}", call(7, "registry.ping", &json!([]))));
    assert_eq!(socket.hear()["result"], "pong");
    // To a notification nothing is said: the next reply is that of the next call.
    socket.say(&json!({"jsonrpc": "2.0", "method": "registry.ping"}).to_string());
    assert_eq!(socket.call(&json!([call(8, "registry.ping", &json!([]))]))[0]["id"], 8);
}

#[test]
fn what_a_session_owns_goes_with_it_and_nothing_else_does() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let owned = socket.call(&call(1, "registry.register", &leased("owned", &json!("session"))));
    assert_eq!((&owned["result"]["lease"], &owned["result"]["status"]), (&json!("session"), &json!("up")), "{owned}");
    socket.call(&call(2, "registry.heartbeat", &leased("lent", &json!("session"))));
    socket.call(&call(3, "registry.register", &leased("kept", &json!(60))));
    assert_eq!(portolan.dig(&["+short", "PTR", "_auth._tcp.registry.local"]).lines().count(), 3);

    // Whoever registers last has it.
    portolan.heartbeat(&leased("lent", &json!(60)));
    socket.say("!close");
    assert_eq!(socket.hear_line().split(' ').next(), Some("closed"));

    is_gone(&portolan, "owned");
    assert_eq!((status(&portolan, "lent"), status(&portolan, "kept")), (200, 200));
    assert_eq!(portolan.dig(&["+short", "PTR", "_auth._tcp.registry.local"]).lines().count(), 2);
}

#[test]
fn a_session_that_breaks_off_is_over_too() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    socket.call(&call(1, "registry.register", &leased("a1", &json!("session"))));
    drop(socket);
    is_gone(&portolan, "a1");
}

#[test]
fn who_is_back_before_its_old_session_was_missed_keeps_its_instance() {
    let portolan = Portolan::start(&[]);
    let mut old = WebSocket::open(portolan.http, "/ws");
    old.call(&call(1, "registry.register", &leased("a1", &json!("session"))));
    old.call(&call(2, "registry.register", &leased("a2", &json!("session"))));
    let mut new = WebSocket::open(portolan.http, "/ws");
    new.call(&call(1, "registry.register", &leased("a1", &json!("session"))));
    drop(old);
    is_gone(&portolan, "a2");
    assert_eq!(status(&portolan, "a1"), 200);
    drop(new);
    is_gone(&portolan, "a1");
}

#[test]
fn who_is_back_in_the_moment_its_old_session_ends_keeps_its_instance() {
    let portolan = Portolan::start(&[]);
    for round in 0..30 {
        let (lent, own) = (format!("lent{round}"), format!("own{round}"));
        let mut socket = ByHand::open(portolan.http, "/ws");
        for instance in [&lent, &own] {
            socket.say(&call(1, "registry.register", &leased(instance, &json!("session"))).to_string());
        }
        wait_until("both are there", PATIENCE, || (status(&portolan, &own) == 200).then_some(()));
        thread::scope(|scope| {
            scope.spawn(move || drop(socket));
            // It says nothing new: only whose it is has changed.
            portolan.heartbeat(&leased(&lent, &json!(60)));
        });
        is_gone(&portolan, &own);
        assert_eq!(status(&portolan, &lent), 200, "round {round}");
    }
}

#[test]
fn who_stands_by_for_a_name_has_it_as_soon_as_its_session_ends() {
    let portolan = Portolan::start(&[]);
    for round in 0..10 {
        let instance = format!("a{round}");
        let mut socket = ByHand::open(portolan.http, "/ws");
        socket.say(&call(1, "registry.register", &leased(&instance, &json!("session"))).to_string());
        wait_until("it is there", PATIENCE, || (status(&portolan, &instance) == 200).then_some(()));
        let standing_by = json!({"service": "auth", "instance": instance, "port": 9090}).to_string();
        let has_it = AtomicBool::new(false);
        // Always one of them is being refused.
        let asks = || {
            while !has_it.load(Ordering::Relaxed) {
                let answer = portolan.request("POST", "/v1/heartbeat", &[("If-None-Match", "*")], &standing_by);
                has_it.fetch_or(answer.status == 201, Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(asks)));
            drop(socket);
            let began = Instant::now();
            while !has_it.load(Ordering::Relaxed) && began.elapsed() < PATIENCE {
                thread::yield_now();
            }
            assert!(has_it.fetch_or(true, Ordering::Relaxed), "round {round}");
        });
        assert_eq!(portolan.get(&format!("/v1/instances/auth/{instance}")).json()["port"], 9090);
    }
}

#[test]
fn a_session_owns_a_thousand_also_where_they_come_in_batches() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let batch = |from: usize, count: usize| {
        let register = |n| call(1, "registry.register", &leased(&format!("a{n}"), &json!("session")));
        json!((from..from + count).map(register).collect::<Vec<_>>())
    };
    let mut owned = |batch: &Value| {
        let replies = socket.call(batch);
        let refused: Vec<_> =
            replies.as_array().unwrap().iter().filter(|reply| !reply["error"].is_null()).cloned().collect();
        assert!(refused.iter().all(|reply| reply["error"]["data"]["type"] == "/problems/too-many"), "{refused:?}");
        replies.as_array().unwrap().len() - refused.len()
    };
    assert_eq!(owned(&batch(0, 999)), 999);
    assert_eq!(owned(&batch(999, 1000)), 1);
    assert_eq!(owned(&batch(0, 1000)), 1000, "those that it owns it may say again");
}

#[test]
fn a_session_renews_what_it_owns() {
    let portolan = configured("[lease]\ndefault = \"1s\"\nshortest = \"1s\"\n");
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let registered = socket.call(&call(1, "registry.register", &leased("a1", &json!("session"))));
    let shown = || portolan.get("/v1/instances/auth/a1").expect(200).json();
    let first = shown()["expires_at"].as_str().unwrap().to_owned();
    // Three leases later, as the registry's own clock tells it.
    let ends = wait_until("it was renewed past its lease", PATIENCE, || {
        let ends = shown()["expires_at"].as_str().unwrap().to_owned();
        (seconds(&ends) > seconds(&first) + 3.0).then_some(shown())
    });
    assert_eq!(ends["status"], "up");
    assert_eq!(ends["revision"], registered["result"]["revision"], "it never lapsed");
}

/// Of the day.
fn seconds(timestamp: &str) -> f64 {
    let time = timestamp.split('T').nth(1).unwrap().trim_end_matches('Z');
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

#[test]
fn a_call_that_waits_holds_up_neither_the_others_nor_what_the_session_owns() {
    let portolan = configured("[lease]\ndefault = \"1s\"\nshortest = \"1s\"\n");
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let revision =
        socket.call(&call(1, "registry.register", &leased("a1", &json!("session"))))["result"]["revision"].clone();
    socket.say(&call(2, "registry.waitFor", &json!(["web", "20s"])).to_string());
    socket.say(&call(3, "registry.list", &json!({"service": "db", "wait": 20})).to_string());
    assert_eq!(socket.call(&call(4, "registry.ping", &json!([])))["id"], 4);
    // In a batch the calls are done in order, and leases go on all the same.
    socket.say(
        &json!([call(5, "registry.waitFor", &json!(["db", "3s"])), call(6, "registry.ping", &json!([]))]).to_string(),
    );
    let replies = socket.hear();
    assert_eq!(replies[0]["error"]["code"], -32004, "{replies}");
    let owned = portolan.get("/v1/instances/auth/a1").expect(200).json();
    assert_eq!((&owned["status"], &owned["revision"]), (&json!("up"), &revision), "it never lapsed");
    portolan.heartbeat(&json!({"service": "web", "instance": "w1", "port": 80}));
    let found = socket.hear();
    assert_eq!((&found["id"], &found["result"]["instances"][0]["instance"]), (&json!(2), &json!("w1")));
    portolan.heartbeat(&json!({"service": "db", "instance": "d1", "port": 80}));
    assert_eq!(socket.hear()["id"], 3);
    // Who goes while it waits leaves nobody behind who does.
    socket.say(&call(7, "registry.waitFor", &json!(["nobody"])).to_string());
    let waiting = |count: u8| {
        let line = format!("portolan_http_waiting_requests {count}\n");
        wait_until(&line, PATIENCE, || portolan.get("/metrics").body.contains(&line).then_some(()));
    };
    waiting(1);
    drop(socket);
    waiting(0);
}

#[test]
fn a_restart_leaves_what_a_session_owned_for_its_lease() {
    let folder = tempfile::TempDir::new().unwrap();
    let portolan = Portolan::start_in(folder.path(), &[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    socket.call(&call(1, "registry.register", &leased("a1", &json!("session"))));
    assert!(portolan.terminate().success());
    assert_eq!(socket.hear_line(), "closed 1001 the registry is shutting down");
    let portolan = Portolan::start_in(folder.path(), &[]);
    let shown = portolan.get("/v1/instances/auth/a1").expect(200).json();
    assert_eq!((&shown["status"], &shown["lease"]), (&json!("up"), &json!(60)));
}

#[test]
fn only_a_session_has_a_lease_of_its_own() {
    let portolan = Portolan::start(&[]);
    let reply = portolan.post("/rpc", &call(1, "registry.register", &leased("a1", &json!("session")))).json();
    assert_eq!(reply["error"]["data"]["type"], "/problems/invalid-lease");
    assert!(reply["error"]["data"]["detail"].as_str().unwrap().contains("/ws"), "{reply}");
    portolan.get("/ws").expect(400);
}

#[test]
fn a_message_that_is_too_large_or_no_message_closes_the_session_in_words() {
    let portolan = configured("[http]\nbody_limit = 100000\n");
    let mut socket = WebSocket::open(portolan.http, "/ws");
    socket.say(&"x".repeat(200_000));
    let closed = socket.hear_line();
    assert!(closed.starts_with("closed 1009 ") && closed.contains("100000"), "{closed}");
    let mut socket = WebSocket::open(portolan.http, "/ws");
    // A text frame with a reserved bit set, masked with zeros.
    socket.say("!octets d18100000000ff");
    let closed = socket.hear_line();
    assert!(closed.starts_with("closed 1002 "), "{closed}");
    portolan.get("/healthz").expect(200);
}

#[test]
fn a_session_that_never_reads_is_given_up_and_what_it_owned_goes() {
    let portolan = configured("[http]\nrequest_timeout = \"2s\"\n");
    let item = |n| json!({"service": "other", "instance": format!("o{n}"), "port": 1});
    portolan.post("/v1/heartbeat", &(0..1000).map(item).collect()).expect(200);
    let mut deaf = ByHand::open(portolan.http, "/ws");
    deaf.say(&call(1, "registry.register", &leased("a1", &json!("session"))).to_string());
    wait_until("it is there", PATIENCE, || (status(&portolan, "a1") == 200).then_some(()));
    let list = frame(&call(2, "registry.list", &json!({"limit": 1000})).to_string());
    // More than socket buffers hold; the registry stops reading as well, so that this may fail.
    let memory = portolan.resident();
    let _ = (0..10_000).try_for_each(|_| deaf.0.write_all(&list));
    is_gone(&portolan, "a1");
    let grown = portolan.resident().saturating_sub(memory);
    assert!(grown < 64 << 20, "{grown} octets were kept for it");
}

#[test]
fn a_session_that_says_nothing_is_asked_and_then_closed() {
    let portolan = configured("[http]\nidle_timeout = \"300ms\"\n");
    let mut silent = ByHand::open(portolan.http, "/ws");
    // A peer that answers pings stays, however little it has to say.
    let mut quiet = WebSocket::open(portolan.http, "/ws");
    let mut heard = Vec::new();
    silent.0.read_to_end(&mut heard).unwrap();
    assert_eq!(heard[..2], [0x89, 0], "a ping: {heard:?}");
    assert_eq!(heard[2], 0x88, "then a close: {heard:?}");
    assert!(String::from_utf8_lossy(&heard[6..]).contains("nothing was heard"), "{heard:?}");
    assert_eq!(quiet.call(&call(1, "registry.ping", &json!([])))["result"], "pong");
}

#[test]
fn sessions_count_as_connections_and_hold_up_no_stop() {
    let mut portolan = configured("[http]\nconnections_per_client = 2\n");
    let first = WebSocket::open(portolan.http, "/ws");
    let _second = ByHand::open(portolan.http, "/ws");
    let mut third = TcpStream::connect(portolan.http).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap_or_default(), 0, "one too many");
    drop(first);
    wait_until("there is room again", PATIENCE, || {
        let mut stream = TcpStream::connect(portolan.http).ok()?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
    portolan.signal("TERM");
    assert!(portolan.wait().success());
}

#[test]
fn an_idle_session_costs_little() {
    const SESSIONS: u64 = 400;
    let portolan = configured("[http]\nconnections_per_client = 1000\n");
    // What is allocated once.
    let first = ByHand::open(portolan.http, "/ws");
    let before = portolan.resident();
    let all: Vec<_> = (0..SESSIONS).map(|_| ByHand::open(portolan.http, "/ws")).collect();
    let each = portolan.resident().saturating_sub(before) / SESSIONS;
    assert!(each < 20_000, "{each} octets each");
    drop((first, all));
}

#[test]
fn so_many_calls_of_a_socket_wait_and_what_does_not_wait_goes_on() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    for id in 0..40 {
        socket.say(&call(id, "registry.waitFor", &json!(["web", "20s"])).to_string());
    }
    for id in 32..40 {
        let refused = socket.hear();
        assert_eq!((&refused["id"], &refused["error"]["data"]["type"]), (&json!(id), &json!("/problems/busy")));
    }
    assert_eq!(socket.call(&call(40, "registry.ping", &json!([])))["id"], 40);
    portolan.heartbeat(&json!({"service": "web", "instance": "w1", "port": 80}));
    for _ in 0..32 {
        assert_eq!(socket.hear()["result"]["instances"][0]["instance"], "w1");
    }
    assert_eq!(socket.call(&call(41, "registry.waitFor", &json!(["web"])))["result"]["instances"][0]["instance"], "w1");
}
