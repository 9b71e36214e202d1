//! UDP and TCP of one server say the same: thousands of questions, said in every way, over both.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Random;
use crate::support::harbour::{self, ZONES};
use crate::support::questions::{about, around};
use crate::support::wire::{Client, Name, Query, Record, Reply};
use crate::support::zone_file::backwards;

/// Octets of an OPT record without options.
const OPT: usize = 11;

#[test]
fn items_25_to_27_udp_and_tcp_say_the_same_as_far_as_a_datagram_goes() {
    let portolan = harbour::launch().start();
    let mut random = Random::new();
    harbour::fill(&portolan, &mut random, 100);
    let mut client = Client::of(portolan.dns);
    let (mut whole, mut truncated) = (0, 0);
    for name in names(&mut random) {
        for mut query in about(&name, &mut random) {
            query.class = random.pick(&[1, 1, 1, 1, 1, 1, 3, 255]);
            let (udp, tcp) = (client.udp(&query), client.tcp(&query));
            let fault = fault(&query, &udp, &tcp);
            assert_eq!(fault, None, "{query:?}\nUDP: {udp:?}\nTCP: {tcp:?}");
            *if udp.is_truncated() { &mut truncated } else { &mut whole } += 1;
        }
    }
    assert!(whole > 5_000 && truncated > 50, "{whole} whole, {truncated} truncated");
}

/// What of two replies to a question does not agree.
fn fault(query: &Query, udp: &Reply, tcp: &Reply) -> Option<&'static str> {
    let limit = usize::from(query.edns.as_ref().map_or(512, |edns| edns.size.clamp(512, 1232)));
    // Of records that differ in case alone, one is sent: which depends on where the answer begins.
    let all = |records: &[Record]| records.iter().map(Record::folded).collect::<BTreeSet<_>>();
    let [answer, tcp_answer] = [udp, tcp].map(|reply| all(&reply.answer));
    let fits = tcp.required + if tcp.edns.is_some() { OPT } else { 0 } <= limit;
    let (additional, tcp_additional) = (rrsets(&udp.additional), rrsets(&tcp.additional));
    let without_tc = |reply: &Reply| [reply.flags[0] & !0x02, reply.flags[1]];
    let checks = [
        (udp.octets.len() <= limit, "the datagram is too long"),
        (!tcp.is_truncated(), "TC over TCP"),
        (udp.is_truncated() != fits, "TC says whether what is required fits"),
        (without_tc(udp) == without_tc(tcp), "flags and code"),
        (udp.question == query.question() && tcp.question == udp.question, "the question, octet by octet"),
        (udp.edns == tcp.edns, "EDNS"),
        (answer.len() == udp.answer.len() && tcp_answer.len() == tcp.answer.len(), "no record is there twice"),
        (answer.is_subset(&tcp_answer), "answers"),
        (udp.is_truncated() || answer == tcp_answer, "the whole answer"),
        (all(&udp.authority) == all(&tcp.authority), "authorities"),
        (!udp.is_truncated() || additional.is_empty(), "nothing goes along with what is cut"),
        (additional.iter().all(|(key, set)| tcp_additional.get(key) == Some(set)), "additional RRsets are whole"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what)
}

fn rrsets(records: &[Record]) -> BTreeMap<(Name, u16), BTreeSet<Record>> {
    let mut sets = BTreeMap::new();
    for record in records {
        sets.entry(record.rrset()).or_insert_with(BTreeSet::new).insert(record.folded());
    }
    sets
}

/// What the harbour has, globs of it, what is near that, and some names of any octets.
fn names(random: &mut Random) -> Vec<Name> {
    let hosts = "ns web1 web3 auth mail mx short svc1 box3 d1";
    let types = "_tcp _udp _auth._tcp _AUTH._udp _drained._tcp _dozen._tcp _many._tcp _lots._tcp _pg._tcp _svc0._tcp \
                 _svc1._udp _short._tcp _http._tcp _dnssd-srp._tcp";
    let subtypes = "_sub._auth._tcp _blue._sub._auth._tcp _v3._sub._auth._tcp _canary._sub._auth._tcp \
                    _v1._sub._svc0._tcp _printer._sub._http._tcp";
    let others = "a2._auth._tcp soon._auth._tcp drained._drained._tcp lots-7._lots._tcp _services._dns-sd._udp \
                  b._dns-sd._udp db._dns-sd._udp _dns-sd._udp";
    let globs = "*._tcp _a*._tcp many-1*._many._tcp *-?._dozen._*._tcp a?._auth._tcp _*._udp x*._tcp";
    let (mut exact, mut all) = (BTreeSet::new(), Vec::new());
    for zone in ZONES.map(Name::of) {
        exact.extend([hosts, types, subtypes, others].join(" ").split_whitespace().map(|labels| zone.below(labels)));
        let http = zone.below("_http._tcp");
        exact.extend([
            http.child(r"Joe.s\ Küche №2".as_bytes()),
            http.child(b"(a) \"b\"; @$%"),
            http.child(&[b'x'; 63]),
        ]);
        // Those whose answers fit and do not, by how much is said with them.
        let large = ["_dozen._tcp", "_many._tcp", "_lots._tcp", "_services._dns-sd._udp", "*._tcp"];
        all.extend(large.iter().flat_map(|labels| vec![zone.below(labels); 10]));
        all.extend(globs.split_whitespace().map(|labels| zone.below(labels)));
        exact.insert(zone);
    }
    // Where addresses lead back to.
    for address in ["10.2.0.0", "10.2.0.3", "10.2.1.7", "10.2.9.0", "2001:db8:2::", "2001:db8:2::5"] {
        let name = backwards(address.parse().unwrap());
        exact.extend([name.parent().unwrap(), name.below("lb._dns-sd._udp"), name]);
    }
    all.extend(around(&exact));
    all.extend((0..200).map(|_| at_random(random)));
    all
}

/// Labels of any octets or of the harbour, below one of its zones or not.
fn at_random(random: &mut Random) -> Name {
    let start = if random.once_in(4) { Name::root() } else { Name::of(random.pick(&ZONES)) };
    (0..random.within(0..6)).fold(start, |name, _| match random.within(0..4) {
        0 => name.child(&(0..random.within(1..20)).map(|_| random.octet()).collect::<Vec<_>>()),
        1 => name.child(b"_tcp"),
        2 => name.child(format!("_svc{}", random.within(0..6)).as_bytes()),
        _ => name.child(format!("box{}", random.within(0..12)).as_bytes()),
    })
}
