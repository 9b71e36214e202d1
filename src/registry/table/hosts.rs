//! Who may put addresses under which host label.
//!
//! A label of the zone is one claimant's: instances of one origin and owner that name the same host share it, and
//! its addresses are the union of theirs. Nobody else can inject an address into it. Through the API another
//! owner's claim is refused. What a lower source announces cannot be refused (nobody would hear it), so it is
//! served under a numbered label instead: `printer-2`. A label stays with its claimant until the last of its
//! instances is gone or a higher source claims it; then the lower one moves, never the other way round.
//!
//! A label that says an address, such as `ip-10-0-0-7`, and is claimed for just that one, injects nothing: owners share
//! it with each other and with those who have none, since what runs on one machine is often of several. Only while
//! somebody without a token has more under it, that is kept apart from what has an owner.
//!
//! Every map is persistent, since it is a part of the table. The API's claims are counted only; the members of a
//! lower claim are kept one by one, because they may have to move.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::service::{Host, HostLabel, Instance, InstanceId, Origin, Source};

/// Held labels.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts {
    /// By the label as served.
    holders: OrdMap<HostLabel, Holder>,
    /// Where a lower claim is served: from the label as asked for to the label as served.
    lower: OrdMap<(Origin, HostLabel), HostLabel>,
    /// The instances of lower claims by the label as served. `None` comes before every identity: a place to
    /// begin a range.
    members: OrdSet<(HostLabel, Option<InstanceId>)>,
}

/// Who holds a label, and for how many instances.
#[derive(Debug, Clone)]
struct Holder {
    /// `None` is who nearly always does: the API without an owner, under the label as asked for.
    other: Option<Arc<Claimant>>,
    instances: u32,
    /// Instances that have an owner and share the label nevertheless; below 0, those that they could not share it with.
    shared: i32,
}

/// Who asks for a label: claimants that are equal share it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claimant {
    origin: Origin,
    owner: Option<Arc<str>>,
    /// As asked for.
    requested: HostLabel,
}

/// The label is another owner's.
#[derive(Debug)]
pub(super) struct Taken(pub(super) HostLabel);

/// What became of a claim.
#[derive(Debug)]
pub(super) struct Claimed {
    /// The host to serve the instance under.
    pub(super) host: Host,
    /// Lower instances that had to make room, and their new host.
    pub(super) moved: Vec<(InstanceId, Origin, Host)>,
}

impl Claimant {
    /// `None` for a foreign host, which is nobody's here, and for what declares a service, which is never served.
    fn of(instance: &Instance) -> Option<Self> {
        let Host::Label(requested) = &instance.registration.host else { return None };
        if instance.id().is_declaration() {
            return None;
        }
        let owner = instance.owner.clone().filter(|_| !is_of_its_address(instance));
        Some(Self { origin: instance.origin.clone(), owner, requested: requested.clone() })
    }

    fn is_lower(&self) -> bool {
        self.origin.source() != Source::Api
    }

    fn is_usual(&self) -> bool {
        !self.is_lower() && self.owner.is_none()
    }

    fn key(&self) -> (Origin, HostLabel) {
        (self.origin.clone(), self.requested.clone())
    }
}

impl Holder {
    /// Of `claimant`, whose first instance is to be counted.
    fn of(claimant: Claimant) -> Self {
        Self { other: (!claimant.is_usual()).then(|| Arc::new(claimant)), instances: 0, shared: 0 }
    }

    /// Whether `instance` may join those of the same claimant.
    fn admits(&self, instance: &Instance) -> bool {
        self.shared.signum() * weight(instance) >= 0
    }

    /// Whether it is `claimant` who holds `label`.
    fn is(&self, label: &HostLabel, claimant: &Claimant) -> bool {
        match &self.other {
            None => claimant.is_usual() && *label == claimant.requested,
            Some(other) => **other == *claimant,
        }
    }

    fn source(&self) -> Source {
        self.other.as_ref().map_or(Source::Api, |other| other.origin.source())
    }
}

impl Hosts {
    /// Whether both are served under one label by right.
    pub(super) fn same_claim(a: &Instance, b: &Instance) -> bool {
        let same = a.registration.host == b.registration.host && a.origin == b.origin && a.owner == b.owner;
        same && weight(a) == weight(b)
    }

    /// Claims what `instance` asks for. On [`Taken`] nothing has happened.
    pub(super) fn claim(&mut self, instance: &Instance) -> Result<Claimed, Taken> {
        let Some(claimant) = Claimant::of(instance) else {
            return Ok(Claimed { host: instance.registration.host.clone(), moved: Vec::new() });
        };
        let mut moved = Vec::new();
        let (label, is_held) = match (self.lower.get(&claimant.key()), self.holders.get(&claimant.requested)) {
            (Some(served), _) => (served.clone(), true),
            (None, None) => (claimant.requested.clone(), false),
            (None, Some(holder)) if holder.is(&claimant.requested, &claimant) && holder.admits(instance) => {
                (claimant.requested.clone(), true)
            }
            (None, Some(holder)) if holder.source() < claimant.origin.source() => {
                moved = self.evict(&claimant.requested);
                (claimant.requested.clone(), false)
            }
            (None, Some(_)) if claimant.is_lower() => (self.free_label(&claimant.requested), false),
            (None, Some(_)) => return Err(Taken(claimant.requested.clone())),
        };
        if claimant.is_lower() {
            self.lower.insert(claimant.key(), label.clone());
            self.members.insert((label.clone(), Some(instance.id().clone())));
        }
        let host = Host::Label(label.clone());
        let held = if is_held { self.holders.get(&label).cloned() } else { None };
        let mut holder = held.unwrap_or_else(|| Holder::of(claimant));
        holder.instances += 1;
        holder.shared += weight(instance);
        self.holders.insert(label, holder);
        Ok(Claimed { host, moved })
    }

    /// Gives up what `instance` is served under.
    pub(super) fn release(&mut self, instance: &Instance) {
        let Host::Label(served) = instance.host() else { return };
        let Some(claimant) = Claimant::of(instance) else { return };
        let Some(holder) = self.holders.get_mut(served).filter(|holder| holder.is(served, &claimant)) else { return };
        holder.instances -= 1;
        holder.shared -= weight(instance);
        if holder.instances == 0 {
            self.holders.remove(served);
            self.lower.remove(&claimant.key());
        }
        if claimant.is_lower() {
            self.members.remove(&(served.clone(), Some(instance.id().clone())));
        }
    }

    /// Moves the holder of `label`, which is a lower claim, to a free one.
    fn evict(&mut self, label: &HostLabel) -> Vec<(InstanceId, Origin, Host)> {
        let Some(holder) = self.holders.get(label).cloned() else { return Vec::new() };
        let Some(claimant) = holder.other.clone() else { return Vec::new() };
        // Before the label is given up: it may be the first that fits, and somebody is about to take it.
        let free = self.free_label(&claimant.requested);
        self.holders.remove(label);
        let from: (HostLabel, Option<InstanceId>) = (label.clone(), None);
        let members = self.members.range((Bound::Excluded(from), Bound::Unbounded));
        let ids: Vec<_> = members.take_while(|member| member.0 == *label).cloned().collect();
        let origin = claimant.origin.clone();
        self.lower.insert(claimant.key(), free.clone());
        self.holders.insert(free.clone(), holder);
        let host = Host::Label(free.clone());
        ids.into_iter()
            .filter_map(|member| {
                self.members.remove(&member);
                self.members.insert((free.clone(), member.1.clone()));
                Some((member.1?, origin.clone(), host.clone()))
            })
            .collect()
    }

    /// The first of `printer-2`, `printer-3`, … that nobody holds: there are fewer holders than numbers.
    fn free_label(&self, requested: &HostLabel) -> HostLabel {
        let mut number = 2;
        loop {
            let label = requested.numbered(number);
            if !self.holders.contains_key(&label) {
                return label;
            }
            number += 1;
        }
    }
}

/// Whether its host is a label that says an address, and that is the only one it has.
fn is_of_its_address(instance: &Instance) -> bool {
    match (&instance.registration.host, &instance.registration.addresses[..]) {
        // Of most labels the first letters tell.
        (Host::Label(label), &[address]) => {
            label.as_str().starts_with("ip-") && *label == HostLabel::of_address(address)
        }
        _ => false,
    }
}

/// What it adds to [`Holder::shared`].
fn weight(instance: &Instance) -> i32 {
    match &instance.owner {
        _ if instance.origin.source() != Source::Api => 0,
        Some(_) => i32::from(is_of_its_address(instance)),
        None => i32::from(is_of_its_address(instance)) - 1,
    }
}
