//! Reverse zones: items 40, 53 and 55, asked with dig.

use serde_json::json;

use crate::support::dig::ask;
use crate::support::{Launch, Portolan};

fn start() -> Portolan {
    Launch::new().env("PORTOLAN_ZONE_REVERSE", "10.0.0.0/8,2001:db8::/32").start()
}

#[test]
fn item_55_an_address_leads_to_its_hosts() {
    let portolan = start();
    portolan.heartbeat(&json!([
        {"service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.7", "2001:db8::7"], "port": 80},
        {"service": "http", "instance": "h1", "host": "web2", "addresses": ["10.0.0.7", "192.0.2.7"], "port": 80},
    ]));
    let four = ask(portolan.dns, &["-x", "10.0.0.7"]);
    assert!(four.has("aa"));
    assert_eq!(four.data(), ["web1.registry.local.", "web2.registry.local."]);
    assert_eq!(ask(portolan.dns, &["-x", "2001:db8::7"]).data(), ["web1.registry.local."]);
    assert!(ask(portolan.dns, &["-x", "10.0.0.8"]).is_negative("NXDOMAIN"));
    assert!(ask(portolan.dns, &["PTR", "0.10.in-addr.arpa"]).is_negative("NOERROR"));
    assert_eq!(ask(portolan.dns, &["-x", "192.0.2.7"]).status, "REFUSED", "in no zone of ours");
    for apex in ["10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        assert_eq!(ask(portolan.dns, &["NS", apex]).data(), ["ns.registry.local."]);
        let soa = ask(portolan.dns, &["SOA", apex]);
        assert!(soa.data()[0].starts_with("ns.registry.local. hostmaster.registry.local. "), "{soa:?}");
    }
}

#[test]
fn item_40_a_reverse_record_goes_with_the_rest_in_one_serial_step() {
    let portolan = start();
    portolan.heartbeat(
        &json!({"service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.7"], "port": 80}),
    );
    let serial = |zone: &str| ask(portolan.dns, &["SOA", zone]).data()[0].split(' ').nth(2).unwrap().to_owned();
    let before: u32 = serial("10.in-addr.arpa").parse().unwrap();
    assert_eq!(portolan.request("DELETE", "/v1/instances/_auth._tcp/a1", &[], "").status, 204);
    assert!(ask(portolan.dns, &["-x", "10.0.0.7"]).is_negative("NXDOMAIN"));
    assert!(ask(portolan.dns, &["A", "web1.registry.local"]).is_negative("NXDOMAIN"));
    assert_eq!(serial("10.in-addr.arpa"), (before + 1).to_string());
    assert_eq!(serial("registry.local"), (before + 1).to_string());
}

#[test]
fn item_53_a_client_finds_domains_to_browse_by_its_subnet() {
    let portolan = start();
    for name in ["lb._dns-sd._udp.0.2.1.10.in-addr.arpa", "db._dns-sd._udp.0.0.0.10.in-addr.arpa"] {
        assert_eq!(ask(portolan.dns, &["PTR", name]).data(), ["registry.local."], "{name}");
    }
}
