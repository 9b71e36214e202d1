//! One served instance, packed as its records want it.
//!
//! A member is one allocation: a head of fixed size, then the octets of its addresses, target, label and TXT. Its
//! SRV, TXT, PTR, and mostly the addresses that go with them, are read from it by slicing; owner names are its
//! label and what the question says. Two members are equal if and only if they give the same records, which is how
//! the zone knows whether a change is one.
//!
//! The addresses of a host are those of all instances on it, which is nearly always one. So the addresses that an
//! SRV answer needs beside it are in the member itself, and a hint says where they may be more. It is set before the
//! snapshot in which they are more is published, and it is never taken back. Since members are shared by
//! snapshots, a reader of an older one may see it, too: then it looks the host up where nothing has changed, and
//! finds the same addresses.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use triomphe::ThinArc;

use super::set::Keyed;
use crate::service::{Address, Host, Instance, Source};

/// TTL of what was learned over multicast, at most, in seconds (RFC 8766 §5.5.1).
const MULTICAST_TTL_MAX: u32 = 10;
/// Addresses of a kind, at most: what counts in one octet. Doors take fewer.
const ADDRESSES_MAX: usize = u8::MAX as usize;

/// In [`Member::families`]: has IPv4 addresses.
pub(super) const V4: u8 = 1;
/// In [`Member::families`]: has IPv6 addresses.
pub(super) const V6: u8 = 2;

/// The records of one instance but for its subtypes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Member(ThinArc<Head, u8>);

struct Head {
    /// Seconds.
    ttl: u32,
    /// Priority, weight and port as an SRV record has them.
    srv: [u8; 6],
    source: Source,
    is_foreign: bool,
    /// How many addresses the octets begin with.
    v4: u8,
    v6: u8,
    /// Octets of the target.
    target: u8,
    shares_host: AtomicBool,
}

/// Where an SRV record points (RFC 2782).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A host of the zone: its label with the length in front.
    Label(&'a [u8]),
    /// Elsewhere: a whole name in wire form.
    Foreign(&'a [u8]),
}

impl Member {
    /// The member that an instance is; `zone_ttl` in seconds.
    pub(super) fn of(instance: &Instance, zone_ttl: u32) -> Self {
        let registration = &instance.registration;
        // An edge that accepted the registration has asked for the same record.
        let txt = registration.served_txt().unwrap_or_default();
        let mut octets = Vec::with_capacity(256 + txt.as_wire().len());
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let (is_foreign, target) = match instance.host() {
            Host::Label(label) => {
                (v4, v6) = split(&registration.addresses);
                (false, prefixed(label.as_str()))
            }
            Host::Foreign(name) => (true, name.as_wire().to_vec()),
        };
        octets.extend(v4.as_flattened());
        octets.extend(v6.as_flattened());
        octets.extend(&target);
        octets.extend(prefixed(registration.id.instance().as_str()));
        octets.extend(txt.as_wire());
        let [priority, weight, port] =
            [instance.priority(), registration.weight, registration.port.get()].map(u16::to_be_bytes);
        let length = |octets: usize| u8::try_from(octets).expect("counted before");
        let head = Head {
            ttl: ttl_of(instance, zone_ttl),
            srv: [priority[0], priority[1], weight[0], weight[1], port[0], port[1]],
            source: instance.origin.source(),
            is_foreign,
            v4: length(v4.len()),
            v6: length(v6.len()),
            target: length(target.len()),
            shares_host: AtomicBool::new(false),
        };
        Self(ThinArc::from_header_and_slice(head, &octets))
    }

    /// Seconds.
    pub(super) fn ttl(&self) -> u32 {
        self.head().ttl
    }

    /// Priority, weight and port as an SRV record has them.
    pub(super) fn srv_head(&self) -> &[u8; 6] {
        &self.head().srv
    }

    pub(super) fn priority(&self) -> u16 {
        let [high, low, ..] = *self.srv_head();
        u16::from_be_bytes([high, low])
    }

    pub(super) fn weight(&self) -> u16 {
        let [_, _, high, low, ..] = *self.srv_head();
        u16::from_be_bytes([high, low])
    }

    /// Which kinds of addresses it has: [`V4`], [`V6`], both or neither.
    pub(super) fn families(&self) -> u8 {
        (V4 * u8::from(self.head().v4 > 0)) | (V6 * u8::from(self.head().v6 > 0))
    }

    pub(super) fn source(&self) -> Source {
        self.head().source
    }

    /// Its own addresses. None where the host is elsewhere.
    pub(super) fn v4(&self) -> &[[u8; 4]] {
        self.0.slice[..self.v6_at()].as_chunks().0
    }

    pub(super) fn v6(&self) -> &[[u8; 16]] {
        self.0.slice[self.v6_at()..self.target_at()].as_chunks().0
    }

    pub(super) fn target(&self) -> Target<'_> {
        let octets = &self.0.slice[self.target_at()..self.label_at()];
        if self.is_foreign() { Target::Foreign(octets) } else { Target::Label(octets) }
    }

    /// Whether its host is elsewhere.
    pub(super) fn is_foreign(&self) -> bool {
        self.head().is_foreign
    }

    /// The host label with its length in front, where the host is one of the zone.
    pub(super) fn host(&self) -> Option<&[u8]> {
        match self.target() {
            Target::Label(label) => Some(label),
            Target::Foreign(_) => None,
        }
    }

    /// The instance label with its length in front.
    pub(super) fn label(&self) -> &[u8] {
        &self.0.slice[self.label_at()..self.txt_at()]
    }

    /// TXT RDATA.
    pub(super) fn txt(&self) -> &[u8] {
        &self.0.slice[self.txt_at()..]
    }

    /// From now on its host may have more addresses than its own.
    pub(super) fn share_host(&self) {
        // The snapshot is published after it, and who reads that sees it.
        self.head().shares_host.store(true, Ordering::Relaxed);
    }

    /// Whether its host has to be looked up, because it may have more addresses than its own.
    pub(super) fn shares_host(&self) -> bool {
        self.head().shares_host.load(Ordering::Relaxed)
    }

    fn head(&self) -> &Head {
        &self.0.header.header
    }

    fn v6_at(&self) -> usize {
        4 * usize::from(self.head().v4)
    }

    fn target_at(&self) -> usize {
        self.v6_at() + 16 * usize::from(self.head().v6)
    }

    fn label_at(&self) -> usize {
        self.target_at() + usize::from(self.head().target)
    }

    fn txt_at(&self) -> usize {
        let label = self.label_at();
        label + 1 + usize::from(self.0.slice[label])
    }
}

impl Keyed for Member {
    fn key(&self) -> &[u8] {
        &self.label()[1..]
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({})", self.label().escape_ascii())
    }
}

impl PartialEq for Head {
    /// The hint is no record.
    fn eq(&self, other: &Self) -> bool {
        let all = |head: &Self| (head.ttl, head.srv, head.source, head.is_foreign, head.v4, head.v6, head.target);
        all(self) == all(other)
    }
}

impl Eq for Head {}

/// The addresses by kind, each once and in their order, as octets.
fn split(addresses: &[Address]) -> (Vec<[u8; 4]>, Vec<[u8; 16]>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address.get() {
            IpAddr::V4(address) => v4.push(address.octets()),
            IpAddr::V6(address) => v6.push(address.octets()),
        }
    }
    v4.sort_unstable();
    v4.dedup();
    v4.truncate(ADDRESSES_MAX);
    v6.sort_unstable();
    v6.dedup();
    v6.truncate(ADDRESSES_MAX);
    (v4, v6)
}

/// The TTL of an instance's records in seconds: the zone's, unless its lease or its source makes it shorter.
/// A lease of 0 bounds nothing.
fn ttl_of(instance: &Instance, zone_ttl: u32) -> u32 {
    let lease = instance.registration.lease.duration();
    let lease = lease.map_or(u32::MAX, |lease| u32::try_from(lease.as_secs()).unwrap_or(u32::MAX));
    let multicast = if instance.origin.source() == Source::Mdns { MULTICAST_TTL_MAX } else { u32::MAX };
    zone_ttl.min(lease).min(multicast)
}

/// A label as it is on the wire: its length, then its octets.
pub(super) fn prefixed(label: &str) -> Vec<u8> {
    let length = u8::try_from(label.len()).expect("a label has at most 63 octets");
    std::iter::once(length).chain(label.bytes()).collect()
}
