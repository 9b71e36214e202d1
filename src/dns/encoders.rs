//! Holds the two encoders to the same answers, and both to the wire format, whatever comes in.

mod header;
mod mutated;
mod options;

use std::collections::BTreeSet;

use hickory_server::proto::op::{Message, MessageType, ResponseCode};
use hickory_server::proto::rr::rdata::OPT;
use hickory_server::proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_server::proto::rr::{Record, RecordType};
use proptest::prelude::*;

use super::Config;
use super::access::Access;
use super::context::Context;
use super::cookie::Cookies;
use super::message;
use super::query::{self, Request};
use super::reply::Reply;
use super::respond::respond;
use super::transport::Transport;
use crate::service::{Address, Details, DomainName, Registration, Tag, Txt, registration};
use crate::zone::{DOMAIN_MAX, Snapshot, Way, rtype, serving, serving_in};

const IN: u16 = 1;
const NO_OPT: &[u8] = &[];
const SERVFAIL: u8 = 2;
/// Unix seconds.
const NOW: u32 = 1_800_000_000;
/// Of answers that nobody compares with others.
const SEED: usize = 7;
const CLIENT_COOKIE: &[u8] = b"a cookie";

fn zone() -> Snapshot {
    let at = |service: &str, instance: &str, host: &str, addresses: &[&str]| Registration {
        addresses: addresses.iter().map(|a| Address::new(a.parse().unwrap()).unwrap()).collect(),
        ..registration(service, instance, host)
    };
    let blue = || Details { tags: vec![Tag::new("blue").unwrap()], ..Details::default() }.into();
    let mut all = vec![
        Registration { details: blue(), ..at("auth", "Main Auth", "web1", &["10.0.0.1", "2001:db8::1"]) },
        Registration { details: blue(), ..at("auth", "a2", "Web2", &["10.0.0.2"]) },
        at("http", r"Joe.s\ Küche", "WEB1", &["10.0.0.1", "10.0.0.9"]),
        at("_ntp._udp", "n", "ntp", &["2001:db8::2"]),
    ];
    all[1].txt = Txt::new([("path", Some(&b"/login"[..])), ("k", None)]).unwrap();
    all.extend((0..300).map(|n| at("many", &format!("m{n}"), &format!("h{n}"), &[&format!("10.1.{}.7", n % 250)])));
    serving(all)
}

const NAMES: [&str; 23] = [
    "registry.local",
    "ns.registry.local",
    "web1.registry.local",
    "ntp.registry.local",
    "auth.registry.local",
    "_tcp.registry.local",
    "_auth._tcp.registry.local",
    "_AUTH._tcp.Registry.Local",
    "_many._tcp.registry.local",
    r"Main\032Auth._auth._tcp.registry.local",
    "A2._auth._tcp.registry.local",
    r"Joe\.s\\\032Küche._http._tcp.registry.local",
    "_blue._sub._auth._tcp.registry.local",
    "_sub._auth._tcp.registry.local",
    "_services._dns-sd._udp.registry.local",
    "b._dns-sd._udp.registry.local",
    "*._tcp.registry.local",
    "m1*._many._tcp.registry.local",
    "?2._a*._tcp.registry.local",
    "missing.registry.local",
    "x.web1.registry.local",
    "example.org",
    ".",
];

fn query(name: &str, rtype: u16, class: u16, flags: [u8; 2], opt: &[u8]) -> Vec<u8> {
    let name: DomainName = name.parse().unwrap();
    let header = [0x12, 0x34, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, u8::from(!opt.is_empty())];
    [&header, name.as_wire(), &rtype.to_be_bytes(), &class.to_be_bytes(), opt].concat()
}

fn opt(size: u16, version: u8, flags: u16, options: &[u8]) -> Vec<u8> {
    let (size, flags) = (size.to_be_bytes(), flags.to_be_bytes());
    let length = u16::try_from(options.len()).unwrap().to_be_bytes();
    [&[0, 0, 41], &size[..], &[0, version], &flags, &length, options].concat()
}

/// What a message says, the order within a section aside.
fn content(octets: &[u8]) -> (String, [Vec<String>; 3]) {
    let Message { metadata, queries, answers, authorities, additionals, edns, .. } = Message::from_vec(octets).unwrap();
    let section = |records: &[Record]| {
        // hickory's `==` ignores case: compare the text.
        let text = |r: &Record| format!("{} {} {:?} {:?}", r.name, r.ttl, r.record_type(), r.data);
        let mut lines: Vec<String> = records.iter().map(text).collect();
        lines.sort();
        lines
    };
    let edns = edns.map(|edns| (edns.version(), edns.max_payload(), edns.flags().dnssec_ok, edns.options().clone()));
    let sections = [section(&answers), section(&authorities), section(&additionals)];
    (format!("{metadata:?} {queries:?} {edns:?}"), sections)
}

/// A reply that is no SERVFAIL, which stands for a panic.
fn without_fault(reply: &[u8]) -> &[u8] {
    assert!(reply.get(3).is_none_or(|code| code & 0xf != SERVFAIL), "{}", reply.escape_ascii());
    reply
}

struct Server {
    zone: Snapshot,
    access: Access,
    cookies: Cookies,
}

impl Server {
    fn new() -> Self {
        Self::of(zone())
    }

    fn of(zone: Snapshot) -> Self {
        let config = Config::default();
        Self { zone, access: Access::new(&config), cookies: Cookies::new(&config) }
    }

    fn context(&self, transport: Transport, seed: usize) -> Context<'_> {
        Context {
            zone: &self.zone,
            access: &self.access,
            cookies: &self.cookies,
            now: NOW,
            client: ([192, 0, 2, 1], 5353).into(),
            transport,
            seed,
            way: Way::UNKNOWN,
        }
    }

    fn over_udp(&self, request: &[u8]) -> Vec<u8> {
        self.respond(Transport::Udp, request, 1344)
    }

    fn over_tcp(&self, request: &[u8]) -> Vec<u8> {
        self.respond(Transport::Tcp, request, usize::from(u16::MAX))
    }

    fn respond(&self, transport: Transport, request: &[u8], room: usize) -> Vec<u8> {
        self.respond_from(transport, request, room, SEED)
    }

    fn respond_from(&self, transport: Transport, request: &[u8], room: usize, seed: usize) -> Vec<u8> {
        let mut buffer = vec![0; room];
        buffer[..request.len()].copy_from_slice(request);
        // Which only datagrams are, but it must make no difference to anything.
        let way = self.zone.look_ahead([query::first(request)].into_iter()).way(0);
        let context = Context { way, ..self.context(transport, seed) };
        let Reply { length, .. } = respond(&context, &mut buffer, request.len());
        without_fault(&buffer[..length]).to_vec()
    }

    /// The full path, whatever the request.
    fn by_hickory(&self, request: &[u8], transport: Transport) -> Vec<u8> {
        self.by_hickory_from(request, transport, SEED)
    }

    fn by_hickory_from(&self, request: &[u8], transport: Transport, seed: usize) -> Vec<u8> {
        let mut reply = vec![0; usize::from(u16::MAX)];
        let Reply { length, .. } = message::respond(&self.context(transport, seed), request, &mut reply);
        reply[..length].to_vec()
    }
}

fn questions() -> impl Iterator<Item = Vec<u8>> {
    use rtype::{A, AAAA, ANY, AXFR, IXFR, NS, PTR, SOA, SRV, TXT};
    let types = [A, AAAA, ANY, AXFR, IXFR, NS, PTR, SOA, SRV, TXT, 65280];
    let cookie = |server: &[u8]| [&[0, 10, 0, 8 + u8::try_from(server.len()).unwrap()], CLIENT_COOKIE, server].concat();
    let opts = [
        NO_OPT.to_vec(),
        opt(1232, 0, 0x8000, &[]),
        opt(100, 0, 0x40, &[0, 100, 0, 1, 7]),
        opt(1232, 0, 0, &cookie(&[])),
        opt(1232, 0, 0, &[&cookie(&[7; 16])[..], &cookie(&[])].concat()),
    ];
    let flags = [[0, 0], [1, 0x10], [0, 0x60]];
    NAMES.into_iter().flat_map(move |name| {
        let opts = opts.clone();
        types.into_iter().flat_map(move |rtype| {
            opts.clone().into_iter().flat_map(move |opt| {
                [IN, 3, 255].into_iter().flat_map({
                    let opt = opt.clone();
                    move |class| flags.map(|flags| query(name, rtype, class, flags, &opt))
                })
            })
        })
    })
}

#[test]
fn both_encoders_say_the_same() {
    let server = Server::new();
    let mut asked = 0;
    for request in questions() {
        assert!(matches!(Request::read(&request), Request::Plain(_)));
        let ours = server.over_tcp(&request);
        let theirs = server.by_hickory(&request, Transport::Tcp);
        assert_eq!(content(&ours), content(&theirs), "{}", request.escape_ascii());
        asked += 1;
    }
    assert!(asked > 10_000, "{asked} questions");
}

#[test]
fn a_datagram_holds_what_fits_and_both_agree_where_all_does() {
    let server = Server::new();
    let mut whole = 0;
    for request in questions() {
        let limit = if request[11] == 0 || request.ends_with(&[7]) { 512 } else { 1232 };
        let replies = [server.over_udp(&request), server.by_hickory(&request, Transport::Udp)];
        let is_cut = replies.each_ref().map(|reply| reply[2] & 2 != 0);
        let [(ours, [answers, authorities, _]), (theirs, [their_answers, their_authorities, _])] =
            replies.map(|reply| {
                assert!(reply.len() <= limit, "{} octets", reply.len());
                content(&reply)
            });
        if is_cut == [false, false] {
            assert_eq!((ours, answers, authorities), (theirs, their_answers, their_authorities));
            whole += 1;
        } else {
            assert!(is_cut[1], "only ours is cut: {}", request.escape_ascii());
        }
    }
    assert!(whole > 10_000, "{whole} replies were whole");
}

#[test]
fn item_26_only_a_required_rrset_truncates_and_additional_rrsets_go_in_whole() {
    let server = Server::new();
    let many = server.over_udp(&query("_many._tcp.registry.local", rtype::SRV, IN, [0, 0], NO_OPT));
    let many = Message::from_vec(&many).unwrap();
    assert!(many.metadata.truncation && !many.answers.is_empty() && many.additionals.is_empty());
    // 16 PTR records fit into 512 octets, their SRV, TXT and A records do not all.
    let fits = server.over_udp(&query("m11?._many._tcp.registry.local", rtype::PTR, IN, [0, 0], NO_OPT));
    let fits = Message::from_vec(&fits).unwrap();
    assert!(!fits.metadata.truncation);
    assert_eq!(fits.answers.len(), 10);
    assert!(!fits.additionals.is_empty() && fits.additionals.len() < 30);
    let full = server.over_tcp(&query("_many._tcp.registry.local", rtype::SRV, IN, [0, 0], NO_OPT));
    let full = Message::from_vec(&full).unwrap();
    assert!(!full.metadata.truncation);
    assert_eq!((full.answers.len(), full.additionals.len()), (300, 300));
}

#[test]
fn a_set_beyond_64_kib_is_cut_between_records_over_tcp_and_each_time_elsewhere() {
    const ALL: usize = 4_000;
    const ASKED: usize = 200;
    let all = (0..ALL).map(|n| registration("many", &format!("{n:060}"), &format!("h{n}")));
    let server = Server::of(serving(all));
    let request = query("_many._tcp.registry.local", rtype::PTR, IN, [0, 0], NO_OPT);
    let instances = |reply: &[u8]| -> BTreeSet<usize> {
        let message = Message::from_vec(reply).unwrap();
        assert!(!message.metadata.truncation);
        let number = |record: &Record| record.data.to_string()[..60].parse().unwrap();
        let found: BTreeSet<_> = message.answers.iter().map(number).collect();
        assert_eq!(found.len(), message.answers.len(), "each once");
        found
    };
    let ours = |seed| server.respond_from(Transport::Tcp, &request, usize::from(u16::MAX), seed);
    let theirs = |seed| server.by_hickory_from(&request, Transport::Tcp, seed);
    for (replies, least) in [([ours(1), ours(2)], 850), ([theirs(1), theirs(2)], 400)] {
        let [first, second] = replies.each_ref().map(|reply| instances(reply));
        assert!(first.len() > least && second.len() > least, "{} and {}", first.len(), second.len());
        assert_ne!(first, second);
    }
    let mut times = vec![0_usize; ALL];
    let answers = (0..ASKED).flat_map(|seed| instances(&ours(seed)));
    let given = answers.map(|instance| times[instance] += 1).count();
    // Each is in an answer or not, by the same chance: five deviations from the mean are none in a million.
    let mean = given / ALL;
    let bound = 5 * mean.isqrt();
    assert!(times.iter().all(|times| times.abs_diff(mean) <= bound), "{mean} on average: {times:?}");
}

#[test]
fn item_35_the_octets_of_an_srv_answer() {
    let zone = serving([registration("a", "I", "h")]);
    let server = Server::of(zone);
    let question = b"\x02_a\x04_tcp\x08registry\x05local\0\0\x21\0\x01";
    let request = [&b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0"[..], question].concat();
    let expected = [
        &b"\x12\x34\x85\0\0\x01\0\x01\0\0\0\x01"[..],
        question,
        // SRV 0 0 80 h.registry.local, written out.
        b"\xc0\x0c\0\x21\0\x01\0\0\0\x1e\0\x18\0\0\0\0\0\x50\x01h\x08registry\x05local\0",
        // Its address, whose name points there.
        b"\xc0\x3a\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x01",
    ]
    .concat();
    assert_eq!(server.over_udp(&request).escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn item_15_the_question_is_echoed_bit_by_bit_and_registered_case_is_kept() {
    let server = Server::new();
    let request = query("_aUTh._TcP.reGIStry.LOcal", rtype::PTR, IN, [0, 0], NO_OPT);
    for reply in [server.over_udp(&request), server.by_hickory(&request, Transport::Tcp)] {
        assert_eq!(reply[12..request.len()], request[12..]);
        let (_, [answers, _, additionals]) = content(&reply);
        assert!(answers[0].contains("_auth._tcp.registry.local"), "{answers:?}");
        assert!(additionals.iter().any(|line| line.starts_with("Web2.registry.local.")), "{additionals:?}");
    }
}

/// Instance, subtype, service and zone, all as long as they may be, or the zone longer by `excess` octets.
fn longest(excess: usize) -> (Snapshot, [String; 3]) {
    let long = |length: usize| "x".repeat(length);
    let (instance, service) = (long(63), format!("_{}", long(62)));
    // A label of 63, two lengths and the root label leave 51.
    let zone = format!("{}.{}", long(63), long(51 + excess));
    let domain: DomainName = zone.parse().unwrap();
    assert_eq!(domain.as_wire().len(), DOMAIN_MAX + excess);
    let tags = vec![Tag::new(&long(62)).unwrap()];
    let details = Details { tags, ..Details::default() }.into();
    let registration = Registration { details, ..registration(&service[1..], &instance, &long(63)) };
    let names = [
        format!("{service}._tcp.{zone}"),
        format!("_{}._sub.{service}._tcp.{zone}", long(62)),
        format!("{instance}.{service}._tcp.{zone}"),
    ];
    (serving_in(vec![domain], [registration]), names)
}

#[test]
fn item_16_the_longest_names_are_sent_whole() {
    let (zone, names) = longest(0);
    let server = Server::of(zone);
    for (name, rtype) in names.into_iter().zip([rtype::PTR, rtype::PTR, rtype::SRV]) {
        let request = query(&name, rtype, IN, [0, 0], NO_OPT);
        let (ours, theirs) = (server.over_tcp(&request), server.by_hickory(&request, Transport::Tcp));
        assert_eq!(content(&ours), content(&theirs));
        let (_, [answers, ..]) = content(&ours);
        assert_eq!(answers.len(), 1, "{name}");
    }
}

#[test]
fn a_response_to_all_record_types_names_its_own() {
    let server = Server::new();
    let reply = server.over_udp(&query("_auth._tcp.registry.local", rtype::PTR, IN, [0, 0], NO_OPT));
    let types: Vec<_> = Message::from_vec(&reply).unwrap().additionals.iter().map(Record::record_type).collect();
    for expected in [RecordType::SRV, RecordType::TXT, RecordType::A, RecordType::AAAA] {
        assert!(types.contains(&expected), "{types:?}");
    }
}
