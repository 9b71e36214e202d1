//! Who has services whose names DNS has no labels for, and asks for them by these names wherever a service is named.

use serde_json::{Value, json};

use super::cli::{say, say_json};
use crate::support::events::Events;
use crate::support::tokens::Tokens;
use crate::support::{Portolan, WebSocket};

const NAMES: [&str; 4] = [
    "service.1",
    "@scope/name",
    "somata:registry",
    "a-name-of-seventy-characters-that-is-longer-than-any-label-in-dns-may-be",
];

fn ping(name: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": "ping", "params": [name, "10.0.0.7", 80], "id": 1})
}

fn escaped(name: &str) -> String {
    name.replace('@', "%40").replace('/', "%2F").replace(':', "%3A")
}

/// Each at a place of its own.
fn registered() -> Portolan {
    let portolan = Portolan::start(&[]);
    for (name, port) in NAMES.iter().zip(1..) {
        let mut call = ping(name);
        call["params"][2] = json!(port);
        assert_eq!(portolan.post("/api", &call).expect(200).json()["result"], true);
    }
    portolan
}

/// The ports of what is listed.
fn ports(instances: &Value) -> Vec<u64> {
    let instances = instances.as_array().unwrap_or_else(|| panic!("no list: {instances}"));
    instances.iter().map(|instance| instance["port"].as_u64().unwrap()).collect()
}

#[test]
fn a_name_is_asked_for_as_it_is_over_http() {
    let portolan = registered();
    for (name, port) in NAMES.iter().zip(1_u64..) {
        let name = escaped(name);
        let page = portolan.get(&format!("/v1/instances?service={name}")).expect(200).json();
        assert_eq!(ports(&page["instances"]), [port], "{name}");
        let picked = portolan.get(&format!("/v1/instances?service={name}&pick=first&wait=1s")).expect(200).json();
        assert_eq!(ports(&picked["instances"]), [port], "{name}");

        let path = format!("/v1/instances/{name}/10.0.0.7%3A{port}");
        assert_eq!(portolan.get(&path).expect(200).json()["port"], port);
        portolan.request("PATCH", &path, &[], r#"{"version": "3.2.2"}"#).expect(200);
        for (range, found) in [("3.x", 1), ("4", 0)] {
            let page = portolan.get(&format!("/v1/instances?service={name}@{range}")).expect(200).json();
            assert_eq!(ports(&page["instances"]).len(), found, "{name}@{range}");
        }
        portolan.get(&format!("{path}/history")).expect(200);
        portolan.request("POST", &format!("{path}/renew"), &[], "").expect(200);

        let label = page["instances"][0]["service"].as_str().unwrap();
        let explained = portolan.get(&format!("/v1/explain?name={name}&type=SRV")).expect(200).json();
        assert_eq!(
            (&explained["answered"], explained["name"].as_str().unwrap()),
            (&json!(1), format!("_{label}._tcp.registry.local.").as_str())
        );
        portolan.request("DELETE", &path, &[], "").expect(204);
    }
    assert_eq!(portolan.get("/v1/instances").json()["instances"], json!([]));
}

#[test]
fn globs_go_over_whole_names_and_what_is_no_name_is_told() {
    let portolan = registered();
    for (glob, found) in [("service.?", vec![1]), ("%40scope/*", vec![2]), ("*:*", vec![3]), ("scope-name-*", vec![2])]
    {
        let page = portolan.get(&format!("/v1/instances?service={glob}")).expect(200).json();
        assert_eq!(ports(&page["instances"]), found, "{glob}");
    }
    let long = format!("{}*", "x".repeat(64));
    for (service, says) in [
        ("_http._tpc", "has the transport \"_tpc\""),
        ("_a%20b", "has ' '"),
        ("auth._tcp.registry.local", "has the transport"),
        ("a%0Ab", "has '\\n'"),
        ("", "is empty"),
        ("service.1@three", "which is no range of versions"),
        (&long, "too long for a glob"),
        (&"x".repeat(251), "is 251 octets long"),
    ] {
        let problem = portolan.get(&format!("/v1/instances?service={service}")).expect(400).json();
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    // To register takes a label: what stands in for a name has it as an attribute.
    let refused = portolan.request("PUT", "/v1/instances/service.1/a", &[], r#"{"port": 80}"#).expect(422).json();
    assert!(refused["detail"].as_str().unwrap().contains("the service type in the path"), "{refused}");
    portolan.request("PUT", "/v1/instances/service-1/a", &[], r#"{"service": "service.1", "port": 80}"#).expect(422);
}

#[test]
fn a_name_is_asked_for_as_it_is_by_calls_and_watches() {
    let portolan = registered();
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let mut result = |method: &str, params: Value| {
        let mut reply = socket.call(&json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}));
        assert_eq!(reply.get("error"), None, "{reply}");
        reply["result"].take()
    };
    for (name, port) in NAMES.iter().zip(1_u64..) {
        for method in ["registry.lookup", "registry.list", "registry.waitFor"] {
            assert_eq!(ports(&result(method, json!({"service": name}))["instances"]), [port], "{method} {name}");
        }
        let id = json!({"service": name, "instance": format!("10.0.0.7:{port}")});
        assert_eq!(result("registry.get", id.clone())["port"], port);
        assert_eq!(result("registry.renew", id.clone())["created"], false);
        let changes = json!({"service": name, "instance": format!("10.0.0.7:{port}"), "changes": {"weight": 5}});
        assert_eq!(result("registry.update", changes)["weight"], 5);
    }
    let mut events = Events::from_now(&portolan, "service=service.1");
    result("registry.watch", json!({"service": "service.1"}));
    for (name, port) in NAMES.iter().zip(1_u64..) {
        let mut socket = WebSocket::open(portolan.http, "/ws");
        let id = json!({"service": name, "instance": format!("10.0.0.7:{port}")});
        socket.call(&json!({"jsonrpc": "2.0", "method": "registry.deregister", "params": id, "id": 1}));
    }
    assert_eq!(events.event().data["instance"]["txt"]["name"], "service.1");
    let told = socket.hear();
    assert_eq!(told["params"]["result"]["instance"]["txt"]["name"], "service.1", "{told}");
}

#[test]
fn a_name_is_asked_for_as_it_is_on_the_command_line() {
    let portolan = registered();
    for (name, port) in NAMES.iter().zip(1_u64..) {
        let instance = format!("10.0.0.7:{port}");
        assert_eq!(ports(&say_json(&portolan, &["list", name])), [port]);
        assert_eq!(ports(&say_json(&portolan, &["lookup", name, "--pick", "random"])), [port]);
        assert_eq!(say_json(&portolan, &["explain", name, "SRV"])["answered"], 1);
        assert!(say(&portolan, &["history", name, &instance]).well().contains("registered"));
        assert!(
            say(&portolan, &["lookup", &format!("{name}@1")])
                .with(1)
                .contains(&format!("no instance of {name}@1 is up"))
        );
        assert_eq!(
            say(&portolan, &["deregister", name, &instance]).well(),
            format!("deregistered {instance} of {name}\n")
        );
    }
    let wrong = say(&portolan, &["lookup", "_http._tpc"]).with(3);
    assert!(wrong.contains("has the transport \"_tpc\"; only _tcp and _udp are allowed"), "{wrong}");
}

#[test]
fn a_rule_of_a_token_has_the_name_as_it_is() {
    let tokens = Tokens::new("");
    let writer = tokens.add("scope-team", "write = [\"@scope/name\"]");
    let reader = tokens.add("auditor", "read = [\"service.1\"]");
    let portolan = tokens.start();
    let api = |call: &Value| writer.post(&portolan, "/api", call).expect(200).json();
    assert_eq!(api(&ping("@scope/name"))["result"], true);
    assert_eq!(api(&ping("@scope/other"))["error"]["data"]["type"], "/problems/out-of-scope");
    portolan.post("/api", &ping("service.1")).expect(200);
    portolan.get("/v1/instances?service=service.1").expect(401);
    let page = reader.request(&portolan, "GET", "/v1/instances?service=service.1", "").expect(200).json();
    assert_eq!(page["instances"].as_array().unwrap().len(), 1, "{page}");
}
