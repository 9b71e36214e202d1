//! What may be registered, so that DNS can say it: items 16, 37, 42, 43 and 46 to 49.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::Portolan;
use crate::support::wire::{Client, Name, PTR, Query, SRV, TXT};

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut body = json!({"service": "http", "instance": "a", "host": "web1", "addresses": ["10.0.0.1"], "port": 80});
    body[field] = value.into();
    body
}

/// Each is refused with the name of its field, and leaves nothing.
#[track_caller]
fn refused(portolan: &Portolan, bodies: impl IntoIterator<Item = (&'static str, Value)>) {
    for (field, body) in bodies {
        let problem = portolan.post("/v1/heartbeat", &body).expect(422).json();
        let named = problem["field"].as_str().unwrap_or_default();
        assert!(named.starts_with(field), "{body}: {problem}");
    }
    assert_eq!(portolan.get("/v1/instances").expect(200).json()["instances"], json!([]));
}

fn http(zone: &str) -> Name {
    Name::of(zone).below("_http._tcp")
}

fn long(length: usize) -> String {
    "x".repeat(length)
}

#[test]
fn item_16_labels_beyond_63_octets_and_names_beyond_255_are_refused() {
    let portolan = Portolan::start(&[]);
    let deep = |last: usize| format!("{0}.{0}.{0}.{1}", long(63), long(last));
    refused(
        &portolan,
        [
            ("instance", with("instance", long(64))),
            ("instance", with("instance", "é".repeat(32))),
            ("service", with("service", long(63))),
            ("host", with("host", long(64))),
            ("host", with("host", format!("{}.example.org", long(64)))),
            ("host", json!({"service": "http", "instance": "a", "host": deep(62), "port": 80})),
            ("tags", with("tags", json!([long(63)]))),
            ("subtypes", with("subtypes", json!([long(63)]))),
        ],
    );
    // The longest of each are taken, and come back whole.
    portolan.heartbeat(&json!({"service": "http", "instance": "é".repeat(31), "host": deep(61), "port": 80}));
    let reply = Client::of(portolan.dns).udp(&Query::new(&http("registry.local"), SRV));
    assert_eq!(reply.answer[0].data[6..], Name::of(&deep(61)).0);
}

#[test]
fn item_37_priority_and_weight_are_16_bits_and_0_unless_given() {
    let portolan = Portolan::start(&[]);
    for (field, value) in [("priority", json!(-1)), ("priority", json!(65_536)), ("weight", json!(1.5))] {
        assert!((400..500).contains(&portolan.post("/v1/heartbeat", &with(field, value)).status), "{field}");
    }
    let mut body = with("priority", 65_535);
    body["weight"] = 65_535.into();
    portolan.heartbeat(&body);
    portolan.heartbeat(&with("instance", "plain"));
    let reply = Client::of(portolan.dns).udp(&Query::new(&http("registry.local"), SRV));
    let heads: Vec<_> = reply.data().iter().map(|data| data[..4].to_vec()).collect();
    assert_eq!(heads, [[0; 4], [0xff; 4]]);
}

#[test]
fn item_42_service_names_are_what_rfc_6335_allows_but_for_their_length() {
    let portolan = Portolan::start(&[]);
    let forbidden = ["", "_", "a_b", "-a", "a-", "a--b", "80", "a b", "é", "a._sctp", "a._tcp.x", "_dns-sd._udp", "*"];
    refused(&portolan, forbidden.map(|service| ("service", with("service", service))));
    let unheard = portolan.post("/v1/heartbeat", &with("transport", "sctp"));
    assert!((400..500).contains(&unheard.status), "{unheard:?}");
    for service in ["a", "A1-b2-C3", "_x-1", &long(15), &long(62)] {
        portolan.heartbeat(&with("service", service));
    }
    let services = Name::of("registry.local").below("_services._dns-sd._udp");
    assert_eq!(Client::of(portolan.dns).tcp(&Query::new(&services, PTR)).answer.len(), 5);
}

#[test]
fn item_43_hosts_are_letters_digits_and_hyphens() {
    let portolan = Portolan::start(&[]);
    let forbidden =
        ["a_b", "-a", "a-", "bücher", "a b", "web1.b_d.example", "a.-b.example", "ns", "x.y.registry.local"];
    refused(&portolan, forbidden.map(|host| ("host", with("host", host))));
}

#[test]
fn items_46_and_47_attributes_are_held_to_the_standard_and_their_octets_survive() {
    let portolan = Portolan::start(&[]);
    let txt = |key: &str, value: Value| with("txt", json!({ key: value }));
    let many = |count: usize, last: usize| {
        let all = (0..count).map(|n| (format!("k{n}"), Value::from(long(252))));
        with("txt", all.chain([("end".to_owned(), long(last).into())]).collect::<serde_json::Map<_, _>>())
    };
    // Five strings of 1 + 2 + 1 + 252 octets, and one of 1 + 3 + 1 + 15, make 1,300.
    refused(
        &portolan,
        [
            ("txt", txt("", "x".into())),
            ("txt", txt("a=b", "x".into())),
            ("txt", txt("tab\t", Value::Null)),
            ("txt", txt("del\u{7f}", Value::Null)),
            ("txt", txt("ü", Value::Null)),
            ("txt", with("txt", json!({"key": "1", "KEY": "2"}))),
            ("txt", txt("k", long(254).into())),
            ("txt", many(5, 16)),
        ],
    );
    let strings = |instance: &str| {
        let name = http("registry.local").child(instance.as_bytes());
        let data = Client::of(portolan.dns).tcp(&Query::new(&name, TXT)).answer.remove(0).data;
        let (mut strings, mut rest) = (Vec::new(), &data[..]);
        while let [length, tail @ ..] = rest {
            let (string, tail) = tail.split_at(usize::from(*length));
            strings.push(string.to_vec());
            rest = tail;
        }
        (strings, data.len())
    };
    portolan.heartbeat(&many(5, 15));
    assert_eq!(strings("a").1, 1300);
    portolan.heartbeat(&txt("k", long(253).into()));
    assert_eq!(strings("a").0, [format!("k={}", long(253)).as_bytes()]);
    // All octets that there are; a key of any length with anything but `=`; kept in order and in case.
    let all: Vec<u8> = (0..=255).collect();
    let (low, high) = all.split_at(128);
    let base64 = |octets: &[u8]| json!({"base64": STANDARD.encode(octets)});
    portolan.heartbeat(&with(
        "txt",
        json!({
            "Z": base64(low), "a": base64(high), " longer than nine ~": "", "flag": null, "eq": "a=b=", "utf": "№"
        }),
    ));
    let expected: [&[u8]; 6] = [
        &[b"Z=", low].concat(),
        &[b"a=", high].concat(),
        b" longer than nine ~=",
        b"flag",
        b"eq=a=b=",
        "utf=№".as_bytes(),
    ];
    assert_eq!(strings("a").0, expected);
}

#[test]
fn items_48_and_49_instance_names_are_net_unicode_and_one_name_is_one_instance() {
    let portolan = Portolan::start(&[]);
    let controls = (0..0x20).chain([0x7f, 0x80, 0x9f]).map(|c| char::from_u32(c).unwrap());
    refused(&portolan, controls.map(|c| ("instance", with("instance", format!("a{c}b")))));
    refused(&portolan, [("instance", with("instance", ""))]);
    // The same text, decomposed and composed, in Hangul and with two marks that change places.
    for (given, kept) in [
        ("Cafe\u{301}", "Café"),
        ("\u{1112}\u{1161}\u{11ab}", "한"),
        ("a\u{323}\u{302}", "\u{1ead}"),
        ("a\u{302}\u{323}", "\u{1ead}"),
    ] {
        portolan.heartbeat(&with("instance", given));
        assert_eq!(portolan.heartbeat(&with("instance", kept))["created"], false, "{given}");
        let reply = Client::of(portolan.dns).udp(&Query::new(&http("registry.local").child(kept.as_bytes()), SRV));
        assert_eq!(reply.answer.len(), 1, "{given}");
    }
    let listed = Client::of(portolan.dns).tcp(&Query::new(&http("registry.local"), PTR));
    assert_eq!(listed.answer.len(), 3);
}
