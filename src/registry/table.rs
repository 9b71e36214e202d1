//! The table: every instance that is known, and the rules by which it changes.
//!
//! It is pure: the time is passed in, and it neither saves nor publishes; what it did stands in a [`Journal`].
//! All its maps are persistent, so a clone costs nothing and shares everything: the writer applies a batch to a
//! draft, which becomes the table once the store has it and is dropped otherwise, and readers hold the map of
//! slots as it was published.
//!
//! Expiry costs O(log n): an index by moment, one entry for each instance whose lease ends. A renewal leaves the
//! index alone, since the entry is then merely early: when it comes up, it is moved to where the lease ends by
//! then. With three heartbeats to a lease that is one move for three renewals, and a renewal needs no writer.
//!
//! Road not taken: one `HashMap` behind a lock. Readers would wait, a failed save would have to be undone by
//! hand, and listing page by page would see every change made in between.

mod hosts;
mod journal;
#[cfg(test)]
mod model;

use std::sync::Arc;
use std::time::Duration;

use imbl::{OrdMap, OrdSet};

use crate::service::{
    Cause, Change, Check, Facts, Host, Instance, InstanceId, Moment, Origin, Registration, Reported, Revision,
};

use self::hosts::{Hosts, Taken};
pub(super) use self::journal::{Journal, Replaced};
use super::clock::Now;
use super::operation::{Applied, Condition, Operation, Refusal, StatusWish};
use super::slot::{Layer, Slot};

/// Not in the index.
const NEVER: Moment = Moment(u64::MAX);

/// Every instance of every source. A clone shares all with the original until either changes.
#[derive(Debug, Clone)]
pub(super) struct Table {
    slots: OrdMap<InstanceId, Slot>,
    due: OrdSet<(Moment, InstanceId, Origin)>,
    hosts: Hosts,
    revision: Revision,
    /// In all layers.
    instances: usize,
    max_instances: usize,
    reap: Duration,
}

impl Table {
    /// Nothing is known; the first change is numbered one above `revision`.
    pub(super) fn new(revision: Revision, max_instances: usize, reap: Duration) -> Self {
        let (slots, due, hosts) = (OrdMap::new(), OrdSet::new(), Hosts::default());
        Self { slots, due, hosts, revision, instances: 0, max_instances, reap }
    }

    /// What is listed, by identity.
    pub(super) fn slots(&self) -> &OrdMap<InstanceId, Slot> {
        &self.slots
    }

    /// The last change.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// What `origin` says of `id`.
    pub(super) fn get(&self, id: &InstanceId, origin: &Origin) -> Option<&Arc<Instance>> {
        self.slots.get(id)?.of_origin(origin)
    }

    /// When something may lapse or be reaped next.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.get_min().map(|(moment, ..)| *moment)
    }

    /// Takes in what a store remembers, as it was.
    pub(super) fn restore(&mut self, mut instance: Instance) {
        // It was claimed once, so it can be claimed again. Were the store edited by hand so that it cannot, the
        // later instance shares the label: better than to lose it.
        if let Ok(claimed) = self.hosts.claim(&instance) {
            instance.host = claimed.host;
        }
        let (id, origin) = (instance.id().clone(), instance.origin.clone());
        self.set(&id, &origin, Some(Arc::new(instance)));
    }

    /// Applies one operation, wholly or not at all.
    pub(super) fn apply(&mut self, operation: &Operation, now: Now, journal: &mut Journal) -> Result<Applied, Refusal> {
        match operation {
            Operation::Register { registration, origin, owner, condition } => {
                let existing = self.get(&registration.id, origin).cloned();
                condition.check(&registration.id, existing.as_ref())?;
                let told = (registration, origin, owner.as_ref());
                match existing {
                    None => self.register(told, now, journal),
                    Some(existing) => self.register_again(&existing, told, now, journal),
                }
            }
            Operation::Renew(id) => self.renew(id, now, journal),
            Operation::Deregister { id, origin, condition } => self.deregister(id, origin, *condition, journal),
            Operation::SetStatus { id, status, condition } => self.set_status(id, status, *condition, journal),
        }
    }

    fn register(&mut self, told: Told<'_>, now: Now, journal: &mut Journal) -> Result<Applied, Refusal> {
        if self.instances >= self.max_instances {
            return Err(Refusal::Full(self.max_instances));
        }
        let mut instance = instance(told, now);
        instance.host = self.claim_host(&instance, journal)?;
        Ok(Applied { instance: self.put(instance, Cause::Registered, journal), created: true })
    }

    fn register_again(
        &mut self,
        existing: &Arc<Instance>,
        told: Told<'_>,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        let (registration, _, owner) = told;
        if existing.owner.is_some() && existing.owner.as_ref() != owner {
            return Err(Refusal::NotYours(existing.id().to_string()));
        }
        if repeats(existing, registration, owner) {
            return Ok(renewed(Arc::clone(existing), now, journal));
        }
        let mut instance = instance(told, now);
        instance.registered_at = existing.registered_at;
        instance.facts.check = existing.facts.check.clone();
        instance.facts.drained = existing.facts.drained;
        instance.host = self.move_host(existing, &instance, journal)?;
        let only_lapsed = instance.registration == existing.registration
            && instance.facts == (Facts { lapsed: None, ..existing.facts.clone() });
        let cause = if only_lapsed { Cause::Revived } else { Cause::Registered };
        Ok(Applied { instance: self.put(instance, cause, journal), created: false })
    }

    fn renew(&mut self, id: &InstanceId, now: Now, journal: &mut Journal) -> Result<Applied, Refusal> {
        let existing = self.held(id, &Origin::api(), Condition::Present)?;
        if existing.facts.lapsed.is_none() {
            return Ok(renewed(existing, now, journal));
        }
        let mut instance = instance((&existing.registration, &existing.origin, existing.owner.as_ref()), now);
        instance.host = existing.host.clone();
        instance.facts = Facts { lapsed: None, ..existing.facts.clone() };
        instance.registered_at = existing.registered_at;
        Ok(Applied { instance: self.put(instance, Cause::Revived, journal), created: false })
    }

    fn deregister(
        &mut self,
        id: &InstanceId,
        origin: &Origin,
        condition: Condition,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        let instance = self.held(id, origin, condition)?;
        self.remove(&instance, Cause::Deregistered, journal);
        Ok(Applied { instance, created: false })
    }

    fn set_status(
        &mut self,
        id: &InstanceId,
        wish: &StatusWish,
        condition: Condition,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        let existing = self.held(id, &Origin::api(), condition)?;
        let mut facts = existing.facts.clone();
        match wish {
            StatusWish::Starting => facts.reported = Reported::Starting,
            StatusWish::Up => {
                facts.reported = Reported::Up;
                facts.drained = false;
                if matches!(facts.check, Check::Failing(_)) {
                    facts.check = Check::None;
                }
            }
            StatusWish::Down(reason) => facts.check = Check::Failing(Arc::clone(reason)),
            StatusWish::OutOfService => facts.drained = true,
        }
        if facts == existing.facts {
            return Ok(Applied { instance: existing, created: false });
        }
        let mut instance = Instance::clone(&existing);
        instance.facts = facts;
        Ok(Applied { instance: self.put(instance, Cause::StatusSet, journal), created: false })
    }

    /// What `origin` holds, if `condition` allows to go on.
    fn held(&self, id: &InstanceId, origin: &Origin, condition: Condition) -> Result<Arc<Instance>, Refusal> {
        let existing = self.get(id, origin);
        condition.check(id, existing)?;
        existing.cloned().ok_or_else(|| Refusal::Unknown(id.clone()))
    }

    /// Lets lapse and reaps what is due, `at_most` so many entries; true when more is due.
    pub(super) fn expire(&mut self, now: Now, at_most: usize, journal: &mut Journal) -> bool {
        for _ in 0..at_most {
            let Some((_, id, origin)) = self.due.get_min().filter(|(moment, ..)| *moment <= now.clock).cloned() else {
                return false;
            };
            let instance = Arc::clone(self.get(&id, &origin).expect("what is in the index is in the table"));
            if instance.facts.lapsed.is_some() && self.deadline(&instance) <= now.clock {
                self.remove(&instance, Cause::Reaped, journal);
            } else if instance.facts.lapsed.is_none() && instance.lapse(now.clock) {
                let mut lapsed = Instance::clone(&instance);
                lapsed.facts.lapsed = lapsed.expires_at();
                self.put(lapsed, Cause::Lapsed, journal);
            } else {
                // Renewed since the entry was made.
                self.set(&id, &origin, Some(instance));
            }
        }
        self.next_due().is_some_and(|due| due <= now.clock)
    }

    /// When it lapses or, lapsed, is reaped.
    fn deadline(&self, instance: &Instance) -> Moment {
        match instance.facts.lapsed {
            Some(lapsed) => lapsed.after(self.reap),
            None => instance.expires_at().unwrap_or(NEVER),
        }
    }

    /// Claims the host that `instance` asks for; lower instances make room first, so that at no moment two
    /// claimants' addresses are under one label.
    fn claim_host(&mut self, instance: &Instance, journal: &mut Journal) -> Result<Host, Refusal> {
        let claimed = self.hosts.claim(instance).map_err(not_yours)?;
        for (id, origin, host) in claimed.moved {
            let mut lower = Instance::clone(self.get(&id, &origin).expect("who holds a label is in the table"));
            lower.host = host;
            self.put(lower, Cause::Followed, journal);
        }
        Ok(claimed.host)
    }

    /// The host of `after`, which is to replace `before`.
    fn move_host(&mut self, before: &Instance, after: &Instance, journal: &mut Journal) -> Result<Host, Refusal> {
        if Hosts::same_claim(before, after) {
            return Ok(before.host.clone());
        }
        // A refused claim must not cost the old one.
        let unmoved = self.hosts.clone();
        self.hosts.release(before);
        self.claim_host(after, journal).inspect_err(|_| self.hosts = unmoved)
    }

    fn remove(&mut self, instance: &Arc<Instance>, cause: Cause, journal: &mut Journal) {
        self.hosts.release(instance);
        self.replace(instance.id(), &instance.origin, None, cause, journal);
    }

    fn put(&mut self, mut instance: Instance, cause: Cause, journal: &mut Journal) -> Arc<Instance> {
        instance.revision = Revision(self.revision.0 + 1);
        let instance = Arc::new(instance);
        self.replace(instance.id(), &instance.origin, Some(Arc::clone(&instance)), cause, journal);
        instance
    }

    /// One layer's change, with its number, in the journal.
    fn replace(
        &mut self,
        id: &InstanceId,
        origin: &Origin,
        after: Option<Arc<Instance>>,
        cause: Cause,
        journal: &mut Journal,
    ) {
        self.revision.0 += 1;
        let effective = |table: &Self| table.slots.get(id).map(|slot| Arc::clone(slot.effective()));
        let served_before = effective(self);
        let before = self.set(id, origin, after.clone());
        let served_after = effective(self);
        let same = |a: &Option<Arc<Instance>>, b: &Option<Arc<Instance>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if !same(&served_before, &served_after) {
            let surfaced = served_after.is_some() && !same(&served_after, &after);
            let cause = if surfaced { Cause::Followed } else { cause };
            let (before, after) = (served_before, served_after);
            journal.changes.push(Change { revision: self.revision, id: id.clone(), cause, before, after });
        }
        journal.replaced.push(Replaced { before, after });
    }

    /// Sets one layer and its entry in the index; gives the layer as it was. The one place where either moves.
    fn set(&mut self, id: &InstanceId, origin: &Origin, after: Option<Arc<Instance>>) -> Option<Arc<Instance>> {
        let mut layers: Vec<Layer> = self.slots.get(id).map_or_else(Vec::new, |s| s.layers().cloned().collect());
        let at = layers.iter().position(|layer| layer.instance.origin == *origin);
        let before = at.map(|at| layers.swap_remove(at));
        let was_due = before.as_ref().map_or(NEVER, |layer| layer.due);
        let due = after.as_ref().map_or(NEVER, |instance| self.deadline(instance));
        if was_due != due {
            if was_due != NEVER {
                self.due.remove(&(was_due, id.clone(), origin.clone()));
            }
            if due != NEVER {
                self.due.insert((due, id.clone(), origin.clone()));
            }
        }
        self.instances = self.instances + usize::from(after.is_some()) - usize::from(before.is_some());
        layers.extend(after.map(|instance| Layer { instance, due }));
        match Slot::of(layers) {
            Some(slot) => drop(self.slots.insert(id.clone(), slot)),
            None => drop(self.slots.remove(id)),
        }
        before.map(|layer| layer.instance)
    }
}

/// A registration, who says it, and under which token's name.
type Told<'a> = (&'a Registration, &'a Origin, Option<&'a Arc<str>>);

/// The instance that was told of just now. Its revision is given when it is put in place.
fn instance((registration, origin, owner): Told<'_>, now: Now) -> Instance {
    let mut instance = Instance::new(registration.clone(), origin.clone(), now.wall, now.clock, Revision::default());
    instance.owner = owner.cloned();
    instance
}

/// Whether a registration says nothing new of a running instance, and so only renews it.
pub(super) fn repeats(existing: &Instance, registration: &Registration, owner: Option<&Arc<str>>) -> bool {
    existing.facts.lapsed.is_none()
        && existing.facts.reported == registration.reported
        && existing.owner.as_ref() == owner
        && existing.registration == *registration
}

fn renewed(instance: Arc<Instance>, now: Now, journal: &mut Journal) -> Applied {
    if !instance.renew(now.wall, now.clock) {
        journal.renewed.push(Arc::clone(&instance));
    }
    Applied { instance, created: false }
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a conversion of errors")]
fn not_yours(taken: Taken) -> Refusal {
    Refusal::NotYours(format!("the host {:?}", taken.0.as_str()))
}
