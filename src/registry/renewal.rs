//! Renewals, which are nearly all that a registry hears, without the writer.
//!
//! A registration that says nothing new changes nothing that is served, listed or saved: it only moves the end of
//! a lease, one atomic number that every snapshot shares. So whoever takes the call does it on the spot, on all
//! cores, and no renewal waits in a queue while its lease runs out.
//!
//! What makes that safe is the seal, see [`Instance::renew`](crate::service::Instance::renew): an instance that has
//! lapsed, was replaced, or whose first renewal of this run is still to be saved cannot be renewed here, and the call
//! goes to the writer. Its lease has moved all the same, as has that of an instance whose registration differs:
//! whatever is being said, somebody is alive to say it.

use std::sync::Arc;

use super::authority::By;
use super::clock::Now;
use super::operation::{Applied, Operation};
use super::places::Places;
use super::slot::Slots;
use super::table::repeats;
use crate::service::Origin;

/// Does `operation` if it is a renewal that concerns nobody else.
pub(super) fn renew_in_place(
    slots: &Slots,
    places: &Places,
    operation: &Operation,
    by: &By,
    now: Now,
) -> Option<Applied> {
    by.check_scope(operation.id()).ok()?;
    // What declares a service has no lease.
    if operation.id().is_declaration() {
        return None;
    }
    let existing = |origin: &Origin| {
        let instance = slots.get(operation.id())?.of_origin(origin)?;
        by.check_owner(instance).is_ok().then_some(instance)
    };
    let (instance, says_nothing_new) = match operation {
        Operation::Register { registration, origin, condition } => {
            let instance = existing(origin)?;
            condition.check(operation.id(), Some(instance)).ok()?;
            (instance, repeats(instance, registration, by.owner_after(Some(instance)).as_ref()))
        }
        Operation::Move(registration) => {
            let instance = existing(&Origin::api())?;
            let is_alone = places.elsewhere(operation.id(), by).next().is_none();
            (instance, is_alone && repeats(instance, registration, by.owner_after(Some(instance)).as_ref()))
        }
        Operation::Renew(_) => (existing(&Origin::api())?, true),
        _ => return None,
    };
    let done = instance.facts.lapsed.is_none() && instance.renew(now.wall, now.clock) && says_nothing_new;
    done.then(|| Applied::unchanged(Arc::clone(instance)))
}
