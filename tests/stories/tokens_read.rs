//! Who may see what over HTTP, where services stand in somebody's `read`: everything that shows instances asks.

use serde_json::{Value, json};

use crate::support::events::Events;
use crate::support::tokens::{Token, Tokens, reload};
use crate::support::{Portolan, WebSocket, request};

/// A registry with one service that is shown to all and one that is not, and the tokens that see it: by `read`, by
/// `write` and as admin.
fn start() -> (Tokens, Portolan, [Token; 3], Token) {
    let tokens = Tokens::new("");
    let seeing = [
        tokens.add("auditor", "read = [\"vault*\"]"),
        tokens.add("vault-team", "write = [\"vault\"]"),
        tokens.add("operator", "admin = true"),
    ];
    let other = tokens.add("web-team", "write = [\"web\"]");
    let portolan = tokens.start();
    for service in ["vault", "web"] {
        portolan.heartbeat(&json!({"service": service, "instance": "a", "port": 80, "host": "10.0.0.7"}));
    }
    (tokens, portolan, seeing, other)
}

fn ask(portolan: &Portolan, method: &str, path: &str, token: Option<&Token>, body: &str) -> (u16, String) {
    let header = token.map(|token| format!("Bearer {}", token.text));
    let headers: Vec<_> = header.iter().map(|value| ("Authorization", value.as_str())).collect();
    let response = request(portolan.http, method, path, &headers, body);
    (response.status, response.body)
}

#[test]
fn what_shows_instances_shows_them_to_those_who_may_see_them() {
    let (_tokens, portolan, seeing, other) = start();
    let call = |method: &str, params: Value| {
        ("POST", "/rpc".to_owned(), json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).to_string())
    };
    let get = |path: &str| ("GET", path.to_owned(), String::new());
    let all = [
        get("/v1/instances"),
        get("/v1/instances?service=v*&pick=first"),
        get("/v1/instances?status=up&wait=1ms"),
        get("/v1/services"),
        get("/registro/1.0/apps"),
        call("registry.list", json!({})),
        call("registry.lookup", json!(["v*"])),
        (
            "POST",
            "/api".to_owned(),
            json!({"jsonrpc": "2.0", "method": "locate_service", "params": ["v*"], "id": 1}).to_string(),
        ),
    ];
    let shows = |body: &str| body.contains("vault") || body.contains("10.0.0.7\",\"port\":80");
    for (method, path, body) in &all {
        for token in &seeing {
            let (status, answer) = ask(&portolan, method, path, Some(token), body);
            assert!(status == 200 && shows(&answer), "{path} {body}: {answer}");
        }
        for token in [None, Some(&other)] {
            let (status, answer) = ask(&portolan, method, path, token, body);
            assert_eq!(status, 200, "{path} {body}: {answer}");
            assert!(!answer.contains("vault"), "{path} {body}: {answer}");
        }
    }
}

#[test]
fn who_asks_for_what_they_may_not_see_is_told_what_it_takes() {
    let (_tokens, portolan, seeing, other) = start();
    for path in [
        "/v1/instances?service=vault",
        "/v1/instances?service=_vault._tcp@*&pick=random",
        "/v1/instances/_vault._tcp/a",
        "/v1/instances/_vault._tcp/none",
        "/v1/instances/_vault._tcp/a/history",
        "/v1/watch?service=vault",
        "/registro/1.0/apps/vault",
        "/registro/1.0/apps/vault/a",
    ] {
        let (status, answer) = ask(&portolan, "GET", path, None, "");
        assert!(status == 401 && answer.contains("_vault._tcp is shown to tokens alone"), "{path}: {answer}");
        let (status, answer) = ask(&portolan, "GET", path, Some(&other), "");
        assert!(status == 403 && answer.contains("\\\"web-team\\\" may not see _vault._tcp"), "{path}: {answer}");
        // A watch goes on.
        if !path.starts_with("/v1/watch") {
            let (status, answer) = ask(&portolan, "GET", path, Some(&seeing[0]), "");
            assert_eq!(status, if path.ends_with("none") { 404 } else { 200 }, "{path}: {answer}");
        }
    }
    for (path, method, params) in [
        ("/rpc", "registry.get", json!(["vault", "a"])),
        ("/rpc", "registry.list", json!({"service": "vault"})),
        ("/rpc", "registry.lookup", json!(["vault"])),
        ("/api", "locate_service", json!(["vault"])),
    ] {
        let body = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).to_string();
        let (_, answer) = ask(&portolan, "POST", path, None, &body);
        assert!(answer.contains("/problems/token-needed"), "{method}: {answer}");
        let (_, answer) = ask(&portolan, "POST", path, Some(&other), &body);
        assert!(answer.contains("/problems/out-of-scope"), "{method}: {answer}");
        let (_, answer) = ask(&portolan, "POST", path, Some(&seeing[0]), &body);
        assert!(answer.contains("10.0.0.7"), "{method}: {answer}");
    }
}

#[test]
fn a_rule_for_one_transport_keeps_back_that_one_at_every_door() {
    let tokens = Tokens::new("");
    tokens.add("auditor", "read = [\"_auth._udp\", \"_vault._tcp\"]");
    let other = tokens.add("web-team", "write = [\"web\"]");
    let portolan = tokens.start();
    for (service, transport, port) in [("auth", "tcp", 1), ("auth", "udp", 2), ("vault", "tcp", 3), ("vault", "udp", 4)]
    {
        let (instance, host) = (format!("{transport}-{port}"), "10.0.0.7");
        let said =
            json!({"service": service, "transport": transport, "instance": instance, "port": port, "host": host});
        portolan.heartbeat(&said);
    }
    let get = |path: &str| ("GET", path.to_owned(), String::new());
    let locate = |name: &str| {
        let call = json!({"jsonrpc": "2.0", "method": "locate_service", "params": [name], "id": 1});
        ("POST", "/api".to_owned(), call.to_string())
    };
    for token in [None, Some(&other)] {
        for ((method, path, body), shown, hidden) in [
            (get("/registro/1.0/apps"), "tcp-1", "udp-2"),
            (get("/registro/1.0/apps"), "udp-4", "tcp-3"),
            (get("/registro/1.0/apps/auth"), "tcp-1", "udp-2"),
            (get("/registro/1.0/apps/vault"), "udp-4", "tcp-3"),
            (get("/registro/1.0/apps/auth/tcp-1"), "tcp-1", "udp"),
            (get("/registro/1.0/apps/vault/udp-4"), "udp-4", "tcp"),
            (get("/v1/instances?service=vault"), "udp-4", "tcp-3"),
            (locate("auth"), "\"port\":1", "\"port\":2"),
            (locate("vault"), "\"port\":4", "\"port\":3"),
            (locate("vaul?"), "\"port\":4", "\"port\":3"),
        ] {
            let (status, answer) = ask(&portolan, method, &path, token, &body);
            assert_eq!(status, 200, "{path} {body}: {answer}");
            assert!(answer.contains(shown) && !answer.contains(hidden), "{path} {body}: {answer}");
        }
        for path in ["/registro/1.0/apps/auth/udp-2", "/registro/1.0/apps/vault/tcp-3"] {
            let (status, answer) = ask(&portolan, "GET", path, token, "");
            assert_eq!(status, 404, "{path}: {answer}");
        }
        let mut socket = WebSocket::open_with(portolan.http, "/", token.map(|token| token.text.as_str()));
        for (name, port) in [("auth", 1), ("vault", 4), ("auth/tcp-1", 1)] {
            let get = json!({"jsonrpc": "2.0", "method": "registry.get", "params": [name], "id": 1});
            assert_eq!(socket.call(&get)["result"]["backend"]["port"], port, "{name}");
        }
    }
}

#[test]
fn the_door_of_a_plexus_registry_shows_what_others_show() {
    let (_tokens, portolan, seeing, other) = start();
    let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
    let names = |token: Option<&Token>| -> Vec<Value> {
        let mut socket = WebSocket::open_with(portolan.http, "/", token.map(|token| token.text.as_str()));
        let listed = socket.call(&call("registry.list", json!([])));
        let vault = socket.call(&call("registry.get", json!(["vault"])));
        assert_eq!(vault["result"]["backend"]["name"] == "vault/a", vault["error"].is_null(), "{vault}");
        let backends = listed["result"]["backends"].as_array().unwrap().iter();
        backends.map(|backend| backend["name"].clone()).chain([vault["error"]["data"]["type"].clone()]).collect()
    };
    assert_eq!(names(None), [json!("web/a"), json!("/problems/token-needed")]);
    assert_eq!(names(Some(&other)), [json!("web/a"), json!("/problems/out-of-scope")]);
    assert!(names(Some(&seeing[0])).contains(&json!("vault/a")));
}

#[test]
fn a_watch_of_everything_passes_over_what_is_not_shown() {
    let (_tokens, portolan, seeing, _) = start();
    let mut anonymous = Events::from_now(&portolan, "");
    let mut auditor = Events::of(&portolan, "", &format!("{}\r\n", seeing[0].header()));
    auditor.said();
    for (service, port) in [("vault", 81), ("web", 82)] {
        portolan.heartbeat(&json!({"service": service, "instance": "a", "port": port, "host": "10.0.0.7"}));
    }
    assert_eq!(anonymous.event().data["instance"]["port"], 82);
    assert_eq!(auditor.event().data["instance"]["port"], 81);
    assert_eq!(auditor.event().data["instance"]["port"], 82);
}

#[test]
fn a_watch_is_told_to_list_again_when_others_may_see_what_it_shows() {
    let (tokens, portolan, ..) = start();
    let mut events = Events::from_now(&portolan, "");
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let watch = json!({"jsonrpc": "2.0", "method": "registry.watch", "params": {}, "id": 1});
    socket.call(&watch);
    let web = Token::new();
    tokens.write(&[("web-team", &[&web], "read = [\"web\"]")]);
    reload(&portolan);
    for (service, port) in [("web", 81), ("vault", 82)] {
        portolan.heartbeat(&json!({"service": service, "instance": "a", "port": port, "host": "10.0.0.7"}));
    }
    let told = events.event();
    assert_eq!((told.event.as_deref(), &told.data["event"]), (Some("list-again"), &json!("list-again")));
    assert_eq!(socket.hear()["params"]["result"]["event"], "list-again");
    // The change that woke it may be among those that it is to list.
    portolan.heartbeat(&json!({"service": "vault", "instance": "a", "port": 83, "host": "10.0.0.7"}));
    let mut ports = std::iter::repeat_with(|| events.event().data["instance"]["port"].clone());
    assert!(ports.by_ref().take_while(|port| *port != 83).all(|port| port == 82));
}

#[test]
fn dns_answers_for_all_and_an_explanation_counts_what_it_does_not_show() {
    let (_tokens, portolan, seeing, _) = start();
    assert_eq!(portolan.dig(&["+short", "SRV", "_vault._tcp.registry.local"]), "0 0 80 ip-10-0-0-7.registry.local.\n");
    let path = "/v1/explain?name=_vault._tcp.registry.local&type=SRV";
    let explained = |token: Option<&Token>| -> Value {
        let (status, answer) = ask(&portolan, "GET", path, token, "");
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    };
    let (hidden, shown) = (explained(None), explained(Some(&seeing[0])));
    assert_eq!((&hidden["instances"], &hidden["answered"], &hidden["not_shown"]), (&json!([]), &json!(1), &json!(1)));
    assert_eq!((shown["instances"].as_array().unwrap().len(), &shown["not_shown"]), (1, &json!(0)));
}
