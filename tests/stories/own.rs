//! Who looks for the registry itself: it is in its own zones where that is asked for.

use std::time::Duration;

use serde_json::json;

use crate::support::{Launch, Portolan, wait_until};

/// More than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[track_caller]
fn srv(portolan: &Portolan, name: &str) -> String {
    wait_until(&format!("{name} is served"), PATIENCE, || {
        Some(portolan.dig(&["+short", "SRV", &format!("{name}.registry.local")])).filter(|answer| !answer.is_empty())
    })
}

#[test]
fn it_is_found_where_it_listens_if_asked_to_and_not_otherwise() {
    let portolan = Launch::new().env("PORTOLAN_SELF_REGISTER", "true").start();
    for (name, port) in [("_portolan._tcp", portolan.http.port()), ("_dns._udp", portolan.dns.port())] {
        assert_eq!(srv(&portolan, name), format!("0 0 {port} ip-127-0-0-1.registry.local.\n"));
    }
    let page = portolan.get("/v1/instances?service=portolan").expect(200).json();
    let instance = &page["instances"][0];
    assert_eq!(
        (&instance["source"], &instance["lease"], &instance["protocol"]),
        (&json!("self"), &json!(0), &json!("http"))
    );
    assert_eq!(instance["version"], env!("CARGO_PKG_VERSION"));
    // A service on the same machine has the host to itself, and the registry makes room.
    portolan.heartbeat(&json!({"service": "web", "instance": "a", "port": 80}));
    assert_eq!(srv(&portolan, "_web._tcp"), "0 0 80 ip-127-0-0-1.registry.local.\n");
    assert!(srv(&portolan, "_dns._udp").ends_with(" ip-127-0-0-1-2.registry.local.\n"));

    let silent = Portolan::start(&[]);
    silent.heartbeat(&json!({"service": "web", "instance": "a", "port": 80}));
    let page = silent.get("/v1/instances").expect(200).json();
    assert_eq!(page["instances"].as_array().unwrap().len(), 1);
}

#[test]
fn what_stands_beside_it_is_listed_until_anything_else_says_the_same() {
    let portolan = Launch::new().env("PORTOLAN_SELF_SERVICES", "substrate=127.0.0.1:4444,hub=10.0.0.7:1").start();
    assert_eq!(srv(&portolan, "_hub._tcp"), "0 0 1 ip-10-0-0-7.registry.local.\n");
    assert_eq!(srv(&portolan, "_substrate._tcp"), "0 0 4444 ip-127-0-0-1.registry.local.\n");
    portolan.heartbeat(&json!({"service": "substrate", "instance": "substrate", "port": 4445, "host": "10.0.0.8"}));
    assert_eq!(srv(&portolan, "_substrate._tcp"), "0 0 4445 ip-10-0-0-8.registry.local.\n");
    portolan.request("DELETE", "/v1/instances/_substrate._tcp/substrate", &[], "").expect(204);
    assert_eq!(srv(&portolan, "_substrate._tcp"), "0 0 4444 ip-127-0-0-1.registry.local.\n");

    let (status, said) = Launch::new().env("PORTOLAN_SELF_SERVICES", "substrate=4444").start_in_vain();
    assert!(status.code() == Some(2) && said.contains("write NAME=ADDRESS:PORT"), "{said}");
}
