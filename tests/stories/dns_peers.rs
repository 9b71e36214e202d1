//! What NSD and Knot say: given the same zones as files, they say of thousands of questions what portolan says,
//! wherever the standard leaves no choice.
//!
//! Where it does, and so is left aside here:
//! - the zone's NS records beside an answer: NSD and Knot send them along, we do not (RFC 1034 §4.3.2 step 6);
//! - what goes along with an answer, but for the addresses of SRV and NS targets: PTR answers of ours bring what
//!   RFC 6763 §12.1 asks, theirs bring nothing;
//! - the address of the name server of a reverse zone, which is in another zone;
//! - what of a truncated answer is sent: its receiver asks again over TCP (RFC 2181 §9);
//! - ANY: one RRset or all (RFC 8482 §4.1, §4.3);
//! - type 0, which is reserved (RFC 6895 §3.1): to Knot it is not implemented, to NSD and us no record has it;
//! - the CD bit: to be copied (RFC 4035 §3) or cleared (§3.1.6); options of EDNS;
//! - labels with `*` and `?`, which are wildcards to them, and globs to us.

use std::collections::BTreeSet;

use crate::support::authority::{Authority, knot, nsd};
use crate::support::harbour::{self, NEGATIVE_TTL, REVERSE, TTL, ZONES};
use crate::support::questions::{about, around};
use crate::support::wire::{ANY, Client, NS, Name, Query, Record, Reply, SOA, SRV};
use crate::support::zone_file::{self, Settings, ZoneFile};
use crate::support::{Portolan, Random};

/// CD, the bit that the standard wants copied and cleared.
const CHECKING_DISABLED: u8 = 0x10;
const TRUNCATED: u8 = 0x02;

#[test]
fn nsd_and_knot_say_the_same_of_the_same_zones() {
    let portolan = harbour::launch().start();
    let mut random = Random::new();
    harbour::fill(&portolan, &mut random, 60);
    let zones = zones(&portolan);
    let files: Vec<_> = zones.iter().map(|file| (file.zone.clone(), file.to_string())).collect();
    let mut peers = [nsd(&files), knot(&files)].map(Peer::of);
    let mut ours = Client::of(portolan.dns);
    let mut asked = 0;
    let foreign = ["", "local", "internal", "example.org", "xharbour", "registry", "harbour.local"].map(Name::of);
    let mut names: Vec<_> = zones.iter().flat_map(|zone| some_of(around(&zone.names()), &mut random)).collect();
    names.extend(foreign);
    for name in names {
        for query in about(&name, &mut random).into_iter().filter(|query| query.rtype != 0) {
            let (mine_udp, mine_tcp) = (ours.udp(&query), ours.tcp(&query));
            for peer in &mut peers {
                peer.compare(&query, &mine_udp, &mine_tcp);
            }
            asked += 1;
        }
    }
    assert!(asked > 3_000, "{asked} questions");
}

/// The zones as the registry's listing has them.
fn zones(portolan: &Portolan) -> Vec<ZoneFile> {
    let instances = zone_file::listed(portolan);
    let names = ZONES.map(Name::of);
    let soa = Client::of(portolan.dns).udp(&Query::new(&names[0], SOA)).answer.remove(0).data;
    let (_, numbers) = soa.split_last_chunk::<20>().expect("serial and four times");
    let serial = u32::from_be_bytes(*numbers.first_chunk().unwrap());
    let settings = Settings { serial, name_server: portolan.dns.ip(), ttl: TTL, negative_ttl: NEGATIVE_TTL };
    let forwards = names.iter().map(|zone| ZoneFile::of(zone, &names[0], &instances, settings));
    forwards.chain(REVERSE.map(|prefix| ZoneFile::reverse(prefix, &names[0], &instances, settings))).collect()
}

/// Some of the names, and few of those that are there by the hundred: other runs ask for others.
fn some_of(names: Vec<Name>, random: &mut Random) -> Vec<Name> {
    let is_bulk = |name: &Name| {
        let first = name.labels().first().map_or(&[][..], |label| label);
        [b"lots", b"many"].iter().any(|bulk| first.windows(4).any(|part| part == *bulk))
    };
    names.into_iter().filter(|name| random.once_in(if is_bulk(name) { 200 } else { 15 })).collect()
}

struct Peer {
    authority: Authority,
    client: Client,
}

/// What of a reply the standard decides.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    code: u16,
    /// Third and fourth octet of the header, but for TC, CD and the code.
    flags: [u8; 2],
    question: Vec<u8>,
    /// Version and flags.
    edns: Option<(u8, u16)>,
    answer: BTreeSet<Record>,
    authority: BTreeSet<Record>,
}

impl Peer {
    fn of(authority: Authority) -> Self {
        let client = Client::of(authority.address);
        Self { authority, client }
    }

    #[track_caller]
    fn compare(&mut self, query: &Query, mine_udp: &Reply, mine_tcp: &Reply) {
        let theirs_udp = self.client.udp(query);
        let theirs_tcp = self.client.tcp(query);
        let shown = |over: &str, mine: &Reply, theirs: &Reply| {
            format!("{} over {over}: {query:?}\nportolan: {mine:?}\npeer: {theirs:?}", self.authority.name)
        };
        for (over, mine, theirs) in [("UDP", mine_udp, &theirs_udp), ("TCP", mine_tcp, &theirs_tcp)] {
            // RFC 2181 §5; NSD says the addresses of a target as often as there are records that name it.
            assert!(has_nothing_twice(mine), "{}", shown(over, mine, theirs));
            assert!(truncates_alike(mine, theirs, mine_tcp, query), "{}", shown(over, mine, theirs));
            let is_open = query.rtype == ANY || mine.is_truncated() || theirs.is_truncated();
            assert_eq!(decided(mine, is_open), decided(theirs, is_open), "{}", shown(over, mine, theirs));
        }
        if query.rtype == ANY {
            let mine = folded(&mine_tcp.answer);
            let types: BTreeSet<_> = mine.iter().map(|record| record.rtype).collect();
            let (same, other): (BTreeSet<_>, BTreeSet<_>) =
                folded(&theirs_tcp.answer).into_iter().partition(|record| types.contains(&record.rtype));
            let is_some_rrset = same == mine || (same.is_empty() && !other.is_empty());
            assert!(is_some_rrset, "{}", shown("TCP", mine_tcp, &theirs_tcp));
        }
        let is_within = |record: &Record| record.folded().data.ends_with(&query.name.folded().0);
        if query.rtype == SRV || (query.rtype == NS && mine_tcp.answer.iter().all(is_within)) {
            let mut theirs = folded(&theirs_tcp.additional);
            // Not the addresses of the name server, which they name along with it.
            theirs.retain(|record| mine_tcp.answer.iter().any(|srv| srv.folded().data.ends_with(&record.owner.0)));
            let mine = folded(&mine_tcp.additional);
            assert_eq!(mine, theirs, "{}", shown("TCP", mine_tcp, &theirs_tcp));
        }
    }
}

fn has_nothing_twice(reply: &Reply) -> bool {
    [&reply.answer, &reply.authority, &reply.additional].iter().all(|section| folded(section).len() == section.len())
}

/// Whether both are truncated or neither is. Ours may be longer, since names in it keep the case that was registered
/// where the question has another (RFC 4343 §4.1), and the transport of a listed service type is written out: then
/// it may be truncated alone, if it is really too long.
fn truncates_alike(mine: &Reply, theirs: &Reply, whole: &Reply, query: &Query) -> bool {
    let limit = usize::from(query.edns.as_ref().map_or(512, |edns| edns.size.clamp(512, 1232)));
    let opt = if query.edns.is_some() { 11 } else { 0 };
    let is_too_long = whole.required + opt > limit;
    query.rtype == ANY || mine.is_truncated() == theirs.is_truncated() || (mine.is_truncated() && is_too_long)
}

/// `is_open`: which records there are is not decided.
fn decided(reply: &Reply, is_open: bool) -> Decided {
    let [flags0, flags1] = reply.flags;
    Decided {
        code: reply.code(),
        flags: [flags0 & !TRUNCATED, flags1 & !CHECKING_DISABLED & 0xf0],
        question: reply.question.clone(),
        edns: reply.edns.as_ref().map(|edns| (edns.version, edns.flags)),
        answer: if is_open { BTreeSet::new() } else { folded(&reply.answer) },
        authority: if reply.answer.is_empty() && !is_open { folded(&reply.authority) } else { BTreeSet::new() },
    }
}

fn folded(section: &[Record]) -> BTreeSet<Record> {
    section.iter().map(Record::folded).collect()
}
