//! What one link says at the moment: the records that were heard and have not ended. Pure; time is passed in.
//!
//! A record ends with its TTL, one second after its goodbye (RFC 6762 §10.1), and one second after a record that
//! replaces its set (§10.2). An instance is there while its PTR and its SRV record are. Everything that a link can
//! make grow is bounded by the number of instances that are taken from it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::service::{DomainName, InstanceId, Registration, Subtype};

use super::announced::{Announced, Held};
use super::message::{Fact, Heard, Named, Target, subtype_name};

/// How long a record lives on after a goodbye (RFC 6762 §10.1), so that one who restarts is not gone in between;
/// also the age from which on another's record is flushed (§10.2).
const GRACE: Duration = Duration::from_secs(1);
/// Questions of one sweep; what else is due has its turn with the next. A stranger can name instances that are not
/// there, and a link is not to be filled with questions for them.
const QUESTIONS_MAX: usize = 16;
/// Addresses of a host that are remembered, routable or not.
const ADDRESSES_MAX: usize = 64;

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    limit: usize,
    instances: HashMap<InstanceId, Announced>,
    hosts: HashMap<DomainName, Addresses>,
    changed: HashSet<InstanceId>,
    /// Not after the first moment at which something ends or is due.
    next: Option<Instant>,
    /// Records that the limit made it pass over.
    beyond: u64,
}

/// A host: what it is reached at, and which instances it is the target of.
#[derive(Debug, Default)]
struct Addresses {
    held: Vec<Held<IpAddr>>,
    users: HashSet<InstanceId>,
}

impl Link {
    /// A link of which nothing is known; at most `limit` instances are taken from it.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, instances: HashMap::new(), hosts: HashMap::new(), changed: HashSet::new(), next: None, beyond: 0 }
    }

    /// Takes in what was heard.
    pub(super) fn hear(&mut self, heard: Heard, now: Instant) {
        let Heard { fact, ttl, flush } = heard;
        match fact {
            Fact::Type(_) => {}
            Fact::Pointer(named) => self.pointer(named, ttl, now),
            Fact::Subtype(named, subtype) => self.subtype(named, subtype, ttl, now),
            Fact::Target(named, target) => self.target(named, target, ttl, now),
            Fact::Attributes(named, txt) => self.alter(named, ttl, now, |announced| {
                set(&mut announced.txt, txt, ttl, now, |_, _| true);
                announced.plan();
            }),
            Fact::Address(host, address) => self.address(host, address, ttl, flush, now),
        }
    }

    /// When [`Link::sweep`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Lets end what has ended. Returns instances whose SRV and TXT records should be asked for.
    pub(super) fn sweep(&mut self, now: Instant) -> Vec<Named> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let mut questions = Vec::new();
        let mut left = Vec::new();
        self.instances.retain(|id, announced| {
            let target = announced.target.as_ref().map(|held| held.value.host.clone());
            if announced.sweep(now) {
                self.changed.insert(id.clone());
            }
            if announced.target.is_none() {
                left.extend(target.map(|host| (host, id.clone())));
            }
            let host = announced.target.as_ref().and_then(|held| self.hosts.get(&held.value.host));
            let reachable = host.is_some_and(|addresses| !addresses.held.is_empty());
            if questions.len() < QUESTIONS_MAX && announced.is_due(reachable, now) {
                questions.push(Named { id: id.clone(), label: announced.label.clone() });
            }
            announced.pointer.is_some() || announced.target.is_some()
        });
        for (host, id) in left {
            self.unuse(&host, &id);
        }
        self.sweep_hosts(now);
        let ends = self.hosts.values().filter_map(Addresses::next);
        self.next = self.instances.values().filter_map(Announced::next).chain(ends).min();
        questions
    }

    /// Takes the instances that may have changed.
    pub(super) fn take_changed(&mut self) -> HashSet<InstanceId> {
        std::mem::take(&mut self.changed)
    }

    /// How many records the limit made it pass over.
    pub(super) fn beyond(&self) -> u64 {
        self.beyond
    }

    /// How many instances it speaks of, complete or not.
    pub(super) fn instances(&self) -> usize {
        self.instances.len()
    }

    /// What the link says of an instance, if it is there and its records are complete or have had their time.
    pub(super) fn registration(&self, id: &InstanceId) -> Option<Registration> {
        // The identity as this link spells it.
        let (id, announced) = self.instances.get_key_value(id)?;
        let host = &announced.target.as_ref()?.value.host;
        let addresses = self.hosts.get(host).map_or(&[][..], |addresses| &addresses.held);
        announced.registration(id, addresses.iter().map(|held| held.value))
    }

    /// What to browse in order to hear more of the instances that are there, subtypes included; may repeat itself.
    pub(super) fn browsed(&self) -> impl Iterator<Item = String> {
        let there = self.instances.iter().filter(|(_, announced)| announced.is_there());
        there.flat_map(|(id, announced)| {
            let service_type = id.service_type();
            let subtypes = announced.subtypes().map(move |subtype| subtype_name(subtype, service_type));
            subtypes.chain([service_type.to_string()])
        })
    }

    fn pointer(&mut self, named: Named, ttl: Duration, now: Instant) {
        self.alter(named, ttl, now, |announced| set(&mut announced.pointer, (), ttl, now, |(), ()| true));
    }

    fn subtype(&mut self, named: Named, subtype: Subtype, ttl: Duration, now: Instant) {
        let ends = ttl.is_zero().then(|| now + GRACE);
        self.alter(named, ttl, now, |announced| announced.subtype(subtype, ends));
    }

    fn target(&mut self, named: Named, target: Target, ttl: Duration, now: Instant) {
        let id = named.id.clone();
        let host = target.host.clone();
        let mut before = None;
        let mut after = None;
        self.alter(named, ttl, now, |announced| {
            before = announced.target.as_ref().map(|held| held.value.host.clone());
            set(&mut announced.target, target, ttl, now, PartialEq::eq);
            announced.plan();
            after = announced.target.as_ref().map(|held| held.value.host.clone());
        });
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.unuse(&before, &id);
        }
        if after.is_some() {
            self.hosts.entry(host).or_default().users.insert(id);
        }
    }

    fn address(&mut self, host: DomainName, address: IpAddr, ttl: Duration, flush: bool, now: Instant) {
        // Hosts without a service are remembered in case that their services are told next, up to a bound.
        if !self.hosts.contains_key(&host) && (ttl.is_zero() || self.hosts.len() >= 2 * self.limit) {
            return;
        }
        let addresses = self.hosts.entry(host).or_default();
        // A host may have thousands of instances, and says its addresses with each of them.
        if addresses.hear(address, ttl, flush, now) {
            self.changed.extend(addresses.users.iter().cloned());
        }
        self.next = self.next.into_iter().chain(addresses.next()).min();
    }

    /// Alters an instance, which is new where it was not known. A goodbye makes none, nor does one over the limit.
    fn alter(&mut self, named: Named, ttl: Duration, now: Instant, alter: impl FnOnce(&mut Announced)) {
        let Named { id, label } = named;
        if !self.instances.contains_key(&id) {
            if ttl.is_zero() {
                return;
            }
            if self.instances.len() >= self.limit {
                self.beyond += 1;
                return;
            }
        }
        let announced = self.instances.entry(id.clone()).or_insert_with(|| Announced::new(label, now));
        alter(announced);
        self.next = self.next.into_iter().chain(announced.next()).min();
        self.changed.insert(id);
    }

    fn sweep_hosts(&mut self, now: Instant) {
        self.hosts.retain(|_, Addresses { held, users }| {
            let before = held.len();
            held.retain(|held| held.ends > now);
            if held.len() != before {
                self.changed.extend(users.iter().cloned());
            }
            !held.is_empty() || !users.is_empty()
        });
    }

    fn unuse(&mut self, host: &DomainName, id: &InstanceId) {
        if let Some(addresses) = self.hosts.get_mut(host) {
            addresses.users.remove(id);
        }
    }
}

impl Addresses {
    /// Takes in an address. Tells whether it is a new one.
    fn hear(&mut self, address: IpAddr, ttl: Duration, flush: bool, now: Instant) -> bool {
        if flush {
            let set = self.held.iter_mut().filter(|held| held.value.is_ipv4() == address.is_ipv4());
            for old in set.filter(|held| held.value != address && now > held.heard + GRACE) {
                old.ends = old.ends.min(now + GRACE);
            }
        }
        let full = self.held.len() >= ADDRESSES_MAX;
        let known = self.held.iter_mut().find(|held| held.value == address);
        let new = known.is_none() && !ttl.is_zero() && !full;
        match known {
            Some(known) if ttl.is_zero() => known.ends = known.ends.min(now + GRACE),
            Some(known) => *known = Held::new(address, ttl, now),
            None if new => self.held.push(Held::new(address, ttl, now)),
            None => {}
        }
        new
    }

    fn next(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.ends).min()
    }
}

/// Sets a record of which an instance has one: the last word counts. A goodbye is for the record that it repeats,
/// as `same` judges.
fn set<T>(slot: &mut Option<Held<T>>, value: T, ttl: Duration, now: Instant, same: impl Fn(&T, &T) -> bool) {
    if !ttl.is_zero() {
        *slot = Some(Held::new(value, ttl, now));
    } else if let Some(held) = slot.as_mut().filter(|held| same(&held.value, &value)) {
        held.ends = held.ends.min(now + GRACE);
    }
}

#[cfg(test)]
mod tests;
