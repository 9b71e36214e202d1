//! Cookies: items 11 and 29, with dig, with a second registry, and with the servers of others that share the secret.

use serde_json::json;

use crate::support::Portolan;
use crate::support::authority::signing_cookies;
use crate::support::dig::{Reply, ask};
use crate::support::wire::Name;

/// A client's own, in hexadecimal digits.
const CLIENT: &str = "2464c4abcf10c957";
const SECRETS: [&str; 2] = ["e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075a5d379663c962"];

/// A registry with one host, `web1`.
fn start(settings: &[(&str, &str)]) -> Portolan {
    let launch = settings.iter().fold(crate::support::Launch::new(), |launch, (name, value)| launch.env(name, value));
    let portolan = launch.start();
    portolan.heartbeat(&json!({
        "service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.1"], "port": 80
    }));
    portolan
}

fn with_cookie(portolan: &Portolan, cookie: &str) -> Reply {
    ask(portolan.dns, &[&format!("+cookie={cookie}"), "A", "web1.registry.local"])
}

/// The 48 digits of what a reply has.
fn cookie(reply: &Reply) -> String {
    let cookie = reply.cookie.strip_suffix(" (good)").unwrap_or_else(|| panic!("{reply:?}"));
    assert!(cookie.len() == 48 && cookie.starts_with(CLIENT), "{reply:?}");
    cookie.to_owned()
}

/// A cookie that was never given, but for its last digit.
fn forged(cookie: &str) -> String {
    let (front, last) = cookie.split_at(47);
    format!("{front}{}", if last == "0" { "1" } else { "0" })
}

#[test]
fn item_29_a_client_gets_a_cookie_keeps_it_and_goes_on_without() {
    let portolan = start(&[]);
    let reply = with_cookie(&portolan, CLIENT);
    assert_eq!(reply.data(), ["10.0.0.1"], "its own alone is answered");
    let given = cookie(&reply);
    assert_eq!(cookie(&with_cookie(&portolan, &given)), given, "a good one is kept");
    let reply = with_cookie(&portolan, &forged(&given));
    assert_eq!(reply.data(), ["10.0.0.1"], "a bad one is answered");
    assert_ne!(cookie(&reply), forged(&given), "and replaced");
    let over_tcp = ask(portolan.dns, &["+tcp", &format!("+cookie={given}"), "A", "web1.registry.local"]);
    assert_eq!(cookie(&over_tcp), given);
    assert_eq!(ask(portolan.dns, &["+nocookie", "A", "web1.registry.local"]).cookie, "");
    // Also with what is not answered in place, and with an error.
    for question in ["+opcode=2 A web1.registry.local", "A example.org", "+edns=1 +noednsneg A web1.registry.local"] {
        let words: Vec<_> = question.split(' ').collect();
        cookie(&ask(portolan.dns, &[&[&*format!("+cookie={CLIENT}")], &words[..]].concat()));
    }
}

#[test]
fn item_29_a_cookie_of_the_wrong_length_is_malformed() {
    let portolan = start(&[]);
    for transport in ["+notcp", "+tcp"] {
        for octets in [0, 1, 7, 9, 15, 41] {
            let option = format!("+ednsopt=10:{}", "ab".repeat(octets));
            let reply = ask(portolan.dns, &[transport, "+nocookie", &option, "A", "web1.registry.local"]);
            assert_eq!((reply.status.as_str(), reply.has("qr")), ("FORMERR", true), "{octets} octets: {reply:?}");
            assert!(reply.edns.starts_with("version: 0"), "{reply:?}");
        }
    }
}

#[test]
fn item_11_a_cookie_alone_is_a_question_and_two_questions_are_none() {
    let portolan = start(&[]);
    let confirm = |cookie: &str| ask(portolan.dns, &["+header-only", &format!("+cookie={cookie}")]);
    let reply = confirm(CLIENT);
    let given = cookie(&reply);
    assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 0));
    let reply = confirm(&given);
    assert_eq!((reply.status.as_str(), cookie(&reply)), ("NOERROR", given.clone()));
    let reply = confirm(&forged(&given));
    assert_eq!(reply.status, "BADCOOKIE");
    assert_eq!(cookie(&confirm(&cookie(&reply))), cookie(&reply), "it comes with a good one");
    assert_eq!(ask(portolan.dns, &["+header-only", "+nocookie"]).status, "FORMERR");
}

#[test]
fn without_cookies_the_option_is_one_that_nobody_knows() {
    let portolan = start(&[("PORTOLAN_DNS_COOKIES", "false")]);
    for option in ["+ednsopt=10:ab", "+ednsopt=10:2464c4abcf10c957"] {
        let reply = ask(portolan.dns, &["+nocookie", option, "A", "web1.registry.local"]);
        assert_eq!((reply.data(), reply.cookie.as_str()), (vec!["10.0.0.1".to_owned()], ""));
    }
    assert_eq!(ask(portolan.dns, &["+header-only", &format!("+cookie={CLIENT}")]).status, "FORMERR");
}

#[test]
fn registries_that_share_a_secret_take_each_others_cookies() {
    let alone = [start(&[]), start(&[])];
    let given = cookie(&with_cookie(&alone[0], CLIENT));
    assert_ne!(cookie(&with_cookie(&alone[1], &given)), given, "random secrets differ");
    let old = start(&[("PORTOLAN_DNS_COOKIE_SECRETS", SECRETS[0])]);
    let same = start(&[("PORTOLAN_DNS_COOKIE_SECRETS", SECRETS[0])]);
    let both = start(&[("PORTOLAN_DNS_COOKIE_SECRETS", &format!("{},{}", SECRETS[1], SECRETS[0]))]);
    let given = cookie(&with_cookie(&old, CLIENT));
    assert_eq!(cookie(&with_cookie(&same, &given)), given);
    // Good, and replaced by one of the secret that will stay. That it is good shows where there is no question.
    let reply = ask(both.dns, &["+header-only", &format!("+cookie={given}")]);
    assert_eq!(reply.status, "NOERROR");
    assert_ne!(cookie(&reply), given);
    assert_eq!(ask(old.dns, &["+header-only", &format!("+cookie={}", cookie(&reply))]).status, "BADCOOKIE");
}

#[test]
fn item_29_nsd_knot_and_bind_with_the_same_secret_take_our_cookies_and_we_theirs() {
    let text = "$TTL 10\n@ SOA ns hostmaster 1 60 10 86400 5\n@ NS ns\nns A 127.0.0.1\n";
    let peers = signing_cookies(SECRETS[0], &[(Name::of("example.test"), text.to_owned())]);
    let portolan = start(&[("PORTOLAN_DNS_COOKIE_SECRETS", SECRETS[0])]);
    let ours = cookie(&with_cookie(&portolan, CLIENT));
    for peer in peers {
        let ask_peer = |cookie: &str| ask(peer.address, &[&format!("+cookie={cookie}"), "SOA", "example.test"]);
        let theirs = cookie(&ask_peer(CLIENT));
        assert_eq!(cookie(&with_cookie(&portolan, &theirs)), theirs, "we take {}'s", peer.name);
        // NSD never says whether a cookie was good.
        if peer.name != "nsd" {
            assert_eq!(ask_peer(&forged(&ours)).status, "BADCOOKIE", "{}", peer.name);
            assert_eq!(ask_peer(&ours).status, "NOERROR", "{} takes ours", peer.name);
        }
    }
}
