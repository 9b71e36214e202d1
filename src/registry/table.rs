//! The table: every instance that is known, and the rules by which it changes.
//!
//! It is pure: the time is passed in, and it neither saves nor publishes; what it did stands in a [`Journal`].
//! All its maps are persistent, so a clone costs nothing and shares everything: the writer applies a batch to a
//! draft, which becomes the table once the store has it and is dropped otherwise, and readers hold the map of
//! slots as it was published.
//!
//! What an operation means for an instance is in `rules`; here is how the table keeps what they decide.
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
mod rules;

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use imbl::OrdSet;

use self::hosts::Hosts;
pub(super) use self::journal::{Journal, Replaced};
pub(super) use self::rules::repeats;
use super::Config;
use super::census::Census;
use super::clock::Now;
use super::guard::{Guard, Verdict};
use super::places::Places;
use super::slot::{Layer, Slot, Slots};
use crate::service::{Cause, Change, Instance, InstanceId, Moment, Origin, Revision};

/// Not in the index.
const NEVER: Moment = Moment(u64::MAX);

/// Every instance of every source. A clone shares all with the original until either changes.
#[derive(Debug, Clone)]
pub(super) struct Table {
    slots: Slots,
    due: OrdSet<Due>,
    hosts: Hosts,
    places: Places,
    guard: Guard,
    revision: Revision,
    /// In all layers.
    instances: usize,
    census: Census,
    limits: Limits,
    reap: Duration,
}

/// How many instances there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    instances: usize,
    checked: usize,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        Self { instances: config.max_instances, checked: config.max_checked }
    }
}

/// An entry of the expiry index: then some layer of the instance's identity is due. Which one, the slot knows; the
/// instance is here for its identity alone.
#[derive(Debug, Clone)]
struct Due {
    moment: Moment,
    instance: Arc<Instance>,
}

impl Table {
    /// Nothing is known; the first change is numbered one above `revision`.
    pub(super) fn new(revision: Revision, limits: Limits, reap: Duration) -> Self {
        let (slots, due, hosts, places) = (Slots::new(), OrdSet::new(), Hosts::default(), Places::default());
        let (guard, census) = (Guard::default(), Census::default());
        Self { slots, due, hosts, places, guard, revision, instances: 0, census, limits, reap }
    }

    /// The same, looked after by `guard`, before anything is known.
    pub(super) fn guarding(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// What is listed, by identity.
    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// What is in one service at a time.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// How many instances there are.
    pub(super) fn census(&self) -> Census {
        self.census
    }

    /// The last change.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// What `origin` says of `id`.
    pub(super) fn get(&self, id: &InstanceId, origin: &Origin) -> Option<&Arc<Instance>> {
        self.slots.get(id)?.of_origin(origin)
    }

    /// When something may lapse or be reaped next; at once, while the guard has something to judge.
    pub(super) fn next_due(&self) -> Option<Moment> {
        let due = self.due.get_min().map(|due| due.moment);
        if self.guard.is_pending() { Some(Moment::default()) } else { due }
    }

    /// Takes in what a store remembers, as it was, each identity once.
    pub(super) fn restore(&mut self, mut instance: Instance) -> Arc<Instance> {
        // It was claimed once, so it can be claimed again. Were the store edited by hand so that it cannot, the
        // later instance shares the label: better than to lose it.
        if let Ok(claimed) = self.hosts.claim(&instance) {
            instance.serve_under(claimed.host);
        }
        // What was kept goes on being kept: a restart takes nothing out of DNS, unless the setting was.
        if instance.facts.kept.is_some() && !self.guard.covers(instance.id().service_type()) {
            instance.facts.kept = None;
        }
        let instance = Arc::new(instance);
        if !instance.id().is_declaration() {
            self.guard.replace(None, Some(&instance));
        }
        self.set(instance.id(), &instance.origin, Some(Arc::clone(&instance)));
        instance
    }

    /// Lets lapse and reaps what is due, and keeps what the guard says, `at_most` so many of each; true when more is due.
    pub(super) fn expire(&mut self, now: Now, at_most: usize, journal: &mut Journal) -> bool {
        for _ in 0..at_most {
            let Some(Due { moment, instance }) = self.due.get_min().filter(|due| due.moment <= now.clock) else {
                break;
            };
            let slot = self.slots.get(instance.id());
            let layer = slot.and_then(|slot| slot.layers().iter().find(|layer| layer.due == *moment));
            let instance = Arc::clone(&layer.expect("what is in the index is in the table").instance);
            if instance.facts.kept.is_some() && self.deadline(&instance) <= now.clock {
                self.put_kept(&instance, None, journal);
            } else if instance.facts.lapsed.is_some() && self.deadline(&instance) <= now.clock {
                self.remove(&instance, Cause::Reaped, journal);
            } else if instance.facts.lapsed.is_none() && instance.lapse(now.clock) {
                let mut lapsed = Instance::clone(&instance);
                lapsed.facts.lapsed = lapsed.expires_at();
                self.put(lapsed, Cause::Lapsed, journal);
                self.guard.lapsed(instance.id().service_type());
            } else {
                // Renewed since the entry was made.
                self.set(instance.id(), &instance.origin, Some(Arc::clone(&instance)));
            }
        }
        self.keep(now, at_most, journal);
        self.next_due().is_some_and(|due| due <= now.clock)
    }

    /// Keeps what the guard says, `at_most` so many.
    fn keep(&mut self, now: Now, at_most: usize, journal: &mut Journal) {
        let mut left = at_most;
        while left > 0
            && let Some(Verdict { service, instances, why, is_first }) = self.guard.judge(now.clock, left)
        {
            left -= instances.len();
            for id in instances {
                let slot = self.slots.get(&id).expect("what the guard counts is in the table");
                let instance = Arc::clone(slot.effective());
                self.put_kept(&instance, Some(Arc::clone(&why)), journal);
            }
            journal.guarded.extend(is_first.then_some((service, why)));
        }
    }

    /// Has DNS keep what lapsed, for this reason, or let go of it.
    fn put_kept(&mut self, instance: &Instance, why: Option<Arc<str>>, journal: &mut Journal) {
        let cause = if why.is_some() { Cause::Guarded } else { Cause::Unguarded };
        let mut instance = instance.clone();
        instance.facts.kept = why;
        self.put(instance, cause, journal);
    }

    /// When it lapses or, lapsed, is no longer kept or is reaped.
    fn deadline(&self, instance: &Instance) -> Moment {
        match instance.facts.lapsed {
            Some(lapsed) if instance.facts.kept.is_some() => instance.kept_until().unwrap_or(lapsed),
            Some(lapsed) => lapsed.after(self.reap),
            None => instance.expires_at().unwrap_or(NEVER),
        }
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
        // To declare a service changes nothing that is listed or served.
        if !same(&served_before, &served_after) && !id.is_declaration() {
            self.guard.replace(served_before.as_deref(), served_after.as_deref());
            let surfaced = served_after.is_some() && !same(&served_after, &after);
            let cause = if surfaced { Cause::Followed } else { cause };
            let (before, after) = (served_before, served_after);
            journal.changes.push(Change { revision: self.revision, id: id.clone(), cause, before, after });
        }
        journal.replaced.push(Replaced { before, after });
    }

    /// Sets one layer and its entries in the indices; gives the layer as it was. The one place where they move.
    fn set(&mut self, id: &InstanceId, origin: &Origin, after: Option<Arc<Instance>>) -> Option<Arc<Instance>> {
        let mut layers: Vec<Layer> = self.slots.get(id).map_or_else(Vec::new, |s| s.layers().to_vec());
        let at = layers.iter().position(|layer| layer.instance.origin == *origin);
        let before = at.map(|at| layers.swap_remove(at));
        let was_due = before.as_ref().map_or(NEVER, |layer| layer.due);
        let due = after.as_ref().map_or(NEVER, |instance| self.deadline(instance));
        if let Some(before) = before.as_ref().filter(|_| was_due != NEVER && was_due != due)
            && layers.iter().all(|layer| layer.due != was_due)
        {
            self.due.remove(&Due { moment: was_due, instance: Arc::clone(&before.instance) });
        }
        if let Some(after) = after.as_ref().filter(|_| due != NEVER) {
            // Also where the moment is the same: what is replaced must not stay in memory until then.
            self.due.insert(Due { moment: due, instance: Arc::clone(after) });
        }
        let was = before.as_ref().map(|layer| &*layer.instance);
        if !id.is_declaration() {
            self.census.replace(was, after.as_deref());
            self.places.replace(was, after.as_deref());
        }
        self.instances = self.instances + usize::from(after.is_some()) - usize::from(before.is_some());
        layers.extend(after.map(|instance| Layer { instance, due }));
        match Slot::of(layers) {
            Some(slot) => drop(self.slots.insert(slot)),
            None => drop(self.slots.remove(id)),
        }
        before.map(|layer| layer.instance)
    }
}

impl Due {
    fn key(&self) -> (Moment, &InstanceId) {
        (self.moment, self.instance.id())
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
