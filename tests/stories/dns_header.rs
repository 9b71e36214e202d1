//! Zone and header: items 1 to 18 of what a correct authority answers, asked with dig.

use serde_json::json;

use crate::support::Portolan;
use crate::support::dig::{Reply, ask};

fn start() -> Portolan {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({
        "service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.1"], "port": 8080, "tags": ["blue"]
    }));
    portolan
}

/// Asks a registry that has one instance.
fn asked(arguments: &str) -> Reply {
    ask(start().dns, &arguments.split(' ').collect::<Vec<_>>())
}

#[test]
fn item_1_the_soa_is_in_the_answer_and_authoritative() {
    let reply = asked("SOA registry.local");
    assert!(reply.has("aa") && reply.status == "NOERROR", "{reply:?}");
    assert!(reply.data()[0].starts_with("ns.registry.local. hostmaster.registry.local. "), "{reply:?}");
}

#[test]
fn item_2_the_apex_has_a_name_server_with_its_address() {
    let reply = asked("NS registry.local");
    assert_eq!(reply.data(), ["ns.registry.local."]);
    assert!(reply.brings("ns.registry.local.", "A"), "{reply:?}");
}

#[test]
fn items_3_to_5_and_9_names_decide_the_code_and_negatives_carry_the_soa() {
    let portolan = start();
    let ask = |name: &str, rtype: &str| ask(portolan.dns, &[&format!("{name}registry.local"), rtype]);
    for name in ["_tcp.", "_dns-sd._udp.", "_sub._auth._tcp.", "web1.", "_auth._tcp.", "a1._auth._tcp.", ""] {
        for rtype in ["AAAA", "MX", "TYPE65280"] {
            let reply = ask(name, rtype);
            assert!(reply.is_negative("NOERROR"), "{name} {rtype}: {reply:?}");
        }
    }
    for name in ["nope.", "x.web1.", "x.a1._auth._tcp.", "_nope._tcp.", "_red._sub._auth._tcp.", "_auth._udp."] {
        for rtype in ["A", "SRV", "TYPE65280"] {
            let reply = ask(name, rtype);
            assert!(reply.is_negative("NXDOMAIN"), "{name} {rtype}: {reply:?}");
        }
    }
}

#[test]
fn items_6_and_18_foreign_names_are_refused_without_a_referral() {
    let portolan = start();
    for name in ["example.org", "printer.local", ".", "xregistry.local"] {
        let reply = ask(portolan.dns, &["A", name]);
        assert!(reply.status == "REFUSED" && !reply.has("aa") && reply.authority.is_empty(), "{reply:?}");
    }
}

#[test]
fn items_7_and_8_rd_is_copied_and_odd_bits_change_nothing() {
    let reply = asked("+rec +adflag +cdflag +zflag A web1.registry.local");
    assert_eq!(reply.data(), ["10.0.0.1"]);
    assert!(reply.has("rd") && !reply.has("ra") && !reply.has("ad"), "{reply:?}");
    assert!(!reply.flags.contains("MBZ"), "Z is cleared: {reply:?}");
    assert!(!asked("+norec A web1.registry.local").has("rd"));
}

#[test]
fn item_10_opcodes_that_are_not_served_are_not_implemented() {
    let portolan = start();
    for opcode in ["2", "4", "5", "6", "15"] {
        let reply = ask(portolan.dns, &[&format!("+opcode={opcode}"), "SOA", "registry.local"]);
        assert_eq!(reply.status, "NOTIMP", "opcode {opcode}");
        assert!(reply.has("qr") && !reply.edns.is_empty(), "{reply:?}");
    }
}

#[test]
fn item_13_other_classes_never_get_data() {
    let portolan = start();
    for class in ["CH", "HS", "ANY"] {
        let reply = ask(portolan.dns, &["-c", class, "A", "web1.registry.local"]);
        assert!(reply.status == "REFUSED" && reply.answer.is_empty(), "{class}: {reply:?}");
    }
}

#[test]
fn item_14_any_is_minimal() {
    let reply = asked("+notcp ANY registry.local");
    assert_eq!(reply.answer.len(), 1, "{reply:?}");
}

#[test]
fn item_15_case_is_ignored_in_questions_echoed_and_kept_in_data() {
    let portolan = start();
    let name = "_aUtH._TCP.reGistry.LOCAL";
    let reply = ask(portolan.dns, &["PTR", name]);
    assert!(reply.answer[0].starts_with(&format!("{name}.")), "{reply:?}");
    assert_eq!(reply.data(), ["a1._auth._tcp.registry.local."]);
}

#[test]
fn item_17_a_star_is_literal_and_matches_only_where_globs_do() {
    let portolan = start();
    portolan.heartbeat(&json!({"service": "auth", "instance": "*", "addresses": ["10.0.0.9"], "port": 9}));
    let literal = ask(portolan.dns, &["SRV", "*._auth._tcp.registry.local"]);
    assert_eq!(literal.data(), ["0 0 9 ip-10-0-0-9.registry.local."]);
    assert!(ask(portolan.dns, &["A", "*.registry.local"]).is_negative("NXDOMAIN"));
    let globs = ask(portolan.dns, &["PTR", "_a*._tcp.registry.local"]);
    assert_eq!(globs.data(), ["*._auth._tcp.registry.local.", "a1._auth._tcp.registry.local."]);
}
