//! Who watches over a WebSocket: changes are notifications, and none is missing without a word.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::support::websocket_by_hand::ByHand;
use crate::support::{Launch, Portolan, WebSocket, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

fn call(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id})
}

fn register(portolan: &Portolan, service: &str, instance: &str) -> Value {
    portolan.heartbeat(&json!({"service": service, "instance": instance, "port": 80}))
}

/// The number of a new watch.
#[track_caller]
fn watch(socket: &mut WebSocket, params: &Value) -> u64 {
    let reply = socket.call(&call(1, "registry.watch", params));
    reply["result"].as_u64().unwrap_or_else(|| panic!("no number: {reply}"))
}

/// The watch, the event and the instance of a notification.
#[track_caller]
fn told(notification: &Value) -> (u64, String, String) {
    assert_eq!((&notification["method"], notification.get("id")), (&json!("registry.watch"), None), "{notification}");
    let event = &notification["params"]["result"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = notification["params"]["subscription"].as_u64().unwrap();
    (number, text(&event["event"]), text(&event["instance"]["instance"]))
}

fn is(number: u64, event: &str, instance: &str) -> (u64, String, String) {
    (number, event.to_owned(), instance.to_owned())
}

#[test]
fn who_watches_is_told_until_it_ends_that_and_calls_go_on() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let auth = watch(&mut socket, &json!(["auth"]));
    let drained = watch(&mut socket, &json!({"status": ["out-of-service"], "instance": "a*"}));
    register(&portolan, "auth", "a1");
    register(&portolan, "web", "w1");
    let first = socket.hear();
    assert_eq!(told(&first), is(auth, "added", "a1"));
    assert_eq!(first["params"]["result"]["cause"], "registered");
    assert_eq!(socket.call(&call(2, "registry.ping", &json!([])))["result"], "pong");
    portolan.request("PUT", "/v1/instances/auth/a1/status", &[], r#"{"status": "out-of-service"}"#).expect(200);
    let mut both = [told(&socket.hear()), told(&socket.hear())];
    both.sort();
    assert_eq!(both, [is(auth, "changed", "a1"), is(drained, "added", "a1")]);

    assert_eq!(socket.call(&call(3, "registry.unwatch", &json!([auth])))["result"], true);
    assert_eq!(socket.call(&call(4, "registry.unwatch", &json!([auth])))["result"], false);
    portolan.request("DELETE", "/v1/instances/auth/a1", &[], "").expect(204);
    assert_eq!(told(&socket.hear()), is(drained, "removed", "a1"));

    // A session's own changes are told as well, after the reply.
    let auth = watch(&mut socket, &json!({"service": "auth"}));
    let registered = socket.call(&call(5, "registry.register", &json!(["auth", 80, "a2"])));
    assert_eq!(registered["id"], 5);
    assert_eq!(told(&socket.hear()), is(auth, "added", "a2"));
}

#[test]
fn who_lists_and_then_watches_or_comes_back_misses_nothing() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth", "a1");
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let page = socket.call(&call(1, "registry.list", &json!({})))["result"].take();
    for instance in ["a2", "a3", "a4"] {
        register(&portolan, "auth", instance);
    }
    let number = watch(&mut socket, &json!({"since": page["position"]}));
    let events: Vec<_> = (0..3).map(|_| socket.hear()).collect();
    assert_eq!(told(&events[2]), is(number, "added", "a4"));
    drop(socket);

    let mut socket = WebSocket::open(portolan.http, "/ws");
    let number = watch(&mut socket, &json!({"since": events[1]["params"]["result"]["position"], "service": "auth"}));
    assert_eq!(told(&socket.hear()), is(number, "added", "a4"));
    // A revision is a position, too.
    let number = watch(&mut socket, &json!({"since": page["revision"]}));
    assert_eq!(told(&socket.hear()), is(number, "added", "a2"));
}

#[test]
fn who_cannot_be_told_everything_is_told_to_list_again_and_goes_on() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let number = watch(&mut socket, &json!({"since": "7-0123456789abcdef"}));
    let again = socket.hear();
    assert_eq!(told(&again), is(number, "list-again", ""));
    assert!(again["params"]["result"]["reason"].as_str().unwrap().contains("another history"), "{again}");
    register(&portolan, "auth", "a1");
    assert_eq!(told(&socket.hear()), is(number, "added", "a1"));
}

#[test]
fn who_is_too_slow_is_told_to_list_again_and_never_short_changed() {
    const BATCH: u64 = 500;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[http]\nrequest_timeout = \"10m\"\n").unwrap();
    let portolan = Launch::new().args(["--config", file.to_str().unwrap()]).start();
    let mut slow = ByHand::open(portolan.http, "/ws");
    slow.say(&call(1, "registry.watch", &json!(["auth"])).to_string());
    let number = slow.hear()["result"].as_u64().unwrap();

    // Far more than socket buffers hold, until the registry has forgotten what they do not.
    let text = "x".repeat(250);
    let mut item = json!({"service": "auth", "port": 80, "txt": {"a": text, "b": text, "c": text, "d": text}});
    let (mut changes, mut memory) = (0, 0);
    wait_until("changes are forgotten", 6 * PATIENCE, || {
        let batch = (0..BATCH).map(|n| {
            item["instance"] = json!(format!("a{n}"));
            item["weight"] = json!(changes / BATCH);
            item.clone()
        });
        portolan.post("/v1/heartbeat", &batch.collect()).expect(200);
        changes += BATCH;
        let metrics = portolan.get("/metrics").body;
        let kept = metrics.lines().find_map(|line| line.strip_prefix("portolan_watchable_changes "));
        let kept: u64 = kept.expect("the metric").parse().unwrap();
        memory = portolan.resident();
        (changes - kept > 15_000).then_some(())
    });
    assert!(memory < 400 << 20, "{memory} octets");

    // Each of what is there once, in order, then the word that there was more.
    let mut position = 0;
    let again = loop {
        let event = slow.hear()["params"].take();
        assert_eq!(event["subscription"], number);
        let event = &event["result"];
        if event["event"] == "list-again" {
            break event.clone();
        }
        let revision: u64 = event["position"].as_str().unwrap().split('-').next().unwrap().parse().unwrap();
        assert!(position == 0 || revision == position + 1, "{revision} after {position}");
        position = revision;
    };
    assert!(again["reason"].as_str().unwrap().contains("faster than they were taken"), "{again}");
    register(&portolan, "auth", "b1");
    let next = slow.hear();
    assert_eq!(told(&next), is(number, "added", "b1"));
}

#[test]
fn watches_are_for_who_has_a_session_and_have_a_bound() {
    let portolan = Portolan::start(&[]);
    let refused = portolan.post("/rpc", &call(1, "registry.watch", &json!([]))).json();
    assert!(refused["error"]["data"]["detail"].as_str().unwrap().contains("/ws"), "{refused}");
    let mut socket = WebSocket::open(portolan.http, "/ws");
    for (params, kind) in [
        (json!({"servcie": "auth"}), "unknown-parameter"),
        (json!({"limit": 1}), "unknown-parameter"),
        (json!({"since": "x"}), "invalid-parameter"),
        (json!({"status": "gone"}), "invalid-parameter"),
    ] {
        let reply = socket.call(&call(1, "registry.watch", &params));
        assert_eq!(reply["error"]["data"]["type"], format!("/problems/{kind}"), "{params}");
    }
    let many = json!((0..40).map(|id| call(id, "registry.watch", &json!([]))).collect::<Vec<_>>());
    let replies = socket.call(&many);
    let refused = |reply: &&Value| reply["error"]["data"]["type"] == "/problems/too-many";
    assert_eq!(replies.as_array().unwrap().iter().filter(refused).count(), 40 - 32);
    assert!(portolan.get("/metrics").body.contains("portolan_http_watchers 32\n"));
    drop(socket);
    wait_until("they are over", PATIENCE, || {
        portolan.get("/metrics").body.contains("portolan_http_watchers 0\n").then_some(())
    });
}

#[tokio::test]
async fn one_client_leaves_watches_for_others() {
    let portolan = Launch::new().env("PORTOLAN_HTTP_WATCHERS", "40").start();
    let watches = |count| json!((0..count).map(|id| call(id, "registry.watch", &json!([]))).collect::<Vec<_>>());
    let refused = |reply: &&Value| reply["error"]["data"]["type"] == "/problems/busy";
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let replies = socket.call(&watches(30));
    let refused: Vec<_> = replies.as_array().unwrap().iter().filter(refused).collect();
    assert_eq!(refused.len(), 30 - 40 / 2);
    assert!(refused[0]["error"]["data"]["detail"].as_str().unwrap().contains("half of http.watchers"), "{refused:?}");
    portolan.get("/v1/watch").expect(503);
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(portolan.http).await.unwrap();
    other.write_all(b"GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut status = [0; 12];
    other.read_exact(&mut status).await.unwrap();
    assert_eq!(std::str::from_utf8(&status), Ok("HTTP/1.1 200"));
}
