//! Who announces a service over HTTP: heartbeats, whole registrations, patches, preconditions, leases and status.

use serde_json::{Value, json};

use crate::support::Portolan;

fn auth(instance: &str) -> Value {
    json!({"service": "auth", "instance": instance, "port": 8080})
}

#[test]
fn a_heartbeat_registers_and_then_renews() {
    let portolan = Portolan::start(&[]);

    let first = portolan.post("/v1/heartbeat", &auth("a1")).expect(201);
    let again = portolan.post("/v1/heartbeat", &auth("a1")).expect(200);

    assert_eq!(first.header("location"), Some("/v1/instances/_auth._tcp/a1"));
    let (first, again) = (first.json(), again.json());
    assert_eq!((&first["created"], &again["created"]), (&json!(true), &json!(false)));
    assert_eq!((&first["lease"], &first["status"]), (&json!(60), &json!("up")));
    assert_eq!(first["name"], "a1._auth._tcp.registry.local.");
    assert_eq!(first["revision"], again["revision"], "a renewal is no change");
}

#[test]
fn json_is_taken_whatever_the_content_type() {
    let portolan = Portolan::start(&[]);
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/json", "nonsense"] {
        let body = auth("a1").to_string();
        let response = portolan.request("POST", "/v1/heartbeat", &[("Content-Type", kind)], &body);
        assert!(matches!(response.status, 200 | 201), "{kind}: {response:?}");
    }
}

#[test]
fn what_is_left_out_is_derived_from_the_sender() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "port": 8080}));
    let found = portolan.get("/v1/instances/auth/ip-127-0-0-1-8080").expect(200).json();
    assert_eq!(found["addresses"], json!(["127.0.0.1"]));
    assert_eq!(found["host"], "ip-127-0-0-1.registry.local.");
}

#[test]
fn every_field_comes_back_as_it_was_given() {
    let portolan = Portolan::start(&[]);
    let given = json!({
        "service": "chat", "transport": "udp", "instance": "Main Chat", "host": "web1", "port": 443,
        "addresses": ["10.0.0.7", "2001:db8::7"], "priority": 1, "weight": 2,
        "txt": {"z": "1", "flag": null, "empty": "", "bytes": {"base64": "/wA="}},
        "subtypes": ["_printer"], "tags": ["blue"], "version": "1.2.3", "protocol": "wss", "path": "/login",
        "description": "Für alle", "namespace": "prod", "lease": 90, "status": "starting",
    });
    portolan.heartbeat(&given);
    let shown = portolan.get("/v1/instances/_chat._udp/Main%20Chat").expect(200).json();
    for (field, value) in given.as_object().unwrap() {
        let expected = if field == "host" { &json!("web1.registry.local.") } else { value };
        assert_eq!(&shown[field], expected, "{field}");
    }
    let order: Vec<_> = shown["txt"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(order, ["z", "flag", "empty", "bytes"]);
    assert_eq!((&shown["served"], &shown["source"]), (&json!(false), &json!("api")));
}

#[test]
fn an_array_is_answered_item_by_item_and_a_bad_one_holds_up_no_other() {
    let portolan = Portolan::start(&[]);
    let items = json!([auth("a1"), {"service": "auth", "instance": "a2", "port": 0}, 5, auth("a3"), auth("a1")]);

    let outcomes = portolan.post("/v1/heartbeat", &items).expect(200).json();

    assert_eq!(outcomes[0]["registered"]["created"], true);
    assert_eq!(outcomes[1]["problem"]["type"], "/problems/port-zero");
    assert_eq!(outcomes[2]["problem"]["type"], "/problems/wrong-type");
    assert_eq!(outcomes[3]["registered"]["instance"], "a3");
    assert_eq!(outcomes[4]["registered"]["created"], false, "items are applied in their order");
    let listed = portolan.get("/v1/instances").json();
    let names: Vec<_> = listed["instances"].as_array().unwrap().iter().map(|i| i["instance"].clone()).collect();
    assert_eq!(names, ["a1", "a3"]);
}

#[test]
fn an_array_has_up_to_a_thousand_items() {
    let portolan = Portolan::start(&[]);
    let items = |count: usize| Value::Array((0..count).map(|n| auth(&format!("a{n}"))).collect());
    let outcomes = portolan.post("/v1/heartbeat", &items(1000)).expect(200).json();
    assert_eq!(outcomes.as_array().unwrap().len(), 1000);
    let problem = portolan.post("/v1/heartbeat", &items(1001)).expect(422).json();
    assert_eq!(problem["type"], "/problems/too-many");
    assert!(problem["detail"].as_str().unwrap().contains("1001 items; at most 1000"), "{problem}");
    assert_eq!(portolan.post("/v1/heartbeat", &json!([])).expect(200).json(), json!([]));
}

#[test]
fn put_replaces_the_whole_registration() {
    let portolan = Portolan::start(&[]);
    let path = "/v1/instances/_auth._tcp/a1";
    let created = portolan.request("PUT", path, &[], r#"{"port": 1, "txt": {"k": "v"}, "weight": 7}"#).expect(201);
    let replaced = portolan.request("PUT", path, &[], r#"{"port": 2}"#).expect(200);
    assert_ne!(created.header("etag"), replaced.header("etag"));
    let shown = portolan.get(path).expect(200);
    assert_eq!(shown.header("etag"), replaced.header("etag"));
    let shown = shown.json();
    assert_eq!((&shown["port"], &shown["weight"], &shown["txt"]), (&json!(2), &json!(0), &Value::Null));
}

#[test]
fn patch_changes_what_it_names_and_null_takes_away() {
    let portolan = Portolan::start(&[]);
    let path = "/v1/instances/auth/a1";
    portolan.request("PUT", path, &[], r#"{"port": 1, "txt": {"a": "1", "b": "2"}, "weight": 7}"#).expect(201);
    let change = r#"{"txt": {"a": null, "c": "3"}, "weight": null, "addresses": ["10.0.0.9"]}"#;
    let patched = portolan.request("PATCH", path, &[], change).expect(200).json();
    assert_eq!(patched["txt"], json!({"b": "2", "c": "3"}));
    assert_eq!((&patched["port"], &patched["weight"]), (&json!(1), &json!(0)));
    assert_eq!(patched["host"], "ip-10-0-0-9.registry.local.", "a derived host follows the address");
    portolan.request("PATCH", path, &[], r#"{"port": 0}"#).expect(422);
    portolan.request("PATCH", path, &[], r#"["port"]"#).expect(422);
    portolan.request("PATCH", "/v1/instances/auth/a2", &[], r#"{"port": 1}"#).expect(404);
}

#[test]
fn patches_that_meet_lose_nothing() {
    let portolan = Portolan::start(&[]);
    let path = "/v1/instances/auth/a1";
    portolan.request("PUT", path, &[], r#"{"port": 1}"#).expect(201);
    std::thread::scope(|scope| {
        for key in ["a", "b", "c", "d"] {
            let portolan = &portolan;
            scope.spawn(move || {
                portolan.request("PATCH", path, &[], &format!(r#"{{"txt": {{"{key}": "1"}}}}"#)).expect(200);
            });
        }
    });
    assert_eq!(portolan.get(path).json()["txt"].as_object().unwrap().len(), 4);
}

#[test]
fn preconditions_are_kept() {
    let portolan = Portolan::start(&[]);
    let path = "/v1/instances/auth/a1";
    let put =
        |headers: &[(&str, &str)], port: u16| portolan.request("PUT", path, headers, &format!(r#"{{"port": {port}}}"#));
    let absent = ("If-None-Match", "*");

    put(&[("If-Match", "*")], 1).expect(404);
    let tag = put(&[absent], 1).expect(201).header("etag").unwrap().to_owned();

    let taken = put(&[absent], 2).expect(409).json();
    assert_eq!(taken["type"], "/problems/already-registered");
    let item = portolan.request("POST", "/v1/heartbeat", &[absent], &auth("a1").to_string()).expect(409);
    assert_eq!(item.header("content-type"), Some("application/problem+json"));

    let newer = put(&[("If-Match", &tag)], 2).expect(200).header("etag").unwrap().to_owned();
    for (method, body) in [("PUT", r#"{"port": 3}"#), ("PATCH", r#"{"port": 3}"#), ("DELETE", "")] {
        let stale = portolan.request(method, path, &[("If-Match", &tag)], body).expect(412).json();
        assert_eq!(stale["type"], "/problems/revision-differs", "{method}");
        assert_eq!(format!("\"{}\"", stale["revision"]), newer, "{method}");
    }
    let stale = portolan.request("PUT", &format!("{path}/status"), &[("If-Match", &tag)], r#"{"status": "down"}"#);
    stale.expect(412);
    assert_eq!(portolan.get(path).json()["port"], 2);

    portolan.request("PUT", path, &[("If-None-Match", &newer)], r#"{"port": 1}"#).expect(400);
    portolan.request("DELETE", path, &[("If-Match", &newer)], "").expect(204);
    portolan.get(path).expect(404);
}

#[test]
fn a_renewal_of_the_unknown_says_to_register() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&auth("a1"));
    let renewed = portolan.request("POST", "/v1/instances/auth/A1/renew", &[], "").expect(200).json();
    assert_eq!((&renewed["instance"], &renewed["created"]), (&json!("a1"), &json!(false)));
    portolan.request("POST", "/v1/instances/auth/a1/renew", &[("If-Match", "*")], "").expect(400);
    let unknown = portolan.request("POST", "/v1/instances/auth/a2/renew", &[], "").expect(404).json();
    assert_eq!(unknown["type"], "/problems/not-registered");
    assert!(unknown["detail"].as_str().unwrap().contains("POST /v1/heartbeat"), "{unknown}");
}

#[test]
fn an_operators_status_outlasts_heartbeats() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&auth("a1"));
    let set = |body: &str| portolan.request("PUT", "/v1/instances/auth/a1/status", &[], body);

    let drained = set(r#"{"status": "out-of-service"}"#).expect(200).json();
    assert_eq!((&drained["status"], &drained["served"]), (&json!("out-of-service"), &json!(false)));
    assert_eq!(drained["reason"], "drained by an operator");
    assert_eq!(portolan.heartbeat(&auth("a1"))["status"], "out-of-service");

    let failing = set(r#"{"status": "up"}"#).expect(200).json();
    assert_eq!((&failing["status"], &failing["reason"]), (&json!("up"), &Value::Null));
    let down = set(r#"{"status": "down", "reason": "disk full"}"#).expect(200).json();
    assert_eq!((&down["status"], &down["reason"]), (&json!("down"), &json!("failing: disk full")));
    assert_eq!(portolan.heartbeat(&auth("a1"))["status"], "down");
    assert_eq!(set(r#"{"status": "starting"}"#).expect(200).json()["status"], "down", "a failing check stays");
    assert_eq!(set(r#"{"status": "up"}"#).expect(200).json()["status"], "up");

    assert_eq!(set(r#"{"status": "gone"}"#).expect(422).json()["field"], "status");
    assert_eq!(set(r#"{"status": "down", "reason": "a\u0000"}"#).expect(422).json()["field"], "reason");
    assert_eq!(set("{}").expect(422).json()["type"], "/problems/missing-field");
    portolan.request("PUT", "/v1/instances/auth/a2/status", &[], r#"{"status": "up"}"#).expect(404);
}

#[test]
fn names_with_spaces_dots_backslashes_and_utf8_survive_all_the_way_to_dig() {
    let portolan = Portolan::start(&[]);
    for (name, escaped) in [
        ("Joe's Lab. 2", "Joe's%20Lab.%202"),
        (r"back\slash", "back%5Cslash"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("Küche 東京", "K%C3%BCche%20%E6%9D%B1%E4%BA%AC"),
        ("100%", "100%25"),
    ] {
        let path = format!("/v1/instances/_web._tcp/{escaped}");
        let created = portolan.request("PUT", &path, &[], r#"{"port": 80}"#).expect(201);
        assert_eq!(created.json()["instance"], name);
        let location = created.header("location").unwrap().to_owned();
        let shown = portolan.get(&location).expect(200).json();
        assert_eq!(shown["instance"], name);
        let answer = portolan.dig(&["+short", "SRV", shown["name"].as_str().unwrap()]);
        assert_eq!(answer, "0 0 80 ip-127-0-0-1.registry.local.\n", "{name}");
        portolan.request("DELETE", &location, &[], "").expect(204);
    }
    portolan.get("/v1/instances/_web._tcp/%FF").expect(400);
    portolan.get("/v1/instances/_web._tcp/a%07").expect(422);
    portolan.get("/v1/instances/_web._sctp/a").expect(422);
}
