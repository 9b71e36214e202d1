//! Users of a Somata registry, whose services come over to HTTP or JSON-RPC: what they could do there they can do here.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::netns::Net;
use crate::support::{Launch, Portolan, WebSocket, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

fn call(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id})
}

#[track_caller]
fn result(portolan: &Portolan, method: &str, params: &Value) -> Value {
    let mut reply = portolan.post("/rpc", &call(1, method, params)).expect(200).json();
    assert_eq!(reply.get("error"), None, "{method}: {reply}");
    reply["result"].take()
}

#[test]
fn its_profile_has_its_port_and_leases_of_one_and_a_half_heartbeats() {
    let _net = Net::enter();
    let portolan = Launch::new().profile("somata").start();
    assert_eq!(portolan.ready["http"], json!(["127.0.0.1:8420"]));
    let lease = |registration: &Value| portolan.heartbeat(registration)["lease"].clone();
    let said = json!({"service": "hello", "instance": "hello~1", "port": 8000});
    assert_eq!(lease(&said), 7.5, "for a heartbeat every 5 s");
    let brief = json!({"service": "hello", "instance": "hello~2", "port": 8001, "lease": "1s 500ms"});
    assert_eq!(lease(&brief), 1.5, "for one every second");
    // A heartbeat of 0.
    assert_eq!(lease(&json!({"service": "hello", "instance": "hello~3", "port": 8002, "lease": 0})), 0);

    let names = || -> Vec<String> {
        let page = result(&portolan, "registry.list", &json!({"service": "hello"}));
        page["instances"].as_array().unwrap().iter().map(|i| i["instance"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(), ["hello~1", "hello~2", "hello~3"]);
    wait_until("who sends no heartbeat is gone, not only down", PATIENCE, || {
        (names() == ["hello~1", "hello~3"]).then_some(())
    });
}

#[test]
fn many_come_and_go_at_once_and_who_is_not_known_is_told_to_register() {
    let portolan = Portolan::start(&[]);
    let service = |n: u64| json!({"service": "hello", "instance": format!("hello~{n}"), "port": 8000 + n});
    let batch = |method: &str, params: &dyn Fn(u64) -> Value| -> Value {
        (0..3).map(|n| call(n, method, &params(n))).collect()
    };
    let named = |n: u64| json!(["hello", format!("hello~{n}")]);
    for (method, params) in [
        ("registry.register", &service as &dyn Fn(u64) -> Value),
        ("registry.renew", &named),
        ("registry.deregister", &named),
    ] {
        let replies = portolan.post("/rpc", &batch(method, params)).expect(200).json();
        assert!(replies.as_array().unwrap().iter().all(|reply| reply.get("error").is_none()), "{method}: {replies}");
    }
    let forgotten = portolan.post("/rpc", &call(1, "registry.renew", &named(0))).json();
    assert_eq!((&forgotten["error"]["code"], &forgotten["error"]["data"]["status"]), (&json!(-32004), &json!(404)));
    assert!(forgotten["error"]["data"]["detail"].as_str().unwrap().contains("register"), "{forgotten}");
}

#[test]
fn the_first_that_is_well_is_found_or_nobody_and_events_tell_who_comes_and_goes() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    socket.call(&call(1, "registry.watch", &json!({"service": "hello", "served": true})));
    let nobody = result(&portolan, "registry.lookup", &json!({"service": "hello", "pick": "first"}));
    assert_eq!(nobody["instances"], json!([]));
    for (instance, status) in [("hello~1", "starting"), ("hello~2", "up")] {
        portolan.heartbeat(&json!({"service": "hello", "instance": instance, "port": 8000, "status": status}));
    }
    let first = result(&portolan, "registry.lookup", &json!({"service": "hello", "pick": "first"}));
    assert_eq!(first["instances"][0]["instance"], "hello~2");
    result(&portolan, "registry.deregister", &json!(["hello", "hello~2"]));
    for event in ["added", "removed"] {
        let told = socket.hear()["params"]["result"].take();
        assert_eq!((&told["event"], &told["instance"]["instance"]), (&json!(event), &json!("hello~2")));
    }
}
