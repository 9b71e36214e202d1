//! The addresses of one name, counted: a host may be named by many instances, and a service has the addresses
//! of all of its own.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::set::{Keyed, Set};
use super::ttl::Ttls;
use crate::service::{Address, Source};

/// A and AAAA of one name.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) v4: Set<Counted<4>>,
    pub(super) v6: Set<Counted<16>>,
    pub(super) ttls: Ttls,
    /// How many instances of each source have a say, in the order of [`Source::ALL`].
    sources: [u32; Source::ALL.len()],
}

/// An address and by how many instances it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<const N: usize> {
    pub(super) octets: [u8; N],
    count: u32,
}

/// What one instance says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) addresses: Vec<Address>,
    pub(super) source: Source,
    pub(super) ttl: u32,
}

impl Addresses {
    pub(super) fn new() -> Self {
        Self { v4: Set::new(), v6: Set::new(), ttls: Ttls::default(), sources: [0; _] }
    }

    /// Counts an instance in. `zone_ttl` in seconds.
    pub(super) fn add(&mut self, claim: &Claim, zone_ttl: u32) {
        self.sources[place(claim.source)] += 1;
        self.ttls.add(claim.ttl, zone_ttl);
        for address in &claim.addresses {
            match address.get() {
                IpAddr::V4(v4) => add(&mut self.v4, v4.octets()),
                IpAddr::V6(v6) => add(&mut self.v6, v6.octets()),
            }
        }
    }

    /// Counts out an instance that was counted in.
    pub(super) fn remove(&mut self, claim: &Claim) {
        self.sources[place(claim.source)] -= 1;
        self.ttls.remove(claim.ttl);
        for address in &claim.addresses {
            match address.get() {
                IpAddr::V4(v4) => remove(&mut self.v4, v4.octets()),
                IpAddr::V6(v6) => remove(&mut self.v6, v6.octets()),
            }
        }
    }

    /// The highest source that has a say; `None` when nobody has.
    pub(super) fn rank(&self) -> Option<Source> {
        Source::ALL.into_iter().find(|source| self.sources[place(*source)] > 0)
    }
}

fn place(source: Source) -> usize {
    Source::ALL.iter().position(|s| *s == source).expect("ALL has every source")
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

    fn claim(source: Source, addresses: &[&str]) -> Claim {
        let addresses = addresses.iter().map(|a| Address::new(a.parse().unwrap()).unwrap()).collect();
        Claim { addresses, source, ttl: 10 }
    }

    #[test]
    fn an_address_stays_while_anyone_gives_it() {
        let mut host = Addresses::new();
        let (one, two) = (claim(Source::Api, &["10.0.0.1", "2001:db8::1"]), claim(Source::File, &["10.0.0.1"]));
        host.add(&one, 10);
        host.add(&two, 10);
        host.remove(&one);
        assert_eq!((host.v4.len(), host.v6.len(), host.rank()), (1, 0, Some(Source::File)));
        host.remove(&two);
        assert_eq!((host.v4.len(), host.rank()), (0, None));
    }

    #[test]
    fn octets_that_look_like_letters_are_not_folded() {
        let mut host = Addresses::new();
        host.add(&claim(Source::Api, &["10.0.0.65", "10.0.0.97"]), 10);
        assert_eq!(host.v4.len(), 2);
    }
}
