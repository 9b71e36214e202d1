//! The addresses of a host: those of all instances on it.
//!
//! Nearly every host has one instance, whose [`Member`] has the addresses already. Only where there are more are
//! they counted, since several instances may give the same one.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use super::index::Named;
use super::member::Member;
use super::set::{Keyed, Set};
use super::source::Sources;
use super::ttl::Ttls;
use crate::service::{Address, Source};

/// Who gives a host its addresses.
#[derive(Debug, Clone)]
pub(super) enum Host {
    /// One instance.
    Sole(Member),
    /// Several, or one that is left of them.
    Shared(Arc<Addresses>),
}

/// Addresses from several instances, counted.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    /// With its length in front, as first registered.
    label: Box<[u8]>,
    pub(super) v4: Set<Counted<4>>,
    pub(super) v6: Set<Counted<16>>,
    ttls: Ttls,
    sources: Sources,
}

/// An address and by how many instances it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<const N: usize> {
    pub(super) octets: [u8; N],
    count: u32,
}

impl Host {
    /// With these addresses, which the zone itself gives it.
    pub(super) fn of(label: &[u8], given: &[Address]) -> Self {
        let mut addresses = Addresses::new(label);
        addresses.sources.add(Source::Own);
        for address in given {
            match address.get() {
                IpAddr::V4(v4) => add(&mut addresses.v4, v4.octets()),
                IpAddr::V6(v6) => add(&mut addresses.v6, v6.octets()),
            }
        }
        Self::Shared(Arc::new(addresses))
    }

    /// Counts an instance in that names the host, too; `label` is the host's. `zone_ttl` in seconds.
    pub(super) fn join(&mut self, label: &[u8], member: &Member, zone_ttl: u32) {
        if let Self::Sole(first) = self {
            let mut addresses = Addresses::new(label);
            addresses.add(first, zone_ttl);
            *self = Self::Shared(Arc::new(addresses));
        }
        if let Self::Shared(addresses) = self {
            Arc::make_mut(addresses).add(member, zone_ttl);
        }
    }

    /// Counts an instance out; whether another is left.
    pub(super) fn leave(&mut self, member: &Member) -> bool {
        let Self::Shared(addresses) = self else { return false };
        let addresses = Arc::make_mut(addresses);
        addresses.remove(member);
        addresses.sources.highest().is_some()
    }

    /// The highest source that has a say.
    pub(super) fn source(&self) -> Option<Source> {
        match self {
            Self::Sole(member) => Some(member.source()),
            Self::Shared(addresses) => addresses.sources.highest(),
        }
    }

    /// Seconds.
    pub(super) fn ttl(&self, zone_ttl: u32) -> u32 {
        match self {
            Self::Sole(member) => member.ttl(),
            Self::Shared(addresses) => addresses.ttls.shortest(zone_ttl),
        }
    }
}

impl Named for Host {
    fn name(&self) -> &[u8] {
        match self {
            Self::Sole(member) => member.host().unwrap_or_default(),
            Self::Shared(addresses) => &addresses.label,
        }
    }
}

impl Addresses {
    fn new(label: &[u8]) -> Self {
        let label = label.into();
        Self { label, v4: Set::new(), v6: Set::new(), ttls: Ttls::default(), sources: Sources::default() }
    }

    fn add(&mut self, member: &Member, zone_ttl: u32) {
        member.share_host();
        self.sources.add(member.source());
        self.ttls.add(member.ttl(), zone_ttl);
        member.v4().iter().for_each(|octets| add(&mut self.v4, *octets));
        member.v6().iter().for_each(|octets| add(&mut self.v6, *octets));
    }

    fn remove(&mut self, member: &Member) {
        self.sources.remove(member.source());
        self.ttls.remove(member.ttl());
        member.v4().iter().for_each(|octets| remove(&mut self.v4, *octets));
        member.v6().iter().for_each(|octets| remove(&mut self.v6, *octets));
    }
}

fn add<const N: usize>(set: &mut Set<Counted<N>>, octets: [u8; N]) {
    let count = set.get(&octets).map_or(0, |counted| counted.count);
    set.insert(Counted { octets, count: count + 1 });
}

fn remove<const N: usize>(set: &mut Set<Counted<N>>, octets: [u8; N]) {
    match set.get(&octets).map(|counted| counted.count) {
        Some(count) if count > 1 => set.insert(Counted { octets, count: count - 1 }),
        _ => set.remove(&octets),
    }
}

impl<const N: usize> Keyed for Counted<N> {
    fn key(&self) -> &[u8] {
        &self.octets
    }

    /// Octets of an address are no letters.
    fn compare(&self, key: &[u8]) -> Ordering {
        self.octets[..].cmp(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Instance, Moment, Origin, Registration, Revision, UnixMillis, registration};

    fn member(source: Source, addresses: &[&str]) -> Member {
        let addresses = addresses.iter().map(|a| Address::new(a.parse().unwrap()).unwrap()).collect();
        let registration = Registration { addresses, ..registration("auth", "a1", "web1") };
        let instance = Instance::new(registration, Origin::new(source, ""), UnixMillis(0), Moment(0), Revision(1));
        Member::of(&instance, 10)
    }

    fn counted(host: &Host) -> (usize, usize, Option<Source>) {
        let Host::Shared(addresses) = host else { panic!("not shared") };
        (addresses.v4.len(), addresses.v6.len(), host.source())
    }

    #[test]
    fn an_address_stays_while_anyone_gives_it() {
        let (one, two) = (member(Source::Api, &["10.0.0.1", "2001:db8::1"]), member(Source::File, &["10.0.0.1"]));
        let mut host = Host::Sole(one.clone());
        assert!(!one.shares_host());
        host.join(b"\x04web1", &two, 10);
        assert!(one.shares_host() && two.shares_host());
        assert_eq!(counted(&host), (1, 1, Some(Source::Api)));
        assert!(host.leave(&one));
        assert_eq!(counted(&host), (1, 0, Some(Source::File)));
        assert!(!host.leave(&two));
    }

    #[test]
    fn octets_that_look_like_letters_are_not_folded() {
        let mut host = Host::Sole(member(Source::Api, &["10.0.0.65"]));
        host.join(b"\x04web1", &member(Source::Api, &["10.0.0.97"]), 10);
        assert_eq!(counted(&host), (2, 0, Some(Source::Api)));
    }
}
