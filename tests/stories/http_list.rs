//! Who looks around: filters, pages, service types.

use serde_json::{Value, json};

use crate::support::Portolan;

fn names(page: &Value) -> Vec<String> {
    let instances = page["instances"].as_array().expect("instances");
    instances.iter().map(|instance| instance["instance"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn filters_narrow_and_combine() {
    let portolan = Portolan::start(&[]);
    portolan.post(
        "/v1/heartbeat",
        &json!([
            {"service": "auth", "instance": "a1", "port": 1, "tags": ["blue", "eu"], "txt": {"path": "/x", "f": null}},
            {"service": "auth", "instance": "a2", "port": 1, "tags": ["green"], "version": "1.2.3", "status": "starting"},
            {"service": "auth", "transport": "udp", "instance": "a3", "port": 1, "tags": ["blue"]},
            {"service": "audit", "instance": "Main Audit", "port": 1},
        ]),
    );
    for (query, expected) in [
        ("", &["Main Audit", "a1", "a2", "a3"][..]),
        ("service=auth", &["a1", "a2", "a3"]),
        ("service=_AUTH._tcp", &["a1", "a2"]),
        ("service=_auth._udp", &["a3"]),
        ("service=au*", &["Main Audit", "a1", "a2", "a3"]),
        ("service=_a?th._u*", &["a3"]),
        ("service=unheard-of", &[]),
        ("instance=A?", &["a1", "a2", "a3"]),
        ("instance=main%20*", &["Main Audit"]),
        ("service=auth&instance=a1", &["a1"]),
        ("status=starting", &["a2"]),
        ("status=starting&status=up&service=auth", &["a1", "a2", "a3"]),
        ("tag=blue", &["a1", "a3"]),
        ("tag=blue&tag=EU", &["a1"]),
        ("txt.path=/x", &["a1"]),
        ("txt.PATH=/x&txt.f=", &["a1"]),
        ("txt.path=/X", &[]),
        ("txt.version=1.2.3", &["a2"]),
        ("source=api&tag=green", &["a2"]),
        ("source=mdns", &[]),
    ] {
        let page = portolan.get(&format!("/v1/instances?{query}")).expect(200).json();
        assert_eq!(names(&page), expected, "{query}");
    }
}

#[test]
fn a_query_that_is_not_understood_is_refused_by_name() {
    let portolan = Portolan::start(&[]);
    for (path, kind, field) in [
        ("/v1/instances?servcie=auth", "unknown-parameter", "servcie"),
        ("/v1/instances?limit=0", "invalid-parameter", "limit"),
        ("/v1/instances?limit=1001", "invalid-parameter", "limit"),
        ("/v1/instances?limit=many", "invalid-parameter", "limit"),
        ("/v1/instances?status=gone", "invalid-parameter", "status"),
        ("/v1/instances?service=_a_b", "invalid-parameter", "service"),
        ("/v1/instances?tag=a.b", "invalid-parameter", "tag"),
        ("/v1/instances?cursor=zzz", "invalid-parameter", "cursor"),
        ("/v1/services?service=auth", "unknown-parameter", "service"),
    ] {
        let problem = portolan.get(path).expect(400).json();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{path}");
        assert_eq!(problem["field"], field, "{path}");
    }
}

#[test]
fn pages_neither_repeat_nor_miss_what_stays_while_others_come_and_go() {
    let portolan = Portolan::start(&[]);
    let item = |name: String| json!({"service": "auth", "instance": name, "port": 1});
    let all: Vec<_> = (0..50).map(|n| item(format!("s{n:02}"))).collect();
    portolan.post("/v1/heartbeat", &Value::Array(all)).expect(200);

    let mut seen = Vec::new();
    let mut path = "/v1/instances?service=auth&limit=7".to_owned();
    loop {
        let page = portolan.get(&path).expect(200).json();
        assert!(names(&page).len() <= 7);
        seen.extend(names(&page));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/instances?service=auth&limit=7&cursor={cursor}");
        // Before, at and behind where the page ended: one goes, one comes.
        let last = seen.last().unwrap().clone();
        portolan.request("DELETE", &format!("/v1/instances/auth/{last}"), &[], "").expect(204);
        portolan.heartbeat(&item(format!("{last}-late")));
        portolan.heartbeat(&item(format!("a-{last}")));
    }

    let stable: Vec<_> = seen.iter().filter(|name| !name.contains('-')).cloned().collect();
    let expected: Vec<_> = (0..50).map(|n| format!("s{n:02}")).collect();
    assert_eq!(stable, expected);
}

#[test]
fn a_page_that_holds_the_last_has_no_cursor() {
    let portolan = Portolan::start(&[]);
    let item = |service: &str| json!({"service": service, "instance": "i", "port": 1});
    portolan.post("/v1/heartbeat", &json!([item("a"), item("b"), item("c")])).expect(200);
    assert_eq!(portolan.get("/v1/instances?limit=3").json()["cursor"], Value::Null);
    assert_eq!(portolan.get("/v1/instances?service=b&limit=1").json()["cursor"], Value::Null);
    assert!(portolan.get("/v1/instances?limit=2").json()["cursor"].is_string());
}

#[test]
fn a_glob_that_matches_little_in_a_large_registry_is_answered_in_short_pages() {
    let portolan = Portolan::start(&[]);
    for batch in 0..6 {
        let item = |n| json!({"service": "many", "instance": format!("{batch}-{n}"), "port": 1});
        portolan.post("/v1/heartbeat", &Value::Array((0..1000).map(item).collect())).expect(200);
    }
    portolan.heartbeat(&json!({"service": "needle", "instance": "found", "port": 1}));

    let first = portolan.get("/v1/instances?service=n*").expect(200).json();
    assert_eq!(first["instances"], json!([]));
    let cursor = first["cursor"].as_str().expect("there is more");
    let second = portolan.get(&format!("/v1/instances?service=n*&cursor={cursor}")).expect(200).json();
    assert_eq!(names(&second), ["found"]);
    assert_eq!(second["cursor"], Value::Null);
    // What is named is found at once.
    assert_eq!(names(&portolan.get("/v1/instances?service=needle").json()), ["found"]);
}

#[test]
fn services_are_counted_over_pages() {
    let portolan = Portolan::start(&[]);
    let item = |service: &str, instance: &str, status: &str| json!({"service": service, "instance": instance, "port": 1, "status": status});
    let items = json!([item("a", "1", "up"), item("a", "2", "starting"), item("b", "1", "up"), item("c", "1", "up")]);
    portolan.post("/v1/heartbeat", &items).expect(200);

    let first = portolan.get("/v1/services?limit=2").expect(200).json();
    assert_eq!(
        first["services"],
        json!([
            {"service": "a", "transport": "tcp", "name": "_a._tcp.registry.local.", "instances": 2, "served": 1},
            {"service": "b", "transport": "tcp", "name": "_b._tcp.registry.local.", "instances": 1, "served": 1},
        ])
    );
    let cursor = first["cursor"].as_str().unwrap();
    let rest = portolan.get(&format!("/v1/services?cursor={cursor}")).expect(200).json();
    assert_eq!(rest["services"].as_array().unwrap().len(), 1);
    assert_eq!(rest["services"][0]["service"], "c");
    assert_eq!(rest["cursor"], Value::Null);
}

#[test]
fn the_server_says_what_it_is_and_how_it_is() {
    let portolan = Portolan::start(&[]);
    let welcome = portolan.get("/").expect(200).body;
    assert!(welcome.contains(&format!("curl http://{}/v1/heartbeat", portolan.http)), "{welcome}");
    portolan.get("/healthz").expect(200);
    portolan.get("/readyz").expect(200);
    let head = portolan.request("HEAD", "/v1/instances", &[], "").expect(200);
    assert_eq!(head.body, "");
    let listed = portolan.get("/problems").expect(200).body;
    for line in listed.lines() {
        let name = line.split_whitespace().nth(1).unwrap();
        portolan.get(&format!("/problems/{name}")).expect(200);
    }
}
