//! What became of each identity lately, for people who ask why something was away.
//!
//! A flip is a change of status, or that something comes or goes. Most instances are registered once and stay up: of
//! them nothing is kept here, since the instance itself knows when it was registered ([`Flip::first`]). What is kept is
//! bounded for each identity and in all, and lasts no longer than the process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::totals::Totals;
use crate::service::{Cause, Change, Check, Instance, InstanceId, Reported, Revision, Source, Status, UnixMillis};

/// Flips of one identity, at most: what came before says little of the last hours.
const EACH_MAX: usize = 16;
/// Flips of all, at most; some ten MB.
const ALL_MAX: usize = 100_000;

/// One change of an identity's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// When.
    pub at: UnixMillis,
    /// Its number.
    pub revision: Revision,
    /// Why.
    pub cause: Cause,
    /// From then on; `None` where nothing was left.
    pub status: Option<Status>,
    /// Why a check failed, or DNS has it although its lease lapsed, where that is so.
    pub reason: Option<Arc<str>>,
    /// Whose word counted; where nothing was left, whose had.
    pub source: Source,
}

impl Flip {
    /// That `instance` was registered.
    pub fn first(instance: &Instance) -> Self {
        let status = match instance.registration.reported {
            Reported::Starting => Status::Starting,
            Reported::Up if instance.registration.details.probe.is_some() => Status::Starting,
            Reported::Up => Status::Up,
            Reported::Left => Status::OutOfService,
        };
        let (at, revision, source) = (instance.registered_at, instance.revision, instance.origin.source());
        Self { at, revision, cause: Cause::Registered, status: Some(status), reason: None, source }
    }
}

/// The last flips.
#[derive(Debug)]
pub(super) struct Flips {
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Debug, Default)]
struct Kept {
    of: HashMap<InstanceId, VecDeque<Flip>>,
    /// Oldest first; some may be gone because their identity had too many.
    order: VecDeque<(InstanceId, Revision)>,
    totals: Totals,
}

impl Default for Flips {
    fn default() -> Self {
        Self { kept: Mutex::default(), most: ALL_MAX }
    }
}

impl Flips {
    /// Takes note of those among `changes`, which happened `at` that time.
    pub(super) fn note(&self, changes: &[Change], at: UnixMillis) {
        let mut kept = self.kept();
        for change in changes {
            kept.note(change, at);
        }
        while kept.order.len() > self.most {
            kept.forget_oldest();
        }
    }

    /// The last flips of an identity, oldest first.
    pub(super) fn of(&self, id: &InstanceId) -> Vec<Flip> {
        self.kept().of.get(id).map(|flips| flips.iter().cloned().collect()).unwrap_or_default()
    }

    /// The last flips of all, newest first.
    pub(super) fn last(&self, most: usize) -> Vec<(InstanceId, Flip)> {
        let kept = self.kept();
        let flip = |(id, revision): &(InstanceId, Revision)| {
            let flip = kept.of.get(id)?.iter().find(|flip| flip.revision == *revision)?;
            Some((id.clone(), flip.clone()))
        };
        // Of one that flaps most are gone, and the writer waits for us.
        kept.order.iter().rev().take(EACH_MAX * most).filter_map(flip).take(most).collect()
    }

    /// How many there were, also those that are not kept.
    pub(super) fn totals(&self) -> Totals {
        self.kept().totals
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Whoever panicked may have left a flip without its place in the order: it is kept until its identity has
        // enough.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether anything comes or goes, or the status, whose word that is, or whether DNS has it is another.
fn is_flip(change: &Change) -> bool {
    let seen = |i: &Arc<Instance>| (i.status(), i.facts.kept.is_some(), i.origin.source());
    change.before.as_ref().map(seen) != change.after.as_ref().map(seen)
}

impl Kept {
    fn note(&mut self, change: &Change, at: UnixMillis) {
        let Change { revision, id, cause, before, after } = change;
        if !is_flip(change) {
            return;
        }
        let status = after.as_ref().map(|instance| instance.status());
        self.totals.add(*cause, status);
        if before.is_none() && !self.of.contains_key(id) {
            return;
        }
        let reason = after.as_ref().and_then(|instance| match &instance.facts.check {
            Check::Failing(why) => Some(Arc::clone(why)),
            Check::None | Check::Awaited | Check::Passing => instance.facts.kept.clone(),
        });
        let source = after.as_ref().or(before.as_ref()).expect("a change has a side").origin.source();
        if let Some(before) = before.as_ref().filter(|_| !self.of.contains_key(id)) {
            self.add(id, Flip::first(before));
        }
        self.add(id, Flip { at, revision: *revision, cause: *cause, status, reason, source });
    }

    fn add(&mut self, id: &InstanceId, flip: Flip) {
        self.order.push_back((id.clone(), flip.revision));
        let flips = self.of.entry(id.clone()).or_default();
        if flips.len() == EACH_MAX {
            flips.pop_front();
        }
        flips.push_back(flip);
    }

    fn forget_oldest(&mut self) {
        let Some((id, revision)) = self.order.pop_front() else { return };
        let Some(flips) = self.of.get_mut(&id) else { return };
        if flips.front().is_some_and(|flip| flip.revision == revision) {
            flips.pop_front();
        }
        if flips.is_empty() {
            self.of.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Facts, Moment, Origin, registration};

    fn instance(name: &str, drained: bool) -> Arc<Instance> {
        let registration = registration("auth", name, "web1");
        let mut instance = Instance::new(registration, Origin::api(), UnixMillis(0), Moment(0), Revision(0));
        instance.facts = Facts { drained, ..Facts::default() }.into();
        Arc::new(instance)
    }

    /// Drains and undrains by turns.
    fn flip(flips: &Flips, name: &str, revisions: std::ops::Range<u64>) -> InstanceId {
        let change = |n: u64| {
            let (before, after) = (instance(name, !n.is_multiple_of(2)), instance(name, n.is_multiple_of(2)));
            let (id, revision, cause) = (before.id().clone(), Revision(n), Cause::StatusSet);
            Change { revision, id, cause, before: Some(before), after: Some(after) }
        };
        flips.note(&revisions.map(change).collect::<Vec<_>>(), UnixMillis(7));
        instance(name, false).id().clone()
    }

    fn revisions(flips: &Flips, id: &InstanceId) -> Vec<u64> {
        flips.of(id).iter().map(|flip| flip.revision.0).collect()
    }

    #[test]
    fn what_is_registered_and_what_stays_as_it_was_is_no_flip() {
        let flips = Flips::default();
        let (up, drained) = (instance("a1", false), instance("a1", true));
        let change = |revision, cause, before: Option<&Arc<Instance>>, after: Option<&Arc<Instance>>| {
            let (before, after) = (before.cloned(), after.cloned());
            let change = Change { revision: Revision(revision), id: up.id().clone(), cause, before, after };
            flips.note(&[change], UnixMillis(revision));
        };
        change(1, Cause::Registered, None, Some(&up));
        change(2, Cause::Registered, Some(&up), Some(&up));
        assert_eq!(flips.of(up.id()), []);
        change(3, Cause::StatusSet, Some(&up), Some(&drained));
        change(4, Cause::Deregistered, Some(&drained), None);
        change(5, Cause::Registered, None, Some(&up));
        let totals: Vec<_> = flips.totals().counts().collect();
        assert_eq!(
            totals,
            [
                (Cause::Registered, Some(Status::Up), 2),
                (Cause::StatusSet, Some(Status::OutOfService), 1),
                (Cause::Deregistered, None, 1),
            ]
        );
        let seen: Vec<_> = flips.of(up.id()).into_iter().map(|flip| (flip.cause, flip.status)).collect();
        assert_eq!(
            seen,
            [
                (Cause::Registered, Some(Status::Up)),
                (Cause::StatusSet, Some(Status::OutOfService)),
                (Cause::Deregistered, None),
                (Cause::Registered, Some(Status::Up)),
            ]
        );
    }

    #[test]
    fn the_last_of_each_and_of_all_are_kept() {
        let flips = Flips { most: 20, ..Flips::default() };
        let a1 = flip(&flips, "a1", 0..3);
        let a2 = flip(&flips, "a2", 10..40);
        assert_eq!(revisions(&flips, &a2), (24..40).collect::<Vec<_>>());
        assert!(revisions(&flips, &a1).is_empty(), "the oldest of all");
        let a3 = flip(&flips, "a3", 40..58);
        assert_eq!((revisions(&flips, &a2), revisions(&flips, &a3)), (vec![39], (42..58).collect()));
        let kept = flips.kept();
        assert_eq!((kept.of.len(), kept.order.len()), (2, 20));
    }
}
