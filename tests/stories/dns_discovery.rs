//! DNS-SD: items 16 and 44 to 54 and globs, asked with dig.

use serde_json::json;

use crate::support::dig::ask;
use crate::support::{Launch, Portolan};

fn register(portolan: &Portolan, service: &str, instance: &str, host: &str) {
    let body = json!({"service": service, "instance": instance, "host": host, "addresses": ["10.0.0.1"], "port": 80});
    portolan.heartbeat(&body);
}

#[test]
fn items_44_and_50_a_type_lists_its_instances_with_all_that_is_known_of_them() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "http", "a", "web1");
    let reply = ask(portolan.dns, &["PTR", "_http._tcp.registry.local"]);
    assert_eq!(reply.data(), ["a._http._tcp.registry.local."]);
    for (owner, rtype) in [("a._http._tcp.", "SRV"), ("a._http._tcp.", "TXT"), ("web1.", "A")] {
        assert!(reply.brings(&format!("{owner}registry.local."), rtype), "{owner} {rtype}: {reply:?}");
    }
    assert!(ask(portolan.dns, &["TXT", "a._http._tcp.registry.local"]).additional.is_empty());
}

#[test]
fn items_45_and_46_txt_is_never_empty_and_its_bytes_survive() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "http", "plain", "web1");
    portolan.heartbeat(&json!({
        "service": "http", "instance": "rich", "addresses": ["10.0.0.1"], "port": 80,
        "txt": {"text": "a b=c", "bytes": {"base64": "AP8i"}, "empty": "", "none": null}
    }));
    let txt = |name: &str| ask(portolan.dns, &["TXT", &format!("{name}._http._tcp.registry.local")]).data();
    assert_eq!(txt("plain"), [r#""""#]);
    assert_eq!(txt("rich"), [r#""text=a b=c" "bytes=\000\255\"" "empty=" "none""#]);
}

#[test]
fn item_48_dots_backslashes_spaces_and_utf_8_survive_in_instance_names() {
    let portolan = Portolan::start(&[]);
    // As typed into a shell after `dig`, per RFC 6763 §4.3.
    for (instance, label) in [
        ("Joe.s Lab", r"Joe\.s\032Lab"),
        (r"back\slash", r"back\\slash"),
        ("Küche № 2", r"K\195\188che\032\226\132\150\0322"),
        ("(a) \"b\"; @$", r#"\(a\)\032\"b\"\;\032\@\$"#),
    ] {
        register(&portolan, "http", instance, "web1");
        let name = format!("{label}._http._tcp.registry.local");
        let reply = ask(portolan.dns, &["SRV", &name]);
        assert_eq!(reply.data(), ["0 0 80 web1.registry.local."], "{instance}");
        let listed = ask(portolan.dns, &["PTR", "_http._tcp.registry.local"]).data();
        assert!(listed.contains(&format!("{name}.")), "{instance}: {listed:?}");
    }
}

#[test]
fn item_16_the_longest_names_are_served_and_zones_that_would_make_longer_ones_refused() {
    let long = |length: usize| "x".repeat(length);
    let zone = format!("{}.{}", long(63), long(51));
    let portolan = Portolan::start(&["--zone", &zone]);
    portolan.heartbeat(&json!({
        "service": long(62), "instance": long(63), "host": long(63), "addresses": ["10.0.0.1"], "port": 80,
        "tags": [long(62)]
    }));
    let service = format!("_{}._tcp.{zone}", long(62));
    let instance = format!("{}.{service}.", long(63));
    for name in [&service, &format!("_{}._sub.{service}", long(62))] {
        assert_eq!(ask(portolan.dns, &["PTR", name]).data(), [&*instance]);
    }
    assert_eq!(ask(portolan.dns, &["SRV", &instance]).data(), [format!("0 0 80 {}.{zone}.", long(63))]);
    let (_, refusal) = Launch::new().args(["--zone", &format!("{zone}x")]).start_in_vain();
    assert!(refusal.contains("118 octets long in wire form; at most 117 are allowed"), "{refusal}");
}

#[test]
fn item_49_names_are_normalized() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "http", "Cafe\u{301}", "web1");
    let reply = ask(portolan.dns, &["SRV", r"Caf\195\169._http._tcp.registry.local"]);
    assert_eq!(reply.answer.len(), 1, "{reply:?}");
}

#[test]
fn item_51_the_types_are_listed_once_each_without_subtypes() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "http", "a", "web1");
    register(&portolan, "http", "b", "web1");
    register(&portolan, "_ntp._udp", "n", "web1");
    portolan.heartbeat(&json!({"service": "http", "instance": "c", "port": 80, "subtypes": ["_printer"]}));
    let reply = ask(portolan.dns, &["PTR", "_services._dns-sd._udp.registry.local"]);
    assert_eq!(reply.data(), ["_http._tcp.registry.local.", "_ntp._udp.registry.local."]);
}

#[test]
fn item_52_a_subtype_leads_to_base_names() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!([
        {"service": "http", "instance": "p", "host": "web1", "addresses": ["10.0.0.1"], "port": 80,
         "subtypes": ["_printer"], "tags": ["blue"], "version": "3.2.2"},
        {"service": "http", "instance": "q", "host": "web2", "addresses": ["10.0.0.2"], "port": 80},
    ]));
    for subtype in ["_printer", "_blue", "_v3", "_v3-2", "_v3-2-2"] {
        let name = format!("{subtype}._sub._http._tcp.registry.local");
        assert_eq!(ask(portolan.dns, &["PTR", &name]).data(), ["p._http._tcp.registry.local."], "{subtype}");
        assert_eq!(ask(portolan.dns, &["SRV", &name]).data(), ["0 0 80 web1.registry.local."], "{subtype}");
    }
    assert!(ask(portolan.dns, &["SRV", "p._printer._sub._http._tcp.registry.local"]).is_negative("NXDOMAIN"));
}

#[test]
fn items_53_and_54_the_zone_is_browsable_and_offers_no_updates_yet() {
    let portolan = Portolan::start(&[]);
    let ask = |rtype: &str, name: &str| ask(portolan.dns, &[rtype, &format!("{name}.registry.local")]);
    for name in ["b", "db", "lb"] {
        assert_eq!(ask("PTR", &format!("{name}._dns-sd._udp")).data(), ["registry.local."]);
    }
    for name in ["r", "dr"] {
        assert!(ask("PTR", &format!("{name}._dns-sd._udp")).is_negative("NXDOMAIN"));
    }
    for name in ["_dnssd-srp._tcp", "_dns-push-tls._tcp"] {
        assert!(ask("SRV", name).is_negative("NOERROR"), "{name}");
    }
}

#[test]
fn globs_ask_for_everything_that_matches() {
    let portolan = Portolan::start(&[]);
    for (service, instance) in [("auth", "web-1"), ("auth", "web-22"), ("audit", "x"), ("http", "web-1")] {
        register(&portolan, service, instance, &format!("{service}-{instance}"));
    }
    let data = |rtype: &str, name: &str| ask(portolan.dns, &[rtype, &format!("{name}.registry.local")]).data();
    assert_eq!(data("PTR", "*._tcp").len(), 4);
    assert_eq!(data("PTR", "_au*._tcp").len(), 3);
    assert_eq!(data("SRV", "web-?._auth._tcp"), ["0 0 80 auth-web-1.registry.local."]);
    assert_eq!(data("SRV", "web-?._*._tcp").len(), 2);
    let reply = ask(portolan.dns, &["SRV", "_AU*._tcp.registry.local"]);
    assert!(reply.answer.iter().all(|record| record.starts_with("_AU*._tcp.registry.local.")), "{reply:?}");
    assert!(reply.brings("auth-web-1.registry.local.", "A"), "{reply:?}");
    assert!(ask(portolan.dns, &["PTR", "_x*._tcp.registry.local"]).is_negative("NXDOMAIN"));
}

#[test]
fn globs_are_off_capped_or_for_some_networks_as_the_settings_say() {
    let answers = |setting: &str, value: &str| {
        let portolan = Launch::new().env(setting, value).start();
        for n in 0..5 {
            register(&portolan, "auth", &format!("a{n}"), "web1");
        }
        ask(portolan.dns, &["PTR", "*._tcp.registry.local"])
    };
    assert!(answers("PORTOLAN_DNS_GLOB", "false").is_negative("NXDOMAIN"));
    assert!(answers("PORTOLAN_DNS_GLOB_FROM", "10.0.0.0/8").is_negative("NXDOMAIN"));
    assert_eq!(answers("PORTOLAN_DNS_GLOB_FROM", "127.0.0.0/8").answer.len(), 5);
    assert_eq!(answers("PORTOLAN_DNS_GLOB_LIMIT", "2").answer.len(), 2);
}

#[test]
fn a_glob_that_takes_long_is_answered_in_full_over_tcp_alone() {
    let portolan = Portolan::start(&[]);
    let all = (0..300).map(|n| json!({"service": "many", "instance": format!("m{n}"), "host": "web1", "port": 80}));
    portolan.post("/v1/heartbeat", &all.collect());
    let ask = |words: &[&str], label: &str| {
        let name = format!("{label}._many._tcp.registry.local");
        ask(portolan.dns, &[words, &["PTR", &name]].concat())
    };
    for (glob, found) in [("*", 300), ("*99", 3), ("*x", 0)] {
        let datagram = ask(&["+notcp"], glob);
        assert!(datagram.has("tc") && datagram.answer.is_empty() && datagram.additional.is_empty(), "{datagram:?}");
        let stream = ask(&["+tcp"], glob);
        let status = if found > 0 { "NOERROR" } else { "NXDOMAIN" };
        assert_eq!((stream.answer.len(), stream.status.as_str()), (found, status), "{glob}");
        assert!(stream.errors.is_empty(), "{stream:?}");
    }
    let datagram = ask(&["+notcp"], "m9?");
    assert!(datagram.answer.len() == 10 && !datagram.has("tc"), "{datagram:?}");
}

#[test]
fn several_zones_serve_the_same_instances() {
    let portolan = Portolan::start(&["--zone", "registry.local", "--zone", "Registry.Internal"]);
    register(&portolan, "auth", "a", "web1");
    for zone in ["registry.local.", "Registry.Internal."] {
        let reply = ask(portolan.dns, &["SRV", &format!("_auth._tcp.{zone}")]);
        assert_eq!(reply.data(), [format!("0 0 80 web1.{zone}")]);
    }
}
