//! Who sends something wrong: each mistake has its own problem type and status, and a message that names the field
//! and the limit. Every field and every limit is gone through beside `api::Registration`; here the wire counts.

use serde_json::{Value, json};

use crate::support::{Portolan, Response};

#[track_caller]
fn problem(response: Response, status: u16, kind: &str) -> Value {
    let response = response.expect(status);
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let problem = response.json();
    assert_eq!((&problem["type"], &problem["status"]), (&json!(format!("/problems/{kind}")), &json!(status)));
    for member in ["title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    problem
}

#[test]
fn each_mistake_is_named_with_its_field_and_its_limit() {
    let portolan = Portolan::start(&[]);
    let kilobyte = "x".repeat(1024);
    let long_txt: serde_json::Map<_, _> = (0..6).map(|n| (format!("k{n}"), json!("v".repeat(240)))).collect();
    let with = |field: &str, value: Value| {
        let mut body = json!({"service": "auth", "instance": "a1", "port": 8080});
        body[field] = value;
        body
    };
    for (body, kind, field, says) in [
        (with("colour", json!("red")), "unknown-field", "colour", "the fields are service, transport"),
        (with("port", json!("8080")), "wrong-type", "port", "a whole number from 0 to 65535"),
        (with("port", json!(0)), "port-zero", "port", "1 to 65535"),
        (with("port", json!(65536)), "wrong-value", "port", "0 to 65535"),
        (json!({"service": "auth"}), "missing-field", "port", "is missing"),
        (with("service", json!("")), "invalid-service", "service", "1 to 62"),
        (with("service", json!(kilobyte)), "invalid-service", "service", "at most 62"),
        (with("instance", json!("")), "invalid-instance", "instance", "63"),
        (with("instance", json!(kilobyte)), "invalid-instance", "instance", "63"),
        (with("instance", json!("a\u{1b}[31m")), "invalid-instance", "instance", "U+001B"),
        (with("host", json!(kilobyte)), "invalid-host", "host", "at most 63"),
        (with("addresses", json!(["0.0.0.0"])), "invalid-address", "addresses[0]", "unspecified"),
        (with("txt", Value::Object(long_txt)), "invalid-txt", "txt", "at most 1300"),
        (with("txt", json!({"a=b": "c"})), "invalid-txt", "txt", "without `=`"),
        (with("lease", json!(1)), "invalid-lease", "lease", "from 5s to 1day"),
        (with("lease", json!("3 days")), "invalid-lease", "lease", "from 5s to 1day"),
    ] {
        let problem = problem(portolan.post("/v1/heartbeat", &body), 422, kind);
        assert_eq!(problem["field"], field, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    assert_eq!(portolan.get("/v1/instances").json()["instances"], json!([]), "nothing of it was kept");
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let portolan = Portolan::start(&[]);
    let send = |body: &str| portolan.request("POST", "/v1/heartbeat", &[], body);
    problem(send(r#"{"service": "a", "port": 1, "port": 2}"#), 422, "repeated-field");
    send(r#"{"service": "a", "instance": "a1", "port": 1}"#).expect(201);
    let patched = portolan.request("PATCH", "/v1/instances/a/a1", &[], r#"{"port": 1, "port": 2}"#);
    problem(patched, 422, "repeated-field");
    let twice = problem(send(r#"{"service": "a", "port": 1, "txt": {"k": "1", "K": "2"}}"#), 422, "invalid-txt");
    assert!(twice["detail"].as_str().unwrap().contains("\"K\" twice"), "{twice}");
}

#[test]
fn malformed_json_tells_the_line_and_the_column() {
    let portolan = Portolan::start(&[]);
    let response = portolan.request("POST", "/v1/heartbeat", &[], "{\n  \"service\": auth\n}");
    let found = problem(response, 400, "malformed-json");
    assert_eq!((&found["line"], &found["column"]), (&json!(2), &json!(14)));
    problem(portolan.request("POST", "/v1/heartbeat", &[], ""), 400, "malformed-json");
    problem(portolan.request("POST", "/v1/heartbeat", &[], &"[".repeat(100_000)), 400, "malformed-json");
}

#[test]
fn paths_and_methods_that_are_not_there_are_problems_too() {
    let portolan = Portolan::start(&[]);
    problem(portolan.get("/v1/nothing"), 404, "no-such-path");
    let refused = portolan.request("DELETE", "/v1/heartbeat", &[], "").expect(405);
    assert_eq!(refused.header("allow"), Some("POST"));
    problem(refused, 405, "method-not-allowed");
    problem(portolan.get("/v1/instances/auth/a1"), 404, "not-registered");
}

#[test]
fn a_body_of_two_megabytes_is_refused_in_words() {
    let portolan = Portolan::start(&[]);
    let body = "x".repeat(2_000_000);
    for headers in [&[][..], &[("Expect", "100-continue")]] {
        let refused = problem(portolan.request("POST", "/v1/heartbeat", headers, &body), 413, "body-too-large");
        assert!(refused["detail"].as_str().unwrap().contains("1048576 octets (http.body_limit)"), "{refused}");
    }
    // One octet is what decides.
    let exactly = |length: usize| {
        let start = r#"{"service": "auth", "port": 8080}"#;
        portolan.request("POST", "/v1/heartbeat", &[], &format!("{start}{}", " ".repeat(length - start.len())))
    };
    exactly(1 << 20).expect(201);
    exactly((1 << 20) + 1).expect(413);
}

#[test]
fn a_page_of_another_site_is_refused_and_so_is_a_name_that_is_not_ours() {
    let portolan = Portolan::start(&[]);
    let body = r#"{"service": "auth", "instance": "a1", "port": 1}"#;
    let port = portolan.http.port();
    let send = |headers: &[(&str, &str)]| portolan.request("POST", "/v1/heartbeat", headers, body);
    problem(send(&[("Origin", "http://evil.example")]), 403, "cross-site");
    problem(send(&[("Origin", "null")]), 403, "cross-site");
    problem(send(&[("Sec-Fetch-Site", "cross-site")]), 403, "cross-site");
    let rebound = format!("evil.example:{port}");
    let origin = format!("http://{rebound}");
    let named = problem(send(&[("Host", &rebound), ("Origin", &origin)]), 403, "unknown-host");
    assert!(named["detail"].as_str().unwrap().contains("http.hosts"), "{named}");
    problem(portolan.request("GET", "/v1/instances", &[("Host", &rebound)], ""), 403, "unknown-host");

    let own = format!("localhost:{port}");
    send(&[("Host", &own), ("Origin", &format!("http://{own}")), ("Sec-Fetch-Site", "same-origin")]).expect(201);
    send(&[("Host", "portolan.registry.local")]).expect(200);
}
