//! What each operation means for an instance.
//!
//! A registration replaces what its origin said before, whole. One that says nothing new is a renewal: no change,
//! no revision. What an operator set stands (the drain, a failing check), since it is not the service's to lift.
//! A status that is set is no sign of life.

use std::sync::Arc;

use super::hosts::{Hosts, Taken};
use super::{Journal, Table};
use crate::registry::clock::Now;
use crate::registry::operation::{Applied, Condition, Operation, Refusal, StatusWish};
use crate::service::{Cause, Check, Facts, Host, Instance, InstanceId, Origin, Registration, Reported, Revision};

/// A registration, who says it, and under which token's name.
type Told<'a> = (&'a Registration, &'a Origin, Option<&'a Arc<str>>);

impl Table {
    /// Applies one operation, wholly or not at all.
    pub(in crate::registry) fn apply(
        &mut self,
        operation: &Operation,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
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
            Operation::Checked { instance, check } => self.checked(instance, check, now, journal),
            Operation::SetStatus { id, status, condition } => self.set_status(id, status, *condition, now, journal),
        }
    }

    fn register(&mut self, told: Told<'_>, now: Now, journal: &mut Journal) -> Result<Applied, Refusal> {
        if self.instances >= self.limits.instances {
            return Err(Refusal::Full(self.limits.instances));
        }
        let mut instance = instance(told, now);
        self.find_room_for_check(&instance)?;
        instance.serve_under(self.claim_host(&instance, journal)?);
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
        Ok(Applied { instance: self.put(instance, cause, journal), created: false })
    }

    fn renew(&mut self, id: &InstanceId, now: Now, journal: &mut Journal) -> Result<Applied, Refusal> {
        let existing = self.held(id, &Origin::api(), Condition::Present)?;
        if existing.facts.lapsed.is_none() {
            return Ok(renewed(existing, now, journal));
        }
        let mut instance = instance((&existing.registration, &existing.origin, existing.owner.as_ref()), now);
        instance.serve_under(existing.host().clone());
        instance.facts = existing.facts.revived().into();
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

    fn checked(
        &mut self,
        checked: &Arc<Instance>,
        check: &Check,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        let existing = self.held(checked.id(), &checked.origin, Condition::Present)?;
        if !existing.is_checked() || !existing.registration.is_checked_as(&checked.registration) {
            return Err(Refusal::Unknown(checked.id().clone()));
        }
        if existing.facts.check == *check {
            return Ok(Applied { instance: existing, created: false });
        }
        let cause = if matches!(check, Check::Failing(_)) { Cause::CheckFailed } else { Cause::CheckPassed };
        let mut instance = Instance::clone(&existing);
        let facts = Facts { check: check.clone(), ..Facts::clone(&existing.facts) };
        instance.facts = facts.following(&existing.facts, now.wall).into();
        Ok(Applied { instance: self.put(instance, cause, journal), created: false })
    }

    fn set_status(
        &mut self,
        id: &InstanceId,
        wish: &StatusWish,
        condition: Condition,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Applied, Refusal> {
        let existing = self.held(id, &Origin::api(), condition)?;
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
            return Ok(Applied { instance: existing, created: false });
        }
        let mut instance = Instance::clone(&existing);
        instance.facts = facts.following(&existing.facts, now.wall).into();
        Ok(Applied { instance: self.put(instance, Cause::StatusSet, journal), created: false })
    }

    fn find_room_for_check(&self, instance: &Instance) -> Result<(), Refusal> {
        let is_full = instance.is_checked() && self.census.checked() >= self.limits.checked;
        if is_full { Err(Refusal::ChecksFull(self.limits.checked)) } else { Ok(()) }
    }

    /// What `origin` holds, if `condition` allows to go on.
    fn held(&self, id: &InstanceId, origin: &Origin, condition: Condition) -> Result<Arc<Instance>, Refusal> {
        let existing = self.get(id, origin);
        condition.check(id, existing)?;
        existing.cloned().ok_or_else(|| Refusal::Unknown(id.clone()))
    }

    /// Claims the host that `instance` asks for; lower instances make room first, so that at no moment two
    /// claimants' addresses are under one label.
    fn claim_host(&mut self, instance: &Instance, journal: &mut Journal) -> Result<Host, Refusal> {
        let claimed = self.hosts.claim(instance).map_err(not_yours)?;
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
    Applied { instance, created: false }
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a conversion of errors")]
fn not_yours(taken: Taken) -> Refusal {
    Refusal::NotYours(format!("the host {:?}", taken.0.as_str()))
}
