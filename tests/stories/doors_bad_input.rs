//! Who sends something wrong to a door: it is told so in that door's own words, nothing is half done, and neither who
//! floods nor who never reads keeps others waiting.

use std::io::{Read, Write};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::websocket_by_hand::{ByHand, frame};
use crate::support::{Launch, Portolan, WebSocket, from_elsewhere, request_over, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// What no call of JSON-RPC is, and the codes of what is said to it.
fn no_calls() -> Vec<(String, i64)> {
    let deep = format!(r#"{{"jsonrpc":"2.0","method":"ping","params":{}{},"id":1}}"#, "[".repeat(500), "]".repeat(500));
    let many = format!("[{}1]", "1,".repeat(1000));
    let plain = [
        ("", -32700),
        ("{", -32700),
        ("\u{0}", -32700),
        ("{\"jsonrpc\": \"2.0\", \"method\": \"ping\", \"id\": 1,}", -32700),
        ("7", -32600),
        ("\"ping\"", -32600),
        ("[]", -32600),
        ("{}", -32600),
        ("{\"jsonrpc\": \"2.0\", \"method\": 7, \"id\": 1}", -32600),
        ("{\"jsonrpc\": \"2.0\", \"method\": \"ping\", \"params\": 7, \"id\": 1}", -32600),
        ("{\"jsonrpc\": \"2.0\", \"method\": \"ping\", \"id\": [1]}", -32600),
        ("{\"jsonrpc\": \"2.0\", \"method\": \"__proto__\", \"id\": 1}", -32601),
    ];
    let plain = plain.into_iter().map(|(text, code)| (text.to_owned(), code));
    plain.chain([(deep, -32700), (many, -32600)]).collect()
}

/// Nothing was registered, and the registry is well.
#[track_caller]
fn is_as_it_was(portolan: &Portolan) {
    assert_eq!(portolan.get("/v1/instances").expect(200).json()["instances"], json!([]));
    portolan.get("/readyz").expect(200);
}

fn call(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id})
}

/// A registry where no request may last long.
fn impatient() -> Portolan {
    Launch::new().env("PORTOLAN_HTTP_REQUEST_TIMEOUT", "2s").start()
}

/// So many instances of a service.
fn crowd(portolan: &Portolan, instances: usize) {
    let all: Vec<_> =
        (0..instances).map(|n| json!({"service": "auth", "instance": format!("a{n}"), "port": 80})).collect();
    for some in all.chunks(1000) {
        portolan.post("/v1/heartbeat", &json!(some)).expect(200);
    }
}

/// Somebody who sends the same again and again and reads nothing, until it is cut off, or nothing more is taken.
fn flood(portolan: &Portolan, path: &'static str, text: String) -> JoinHandle<ByHand> {
    let to = portolan.http;
    std::thread::spawn(move || {
        let mut deaf = ByHand::open(to, path);
        let messages = frame(&text).repeat(100);
        let _ = (0..1000).try_for_each(|_| deaf.0.write_all(&messages));
        deaf
    })
}

#[test]
fn servregs_door_has_an_error_and_a_null_result_for_every_mistake() {
    let portolan = Portolan::start(&[]);
    let send = |body: &str| {
        let reply = portolan.request("POST", "/api", &[], body).expect(200).json();
        assert!(reply["result"].is_null() && reply.get("result").is_some(), "{body:.80}: {reply}");
        assert!(reply["error"]["message"].is_string(), "{body:.80}: {reply}");
        reply["error"]["code"].as_i64().unwrap()
    };
    for (text, code) in no_calls() {
        assert_eq!(send(&text), code, "{text:.80}");
    }
    let long = "x".repeat(300);
    for params in [
        json!([]),
        json!(["auth"]),
        json!(["auth", "10.0.0.7"]),
        json!(["auth", "10.0.0.7", "80"]),
        json!(["auth", "10.0.0.7", 0]),
        json!(["auth", "10.0.0.7", 65536]),
        json!(["auth", "10.0.0.7", -1]),
        json!(["auth", "10.0.0.7", 80.5]),
        json!(["auth", "10.0.0.7", 80, "more"]),
        json!([["auth"], "10.0.0.7", 80]),
        json!(["", "10.0.0.7", 80]),
        json!([long, "10.0.0.7", 80]),
        json!(["a\u{1b}[31m", "10.0.0.7", 80]),
        json!(["auth", "no host", 80]),
        json!(["auth", "224.0.0.1", 80]),
        json!(["auth", "javascript:alert(1)"]),
        json!({"name": "auth", "host": "10.0.0.7", "port": 80, "colour": "red"}),
        json!({"name": "auth", "host": "10.0.0.7", "port": 80, "url": "http://10.0.0.7/"}),
    ] {
        assert_eq!(send(&call(1, "ping", &params).to_string()), -32602, "{params}");
    }
    assert_eq!(send(&call(1, "locate_service", &json!([7])).to_string()), -32602);
    assert_eq!(send(&"x".repeat(2_000_000)), -32013);
    assert_eq!(portolan.get("/api").expect(405).header("allow"), Some("POST"));
    is_as_it_was(&portolan);
}

#[test]
fn of_a_batch_each_item_says_what_became_of_it() {
    let portolan = Portolan::start(&[]);
    let codes = |replies: &Value| -> Vec<(Value, Value)> {
        let of = |reply: &Value| (reply["id"].clone(), reply["error"]["code"].clone());
        replies.as_array().unwrap().iter().map(of).collect()
    };
    let expected = [
        (json!(1), Value::Null),
        (json!(2), json!(-32602)),
        (Value::Null, json!(-32600)),
        (json!(3), json!(-32601)),
        (json!(4), Value::Null),
    ];
    let batch = json!([
        call(1, "ping", &json!(["auth", "10.0.0.7", 80])),
        call(2, "ping", &json!(["auth", "10.0.0.7", 0])),
        null,
        call(3, "reboot", &json!([])),
        call(4, "ping", &json!(["auth", "10.0.0.8", 80])),
    ]);
    assert_eq!(codes(&portolan.post("/api", &batch).expect(200).json()), expected);
    assert_eq!(portolan.get("/v1/instances?service=auth").json()["instances"].as_array().unwrap().len(), 2);

    let mut hub = WebSocket::open(portolan.http, "/");
    let replies = hub.call(&json!([
        call(1, "registry.register", &json!(["hub", "10.0.0.7", 80])),
        call(2, "registry.register", &json!(["spoke", "10.0.0.7", 0])),
        null,
        call(3, "registry.reboot", &json!([])),
        call(4, "registry_ping", &json!(["hub"])),
    ]));
    assert_eq!(codes(&replies), expected);
    assert_eq!(hub.hear()["params"]["result"]["type"], "data", "what the last one subscribed to follows");
    assert_eq!(hub.hear()["params"]["result"]["type"], "done");
    portolan.get("/v1/instances/hub/hub").expect(200);
    portolan.get("/v1/instances/spoke/spoke").expect(404);
}

#[test]
fn registros_door_has_its_statuses_for_every_mistake() {
    let portolan = Portolan::start(&[]);
    let apps = "/registro/1.0/apps";
    let send = |method: &str, path: &str, body: &str| {
        let response = portolan.request(method, &format!("{apps}{path}"), &[], body);
        assert_eq!(response.header("content-type"), Some("application/problem+json"), "{method} {path}: {response:?}");
        assert!(response.json()["detail"].as_str().is_some_and(|text| !text.is_empty()), "{response:?}");
        response.status
    };
    let long = json!({"name": "x".repeat(300)}).to_string();
    for body in [
        "",
        "{",
        "[]",
        "7",
        "{}",
        r#"{"name": 7}"#,
        r#"{"name": ""}"#,
        r#"{"name": null}"#,
        r#"{"name": "a", "name": "b"}"#,
        &long,
    ] {
        assert_eq!(send("POST", "", body), 400, "{body:.80}");
    }
    assert_eq!(send("POST", "", &"x".repeat(2_000_000)), 413);
    assert_eq!(send("PUT", "", "{}"), 405);
    for (method, path) in
        [("GET", "/ghost"), ("POST", "/ghost"), ("GET", "/ghost/a1"), ("PUT", "/ghost/a1"), ("DELETE", "/ghost/a1")]
    {
        assert_eq!(send(method, path, r#"{"id": "a1", "ip": "10.0.0.7", "port": 80}"#), 404, "{method} {path}");
    }
    for path in ["/%ff", "/%ff/a1", "/auth/%ff"] {
        assert_eq!(send("GET", path, ""), 400, "{path}");
    }
    is_as_it_was(&portolan);

    portolan.request("POST", apps, &[], r#"{"name": "auth"}"#).expect(201);
    let item = |key: &str, value: Value| {
        let mut item = json!({"id": "a1", "ip": "10.0.0.7", "port": 80});
        item[key] = value;
        item.to_string()
    };
    for body in [
        item("id", json!("")),
        item("id", json!(7)),
        item("id", json!("(declared)")),
        item("id", json!("x".repeat(300))),
        item("ip", json!("no host")),
        item("ip", json!(["10.0.0.7"])),
        item("port", json!(0)),
        item("port", json!("80")),
        item("port", json!(65536)),
        r#"{"id": "a1"}"#.to_owned(),
    ] {
        assert_eq!(send("POST", "/auth", &body), 400, "{body:.80}");
    }
    assert_eq!(portolan.get(&format!("{apps}/auth")).expect(200).json(), json!({"name": "auth"}));
}

#[test]
fn the_plexus_door_answers_every_mistake_and_goes_on() {
    let portolan = Portolan::start(&[]);
    let mut hub = WebSocket::open(portolan.http, "/");
    for (text, code) in no_calls().into_iter().filter(|(text, _)| !text.is_empty()) {
        hub.say(&text);
        let reply = hub.hear();
        assert_eq!(reply["error"]["code"], code, "{text:.80}: {reply}");
    }
    for (method, params) in [
        ("registry.register", json!([])),
        ("registry.register", json!(["hub", "10.0.0.7"])),
        ("registry.register", json!(["hub", "10.0.0.7", 0])),
        ("registry.register", json!(["hub", "10.0.0.7", "80"])),
        ("registry.register", json!(["hub", "10.0.0.7", 80, 7])),
        ("registry.register", json!(["", "10.0.0.7", 80])),
        ("registry.register", json!(["x".repeat(300), "10.0.0.7", 80])),
        ("registry.register", json!(["hub", "no host", 80])),
        ("registry.register", json!({"name": "hub", "host": "10.0.0.7", "port": 80, "colour": "red"})),
        ("registry.list", json!(["yes"])),
        ("registry.list", json!([true, true])),
        ("registry.get", json!([7])),
        ("registry.update", json!(["hub", 7, 7, 7, 7, 7, 7])),
        ("registry.update", json!({"host": "10.0.0.7"})),
        ("registry.delete", json!({"nmae": "hub"})),
        ("registry.ping", json!([null])),
        ("registry.reload", json!([1])),
    ] {
        let reply = hub.call(&call(1, method, &params));
        assert_eq!(reply["error"]["code"], -32602, "{method} {params}: {reply}");
    }
    // A subscription fails as an item.
    for (method, params, code) in [
        ("registry_register", json!(["hub", "10.0.0.7", 0]), "port-zero"),
        ("registry_list", json!(["yes"]), "wrong-type"),
        ("registry_reload", json!([1]), "too-many"),
        ("registry-hub.call", json!(["register", ["hub", "10.0.0.7", 0]]), "port-zero"),
        ("registry-hub.call", json!({"method": 7}), "missing-field"),
        ("registry-hub.call", json!({"method": "list", "params": 7}), "wrong-type"),
        ("registry-hub.call", json!([1, 2, 3]), "too-many"),
    ] {
        let reply = hub.call(&call(2, method, &params));
        let item = hub.hear()["params"].take();
        assert_eq!((&item["subscription"], &item["result"]["type"]), (&reply["result"], &json!("error")), "{reply}");
        assert_eq!(item["result"]["code"], code, "{method} {params}");
    }
    is_as_it_was(&portolan);
}

#[test]
fn who_floods_or_never_reads_keeps_nobody_waiting_and_takes_little() {
    let portolan = impatient();
    let before = portolan.resident();
    let list = call(1, "registry.list", &json!([])).to_string();
    let watch = call(1, "registry.watch", &json!([])).to_string();
    let floods = [
        flood(&portolan, "/", list.clone()),
        flood(&portolan, "/", call(1, "registry_list", &json!([])).to_string()),
        flood(&portolan, "/ws", list),
        flood(&portolan, "/ws", watch),
        flood(&portolan, "/ws", "{".to_owned() + &" ".repeat(1000)),
        flood(&portolan, "/ws", call(1, "registry.waitFor", &json!(["nobody"])).to_string()),
    ];
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let start = Instant::now();
        portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 80}));
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "a heartbeat took {slowest:?}");
    let deaf: Vec<_> = floods.into_iter().map(|flood| flood.join().unwrap()).collect();
    let grown = portolan.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} octets were kept for them");
    wait_until("they are given up, or have gone", PATIENCE, || {
        let metrics = portolan.get("/metrics").body;
        let open = metrics.lines().find_map(|line| line.strip_prefix("portolan_http_connections ")).unwrap();
        (open.parse::<usize>().unwrap() <= 1).then_some(())
    });
    drop(deaf);
}

#[test]
fn a_small_batch_of_reads_takes_little_also_of_a_large_service() {
    let portolan = Portolan::start(&[]);
    crowd(&portolan, 1000);
    let before = portolan.resident_most();
    let batch = |method: &str, params: Value| json!((0..500).map(|id| call(id, method, &params)).collect::<Vec<_>>());
    let answered = |replies: &Value| {
        let replies = replies.as_array().unwrap();
        assert_eq!(replies.len(), 500);
        replies.iter().filter(|reply| reply["error"].is_null()).count()
    };
    let posted = |path: &str, batch: &Value| answered(&portolan.post(path, batch).expect(200).json());
    let mut hub = WebSocket::open(portolan.http, "/");
    assert_eq!(posted("/api", &batch("locate_service", json!(["auth"]))), 1);
    assert_eq!(posted("/api", &batch("locate_service", json!(["au*"]))), 1);
    assert_eq!(posted("/rpc", &batch("registry.list", json!({"limit": 1000}))), 1);
    assert_eq!(posted("/rpc", &batch("rpc.discover", json!([]))), 10);
    assert_eq!(answered(&hub.call(&batch("registry.list", json!([])))), 1);
    let grown = portolan.resident_most() - before;
    assert!(grown < 64 << 20, "{grown} octets were taken");
    // What changes something is done, however much was read before.
    let batch = json!([
        call(1, "locate_service", &json!(["auth"])),
        call(2, "locate_service", &json!(["auth"])),
        call(3, "ping", &json!(["shop", "10.0.0.7", 80])),
    ]);
    let replies = portolan.post("/api", &batch).expect(200).json();
    assert_eq!(replies[0]["result"].as_array().unwrap().len(), 1000);
    assert_eq!(replies[1]["error"]["data"]["type"], "/problems/too-many");
    assert_eq!(replies[2]["result"], true);
}

#[test]
fn who_floods_with_calls_that_wait_in_a_large_registry_takes_little() {
    let portolan = impatient();
    crowd(&portolan, 2000);
    let before = portolan.resident();
    let wait = call(1, "registry.list", &json!({"wait": "1800ms", "instance": "nobody"})).to_string();
    let floods: Vec<_> = (0..4).map(|_| flood(&portolan, "/ws", wait.clone())).collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let start = Instant::now();
        let connection = from_elsewhere(portolan.http);
        let picked = request_over(connection, "GET", "/v1/instances?pick=random", &[], "").expect(200).json();
        assert_eq!(picked["instances"].as_array().unwrap().len(), 1);
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "somebody else's pick took {slowest:?}");
    let deaf: Vec<_> = floods.into_iter().map(|flood| flood.join().unwrap()).collect();
    let grown = portolan.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} octets were kept for them");
    drop(deaf);
}

#[test]
fn what_is_no_message_closes_a_door_in_words() {
    let portolan = Portolan::start(&[]);
    let closed = |octets: &[u8]| {
        let mut socket = ByHand::open(portolan.http, "/");
        socket.0.write_all(octets).unwrap();
        let mut said = Vec::new();
        socket.0.read_to_end(&mut said).unwrap();
        assert_eq!(said[0], 0x88, "a close: {said:?}");
        u16::from_be_bytes([said[2], said[3]])
    };
    let masked =
        |head: u8, payload: &[u8]| [&[head, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat();
    assert_eq!(closed(&[0x81, 0x01, b'x']), 1002, "a client masks (RFC 6455 §5.1)");
    assert_eq!(closed(&masked(0x83, b"x")), 1002, "a reserved opcode");
    assert_eq!(closed(&masked(0x80, b"x")), 1002, "the rest of nothing");
    assert_eq!(closed(&masked(0x81, b"\xff\xfe")), 1007, "no UTF-8");
    assert_eq!(closed(&[0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), 1009, "4 GiB are announced");
    // Parts that never end.
    let mut parts = masked(0x01, b"[");
    parts.extend(
        frame(&" ".repeat(60_000))
            .iter()
            .enumerate()
            .map(|(i, octet)| if i == 0 { 0x00 } else { *octet })
            .collect::<Vec<_>>()
            .repeat(5),
    );
    assert_eq!(closed(&parts), 1009);
    portolan.get("/healthz").expect(200);
}
