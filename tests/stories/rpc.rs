//! Who calls methods: JSON-RPC 2.0 over HTTP, whose every example the unit tests of the envelopes have.

use serde_json::{Value, json};

use crate::support::{Launch, Portolan, Response, replace};

/// The reply to a call with these params.
#[track_caller]
fn call(portolan: &Portolan, method: &str, params: &Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
    let reply = portolan.post("/rpc", &call).expect(200).json();
    assert_eq!((&reply["jsonrpc"], &reply["id"]), (&json!("2.0"), &json!(1)), "{reply}");
    assert!(reply.get("result").is_some() != reply.get("error").is_some(), "exactly one of the two: {reply}");
    reply
}

#[track_caller]
fn result(portolan: &Portolan, method: &str, params: &Value) -> Value {
    let mut reply = call(portolan, method, params);
    assert_eq!(reply.get("error"), None, "{reply}");
    reply["result"].take()
}

#[track_caller]
fn error(portolan: &Portolan, method: &str, params: &Value) -> (i64, String) {
    let reply = call(portolan, method, params);
    let error = &reply["error"];
    let problem = error["data"]["type"].as_str().unwrap_or_else(|| panic!("no problem comes along: {reply}"));
    (error["code"].as_i64().unwrap(), problem.strip_prefix("/problems/").unwrap().to_owned())
}

#[test]
fn an_instance_lives_its_life_by_calls_and_is_in_dns_meanwhile() {
    let portolan = Portolan::start(&[]);
    let named = json!({"service": "auth", "instance": "a1", "port": 8080, "txt": {"path": "/login"}, "lease": "90s"});
    let id = json!({"service": "auth", "instance": "a1"});

    let registered = result(&portolan, "registry.register", &named);
    assert_eq!((&registered["name"], &registered["lease"]), (&json!("a1._auth._tcp.registry.local."), &json!(90)));
    let answer = portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]);
    assert_eq!(answer, "0 0 8080 ip-127-0-0-1.registry.local.\n");
    assert_eq!(result(&portolan, "registry.heartbeat", &named)["created"], false);
    assert_eq!(result(&portolan, "registry.renew", &id)["instance"], "a1");

    let changes = json!({"service": "_auth._tcp", "instance": "a1", "changes": {"weight": 5, "txt": {"path": null}}});
    let updated = result(&portolan, "registry.update", &changes);
    assert_eq!((&updated["weight"], updated.get("txt")), (&json!(5), None));
    assert_eq!(result(&portolan, "registry.get", &id)["weight"], 5);

    let gone = result(&portolan, "registry.deregister", &id);
    assert_eq!(gone["instance"], "a1");
    assert_eq!(error(&portolan, "registry.get", &id), (-32004, "not-registered".to_owned()));
    assert_eq!(error(&portolan, "registry.renew", &id), (-32004, "not-registered".to_owned()));
    assert_eq!(error(&portolan, "registry.delete", &id), (-32004, "not-registered".to_owned()));
    assert_eq!(portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]), "");
}

#[test]
fn params_by_position_mean_the_same() {
    let portolan = Portolan::start(&[]);
    let registered = result(&portolan, "registry.register", &json!(["auth", 8080, "a1", null, ["10.0.0.7"]]));
    assert_eq!((&registered["instance"], &registered["addresses"]), (&json!("a1"), &json!(["10.0.0.7"])));
    assert_eq!(result(&portolan, "registry.get", &json!(["auth", "a1"]))["port"], 8080);
    assert_eq!(result(&portolan, "registry.update", &json!(["auth", "a1", {"port": 1}]))["port"], 1);
    assert_eq!(error(&portolan, "registry.get", &json!(["auth", "a1", "tcp", 1])).0, -32602);
}

#[test]
fn what_must_hold_is_said_with_only() {
    let portolan = Portolan::start(&[]);
    let with = |only: Value| json!({"service": "auth", "instance": "a1", "port": 1, "only": only});
    assert_eq!(error(&portolan, "registry.register", &with(json!("present"))).1, "not-registered");
    let revision = result(&portolan, "registry.register", &with(json!("absent")))["revision"].clone();
    assert_eq!(
        error(&portolan, "registry.register", &with(json!("absent"))),
        (-32009, "already-registered".to_owned())
    );
    let update = |only: &Value| json!({"service": "auth", "instance": "a1", "changes": {"port": 2}, "only": only});
    assert_eq!(result(&portolan, "registry.update", &update(&revision))["port"], 2);
    assert_eq!(error(&portolan, "registry.update", &update(&revision)), (-32012, "revision-differs".to_owned()));
    assert_eq!(error(&portolan, "registry.register", &with(json!("never"))).1, "invalid-parameter");
}

#[test]
fn lists_take_the_conditions_of_the_api_and_lookup_has_what_is_served() {
    let portolan = Portolan::start(&[]);
    for (instance, priority, status) in [("a1", 2, "up"), ("a2", 1, "up"), ("a3", 0, "starting")] {
        portolan.heartbeat(&json!({"service": "auth", "instance": instance, "port": 1, "priority": priority,
                                   "status": status, "tags": ["blue"], "txt": {"path": "/login"}}));
    }
    portolan.heartbeat(&json!({"service": "web", "instance": "w1", "port": 1}));
    let names = |method: &str, params: &Value| -> Vec<String> {
        let page = result(&portolan, method, params);
        let instances = page["instances"].as_array().unwrap();
        instances.iter().map(|instance| instance["instance"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("registry.list", &json!({})), ["a1", "a2", "a3", "w1"]);
    assert_eq!(names("registry.list", &json!({"service": "au*", "status": "starting"})), ["a3"]);
    assert_eq!(
        names("registry.list", &json!({"status": ["up", "starting"], "tag": ["blue"], "limit": 2})),
        ["a1", "a2"]
    );
    assert_eq!(names("registry.list", &json!({"txt": {"path": "/login"}, "instance": "?2"})), ["a2"]);
    assert_eq!(names("registry.lookup", &json!(["auth"])), ["a2", "a1"]);
    assert_eq!(names("registry.lookup", &json!({"service": "nobody"})), [""; 0]);
    assert_eq!(error(&portolan, "registry.list", &json!({"colour": "red"})), (-32602, "unknown-parameter".to_owned()));
    assert_eq!(error(&portolan, "registry.lookup", &json!({})), (-32602, "missing-field".to_owned()));
}

#[test]
fn one_of_several_or_the_first_to_come_is_asked_for_as_over_the_api() {
    let portolan = Portolan::start(&[]);
    for (instance, version) in [("c2", "2.3.1"), ("c3", "3.2.2")] {
        portolan.heartbeat(&json!({"service": "couchdb", "instance": instance, "port": 5984, "version": version}));
    }
    let picked = |method: &str, params: Value| {
        let page = result(&portolan, method, &params);
        let [one] = &page["instances"].as_array().unwrap()[..] else { panic!("not one: {page}") };
        one["instance"].as_str().unwrap().to_owned()
    };
    assert_eq!(picked("registry.lookup", json!({"service": "couchdb@3.x"})), "c3");
    assert_eq!(picked("registry.list", json!({"service": "couchdb", "version": "<3"})), "c2");
    assert_eq!(picked("registry.lookup", json!({"service": "couchdb", "pick": "first"})), "c2");
    assert_eq!(picked("registry.waitFor", json!(["couchdb@^3"])), "c3");
    assert_eq!(picked("registry.list", json!({"served": true, "limit": 1})), "c2");
    assert_eq!(
        error(&portolan, "registry.lookup", &json!({"service": "couchdb", "pick": "last"})).1,
        "invalid-parameter"
    );

    let nobody = error(&portolan, "registry.waitFor", &json!({"service": "nobody", "wait": "10ms"}));
    assert_eq!(nobody, (-32004, "not-registered".to_owned()));
    assert_eq!(result(&portolan, "registry.list", &json!({"service": "nobody", "wait": 0.01}))["instances"], json!([]));
    assert_eq!(
        error(&portolan, "registry.waitFor", &json!(["nobody", "1h"])),
        (-32602, "invalid-parameter".to_owned())
    );
    assert_eq!(error(&portolan, "registry.waitFor", &json!([])), (-32602, "missing-field".to_owned()));
}

#[test]
fn a_batch_waits_no_longer_than_one_call_may() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[http]\nrequest_timeout = \"2s\"\n").unwrap();
    let portolan = Launch::new().args(["--config", file.to_str().unwrap()]).start();
    let wait = |id: u64| json!({"jsonrpc": "2.0", "method": "registry.waitFor", "params": ["nobody", "1s"], "id": id});
    let replies = portolan.post("/rpc", &(0..10).map(wait).collect()).expect(200).json();
    let codes: Vec<_> = replies.as_array().unwrap().iter().map(|reply| &reply["error"]["code"]).collect();
    assert_eq!(codes, [&json!(-32004); 10]);
}

#[test]
fn files_are_read_again_for_who_asks() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    let with = |text: &str| replace(&file, text);
    with("");
    let portolan = Launch::new().args(["--config", file.to_str().unwrap()]).start();
    with("[[service]]\nservice = \"db\"\nport = 5432\n");
    // It may have been taken in already: then nothing is new.
    let reloaded = result(&portolan, "registry.reload", &json!([]));
    assert_eq!(reloaded["files"][0]["services"], 1, "{reloaded}");
    assert_eq!(portolan.get("/v1/instances?service=db").json()["instances"][0]["source"], "file");
    with("[[service]]\nport = 5432\n");
    let broken = result(&portolan, "registry.reload", &json!({}));
    assert_eq!(broken["faults"][0]["line"], 1, "{broken}");
}

#[test]
fn a_batch_is_answered_call_by_call_in_order_and_nothing_holds_up_the_rest() {
    let portolan = Portolan::start(&[]);
    let call = |id: Value, method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id});
    let a1 = json!({"service": "auth", "instance": "a1", "port": 1});
    let mut silent = call(json!(0), "registry.register", json!({"service": "auth", "instance": "a2", "port": 1}));
    silent.as_object_mut().unwrap().remove("id");
    let batch = json!([
        call(json!(1), "registry.register", a1),
        silent,
        call(json!(2), "registry.register", json!({"service": "auth", "port": 0})),
        7,
        call(json!("three"), "registry.get", json!(["auth", "a1"])),
        call(json!(4), "registry.deregister", json!(["auth", "a1"])),
        call(json!(5), "registry.get", json!(["auth", "a1"])),
        call(json!(6), "registry.get", json!(["auth", "a2"])),
        call(json!(null), "no.such", json!([])),
    ]);
    let replies = portolan.post("/rpc", &batch).expect(200).json();
    let shown: Vec<_> =
        replies.as_array().unwrap().iter().map(|r| (r["id"].clone(), r["error"]["code"].clone())).collect();
    let expected = [
        (json!(1), Value::Null),
        (json!(2), json!(-32602)),
        (Value::Null, json!(-32600)),
        (json!("three"), Value::Null),
        (json!(4), Value::Null),
        (json!(5), json!(-32004)),
        (json!(6), Value::Null),
        (Value::Null, json!(-32601)),
    ];
    assert_eq!(shown, expected, "{replies}");
}

#[test]
fn a_notification_is_done_and_nothing_is_said() {
    let portolan = Portolan::start(&[]);
    let call = json!({"jsonrpc": "2.0", "method": "registry.register", "params": ["auth", 8080, "a1"]});
    let silent = portolan.post("/rpc", &call).expect(204);
    assert_eq!(silent.body, "");
    portolan.get("/v1/instances/auth/a1").expect(200);
    portolan.post("/rpc", &json!([call, call])).expect(204);
}

#[test]
fn what_is_no_call_is_told_so_in_the_words_of_json_rpc() {
    let portolan = Portolan::start(&[]);
    let send = |body: &str| portolan.request("POST", "/rpc", &[], body).expect(200).json();
    let parse = send("{\n  nonsense");
    assert_eq!((&parse["error"]["code"], &parse["id"]), (&json!(-32700), &Value::Null));
    assert_eq!((&parse["error"]["data"]["line"], &parse["error"]["data"]["column"]), (&json!(2), &json!(3)));
    assert_eq!(send("[]")["error"]["code"], -32600);
    assert_eq!(send(&"x".repeat(2_000_000))["error"]["code"], -32013);
    assert_eq!(send(&format!("[{}1]", "1,".repeat(1000)))["error"]["code"], -32600);
    let deep = format!(
        r#"{{"jsonrpc":"2.0","method":"registry.ping","params":{}{},"id":1}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    assert_eq!(send(&deep)["error"]["code"], -32700);
    assert_eq!(portolan.get("/rpc").expect(405).header("allow"), Some("POST"));
}

#[test]
fn a_batch_cannot_be_answered_with_more_than_a_client_may_ask_for() {
    let portolan = Portolan::start(&[]);
    let item = |n| json!({"service": "auth", "instance": format!("a{n}"), "port": 1});
    portolan.post("/v1/heartbeat", &(0..1000).map(item).collect()).expect(200);
    let list = |id| json!({"jsonrpc": "2.0", "method": "registry.list", "params": {"limit": 1000}, "id": id});
    let replies = portolan.post("/rpc", &(0..10).map(list).collect()).expect(200).json();
    let full = |reply: &&Value| reply["error"]["data"]["type"] == "/problems/too-many";
    assert_eq!(replies.as_array().unwrap().iter().filter(full).count(), 9);
}

#[test]
fn every_method_that_is_described_is_there_and_takes_what_it_says() {
    let portolan = Portolan::start(&[]);
    let document = result(&portolan, "rpc.discover", &json!([]));
    assert_eq!(document["openrpc"], "1.3.2");
    let methods = document["methods"].as_array().unwrap();
    assert!(methods.len() > 8, "{document}");
    for method in methods {
        let params = method["params"].as_array().unwrap();
        let known: serde_json::Map<_, _> =
            params.iter().map(|param| (param["name"].as_str().unwrap().to_owned(), json!(null))).collect();
        let reply = call(&portolan, method["name"].as_str().unwrap(), &Value::Object(known));
        let problem = reply["error"]["data"]["type"].as_str().unwrap_or_default();
        let refused = ["/problems/unknown-parameter", "/problems/unknown-field", "/problems/no-such-method"];
        assert!(!refused.contains(&problem), "{method}: {reply}");
    }
}

#[test]
fn a_page_of_another_site_calls_nothing() {
    let portolan = Portolan::start(&[]);
    let body = json!({"jsonrpc": "2.0", "method": "registry.ping", "id": 1}).to_string();
    let send = |path: &str, method: &str| -> Response {
        portolan.request(method, path, &[("Origin", "http://evil.example")], &body).expect(403)
    };
    send("/rpc", "POST");
    send("/ws", "GET");
}
