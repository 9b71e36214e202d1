//! Strangers who send anything: item 12.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::support::harbour::{self, ZONES};
use crate::support::questions::about;
use crate::support::wire::{A, Client, Name, Query, Reply, framed};
use crate::support::{Portolan, Random, wait_until};

/// Datagrams between two questions whose answers show that all before them were taken.
const BURST: usize = 50;
/// Packets of one connection.
const STREAM: usize = 25;
/// KiB that memory may have grown by over the second and longer part: stacks and pools come to their size in the
/// first, and a leak of 30 octets a packet would be 1,050.
const GROWTH_MAX: u64 = 1_024;

#[test]
fn item_12_fifty_thousand_mutated_packets_harm_nobody() {
    let portolan = harbour::launch().start();
    let mut random = Random::new();
    harbour::fill(&portolan, &mut random, 20);
    let mut storm = Storm::new(&portolan, &mut random);
    let said = portolan.log();

    storm.rage(12_000, 3_000);
    let before = Footprint::of(&portolan);
    storm.rage(31_500, 3_500);
    let after = wait_until("connections are closed", Duration::from_secs(10), || {
        Some(Footprint::of(&portolan)).filter(|footprint| footprint.descriptors <= before.descriptors)
    });

    assert!(after.memory <= before.memory + GROWTH_MAX, "{before:?}, then {after:?}");
    assert_eq!(portolan.log(), said, "strangers write nothing to the log");
    let question = Query::new(&Name::of("web1.registry.local"), A);
    let mut client = Client::of(portolan.dns);
    for reply in [client.udp(&question), client.tcp(&question)] {
        assert_eq!(reply.data(), [[10, 0, 0, 1], [10, 0, 0, 2]]);
    }
}

#[derive(Debug)]
struct Footprint {
    /// KiB.
    memory: u64,
    descriptors: usize,
}

impl Footprint {
    fn of(portolan: &Portolan) -> Self {
        let status = fs::read_to_string(format!("/proc/{}/status", portolan.pid())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it runs");
        let memory = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Self { memory, descriptors: fs::read_dir(format!("/proc/{}/fd", portolan.pid())).unwrap().count() }
    }
}

struct Storm<'t> {
    portolan: &'t Portolan,
    client: Client,
    random: &'t mut Random,
    /// Packets that are right, until they are mutated.
    right: Vec<Vec<u8>>,
}

impl<'t> Storm<'t> {
    fn new(portolan: &'t Portolan, random: &'t mut Random) -> Self {
        let zones = ZONES.map(Name::of);
        let names = "web1 _auth._tcp a2._auth._tcp _blue._sub._auth._tcp _services._dns-sd._udp *._tcp _lots._tcp no";
        let mut right = Vec::new();
        for zone in zones {
            for name in names.split(' ').map(|labels| zone.below(labels)) {
                right.extend(about(&name, random).iter().map(|query| query.octets(0)));
            }
        }
        Self { portolan, client: Client::of(portolan.dns), random, right }
    }

    fn rage(&mut self, datagrams: usize, over_tcp: usize) {
        for _ in 0..datagrams / BURST {
            let burst: Vec<_> = (0..BURST).map(|_| self.mutated()).collect();
            self.client.burst(&burst).iter().for_each(|reply| is_well_formed(reply));
        }
        for _ in 0..over_tcp / STREAM {
            let all: Vec<_> = (0..STREAM).flat_map(|_| framed(&self.mutated())).collect();
            self.over_tcp(&all);
        }
    }

    /// Sends all at once and reads what comes, until the server has read enough or all is answered.
    fn over_tcp(&mut self, octets: &[u8]) {
        let mut stream = TcpStream::connect(self.portolan.dns).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // A server that has seen a response, or a length beyond all measure, hangs up.
        let _ = stream.write_all(octets).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut replies = Vec::new();
        let _ = stream.read_to_end(&mut replies);
        let mut rest = &replies[..];
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let Some((reply, tail)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length))) else { break };
            is_well_formed(reply);
            rest = tail;
        }
    }

    /// A packet with octets changed, put in, taken out, said twice or cut.
    fn mutated(&mut self) -> Vec<u8> {
        let Self { random, right, .. } = self;
        let mut packet = right[random.within(0..right.len())].clone();
        for _ in 0..=random.within(0..4) {
            let at = random.within(0..packet.len().max(1));
            match random.within(0..8) {
                0..4 if !packet.is_empty() => packet[at] = random.octet(),
                4 => packet.insert(at.min(packet.len()), random.octet()),
                5 if !packet.is_empty() => drop(packet.remove(at)),
                6 => packet.truncate(at),
                _ => packet.extend_from_within(at.min(packet.len())..),
            }
        }
        packet
    }
}

/// What is sent back is a response that can be read.
fn is_well_formed(octets: &[u8]) {
    let reply = Reply::read(octets.to_vec()).unwrap_or_else(|fault| panic!("{fault}: {}", octets.escape_ascii()));
    assert!(reply.is_response(), "{reply:?}");
}
