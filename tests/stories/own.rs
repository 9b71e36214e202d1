//! Who looks for the registry itself: it is in its own zones, unless a setting says otherwise.

use std::time::Duration;

use serde_json::{Value, json};

use super::cli::say;
use crate::support::events::Events;
use crate::support::netns::Net;
use crate::support::{Launch, Portolan, wait_until};

/// More than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[track_caller]
fn srv(portolan: &Portolan, name: &str) -> String {
    wait_until(&format!("{name} is served"), PATIENCE, || {
        Some(portolan.dig(&["+short", "SRV", &format!("{name}.registry.local")])).filter(|answer| !answer.is_empty())
    })
}

fn listed(portolan: &Portolan) -> Vec<Value> {
    portolan.get("/v1/instances").expect(200).json()["instances"].as_array().unwrap().clone()
}

/// The services that there are when one has been registered, before which the registry would have been.
fn alone(portolan: &Portolan) -> Vec<String> {
    portolan.heartbeat(&json!({"service": "web", "instance": "a", "port": 80}));
    listed(portolan).iter().map(|instance| instance["service"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_is_found_where_it_listens() {
    let portolan = Launch::new().with_itself().start();
    for (name, host, port) in
        [("_portolan._tcp", "portolan", portolan.http.port()), ("_dns._udp", "portolan-dns", portolan.dns.port())]
    {
        assert_eq!(srv(&portolan, name), format!("0 0 {port} {host}.registry.local.\n"));
        assert_eq!(portolan.dig(&["+short", "A", &format!("{host}.registry.local")]), "127.0.0.1\n");
    }
    let page = portolan.get("/v1/instances?service=portolan").expect(200).json();
    let instance = &page["instances"][0];
    assert_eq!(
        (&instance["source"], &instance["lease"], &instance["protocol"]),
        (&json!("self"), &json!(0), &json!("http"))
    );
    assert_eq!(instance["version"], env!("CARGO_PKG_VERSION"));
    // Whoever has nothing else yet sees that, and what it is.
    let list = say(&portolan, &["list"]).well();
    assert_eq!(list.lines().filter(|line| line.ends_with("none   self")).count(), 2, "{list}");

    // A service on the same machine has its host, and nobody is told of anything else.
    let mut events = Events::from_now(&portolan, "");
    portolan.heartbeat(&json!({"service": "web", "instance": "a", "port": 80}));
    assert_eq!(srv(&portolan, "_web._tcp"), "0 0 80 ip-127-0-0-1.registry.local.\n");
    portolan.heartbeat(&json!({"service": "web", "instance": "b", "port": 81}));
    assert_eq!(events.told()[1], "a");
    assert_eq!(events.told()[1], "b");
    // It is nobody's but its own to change, and has no past.
    let path = format!("/v1/instances/_portolan._tcp/{}", instance["instance"].as_str().unwrap());
    portolan.request("DELETE", &path, &[], "").expect(404);
    assert_eq!(portolan.get("/status").json()["last_flips"], json!([]));

    let silent = Launch::new().with_itself().env("PORTOLAN_SELF_REGISTER", "false").start();
    assert_eq!(alone(&silent), ["web"]);
}

#[test]
fn where_it_listens_everywhere_it_is_at_the_addresses_that_others_reach() {
    let net = Net::enter();
    let _link = net.host();
    let portolan = Launch::new().with_itself().args(["--http", "0.0.0.0:0"]).start();
    assert_eq!(srv(&portolan, "_portolan._tcp"), format!("0 0 {} portolan.registry.local.\n", portolan.http.port()));
    assert_eq!(portolan.dig(&["+short", "A", "portolan.registry.local"]), "10.9.1.1\n");
    // Whoever is told of 127.0.0.1 on another machine asks himself.
    let services = |portolan: &Portolan| listed(portolan).iter().map(|i| i["service"].clone()).collect::<Vec<_>>();
    assert_eq!(services(&portolan), ["portolan"]);
    assert!(portolan.log().contains("_dns._udp is not listed: others could not reach it"), "{}", portolan.log());
    let portolan = Launch::new().with_itself().args(["--dns", "0.0.0.0:0"]).start();
    assert_eq!(srv(&portolan, "_dns._udp"), format!("0 0 {} portolan-dns.registry.local.\n", portolan.dns.port()));
    assert_eq!(services(&portolan), ["dns"]);
    assert_eq!(portolan.dig(&["+short", "SRV", "_portolan._tcp.registry.local"]), "");
}

#[test]
fn two_on_one_link_do_not_meet() {
    let net = Net::enter();
    let _link = net.host();
    let [one, other] = [(); 2].map(|()| Launch::new().with_itself().args(["--mdns"]).start());
    for portolan in [&one, &other] {
        let own = format!("0 0 {} portolan.registry.local.\n", portolan.http.port());
        assert_eq!(srv(portolan, "_portolan._tcp"), own);
        assert!(listed(portolan).iter().all(|instance| instance["source"] == "self"));
    }
}

#[test]
fn clients_of_earlier_registries_meet_nothing_that_those_had_not() {
    let _net = Net::enter();
    for profile in ["servreg", "registro", "plexus"] {
        let portolan = Launch::new().profile(profile).start();
        assert_eq!(alone(&portolan), ["web"], "{profile}");
    }
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
