//! Who comes from Registro with its clients as they are: apps and their instances, below `/registro/1.0`.

use std::collections::HashSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::events::Events;
use crate::support::netns::Net;
use crate::support::{Launch, Portolan, WebSocket, python, wait_until};

const APPS: &str = "/registro/1.0/apps";

fn send(portolan: &Portolan, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if *body == Value::Null { String::new() } else { body.to_string() };
    let response = portolan.request(method, &format!("{APPS}{path}"), &[], &body);
    let value = if response.body.is_empty() { Value::Null } else { response.json() };
    (response.status, value)
}

fn get(portolan: &Portolan, path: &str) -> Value {
    let (status, value) = send(portolan, "GET", path, &Value::Null);
    assert_eq!(status, 200, "{value}");
    value
}

fn status_of(portolan: &Portolan, method: &str, path: &str) -> u16 {
    send(portolan, method, path, &Value::Null).0
}

#[test]
fn a_heartbeat_loses_nothing_that_somebody_changes_meanwhile() {
    let portolan = Portolan::start(&[]);
    send(&portolan, "POST", "", &json!({"name": "auth"}));
    for round in 0..50 {
        let id = format!("a{round}");
        send(&portolan, "POST", "/auth", &json!({"id": id, "ip": "10.0.0.7", "port": 8080}));
        let both = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                assert_eq!(status_of(&portolan, "PUT", &format!("/auth/{id}")), 204);
            });
            both.wait();
            let path = format!("/v1/instances/auth/{id}");
            portolan.request("PATCH", &path, &[], r#"{"weight": 7}"#).expect(200);
        });
        let shown = portolan.get(&format!("/v1/instances/auth/{id}")).json();
        assert_eq!((&shown["weight"], &shown["status"]), (&json!(7), &json!("up")), "round {round}: {shown}");
    }
}

#[test]
fn apps_are_shown_whole_however_many_instances_there_are_and_those_who_take_none_cost_little() {
    let portolan = Portolan::start(&[]);
    for from in (0..12_000).step_by(1000) {
        let item = |n| json!({"service": "auth", "instance": format!("a{n}"), "port": 80, "host": "10.0.0.7"});
        portolan.post("/v1/heartbeat", &(from..from + 1000).map(item).collect()).expect(200);
    }
    portolan.heartbeat(&json!({"service": "auth", "transport": "udp", "instance": "u", "port": 81}));
    portolan.heartbeat(&json!({"service": "zoo", "instance": "z", "port": 82}));
    send(&portolan, "POST", "", &json!({"name": "none"}));
    send(&portolan, "POST", "", &json!({"name": "service.1"}));
    let all = get(&portolan, "");
    let apps = all["applications"].as_array().unwrap();
    let names: Vec<_> = apps.iter().map(|app| app["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["auth", "none", "service.1", "zoo"]);
    let ids: HashSet<_> = apps[0]["instances"].as_array().unwrap().iter().map(|shown| shown["id"].clone()).collect();
    assert_eq!(ids.len(), 12_001);
    for app in apps {
        assert_eq!(get(&portolan, &format!("/{}", app["name"].as_str().unwrap())), *app);
    }

    let before = portolan.resident();
    let _deaf: Vec<_> = (0..100)
        .map(|_| {
            let mut deaf = TcpStream::connect(portolan.http).unwrap();
            deaf.write_all(format!("GET {APPS} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
            // It has begun.
            deaf.read_exact(&mut [0; 12]).unwrap();
            deaf
        })
        .collect();
    let grown = portolan.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} octets are kept for them");
}

#[test]
fn a_client_declares_an_app_registers_beats_and_leaves() {
    let portolan = Portolan::start(&[]);
    let srv = || portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]);
    assert_eq!(get(&portolan, ""), json!({"applications": []}));
    assert_eq!(send(&portolan, "POST", "", &json!({"name": "auth"})), (201, json!({"name": "auth"})));
    assert_eq!(get(&portolan, "/auth"), json!({"name": "auth"}), "instances are left out when there are none");

    let (created, instance) = send(&portolan, "POST", "/auth", &json!({"id": "a1", "ip": "10.0.0.7", "port": 8080}));
    assert_eq!((created, &instance["status"]), (201, &json!("starting")));
    assert_eq!(srv(), "", "not before its first heartbeat");

    assert_eq!(status_of(&portolan, "PUT", "/auth/a1"), 204);
    let shown = get(&portolan, "/auth/a1");
    let fields: Vec<_> = shown.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["id", "ip", "port", "status", "lastRenewal"]);
    assert_eq!((&shown["ip"], &shown["port"], &shown["status"]), (&json!("10.0.0.7"), &json!(8080), &json!("up")));
    assert!(shown["lastRenewal"].as_u64().unwrap() > 1_700_000_000, "Unix seconds: {shown}");
    assert_eq!(srv(), "0 0 8080 ip-10-0-0-7.registry.local.\n");
    assert_eq!(get(&portolan, ""), json!({"applications": [{"name": "auth", "instances": [shown]}]}));
    assert_eq!(portolan.get("/v1/instances/auth/a1").json()["lease"], 90);

    assert_eq!(status_of(&portolan, "DELETE", "/auth/a1"), 204);
    assert_eq!(get(&portolan, "/auth/a1")["status"], "out-of-service");
    assert_eq!(srv(), "");
    assert_eq!(status_of(&portolan, "PUT", "/auth/a1"), 403);
    assert_eq!(status_of(&portolan, "DELETE", "/auth/a1"), 204);
    // It restarts under its id.
    let again = send(&portolan, "POST", "/auth", &json!({"id": "a1", "ip": "10.0.0.8", "port": 8080}));
    assert_eq!((again.0, &again.1["status"]), (201, &json!("starting")));
    assert_eq!(status_of(&portolan, "PUT", "/auth/a1"), 204);
    assert_eq!(srv(), "0 0 8080 ip-10-0-0-8.registry.local.\n");
}

#[test]
fn a_client_of_its_own_lives_its_life_and_comes_back_under_its_id() {
    let portolan = Portolan::start(&[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/registro_client.py");
    let base = format!("http://{}/registro/1.0", portolan.http);
    let mut command = python("requests");
    command.args([script, &base, "@scope/name", "a1", "10.0.0.7", "8080"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let steps = ["look", "beat", "look", "restart", "leave", "beat", "look", "restart", "beat", "look"];
    child.stdin.take().unwrap().write_all(steps.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let (none, one) = (r#"{"@scope/name": []}"#, r#"{"@scope/name": ["a1"]}"#);
    // While it is up it cannot register twice; once it has left it can, and needs a heartbeat.
    let expected = ["201", none, "204", one, "409", "204", "403", none, "201", "204", one];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_wrong_has_the_status_that_clients_know() {
    let portolan = Portolan::start(&[]);
    let auth = json!({"name": "auth"});
    let instance = json!({"id": "a1", "ip": "10.0.0.7", "port": 8080});
    assert_eq!(send(&portolan, "POST", "/auth", &instance).0, 404, "there is no app");
    assert_eq!(send(&portolan, "POST", "", &auth).0, 201);
    assert_eq!(send(&portolan, "POST", "", &auth).0, 409);
    assert_eq!(send(&portolan, "POST", "", &json!({})).0, 400);
    assert_eq!(send(&portolan, "POST", "", &json!({"name": ""})).0, 400);
    assert_eq!(portolan.request("POST", APPS, &[], "{").status, 400);
    for (field, value) in
        [("id", json!(null)), ("ip", json!("")), ("port", json!(0)), ("port", json!("80")), ("ip", json!("0.0.0.0"))]
    {
        let mut wrong = instance.clone();
        wrong[field] = value;
        assert_eq!(send(&portolan, "POST", "/auth", &wrong).0, 400, "{wrong}");
        wrong.as_object_mut().unwrap().remove(field);
        assert_eq!(send(&portolan, "POST", "/auth", &wrong).0, 400, "{wrong}");
    }
    assert_eq!(send(&portolan, "POST", "/auth", &instance).0, 201);
    assert_eq!(send(&portolan, "POST", "/auth", &instance).0, 409);
    for (method, path) in [("GET", "/ghost"), ("GET", "/auth/ghost"), ("PUT", "/auth/ghost"), ("DELETE", "/auth/ghost")]
    {
        assert_eq!(status_of(&portolan, method, path), 404, "{method} {path}");
    }
    let refused = portolan.get(&format!("{APPS}/ghost"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let led = portolan.get(&format!("{APPS}/auth/"));
    assert_eq!((led.status, led.header("location")), (308, Some("/registro/1.0/apps/auth")));
}

#[test]
fn an_operators_drain_is_not_lifted_by_a_restart() {
    let portolan = Portolan::start(&[]);
    let instance = json!({"id": "a1", "ip": "10.0.0.7", "port": 8080});
    send(&portolan, "POST", "", &json!({"name": "auth"}));
    send(&portolan, "POST", "/auth", &instance);
    portolan.request("PUT", "/v1/instances/auth/a1/status", &[], r#"{"status": "out-of-service"}"#).expect(200);
    assert_eq!(status_of(&portolan, "PUT", "/auth/a1"), 403);
    assert_eq!(status_of(&portolan, "DELETE", "/auth/a1"), 204);
    assert_eq!(send(&portolan, "POST", "/auth", &instance).0, 201);
    assert_eq!(get(&portolan, "/auth/a1")["status"], "out-of-service");
    portolan.request("PUT", "/v1/instances/auth/a1/status", &[], r#"{"status": "up"}"#).expect(200);
    assert_eq!(get(&portolan, "/auth/a1")["status"], "up");
}

#[test]
fn without_a_heartbeat_it_goes_down_and_with_one_it_is_up_again() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    // A heartbeat holds for 90 s unless leases are shorter here.
    fs::write(&file, "[lease]\nshortest = \"500ms\"\ndefault = \"1s\"\nlongest = \"1s\"\n").unwrap();
    let portolan = Launch::new().args(["--config", file.to_str().unwrap()]).start();
    send(&portolan, "POST", "", &json!({"name": "auth"}));
    let instance = json!({"id": "a1", "ip": "10.0.0.7", "port": 8080});
    send(&portolan, "POST", "/auth", &instance);
    let goes_down = || {
        let down = || (get(&portolan, "/auth/a1")["status"] == "down").then_some(());
        wait_until("it is down", std::time::Duration::from_secs(20), down);
    };
    goes_down();
    assert_eq!(status_of(&portolan, "PUT", "/auth/a1"), 204);
    assert_eq!(get(&portolan, "/auth/a1")["status"], "up");
    goes_down();
    assert_eq!(send(&portolan, "POST", "/auth", &instance).0, 201, "a restart is no conflict");
}

#[test]
fn a_declared_app_is_a_service_without_instances_at_every_door() {
    let folder = TempDir::new().unwrap();
    let portolan = Portolan::start_in(folder.path(), &[]);
    send(&portolan, "POST", "", &json!({"name": "@scope/auth"}));
    drop(portolan);
    let portolan = Portolan::start_in(folder.path(), &[]);
    assert_eq!(get(&portolan, ""), json!({"applications": [{"name": "@scope/auth"}]}));
    assert_eq!(get(&portolan, "/@scope%2Fauth"), json!({"name": "@scope/auth"}));
    let services = || portolan.get("/v1/services").json()["services"].take();
    let listed = services();
    let [service] = &listed.as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&service["instances"], &service["served"], &service["declared"]), (&json!(0), &json!(0), &json!(true)));

    // It is an instance to nobody.
    let name = service["name"].as_str().unwrap();
    let declared = format!("/v1/instances/_{}._tcp/(declared)", service["service"].as_str().unwrap());
    for query in ["", "?service=@scope/auth", "?status=starting", "?instance=*declared*", "?pick=first"] {
        let page = portolan.get(&format!("/v1/instances{query}")).expect(200).json();
        assert_eq!(page["instances"], json!([]), "{query}");
    }
    for (method, path, body) in [
        ("GET", declared.clone(), ""),
        ("GET", format!("{declared}/history"), ""),
        ("POST", format!("{declared}/renew"), ""),
        ("PUT", format!("{declared}/status"), r#"{"status": "up"}"#),
        ("PATCH", declared.clone(), r#"{"status": "up"}"#),
    ] {
        assert_eq!(portolan.request(method, &path, &[], body).status, 404, "{method} {path}");
    }
    let answer = portolan.dig(&["SRV", name]);
    assert!(answer.contains("NXDOMAIN"), "{answer}");
    let types = portolan.dig(&["+short", "PTR", "_services._dns-sd._udp.registry.local"]);
    assert!(!types.contains("scope-auth"), "{types}");
    let explained = portolan.get("/v1/explain?name=@scope/auth").expect(200).json();
    assert_eq!((&explained["instances"], &explained["left_out"]), (&json!([]), &json!(0)), "{explained}");
    let status = portolan.get("/status").json();
    let counts = status["instances"].as_array().unwrap();
    assert!(counts.iter().all(|count| count["count"] == 0), "{status}");
    let metrics = portolan.get("/metrics").body;
    assert!(metrics.contains("portolan_instances{source=\"api\",status=\"starting\"} 0\n"), "{metrics}");
    let mut plexus = WebSocket::open(portolan.http, "/");
    let all = json!({"jsonrpc": "2.0", "method": "registry.list", "params": {"active_only": false}, "id": 1});
    assert_eq!(plexus.call(&all)["result"]["backends"], json!([]));
    let locate = json!({"jsonrpc": "2.0", "method": "locate_service", "params": ["*"], "id": 1});
    assert_eq!(portolan.post("/api", &locate).expect(200).json()["result"], json!([]));
    let list = portolan.cli(&["list"]).output().unwrap();
    assert_eq!((list.status.code(), &*String::from_utf8_lossy(&list.stdout)), (Some(1), ""));

    // Nor does it come as a change; the first instance does.
    let position = portolan.get("/v1/instances").json()["position"].as_str().unwrap().to_owned();
    assert_eq!(send(&portolan, "POST", "", &json!({"name": "zebra"})).0, 201);
    let mut events = Events::of(&portolan, &format!("since={position}"), "");
    let instance = json!({"id": "a1", "ip": "10.0.0.7", "port": 8080});
    assert_eq!(send(&portolan, "POST", "/@scope%2Fauth", &instance).0, 201);
    let first = events.event();
    assert_eq!((first.event.as_deref(), &first.data["instance"]["instance"]), (Some("added"), &json!("a1")));
    let service = services()[0].take();
    assert_eq!((&service["instances"], &service["declared"]), (&json!(1), &json!(true)));
    let apps = get(&portolan, "");
    assert_eq!(apps["applications"][0]["instances"].as_array().unwrap().len(), 1, "{apps}");
}

#[test]
fn what_is_declared_is_so_until_it_is_deleted_and_nobody_else_has_its_name() {
    let portolan = Portolan::start(&[]);
    for (delete, path) in [("DELETE", "/chat"), ("DELETE", "/@scope%2Fchat")] {
        let name = path[1..].replace("%2F", "/");
        assert_eq!(status_of(&portolan, delete, path), 404);
        assert_eq!(send(&portolan, "POST", "", &json!({"name": name})).0, 201);
        assert_eq!(status_of(&portolan, delete, path), 204);
        assert_eq!(get(&portolan, ""), json!({"applications": []}));
        assert_eq!(status_of(&portolan, delete, path), 404);
    }
    // By the name that it is kept under the command line has it, too.
    send(&portolan, "POST", "", &json!({"name": "chat"}));
    let deregister = || portolan.cli(&["deregister", "chat", "(declared)"]).output().unwrap().status.code();
    assert_eq!((deregister(), deregister()), (Some(0), Some(1)));
    assert_eq!(portolan.get("/v1/services").json()["services"], json!([]));
    // What has instances stays while it has them.
    send(&portolan, "POST", "", &json!({"name": "chat"}));
    send(&portolan, "POST", "/chat", &json!({"id": "a1", "ip": "10.0.0.7", "port": 80}));
    assert_eq!(status_of(&portolan, "DELETE", "/chat"), 204);
    assert_eq!(portolan.get("/v1/services").json()["services"][0].get("declared"), None);
    assert_eq!(status_of(&portolan, "PUT", "/chat/a1"), 204);

    let named = json!({"service": "chat", "instance": "(Declared)", "port": 80});
    let refused = portolan.post("/v1/heartbeat", &named).expect(422).json();
    assert_eq!(refused["type"], "/problems/invalid-instance");
    assert_eq!(send(&portolan, "POST", "/chat", &json!({"id": "(declared)", "ip": "10.0.0.7", "port": 80})).0, 400);
}

#[test]
fn to_declare_an_app_takes_no_host_from_others() {
    let folder = TempDir::new().unwrap();
    let settings = folder.path().join("portolan.toml");
    // Whoever declares an app here is at this host as well.
    let here = "[[service]]\nservice = \"web\"\ninstance = \"a\"\nport = 80\nhost = \"127.0.0.1\"\n";
    fs::write(&settings, here).unwrap();
    let portolan = Launch::new().args([Path::new("--config"), &settings]).start();
    let target = || portolan.dig(&["+short", "SRV", "_web._tcp.registry.local"]);
    assert_eq!(target(), "0 0 80 ip-127-0-0-1.registry.local.\n");
    assert_eq!(send(&portolan, "POST", "", &json!({"name": "chat"})).0, 201);
    assert_eq!(target(), "0 0 80 ip-127-0-0-1.registry.local.\n");
    assert_eq!(status_of(&portolan, "DELETE", "/chat"), 204);
    assert_eq!(target(), "0 0 80 ip-127-0-0-1.registry.local.\n");
}

#[test]
fn all_doors_show_one_table() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "Main Auth", "port": 1, "addresses": ["10.0.0.7"]}));
    let ping = json!({"jsonrpc": "2.0", "method": "ping", "params": ["@scope/web", "10.0.0.8", 2], "id": 1});
    portolan.post("/api", &ping).expect(200);
    let (name, id) = ("@scope/db", "0123456789abcdef".repeat(4));
    send(&portolan, "POST", "", &json!({"name": name}));
    send(&portolan, "POST", "/@scope%2Fdb", &json!({"id": id, "ip": "db.example.org", "port": 3}));
    assert_eq!(status_of(&portolan, "PUT", &format!("/@scope%2Fdb/{id}")), 204);

    let shown = get(&portolan, "");
    let mut apps: Vec<_> = shown["applications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| (app["name"].clone(), app["instances"][0]["id"].clone(), app["instances"][0]["ip"].clone()))
        .collect();
    apps.sort_by_key(|(name, ..)| name.to_string());
    let expected = [
        (json!("@scope/db"), json!(id), json!("db.example.org")),
        (json!("@scope/web"), json!("10.0.0.8:2"), json!("10.0.0.8")),
        (json!("auth"), json!("Main Auth"), json!("10.0.0.7")),
    ];
    assert_eq!(apps, expected);
    let locate = json!({"jsonrpc": "2.0", "method": "locate_service", "params": [name], "id": 1});
    let located = portolan.post("/api", &locate).expect(200).json();
    assert_eq!(located["result"], json!([{"host": "db.example.org", "port": 3}]));
}

#[test]
fn its_profile_has_its_port_and_takes_what_its_clients_send_from_anywhere() {
    let net = Net::enter();
    let _link = net.host();
    let mut portolan = Launch::new().profile("registro").start();
    // As another machine would: not over loopback.
    portolan.http = "10.9.1.1:8080".parse().unwrap();
    assert_eq!(send(&portolan, "POST", "", &json!({"name": "auth"})).0, 201);
    assert_eq!(send(&portolan, "POST", "/auth", &json!({"id": "a1", "ip": "10.0.0.7", "port": 80})).0, 201);
    assert_eq!(status_of(&portolan, "PUT", "/auth/a1"), 204);
    assert_eq!(portolan.get("/v1/instances/auth/a1").json()["lease"], 90);
}
