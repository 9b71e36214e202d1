//! Every name of a registry that holds some of everything: items 4, 5, 14, 34, 35, 50 and 55.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::harbour::{self, NEGATIVE_TTL, REVERSE, TTL, ZONES};
use crate::support::questions::around;
use crate::support::wire::{A, AAAA, ANY, CNAME, Client, NS, Name, PTR, Query, Record, Reply, SOA, SRV, TXT};
use crate::support::zone_file::{self, Settings, ZoneFile};
use crate::support::{Portolan, Random};

/// Types that the zone has.
const TYPES: [u16; 7] = [A, AAAA, NS, PTR, SOA, SRV, TXT];
const TYPE65280: u16 = 65_280;

/// A registry with some of everything, and every name of its last zone.
fn start() -> (Portolan, Name, BTreeSet<Name>) {
    let portolan = harbour::launch().start();
    harbour::fill(&portolan, &mut Random::new(), 30);
    let [first, .., zone] = ZONES.map(Name::of);
    // Names only are wanted of it: what is in them is asked of DNS.
    let settings = Settings { serial: 0, name_server: portolan.dns.ip(), ttl: TTL, negative_ttl: NEGATIVE_TTL };
    let names = ZoneFile::of(&zone, &first, &zone_file::listed(&portolan), settings).names();
    (portolan, zone, names)
}

#[test]
fn items_4_and_5_names_that_exist_or_have_others_below_are_never_nxdomain_and_others_always_are() {
    let (portolan, zone, names) = start();
    let mut client = Client::of(portolan.dns);
    let mut missing = 0;
    for name in around(&names).into_iter().filter(|name| name.folded().0.ends_with(&zone.0)) {
        let exists = names.contains(&name.folded());
        for rtype in [A, SRV, TXT, TYPE65280] {
            let reply = client.udp(&Query::new(&name, rtype));
            assert_eq!(reply.code(), if exists { 0 } else { 3 }, "{name} {rtype}");
        }
        missing += usize::from(!exists);
        // Label by label, as resolvers that minimise what they ask do (RFC 9156 §2.3).
        let mut above = name.parent();
        while let Some(ancestor) = above.take_if(|ancestor| exists && ancestor.0.len() >= zone.0.len()) {
            assert_eq!(client.udp(&Query::new(&ancestor, NS)).code(), 0, "{ancestor} is above {name}");
            above = ancestor.parent();
        }
    }
    assert!(names.len() > 500 && missing > 1_000, "{} names, {missing} missing", names.len());
}

#[test]
fn item_55_names_in_reverse_zones_exist_as_far_as_an_address_or_the_base_of_a_subnet_is_below() {
    let portolan = harbour::launch().start();
    harbour::fill(&portolan, &mut Random::new(), 60);
    let settings = Settings { serial: 0, name_server: portolan.dns.ip(), ttl: TTL, negative_ttl: NEGATIVE_TTL };
    let (instances, home, mut client) = (zone_file::listed(&portolan), Name::of(ZONES[0]), Client::of(portolan.dns));
    for prefix in REVERSE {
        let file = ZoneFile::reverse(prefix, &home, &instances, settings);
        let names = file.names();
        for name in around(&names).into_iter().filter(|name| name.folded().0.ends_with(&file.zone.0)) {
            for rtype in [PTR, TYPE65280] {
                let exists = names.contains(&name.folded());
                assert_eq!(client.udp(&Query::new(&name, rtype)).code(), if exists { 0 } else { 3 }, "{name} {rtype}");
            }
        }
    }
}

#[test]
fn item_14_any_is_one_rrset_of_those_that_are_there() {
    let (portolan, _, names) = start();
    let mut client = Client::of(portolan.dns);
    for name in names {
        let mut rrset = |rtype| client.tcp(&Query::new(&name, rtype)).answer.iter().map(Record::folded).collect();
        let any: BTreeSet<Record> = rrset(ANY);
        let all: Vec<BTreeSet<Record>> = TYPES.map(&mut rrset).into_iter().filter(|set| !set.is_empty()).collect();
        assert!(all.contains(&any) || (all.is_empty() && any.is_empty()), "{name}: {any:?}");
    }
}

#[test]
fn items_34_and_35_targets_have_addresses_and_are_no_aliases_and_are_never_compressed() {
    let (portolan, zone, names) = start();
    let mut client = Client::of(portolan.dns);
    let mut targets = BTreeSet::new();
    for name in &names {
        assert!(client.udp(&Query::new(name, CNAME)).answer.is_empty(), "{name} is an alias");
        for rtype in [SRV, PTR] {
            let query = Query::new(name, rtype);
            // An additional record that is no OPT takes the request to the path that reads anything.
            let mut odd = [&query.octets(7)[..], b"\0\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01"].concat();
            odd[11] = 1;
            let odd = Reply::read(client.udp_octets(&odd)).unwrap();
            for reply in [client.udp(&query.clone().edns(1232)), client.tcp(&query), odd] {
                for srv in reply.answer.iter().chain(&reply.additional).filter(|record| record.rtype == SRV) {
                    assert!(!srv.is_compressed, "{name}: {srv:?}");
                    targets.insert(Name(srv.data[6..].to_vec()).folded());
                }
            }
        }
    }
    let ours = targets.iter().filter(|target| target.0.ends_with(&zone.folded().0));
    let addressed =
        ours.filter(|target| [A, AAAA].iter().any(|t| !client.udp(&Query::new(target, *t)).answer.is_empty()));
    assert_eq!(addressed.count() + 1, targets.len(), "but for one that is elsewhere");
    let nowhere = json!({"service": "auth", "instance": "nowhere", "host": "web1", "addresses": [], "port": 80});
    portolan.post("/v1/heartbeat", &nowhere).expect(422);
}

#[test]
fn item_50_a_pointer_brings_all_that_is_to_be_known_of_its_instances() {
    let (portolan, zone, names) = start();
    let mut client = Client::of(portolan.dns);
    let is_type = |name: &&Name| name.labels().len() == zone.labels().len() + 2;
    let mut brought = 0;
    for name in names.iter().filter(is_type) {
        let reply = client.tcp(&Query::new(name, PTR));
        let along: BTreeSet<_> = reply.additional.iter().map(Record::folded).collect();
        for instance in &reply.answer {
            let instance = Name(instance.data.clone());
            let mut expected = [SRV, TXT].map(|rtype| client.tcp(&Query::new(&instance, rtype)).answer).concat();
            let target = Name(expected[0].data[6..].to_vec());
            expected.extend([A, AAAA].map(|rtype| client.tcp(&Query::new(&target, rtype)).answer).concat());
            assert!(expected.iter().all(|record| along.contains(&record.folded())), "{instance}: {expected:?}");
            brought += expected.len();
        }
        // What a TXT record needs is in it (RFC 6763 §12.3).
        assert!(client.tcp(&Query::new(name, TXT)).additional.is_empty());
    }
    assert!(brought > 1_000, "{brought} records");
}
