//! Users of a Plexus registry: their clients, which subscribe to every answer, and their file.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::netns::Net;
use crate::support::{Launch, Portolan, WebSocket, python, replace, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client of the registry, in a process of its own.
struct Client {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn connect(to: SocketAddr) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/plexus_client.py");
        let mut command = python("websockets");
        command.args([script, &format!("ws://{to}")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        writeln!(self.stdin, "{}", json!([method, params])).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{method}: {error}: {line:?}"))
    }

    /// The result of the dotted spelling.
    #[track_caller]
    fn result(&mut self, method: &str, params: &Value) -> Value {
        let mut said = self.call(&format!("registry.{method}"), params);
        assert!(said["result"].is_object(), "{method}: {said}");
        said["result"].take()
    }

    /// The content of a subscription that has one item and ends.
    #[track_caller]
    fn content(&mut self, method: &str, params: &Value) -> (String, Value) {
        let mut said = self.call(method, params);
        let items = said["items"].as_array_mut().unwrap_or_else(|| panic!("{method}: no subscription"));
        let types: Vec<_> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["data", "done"], "{method}: {items:?}");
        (items[0]["content_type"].as_str().unwrap().to_owned(), items[0]["content"].take())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn names(backends: &Value) -> Vec<String> {
    let backends = backends["backends"].as_array().unwrap_or_else(|| panic!("no backends: {backends}"));
    backends.iter().map(|backend| backend["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_backend_lives_its_life_and_is_seen_at_every_door() {
    let portolan = Portolan::start(&[]);
    let mut client = Client::connect(portolan.http);
    let registered = client.result(
        "register",
        &json!({"name": "substrate", "host": "10.0.0.7", "port": 4444, "description": "The hub", "namespace": "main"}),
    );
    assert_eq!(registered["type"], "backend_registered");
    let backend = &registered["backend"];
    let id = backend["id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &id[14..15]), (36, "8"), "a UUID of our making: {id}");
    let said = json!({
        "id": id, "name": "substrate", "host": "10.0.0.7", "port": 4444, "protocol": "ws", "description": "The hub",
        "namespace": "main", "source": "manual", "is_active": true, "registered_at": backend["registered_at"],
        "last_seen": backend["last_seen"], "created_at": backend["registered_at"], "updated_at": backend["updated_at"],
    });
    assert_eq!(*backend, said);
    assert!(backend["registered_at"].as_u64().unwrap() > 1_700_000_000, "Unix seconds: {backend}");
    assert_eq!(
        portolan.dig(&["+short", "SRV", "_substrate._tcp.registry.local"]),
        "0 0 4444 ip-10-0-0-7.registry.local.\n"
    );
    let listed = portolan.get("/v1/instances/substrate/substrate").expect(200).json();
    assert_eq!((&listed["lease"], &listed["protocol"]), (&json!(0), &json!("ws")), "until it is deleted");

    let updated = client.result("update", &json!(["substrate", "10.0.0.8", null, "wss"]));
    assert_eq!(updated["type"], "backend_updated");
    let backend = &updated["backend"];
    assert_eq!((&backend["id"], &backend["host"], &backend["port"]), (&json!(id), &json!("10.0.0.8"), &json!(4444)));
    assert_eq!((&backend["protocol"], &backend["description"]), (&json!("wss"), &json!("The hub")));
    assert_eq!(client.result("get", &json!(["substrate"])), json!({"type": "backend", "backend": backend}));

    let ping = client.result("ping", &json!({"name": "substrate"}));
    assert_eq!((&ping["type"], &ping["name"], &ping["success"]), (&json!("ping"), &json!("substrate"), &json!(true)));
    let deleted = client.result("delete", &json!({"name": "substrate"}));
    assert_eq!(deleted, json!({"type": "backend_deleted", "name": "substrate"}));
    assert_eq!(client.result("get", &json!(["substrate"])), json!({"type": "backend", "backend": null}));
    assert_eq!(portolan.dig(&["+short", "SRV", "_substrate._tcp.registry.local"]), "");
}

#[test]
fn a_ping_moves_when_it_was_last_seen() {
    let portolan = Portolan::start(&[]);
    let mut client = Client::connect(portolan.http);
    let first = client.result("register", &json!(["hub", "10.0.0.7", 1]))["backend"].take();
    wait_until("it was seen in a later second", PATIENCE, || {
        client.result("ping", &json!(["hub"]));
        let backend = client.result("get", &json!(["hub"]))["backend"].take();
        assert_eq!(backend["registered_at"], first["registered_at"]);
        (backend["last_seen"].as_u64() > first["last_seen"].as_u64()).then_some(())
    });
}

#[test]
fn the_other_spellings_answer_with_items_that_end() {
    let portolan = Portolan::start(&[]);
    let mut client = Client::connect(portolan.http);
    let (content_type, content) = client.content("registry_register", &json!(["hub", "localhost", 4444]));
    assert_eq!((content_type.as_str(), &content["type"]), ("registry.register", &json!("backend_registered")));
    assert_eq!(content["backend"]["host"], "127.0.0.1");
    let (content_type, content) = client.content("registry_list", &json!({}));
    assert_eq!((content_type.as_str(), names(&content)), ("registry.list", vec!["hub".to_owned()]));
    let call = json!({"method": "registry.get", "params": {"name": "hub"}});
    let (content_type, content) = client.content("registry-hub.call", &call);
    assert_eq!((content_type.as_str(), &content["backend"]["name"]), ("registry.get", &json!("hub")));
    let call = json!(["registry.ping", ["nobody"]]);
    let (_, content) = client.content("registry-hub.call", &call);
    assert_eq!((&content["type"], &content["success"]), (&json!("ping"), &json!(false)));
    let (content_type, content) = client.content("_info", &json!([]));
    assert_eq!((content_type.as_str(), &content["backend"]), ("_info", &json!("registry-hub")));

    let failed = client.call("registry-hub.call", &json!({"method": "registry.teleport"}));
    let items = failed["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["type"], &items[0]["recoverable"]), (1, &json!("error"), &json!(false)));
    // Errors are items as well: its clients index the result of the reply, and read until the last item.
    for (method, params, code) in [
        ("registry_get", json!([]), "missing-field"),
        ("registry_register", json!(["hub", "10.0.0.7", 0]), "port-zero"),
        ("registry_update", json!({"name": "hub", "colour": "red"}), "unknown-parameter"),
        ("registry-hub.call", json!({"params": []}), "missing-field"),
    ] {
        let failed = client.call(method, &params);
        let item = &failed["items"][0];
        assert_eq!((&item["type"], &item["code"]), (&json!("error"), &json!(code)), "{method} {params}: {failed}");
    }
    let mut socket = WebSocket::open(portolan.http, "/");
    let unknown = socket.call(&json!({"jsonrpc": "2.0", "method": "registry_teleport", "id": 1}));
    assert_eq!(unknown["error"]["code"], -32601, "there is nothing to subscribe to");
}

#[test]
fn names_are_unique_but_who_comes_back_to_its_place_is_welcome() {
    let portolan = Portolan::start(&[]);
    let mut client = Client::connect(portolan.http);
    client.result("register", &json!(["hub", "10.0.0.7", 1]));
    assert_eq!(client.result("register", &json!(["hub", "10.0.0.7", 1]))["type"], "backend_registered");
    let taken = client.result("register", &json!(["hub", "10.0.0.8", 1]));
    assert_eq!(taken["type"], "error");
    assert!(taken["message"].as_str().unwrap().contains("hub"), "{taken}");
    for (method, params) in [("update", json!(["nobody", "10.0.0.1"])), ("delete", json!(["nobody"]))] {
        let missing = client.result(method, &params);
        assert_eq!(missing, json!({"type": "error", "message": "Backend not found: nobody"}));
    }
}

#[test]
fn what_other_doors_registered_is_there_and_any_name_is_kept() {
    let portolan = Portolan::start(&[]);
    let mut client = Client::connect(portolan.http);
    for (instance, priority, status) in [("a1", 1, "up"), ("a2", 0, "up"), ("a3", 0, "starting")] {
        portolan.heartbeat(&json!({"service": "auth", "instance": instance, "port": 80, "priority": priority,
                                   "status": status, "version": "1.2.3", "txt": {"zone": "b"}}));
    }
    let long = "somata:registry/".repeat(5);
    client.result("register", &json!(["@scope/name", "10.0.0.7", 1]));
    client.result("register", &json!([long, "10.0.0.7", 2]));

    let mut listed = names(&client.result("list", &json!([])));
    listed.sort();
    assert_eq!(listed, ["@scope/name", "auth/a1", "auth/a2", long.as_str()]);
    assert_eq!(names(&client.result("list", &json!({"active_only": false}))).len(), 5);
    let backend = client.result("get", &json!(["auth/a1"]))["backend"].take();
    assert_eq!((&backend["version"], &backend["metadata"]), (&json!("1.2.3"), &json!(r#"{"zone":"b"}"#)));
    let backend = client.result("get", &json!(["auth"]))["backend"].take();
    assert_eq!(backend["name"], "auth/a2", "it is served, and of the lowest priority");
    assert_eq!(client.result("get", &json!([long]))["backend"]["port"], 2);
    assert_eq!(client.result("delete", &json!(["auth/a1"]))["type"], "backend_deleted");
    portolan.get("/v1/instances/auth/a1").expect(404);
}

#[test]
fn a_listener_of_its_own_has_the_door_and_our_methods_and_nothing_else() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[rpc]\nlisten = [\"127.0.0.1:0\"]\n").unwrap();
    let portolan = Launch::new().args(["--config", file.to_str().unwrap()]).start();
    let rpc: SocketAddr = portolan.ready["rpc"][0].as_str().unwrap().parse().unwrap();
    Client::connect(rpc).result("register", &json!(["hub", "10.0.0.7", 1]));
    let mut socket = WebSocket::open(rpc, "/ws");
    let reply = socket.call(&json!({"jsonrpc": "2.0", "method": "registry.get", "params": ["hub", "hub"], "id": 1}));
    assert_eq!(reply["result"]["port"], 1, "{reply}");
    for path in ["/v1/instances", "/metrics", "/rpc"] {
        assert_eq!(crate::support::request(rpc, "GET", path, &[], "").status, 404, "{path}");
    }
    assert!(portolan.get("/").expect(200).body.contains("a service registry"), "the welcome stays");
}

#[test]
fn who_offers_another_protocol_than_websockets_is_shown_the_page() {
    let portolan = Portolan::start(&[]);
    // As `curl --http2` does.
    let offer = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAoAAA")];
    let welcome = portolan.request("GET", "/", &offer, "").expect(200).body;
    assert_eq!(welcome, portolan.get("/").expect(200).body);
    portolan.request("GET", "/", &[("Upgrade", "WebSocket")], "").expect(400);
}

#[test]
fn its_profile_has_its_port_and_follows_its_file() {
    let _net = Net::enter();
    let home = tempfile::TempDir::new().unwrap();
    let folder = home.path().join(".config/plexus");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("backends.toml"), "[[backend]]\nname = \"plexus\"\nport = 4444\n").unwrap();
    let portolan = Launch::new().profile("plexus").env("HOME", home.path().to_str().unwrap()).start();
    assert_eq!(portolan.ready["rpc"], json!(["127.0.0.1:4445"]));
    let mut client = Client::connect("127.0.0.1:4445".parse().unwrap());
    wait_until("the file is read", PATIENCE, || {
        (names(&client.result("list", &json!([]))) == ["plexus"]).then_some(())
    });
    client.result("register", &json!(["substrate", "10.0.0.7", 4444]));
    assert_eq!(portolan.get("/v1/instances/substrate/substrate").expect(200).json()["lease"], 0);
}

#[test]
fn the_port_that_its_users_have_set_is_taken() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let portolan = Launch::new().env("REGISTRY_PORT", &free.port().to_string()).env("RUST_LOG", "error").start();
    assert_eq!(portolan.ready["rpc"], json!([free.to_string()]));
    assert_eq!(portolan.log(), "", "the start has a warning about .local");
    Client::connect(free).result("list", &json!([]));
}

#[test]
fn the_file_of_backends_is_followed_and_a_broken_one_changes_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let (file, backends) = (folder.path().join("portolan.toml"), folder.path().join("backends.toml"));
    std::fs::write(&file, format!("[files]\nbackends = {:?}\n", backends.to_str().unwrap())).unwrap();
    let with = |items: &[(&str, u16)]| {
        let item =
            |(name, port): &(&str, u16)| format!("[[backend]]\nname = {name:?}\nhost = \"10.0.0.7\"\nport = {port}\n");
        replace(&backends, items.iter().map(item).collect::<String>());
    };
    with(&[("substrate", 1), ("registry.hub:1", 2)]);
    let portolan = Launch::new().args(["--config", file.to_str().unwrap()]).start();
    let mut client = Client::connect(portolan.http);
    assert_eq!(client.result("reload", &json!([])), json!({"type": "reloaded", "count": 2}));
    let mut listed = names(&client.result("list", &json!([])));
    listed.sort();
    assert_eq!(listed, ["registry.hub:1", "substrate"]);
    assert_eq!(client.result("get", &json!(["substrate"]))["backend"]["source"], "file");
    assert_eq!(client.result("ping", &json!(["substrate"]))["success"], true);

    with(&[("registry.hub:1", 3)]);
    client.result("reload", &json!({}));
    assert_eq!(client.result("get", &json!(["substrate"]))["backend"], Value::Null);
    assert_eq!(client.result("get", &json!(["registry.hub:1"]))["backend"]["port"], 3);
    replace(&backends, "[[backend]]\nname = \"x\"\nport = 0\n");
    let (_, broken) = client.content("registry_reload", &json!([]));
    assert_eq!(broken["type"], "error");
    assert!(broken["message"].as_str().unwrap().contains("line 3"), "{broken}");
    assert_eq!(names(&client.result("list", &json!([]))), ["registry.hub:1"]);
}
