//! Addresses and the hosts that have them, for reverse zones. Kept for the addresses in such zones only.

use std::cmp::Ordering;
use std::sync::Arc;

use super::group::WireLabels;
use super::member::Member;
use super::set::{Keyed, Set};
use super::ttl::Ttls;

/// What the addresses of one kind point to, in the order of their octets: so what lies below a name is a range.
pub(super) type Pointers<const N: usize> = Set<Arc<Pointer<N>>>;

/// One address.
#[derive(Debug, Clone)]
pub(super) struct Pointer<const N: usize> {
    octets: [u8; N],
    pub(super) hosts: Set<HostName>,
    pub(super) ttls: Ttls,
}

/// A host that has the address, and for how many instances.
#[derive(Debug, Clone)]
pub(super) struct HostName {
    label: WireLabels,
    count: u32,
}

impl HostName {
    /// With its length in front.
    pub(super) fn label(&self) -> &[u8] {
        &self.label.slice
    }
}

/// Counts in that a member gives its host this address. `zone_ttl` in seconds.
pub(super) fn add<const N: usize>(
    pointers: &mut Pointers<N>,
    octets: [u8; N],
    host: &[u8],
    member: &Member,
    zone_ttl: u32,
) {
    let empty = || Arc::new(Pointer { octets, hosts: Set::new(), ttls: Ttls::default() });
    let mut pointer = pointers.get(&octets).cloned().unwrap_or_else(empty);
    let Pointer { hosts, ttls, .. } = Arc::make_mut(&mut pointer);
    ttls.add(member.ttl(), zone_ttl);
    let known = hosts.get(&host[1..]).cloned();
    let mut name = known.unwrap_or_else(|| HostName { label: WireLabels::from_header_and_slice((), host), count: 0 });
    name.count += 1;
    hosts.insert(name);
    pointers.insert(pointer);
}

/// Counts out what was counted in.
pub(super) fn remove<const N: usize>(pointers: &mut Pointers<N>, octets: [u8; N], host: &[u8], member: &Member) {
    let Some(mut pointer) = pointers.get(&octets).cloned() else { return };
    let Pointer { hosts, ttls, .. } = Arc::make_mut(&mut pointer);
    ttls.remove(member.ttl());
    match hosts.get(&host[1..]).cloned() {
        Some(name) if name.count > 1 => hosts.insert(HostName { count: name.count - 1, ..name }),
        _ => hosts.remove(&host[1..]),
    }
    if hosts.is_empty() {
        pointers.remove(&octets);
    } else {
        pointers.insert(pointer);
    }
}

impl<const N: usize> Keyed for Arc<Pointer<N>> {
    fn key(&self) -> &[u8] {
        &self.octets
    }

    /// Octets of an address are no letters.
    fn compare(&self, key: &[u8]) -> Ordering {
        self.octets[..].cmp(key)
    }
}

impl Keyed for HostName {
    fn key(&self) -> &[u8] {
        &self.label()[1..]
    }
}
