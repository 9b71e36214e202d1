//! What each operation means for an instance.
//!
//! A registration replaces what its origin said before, whole. One that says nothing new is a renewal: no change,
//! no revision. What an operator set stands (the drain, a failing check), since it is not the service's to lift.
//! A status that is set is no sign of life.

use std::sync::Arc;

use super::hosts::{Hosts, Taken};
use super::{Journal, Table};
use crate::registry::authority::By;
use crate::registry::clock::Now;
use crate::registry::operation::{Applied, Condition, Operation, Refusal, StatusWish};
use crate::service::{
    Cause, Check, Facts, Host, Instance, InstanceId, Origin, Registration, Reported, Revision, Source,
};

/// Instances that one move takes away, at most: the next goes on. Nearly always there is one.
const MOVED_MAX: usize = 1000;

/// A registration, who says it, and whose it is.
type Told<'a> = (&'a Registration, &'a Origin, Option<&'a Arc<str>>);

impl Table {
    /// Applies one operation, wholly or not at all.
    pub(in crate::registry) fn apply(
        &mut self,
        operation: &Operation,
        by: &By,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        by.check_scope(operation.id())?;
        if operation.id().is_declaration() && !declares(operation) {
            return Err(Refusal::Unknown(operation.id().clone()));
        }
        match operation {
            Operation::Register { registration, origin, condition } => {
                self.upsert(registration, origin, *condition, by, now, journal)
            }
            Operation::Move(registration) => {
                let applied = self.upsert(registration, &Origin::api(), Condition::Always, by, now, journal)?;
                Ok(Applied { left: self.leave_others(&registration.id, by, journal), ..applied })
            }
            Operation::Renew(id) => {
                let existing = self.held(id, &Origin::api(), Condition::Present, by)?;
                Ok(self.renew(existing, now, journal))
            }
            Operation::Deregister { id, origin, condition } => {
                let existing = self.held(id, origin, *condition, by)?;
                Ok(self.deregister(existing, journal))
            }
            Operation::Checked { instance, check } => {
                let existing = self.held(instance.id(), &instance.origin, Condition::Present, by)?;
                self.checked(existing, instance, check, now, journal)
            }
            Operation::SetStatus { id, status, condition } => {
                let existing = self.held(id, &Origin::api(), *condition, by)?;
                Ok(self.set_status(existing, status, now, journal))
            }
        }
    }

    fn upsert(
        &mut self,
        registration: &Registration,
        origin: &Origin,
        condition: Condition,
        by: &By,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        let existing = self.get(&registration.id, origin).cloned();
        condition.check(&registration.id, existing.as_ref())?;
        let owner = by.owner_after(existing.as_deref());
        let told = (registration, origin, owner.as_ref());
        match existing {
            None => self.register(told, by, now, journal),
            Some(existing) => {
                by.check_owner(&existing)?;
                self.register_again(&existing, told, now, journal)
            }
        }
    }

    /// Takes what moves by the name of `id` out of every other service; gives what that was.
    fn leave_others(&mut self, id: &InstanceId, by: &By, journal: &mut Journal) -> Vec<InstanceId> {
        let mut left: Vec<_> = self.places().elsewhere(id, by).take(MOVED_MAX).collect();
        left.retain(|other| {
            let held = self.held(other, &Origin::api(), Condition::Present, by);
            held.is_ok_and(|held| self.deregister(held, journal).cause.is_some())
        });
        left
    }

    fn register(&mut self, told: Told<'_>, by: &By, now: Now, journal: &mut Journal) -> Result<Applied, Refusal> {
        if self.instances >= self.limits.instances && !self.makes_room(told.0, by) {
            return Err(Refusal::Full(self.limits.instances));
        }
        let mut instance = instance(told, now);
        self.find_room_for_check(&instance)?;
        instance.serve_under(self.claim_host(&instance, journal)?);
        let instance = self.put(instance, Cause::Registered, journal);
        Ok(Applied { created: true, ..Applied::changed(instance, Cause::Registered) })
    }

    /// Whether something leaves for it.
    fn makes_room(&self, registration: &Registration, by: &By) -> bool {
        registration.moves && self.places.elsewhere(&registration.id, by).next().is_some()
    }

    fn register_again(
        &mut self,
        existing: &Arc<Instance>,
        told: Told<'_>,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        let (registration, _, owner) = told;
        if repeats(existing, registration, owner) {
            return Ok(renewed(Arc::clone(existing), now, journal));
        }
        let mut instance = instance(told, now);
        instance.registered_at = existing.registered_at;
        if !existing.is_checked() {
            self.find_room_for_check(&instance)?;
        }
        let is_checked_as_before = registration.is_checked_as(&existing.registration);
        let check = if is_checked_as_before { &existing.facts.check } else { &instance.facts.check }.clone();
        let facts = Facts { reported: registration.reported, check, ..existing.facts.revived() };
        instance.facts = facts.following(&existing.facts, now.wall).into();
        instance.serve_under(self.move_host(existing, &instance, journal)?);
        let only_lapsed = instance.registration == existing.registration && *instance.facts == existing.facts.revived();
        let cause = if only_lapsed { Cause::Revived } else { Cause::Registered };
        Ok(Applied::changed(self.put(instance, cause, journal), cause))
    }

    fn renew(&mut self, existing: Arc<Instance>, now: Now, journal: &mut Journal) -> Applied {
        if existing.facts.lapsed.is_none() {
            return renewed(existing, now, journal);
        }
        let mut instance = instance((&existing.registration, &existing.origin, existing.owner.as_ref()), now);
        instance.serve_under(existing.host().clone());
        instance.facts = existing.facts.revived().into();
        instance.registered_at = existing.registered_at;
        Applied::changed(self.put(instance, Cause::Revived, journal), Cause::Revived)
    }

    fn deregister(&mut self, existing: Arc<Instance>, journal: &mut Journal) -> Applied {
        self.remove(&existing, Cause::Deregistered, journal);
        Applied::changed(existing, Cause::Deregistered)
    }

    fn checked(
        &mut self,
        existing: Arc<Instance>,
        checked: &Arc<Instance>,
        check: &Check,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        if !existing.is_checked() || !existing.registration.is_checked_as(&checked.registration) {
            return Err(Refusal::Unknown(checked.id().clone()));
        }
        if existing.facts.check == *check {
            return Ok(Applied::unchanged(existing));
        }
        let cause = if matches!(check, Check::Failing(_)) { Cause::CheckFailed } else { Cause::CheckPassed };
        let mut instance = Instance::clone(&existing);
        let facts = Facts { check: check.clone(), ..Facts::clone(&existing.facts) };
        instance.facts = facts.following(&existing.facts, now.wall).into();
        Ok(Applied::changed(self.put(instance, cause, journal), cause))
    }

    fn set_status(&mut self, existing: Arc<Instance>, wish: &StatusWish, now: Now, journal: &mut Journal) -> Applied {
        let mut facts = Facts::clone(&existing.facts);
        match wish {
            StatusWish::Starting => facts.reported = Reported::Starting,
            StatusWish::Up => {
                facts.reported = Reported::Up;
                facts.drained = false;
                // Whoever knows that it serves need not wait for the next check.
                facts.check = if existing.is_checked() { Check::Passing } else { Check::None };
            }
            StatusWish::Down(reason) => facts.check = Check::Failing(Arc::clone(reason)),
            StatusWish::OutOfService => facts.drained = true,
        }
        if facts == *existing.facts {
            return Applied::unchanged(existing);
        }
        let mut instance = Instance::clone(&existing);
        instance.facts = facts.following(&existing.facts, now.wall).into();
        Applied::changed(self.put(instance, Cause::StatusSet, journal), Cause::StatusSet)
    }

    fn find_room_for_check(&self, instance: &Instance) -> Result<(), Refusal> {
        let is_full = instance.is_checked() && self.census.checked() >= self.limits.checked;
        if is_full { Err(Refusal::ChecksFull(self.limits.checked)) } else { Ok(()) }
    }

    /// What `origin` holds, if `condition` allows to go on, and it is for them to change.
    fn held(&self, id: &InstanceId, origin: &Origin, only: Condition, by: &By) -> Result<Arc<Instance>, Refusal> {
        let existing = self.get(id, origin);
        only.check(id, existing)?;
        let existing = existing.ok_or_else(|| Refusal::Unknown(id.clone()))?;
        by.check_owner(existing)?;
        Ok(Arc::clone(existing))
    }

    /// Claims the host that `instance` asks for; lower instances make room first, so that at no moment two
    /// claimants' addresses are under one label.
    fn claim_host(&mut self, instance: &Instance, journal: &mut Journal) -> Result<Host, Refusal> {
        let claimed = self.hosts.claim(instance).map_err(|Taken(label)| Refusal::HostTaken(label))?;
        for (id, origin, host) in claimed.moved {
            let mut lower = Instance::clone(self.get(&id, &origin).expect("who holds a label is in the table"));
            lower.serve_under(host);
            self.put(lower, Cause::Followed, journal);
        }
        Ok(claimed.host)
    }

    /// The host of `after`, which is to replace `before`.
    fn move_host(&mut self, before: &Instance, after: &Instance, journal: &mut Journal) -> Result<Host, Refusal> {
        if Hosts::same_claim(before, after) {
            return Ok(before.host().clone());
        }
        // A refused claim must not cost the old one.
        let unmoved = self.hosts.clone();
        self.hosts.release(before);
        self.claim_host(after, journal).inspect_err(|_| self.hosts = unmoved)
    }
}

/// Whether it may be done to what declares a service, which is there or not on the word of the API: nothing else can be
/// said of it, and by nobody else.
fn declares(operation: &Operation) -> bool {
    match operation {
        Operation::Register { origin, .. } | Operation::Deregister { origin, .. } => origin.source() == Source::Api,
        _ => false,
    }
}

/// The instance that was told of just now. Its revision is given when it is put in place.
fn instance((registration, origin, owner): Told<'_>, now: Now) -> Instance {
    let mut instance = Instance::new(registration.clone(), origin.clone(), now.wall, now.clock, Revision::default());
    instance.owner = owner.cloned();
    instance
}

/// Whether a registration says nothing new of a running instance, and so only renews it.
pub(in crate::registry) fn repeats(existing: &Instance, registration: &Registration, owner: Option<&Arc<str>>) -> bool {
    existing.facts.lapsed.is_none()
        && existing.facts.reported == registration.reported
        && existing.owner.as_ref() == owner
        && existing.registration == *registration
}

fn renewed(instance: Arc<Instance>, now: Now, journal: &mut Journal) -> Applied {
    if !instance.renew(now.wall, now.clock) {
        journal.renewed.push(Arc::clone(&instance));
    }
    Applied::unchanged(instance)
}
