//! Who makes a client of what `rpc.discover` says: by OpenRPC's own schema, and held against what methods answer.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Portolan, WebSocket, node, python, run};

/// The schema of OpenRPC documents, and that of the schemas in them.
const META: &str = "const of = (name) => require(name).default; \
                    console.log(JSON.stringify({openrpc: of('@open-rpc/meta-schema'), schema: of('@json-schema-tools/meta-schema')}))";

#[test]
fn the_document_is_one_and_every_method_answers_as_it_says() {
    let portolan = Portolan::start(&[]);
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let mut answers: Vec<(&str, Value)> = Vec::new();
    let mut ask = |method: &'static str, params: Value| {
        let mut reply = socket.call(&json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}));
        assert_eq!(reply.get("error"), None, "{method}: {reply}");
        answers.push((method, reply["result"].take()));
    };
    let named = json!({"service": "auth", "instance": "a1"});
    let all = json!({
        "service": "auth", "instance": "a1", "port": 80, "host": "web", "addresses": ["10.0.0.7", "fd00::7"],
        "txt": {"path": "/login", "flag": null, "octets": {"base64": "AP8="}}, "tags": ["blue"], "subtypes": ["x"],
        "version": "3.2.2", "protocol": "wss", "path": "/", "description": "d", "namespace": "n", "priority": 1,
        "lease": "90s", "check": {"tcp": true},
    });
    let of_session = json!({"service": "auth", "instance": "a2", "port": 80, "lease": "session"});
    for method in ["registry.register", "registry.heartbeat"] {
        ask(method, all.clone());
        ask(method, of_session.clone());
        ask(method, json!({"service": "web", "port": 80, "lease": 0}));
    }
    ask("registry.renew", named.clone());
    ask("registry.update", json!({"service": "auth", "instance": "a1", "changes": {"weight": 5}}));
    ask("registry.get", named.clone());
    ask("registry.list", json!({}));
    ask("registry.list", json!({"limit": 1}));
    ask("registry.lookup", json!(["auth"]));
    ask("registry.lookup", json!({"service": "ghost"}));
    ask("registry.waitFor", json!(["web"]));
    ask("registry.watch", json!(["ghost"]));
    ask("registry.unwatch", json!([1]));
    ask("registry.reload", json!({}));
    ask("registry.ping", json!([]));
    ask("registry.deregister", named);
    ask("registry.delete", json!({"service": "auth", "instance": "a2"}));
    ask("rpc.discover", json!({}));

    let mut said: Value = serde_json::from_str(&run(node().args(["-e", META]))).unwrap();
    said["document"] = answers.last().unwrap().1.clone();
    said["answers"] = json!(answers);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/openrpc.py");
    let mut child = python("schemathesis").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(said.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "well\n");
}
