//! Headers and EDNS, octet by octet: items 2, 3, 7 to 11, 13 and 19 to 26, over UDP and TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::json;

use crate::support::wire::{A, AAAA, Client, Edns, NS, Name, Query, Reply, SOA, SRV, TXT};
use crate::support::{Launch, Portolan};

const FORMERR: u16 = 1;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;
const COOKIE: u16 = 10;

fn start() -> Portolan {
    fill(Portolan::start(&[]))
}

/// An instance on `web1`, and a service whose answers are longer than 1,232 octets.
fn fill(portolan: Portolan) -> Portolan {
    let instance = |service: &str, host: &str| json!({"service": service, "instance": host, "host": host, "addresses": ["10.0.0.1"], "port": 80});
    let mut all = vec![instance("auth", "web1")];
    all.extend((0..60).map(|n| instance("many", &format!("host-{n}"))));
    portolan.heartbeat(&all.into());
    portolan
}

fn zone() -> Name {
    Name::of("registry.local")
}

fn web1() -> Query {
    Query::new(&zone().below("web1"), A)
}

/// The replies over UDP and TCP.
fn both(server: SocketAddr, query: &Query) -> [Reply; 2] {
    let mut client = Client::of(server);
    [client.udp(query), client.tcp(query)]
}

/// The replies to octets that begin with an ID.
#[track_caller]
fn raw(server: SocketAddr, octets: &[u8]) -> [Reply; 2] {
    let mut client = Client::of(server);
    [client.udp_octets(octets), client.tcp_octets(octets)].map(|reply| Reply::read(reply).unwrap())
}

/// Requests of every kind of outcome; their OPT record, if any, is the last.
fn of_every_kind() -> Vec<(&'static str, Query)> {
    let below = |labels: &str, rtype| Query::new(&zone().below(labels), rtype);
    let opcode = |opcode: u8| Query { flags: [opcode << 3, 0], ..web1() };
    vec![
        ("an answer", web1()),
        ("a truncated answer", below("_many._tcp", SRV)),
        ("NODATA", below("web1", AAAA)),
        ("NXDOMAIN", below("nope", A)),
        ("a foreign name", Query::new(&Name::of("example.org"), A)),
        ("a class without data", Query { class: 3, ..web1() }),
        ("a transfer", Query::new(&zone(), 252)),
        ("STATUS", opcode(2)),
        ("UPDATE", opcode(5)),
        ("an opcode nobody has", opcode(15)),
    ]
}

#[test]
fn item_2_the_name_server_has_all_its_addresses_in_every_zone() {
    let zones = ["--zone", "registry.local", "--zone", "registry.internal"];
    let portolan = Launch::new().args(zones).env("PORTOLAN_DNS_ADVERTISE", "192.0.2.1,192.0.2.2,2001:db8::53").start();
    for zone in ["registry.local", "registry.internal"].map(Name::of) {
        let ns = zone.below("ns");
        for reply in both(portolan.dns, &Query::new(&zone, NS)) {
            assert_eq!((reply.data(), reply.is_authoritative()), (vec![&ns.0[..]], true));
            let mut along: Vec<_> = reply.additional.iter().map(|r| (r.owner.clone(), r.rtype, r.data.len())).collect();
            along.sort();
            assert_eq!(along, [(ns.clone(), A, 4), (ns.clone(), A, 4), (ns.clone(), AAAA, 16)]);
        }
        let [a, aaaa] = [A, AAAA].map(|rtype| Client::of(portolan.dns).udp(&Query::new(&ns, rtype)));
        assert_eq!(a.data(), [[192, 0, 2, 1], [192, 0, 2, 2]]);
        assert_eq!(aaaa.answer.len(), 1);
    }
    // Nothing is said: the addresses that it listens on.
    let portolan = Portolan::start(&["--dns", "127.0.0.1:0", "--dns", "[::1]:0"]);
    let reply = Client::of(portolan.dns).udp(&Query::new(&zone(), NS));
    let mut along: Vec<_> = reply.additional.iter().map(|record| record.data.clone()).collect();
    along.sort_by_key(Vec::len);
    assert_eq!(along, [vec![127, 0, 0, 1], [&[0; 15][..], &[1]].concat()]);
}

#[test]
fn item_3_the_soa_of_a_negative_answer_lives_as_long_as_the_answer() {
    for (ttl, negative, expected) in [(100, 7, 7), (3, 60, 3)] {
        let launch = Launch::new().env("PORTOLAN_ZONE_TTL", &format!("{ttl}s"));
        let portolan = fill(launch.env("PORTOLAN_ZONE_NEGATIVE_TTL", &format!("{negative}s")).start());
        let own = &both(portolan.dns, &Query::new(&zone(), SOA))[0].answer[0];
        assert_eq!((own.ttl, own.data[own.data.len() - 4..].to_vec()), (ttl, u32::to_be_bytes(negative).to_vec()));
        for query in [Query::new(&zone().below("nope"), A), Query::new(&zone().below("web1"), AAAA)] {
            for reply in both(portolan.dns, &query) {
                let [soa] = &reply.authority[..] else { panic!("{reply:?}") };
                assert_eq!((soa.ttl, &soa.owner, &soa.data), (expected, &zone(), &own.data));
                assert!(reply.is_authoritative() && reply.answer.is_empty() && reply.additional.is_empty());
            }
        }
    }
}

#[test]
fn items_7_and_8_no_bit_of_a_query_changes_its_answer() {
    let portolan = start();
    let mut client = Client::of(portolan.dns);
    for bits in 0..=u16::MAX >> 5 {
        // RD, TC and AA; and all of the fourth octet: RA, Z, AD, CD, and a code, which means nothing in a query.
        let [high, low] = bits.to_be_bytes();
        let reply = client.udp(&Query { flags: [high, low], ..web1() });
        assert_eq!(reply.data(), [[10, 0, 0, 1]], "{high:#x} {low:#x}");
        // QR, AA and RD as asked; no RA, Z, AD or code. CD may be copied (RFC 4035 §3).
        assert_eq!([reply.flags[0], reply.flags[1] & !0x10], [0x84 | high & 1, 0], "{high:#x} {low:#x}");
    }
}

#[test]
fn item_10_no_opcode_but_query_is_implemented() {
    let portolan = start();
    for opcode in 1..16 {
        for query in [web1(), web1().edns(1232)] {
            for reply in both(portolan.dns, &Query { flags: [opcode << 3, 0], ..query }) {
                assert_eq!((reply.code(), reply.flags[0]), (NOTIMP, 0x80 | opcode << 3), "opcode {opcode}");
            }
        }
        // What cannot be read keeps its opcode as well: the reply is to be told apart from one to a query.
        for reply in raw(portolan.dns, &[0, 7, opcode << 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63]) {
            assert_eq!((reply.code(), reply.flags[0]), (FORMERR, 0x80 | opcode << 3), "opcode {opcode}, cut");
        }
    }
}

#[test]
fn items_11_and_21_two_questions_and_two_opt_records_are_malformed_over_udp_and_tcp() {
    let portolan = start();
    let question = web1().question();
    let opt = Edns { size: 1232, ..Edns::default() }.octets();
    let message = |questions: u8, additionals: u8, body: &[&[u8]]| {
        [&[0, 7, 1, 0, 0, questions, 0, 0, 0, 0, 0, additionals][..], &body.concat()].concat()
    };
    for octets in [
        message(2, 0, &[&question, &question]),
        message(3, 1, &[&question, &question, &question, &opt]),
        message(1, 2, &[&question, &opt, &opt]),
        message(1, 3, &[&question, &opt, &opt, &opt]),
        message(0, 0, &[]),
        message(0, 1, &[&opt]),
        message(255, 0, &[&question]),
    ] {
        for reply in raw(portolan.dns, &octets) {
            assert_eq!((reply.code(), reply.answer.len()), (FORMERR, 0), "{}", octets.escape_ascii());
        }
    }
}

#[test]
fn item_13_no_class_but_in_has_data() {
    let portolan = start();
    for class in [0, 2, 3, 4, 254, 255, 256, 65_535] {
        let version = Query { class, ..Query::new(&Name::of("version.bind"), TXT) };
        for query in [Query { class, ..web1() }, Query { class, ..Query::new(&zone(), SOA) }, version] {
            for reply in both(portolan.dns, &query) {
                let records = reply.answer.len() + reply.authority.len() + reply.additional.len();
                assert_eq!((reply.code(), records, reply.is_authoritative()), (REFUSED, 0, false), "{query:?}");
                assert_eq!(reply.question, query.question());
            }
        }
    }
}

#[test]
fn items_19_and_20_an_opt_record_comes_back_exactly_where_one_was_sent() {
    let portolan = start();
    for (what, query) in of_every_kind() {
        for reply in both(portolan.dns, &query) {
            assert_eq!(reply.edns, None, "{what}");
        }
        for reply in both(portolan.dns, &query.clone().edns(4096)) {
            let edns = reply.edns.unwrap_or_else(|| panic!("{what}: no OPT record"));
            // Our own size, not an echo of theirs (item 25).
            assert_eq!((edns.size, edns.version, edns.flags), (1232, 0, 0), "{what}");
        }
    }
    let plain =
        both(portolan.dns, &of_every_kind()[1].1).map(|reply| (reply.is_truncated(), reply.octets.len() <= 512));
    assert_eq!(plain, [(true, true), (false, false)], "512 octets over UDP, and all over TCP (items 19 and 27)");
}

#[test]
fn item_22_every_version_of_edns_but_ours_is_told_so() {
    let portolan = start();
    for version in [1, 2, 100, 255] {
        let options = vec![(100, vec![1]), (65_535, Vec::new())];
        let edns = Edns { size: 1232, version, flags: 0x7fff, options, ..Edns::default() };
        for query in [web1(), Query::new(&Name::of("example.org"), A)] {
            for reply in both(portolan.dns, &Query { edns: Some(edns.clone()), ..query }) {
                assert_eq!((reply.code(), reply.answer.len()), (BADVERS, 0), "version {version}");
                assert_eq!(reply.edns.map(|edns| edns.version), Some(0), "ours, so that they come again with it");
            }
        }
    }
}

#[test]
fn item_23_no_unknown_option_or_flag_changes_or_enters_a_reply() {
    let portolan = start();
    let mut client = Client::of(portolan.dns);
    let mut asked = |flags: u16, options: Vec<(u16, Vec<u8>)>| {
        let edns = Edns { size: 1232, flags, options, ..Edns::default() };
        let reply = client.udp(&Query { edns: Some(edns), ..web1() });
        assert_eq!((reply.code(), reply.data()), (0, vec![&[10, 0, 0, 1][..]]));
        reply.edns.expect("OPT")
    };
    for bit in 0..15 {
        assert_eq!(asked(1 << bit, Vec::new()).flags, 0, "bit {bit}");
    }
    // DO is known, and copied (RFC 3225 §3).
    assert_eq!(asked(0xffff, Vec::new()).flags, 0x8000);
    for code in (0..30).chain([100, 20_292, 65_001, 65_535]).filter(|code| *code != COOKIE) {
        for length in [0, 1, 8, 200] {
            assert_eq!(asked(0, vec![(code, vec![0xab; length])]).options, [], "option {code} of {length}");
        }
    }
}

#[test]
fn items_24_and_25_a_size_counts_from_512_to_1232() {
    let portolan = start();
    let mut client = Client::of(portolan.dns);
    let many = Query::new(&zone().below("_many._tcp"), SRV);
    let sizes = [(0, 512), (1, 512), (511, 512), (512, 512), (513, 513), (1231, 1231), (1232, 1232), (65_535, 1232)];
    for (size, limit) in sizes {
        let length = client.udp(&many.clone().edns(size)).octets.len();
        // As much as fits: a record takes less than 50 octets.
        assert!((limit - 50..=limit).contains(&length), "{size}: {length} octets");
    }
}

#[test]
fn item_26_an_additional_rrset_is_whole_or_absent_at_every_size_and_never_truncates() {
    let portolan = Portolan::start(&[]);
    for n in 0..5 {
        let addresses: Vec<_> = (1..=8).flat_map(|m| [format!("10.0.{n}.{m}"), format!("2001:db8::{n}:{m}")]).collect();
        portolan.heartbeat(
            &json!({"service": "auth", "instance": format!("a{n}"), "host": format!("h{n}"), "addresses": addresses, "port": 80}),
        );
    }
    let mut client = Client::of(portolan.dns);
    let mut counts = BTreeSet::new();
    for size in 512..=1232 {
        let reply = client.udp(&Query::new(&zone().below("_auth._tcp"), SRV).edns(size));
        assert!(!reply.is_truncated() && reply.octets.len() <= usize::from(size), "{size}");
        assert_eq!(reply.answer.len(), 5);
        let mut rrsets = BTreeMap::new();
        for record in &reply.additional {
            *rrsets.entry(record.rrset()).or_insert(0) += 1;
        }
        assert!(rrsets.values().all(|count| *count == 8), "{size}: {rrsets:?}");
        counts.insert(rrsets.len());
    }
    assert!(counts.len() > 2, "more goes along where there is room for more: {counts:?}");
}

#[test]
fn items_5_and_6_the_code_is_the_names_and_foreign_names_get_nothing_else() {
    let portolan = start();
    for rtype in (0..300).chain([32_768, 32_769, 65_280, 65_535]).filter(|rtype| !matches!(rtype, 41 | 251 | 252)) {
        let code = |name: &Name| Client::of(portolan.dns).udp(&Query::new(name, rtype));
        assert_eq!(code(&zone().below("web1")).code(), 0, "type {rtype}");
        assert_eq!(code(&zone().below("nope")).code(), NXDOMAIN, "type {rtype}");
        let foreign = code(&Name::of("local"));
        let records = foreign.answer.len() + foreign.authority.len() + foreign.additional.len();
        assert_eq!((foreign.code(), foreign.is_authoritative(), records), (REFUSED, false, 0), "type {rtype}");
    }
}
