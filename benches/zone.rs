//! What the zone alone costs: building it, keeping it, and finding answers in it, without sockets or messages.
//!
//! `cargo bench --bench zone -- 10000 1000000` builds a zone of each size from the instances of `instances.py` and asks
//! it the same questions in the same shares. A figure is the least of many rounds, so that other programs on
//! the machine disturb it little.

use std::hint::black_box;
use std::num::NonZeroU16;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use portolan::service::{
    Address, Cause, Change, Host, HostLabel, Instance, InstanceId, InstanceName, Lease, Moment, Origin, Rare,
    Registration, Reported, Revision, Txt, UnixMillis,
};
use portolan::zone::{Answer, Config, Globs, Question, Rdata, Rrset, Snapshot, rtype};

/// Instances of a service type.
const TYPE_SIZE: usize = 3;
/// Questions of a round.
const QUESTIONS: usize = 100_000;
const ROUNDS: usize = 15;
/// Questions between two looks at the clock: short enough that many are not interrupted.
const CHUNK: usize = 100;
/// SRV records that a datagram of 1,232 octets holds.
const RECORDS: usize = 22;
/// Changes that one new snapshot takes in while the zone is built, as a registry that starts does.
const BATCH: usize = 10_000;

fn main() {
    let sizes: Vec<usize> = env::args().filter_map(|argument| argument.parse().ok()).collect();
    for size in sizes {
        report(size);
    }
    for size in [5, 5_000] {
        report_service(size);
    }
}

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn report(size: usize) {
    let before = resident();
    let (zone, built) = build(size);
    let octets = (resident() - before) / size;
    println!("{size} instances: built in {built:.2?}, {octets} octets resident for each");
    let kinds = [("SRV", 60), ("A", 20), ("PTR", 10), ("TXT", 7), ("missing", 3)];
    for (kind, _) in kinds {
        println!("  {kind:<8}{:>6} ns", round(&zone, &questions(size, &[(kind, 100)]), usize::MAX));
    }
    println!("  {:<8}{:>6} ns", "mix", round(&zone, &questions(size, &kinds), usize::MAX));
}

/// Octets of memory that the process has.
fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("the second field") * 4096
}

fn build(size: usize) -> (Snapshot, Duration) {
    let mut zone = Snapshot::new(&Config::default(), &[Address::new([127, 0, 0, 1].into()).expect("an address")]);
    let mut built = Duration::ZERO;
    for first in (0..size).step_by(BATCH) {
        let changes: Vec<Change> = (first..size.min(first + BATCH)).map(change).collect();
        let begun = Instant::now();
        zone.extend(&changes);
        built += begun.elapsed();
    }
    (zone, built)
}

/// What as many records as a datagram holds cost of a service with this many instances, in turn and by weight.
#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn report_service(size: usize) {
    let mut zone = Snapshot::new(&Config::default(), &[]);
    for index in 0..size {
        zone.extend(&[change_of(index, "even", 0), change_of(index, "weighted", 1 + index % 7)]);
    }
    for service in ["_even", "_weighted"] {
        let questions = vec![(wire(&[service, "_tcp"]), rtype::SRV); QUESTIONS / 10];
        println!("  SRV of {size:<6}{service:<10}{:>6} ns", round(&zone, &questions, RECORDS));
    }
}

fn change(index: usize) -> Change {
    change_of(index, &format!("svc{:06}", index / TYPE_SIZE), 0)
}

fn change_of(index: usize, service: &str, weight: usize) -> Change {
    let revision = Revision(index as u64 + 1);
    let (path, rack) = (format!("/{service}"), (index % 40).to_string());
    let [.., a, b, c] = index.to_be_bytes();
    let name = InstanceName::new(&format!("node-{index:07}")).expect("a name");
    let registration = Registration {
        id: InstanceId::new(service.parse().expect("a service type"), name),
        host: Host::Label(HostLabel::new(&format!("host-{index:07}")).expect("a label")),
        addresses: vec![Address::new([10, a, b, c].into()).expect("an address")].into(),
        port: NonZeroU16::new(u16::try_from(1024 + index % 60_000).expect("a port")).expect("not 0"),
        priority: 0,
        weight: u16::try_from(weight).expect("a weight"),
        txt: Txt::new([("path", Some(path.as_bytes())), ("rack", Some(rack.as_bytes()))]).expect("attributes"),
        details: Rare::default(),
        lease: Lease::from_seconds(0.0).expect("no lease"),
        reported: Reported::Up,
        moves: false,
    };
    let instance = Instance::new(registration, Origin::api(), UnixMillis(0), Moment(0), revision);
    let id = instance.id().clone();
    Change { revision, id, cause: Cause::Registered, before: None, after: Some(Arc::new(instance)) }
}

/// Names in wire form and types, random but always the same.
fn questions(size: usize, kinds: &[(&str, u64)]) -> Vec<(Vec<u8>, u16)> {
    let mut chance = Chance(20_261_120);
    let one = |_| {
        let index = usize::try_from(chance.below(size as u64)).expect("below the size");
        let mut drawn = chance.below(100);
        let (kind, _) = kinds.iter().find(|(_, share)| {
            let is_it = drawn < *share;
            drawn = drawn.saturating_sub(*share);
            is_it
        })?;
        let service = format!("_svc{:06}", index / TYPE_SIZE);
        let instance = format!("node-{index:07}");
        Some(match *kind {
            "SRV" => (wire(&[&service, "_tcp"]), rtype::SRV),
            "PTR" => (wire(&[&service, "_tcp"]), rtype::PTR),
            "A" => (wire(&[&format!("host-{index:07}")]), rtype::A),
            "TXT" => (wire(&[&instance, &service, "_tcp"]), rtype::TXT),
            _ => (wire(&[&format!("gone-{index:07}")]), rtype::A),
        })
    };
    (0..QUESTIONS).filter_map(one).collect()
}

fn wire(labels: &[&str]) -> Vec<u8> {
    let mut name = Vec::new();
    for label in labels.iter().chain(&["registry", "local", ""]) {
        name.push(u8::try_from(label.len()).expect("a label"));
        name.extend(label.as_bytes());
    }
    name
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Nanoseconds for each question, of each chunk in the quickest of its rounds. A round asks everything, so that
/// what a question needs is in the caches only where all fits.
fn round(zone: &Snapshot, questions: &[(Vec<u8>, u16)], records: usize) -> u128 {
    let mut quickest = vec![Duration::MAX; questions.len() / CHUNK];
    for _ in 0..ROUNDS {
        for (quickest, chunk) in quickest.iter_mut().zip(questions.chunks_exact(CHUNK)) {
            let begun = Instant::now();
            let octets: usize =
                chunk.iter().enumerate().map(|(seed, (name, rtype))| ask(zone, name, *rtype, seed, records)).sum();
            black_box(octets);
            *quickest = begun.elapsed().min(*quickest);
        }
    }
    quickest.iter().sum::<Duration>().as_nanos() / questions.len() as u128
}

/// Octets of a message over a stream.
const ROOM: usize = 65_535;

/// Looks at every octet's length and first octet of what would be written.
fn ask(zone: &Snapshot, name: &[u8], rtype: u16, seed: usize, at_most: usize) -> usize {
    match zone.answer(&Question { name, rtype, globs: Some(Globs { limit: 100, in_datagram: false }) }) {
        Answer::Refused | Answer::Unfinished => 0,
        Answer::NxDomain(soa) | Answer::NoData(soa, ..) => weigh(&soa, seed, 1),
        Answer::Records(records) => {
            let mut octets = weigh(&records.answer, seed, at_most);
            if at_most < usize::MAX {
                return octets;
            }
            let _ = records.additionals(seed, ROOM, |rrset| {
                octets += weigh(&rrset, seed, at_most);
                ControlFlow::Continue(())
            });
            octets
        }
    }
}

fn weigh(rrset: &Rrset<'_>, seed: usize, mut at_most: usize) -> usize {
    let piece = |piece: &[u8]| piece.len() + usize::from(piece.first().copied().unwrap_or(0));
    let name = |name: &portolan::zone::Name<'_>| name.0.iter().map(|octets| piece(octets)).sum::<usize>();
    let mut octets = rrset.owner.as_ref().map_or(0, name) + rrset.ttl as usize;
    let _ = rrset.records(seed, ROOM, |rdata| {
        octets += match rdata {
            Rdata::Octets(data) => piece(data),
            Rdata::Name(target) => name(&target),
            Rdata::Srv(head, target) => piece(head) + name(&target),
            Rdata::Soa(primary, mailbox, _) => name(&primary) + name(&mailbox),
        };
        at_most -= 1;
        if at_most == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    octets
}
