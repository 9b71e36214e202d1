//! The table against a naive model: no index, no sharing.

mod naive;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use self::naive::{Model, Seen};
use self::steps::{Step, Who, checked, keyring, steps};
use super::*;
use crate::registry::authority::By;
use crate::registry::guard;
use crate::registry::operation::{Applied, Refusal};
use crate::service::UnixMillis;

const REAP: Duration = Duration::from_secs(20);
const MAX: usize = 9;
const MAX_CHECKED: usize = 3;

fn seen(table: &Table) -> BTreeMap<InstanceId, Vec<Seen>> {
    let one = |i: &Arc<Instance>| {
        let (lapsed, expires) = (i.facts.lapsed.map(|moment| moment.0), i.expires_at().map(|moment| moment.0));
        (i.origin.clone(), i.status(), i.host().to_string().to_lowercase(), expires, lapsed, i.registered_at.0)
    };
    table.slots().iter().map(|slot| (slot.id().clone(), slot.instances().map(one).collect())).collect()
}

fn outcome(result: &Result<Applied, Refusal>) -> Result<bool, &'static str> {
    match result {
        Ok(applied) => Ok(applied.created),
        Err(Refusal::Unknown(_)) => Err("unknown"),
        Err(Refusal::Exists(_)) => Err("exists"),
        Err(Refusal::NotYours(_) | Refusal::HostTaken(_)) => Err("not yours"),
        Err(Refusal::Full(MAX) | Refusal::ChecksFull(MAX_CHECKED)) => Err("full"),
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn the_table_does_what_the_naive_model_does(steps in steps()) {
        let limits = Limits { instances: MAX, checked: MAX_CHECKED };
        let mut table = Table::new(Revision(100), limits, REAP);
        let mut model = Model::default();
        let mut effective: BTreeMap<InstanceId, Arc<Instance>> = BTreeMap::new();
        let (keyring, mut clock) = (keyring(), 0);
        for step in steps {
            let (mut journal, before) = (Journal::default(), table.clone());
            let listed_before: Vec<_> = before.slots().iter().map(|slot| Arc::as_ptr(slot.effective())).collect();
            match step {
                Step::Do(operation, who) => {
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    let result = table.apply(&operation, &who.by(&keyring), now, &mut journal);
                    prop_assert_eq!(outcome(&result), model.apply(&operation, who, clock), "{:?} {:?}", who, operation);
                }
                Step::Check(n, stale, check) => {
                    let Some(operation) = checked(&table, n, stale, check) else { continue };
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    let result = table.apply(&operation, &By::Program, now, &mut journal);
                    prop_assert_eq!(outcome(&result), model.apply(&operation, Who::Program, clock), "{:?}", operation);
                }
                Step::Wait(millis) => {
                    clock += millis;
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    // In small portions, as the writer does it.
                    while table.expire(now, 3, &mut journal) {}
                    model.expire(clock);
                }
            }
            let (is, should_be) = (seen(&table), model.seen());
            prop_assert_eq!(is, should_be);

            let mut census = Census::default();
            for instance in table.slots().iter().flat_map(Slot::instances) {
                census.replace(None, Some(instance));
            }
            prop_assert_eq!(table.census(), census);
            prop_assert_eq!(table.places().len(), model.entries.iter().filter(|entry| entry.is_placed()).count());

            // One number for every change of a layer, none without one.
            prop_assert_eq!(table.revision().0, before.revision().0 + journal.replaced.len() as u64);
            let mut last = before.revision();
            for change in &journal.changes {
                prop_assert!(change.revision > last && change.revision <= table.revision());
                last = change.revision;
                let known = match &change.after {
                    Some(after) => effective.insert(change.id.clone(), Arc::clone(after)),
                    None => effective.remove(&change.id),
                };
                prop_assert_eq!(known.as_ref().map(Arc::as_ptr), change.before.as_ref().map(Arc::as_ptr));
            }
            let replayed: Vec<_> = effective.values().map(Arc::as_ptr).collect();
            let listed: Vec<_> = table.slots().iter().map(|slot| Arc::as_ptr(slot.effective())).collect();
            prop_assert_eq!(replayed, listed);

            // Whoever holds the table as it was sees nothing of it.
            let still: Vec<_> = before.slots().iter().map(|slot| Arc::as_ptr(slot.effective())).collect();
            prop_assert_eq!(listed_before, still);

            // Nothing in the index is late, nothing in it is without an instance.
            let deadlines = || table.slots().iter().flat_map(Slot::instances).map(|i| table.deadline(i));
            let first = deadlines().min().filter(|first| *first != NEVER);
            prop_assert!(first.is_none_or(|first| table.next_due().is_some_and(|due| due <= first)));
            prop_assert!(table.due.len() <= deadlines().count());
        }
    }

    #[test]
    fn the_guard_counts_what_is_listed_and_keeps_nothing_for_longer_than_a_lease(steps in steps()) {
        let config = guard::Config { services: vec!["*".into()], share: 60, instances: 2 };
        let limits = Limits { instances: MAX, checked: MAX_CHECKED };
        let mut table = Table::new(Revision(100), limits, REAP).guarding(Guard::new(&config));
        let mut clock = 0;
        for step in steps {
            let mut journal = Journal::default();
            match step {
                Step::Do(operation, who) => {
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    drop(table.apply(&operation, &who.by(&keyring()), now, &mut journal));
                }
                Step::Check(n, stale, check) => {
                    let Some(operation) = checked(&table, n, stale, check) else { continue };
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    drop(table.apply(&operation, &By::Program, now, &mut journal));
                }
                Step::Wait(millis) => {
                    clock += millis;
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    while table.expire(now, 3, &mut journal) {}
                    prop_assert!(!table.guard.is_pending());
                }
            }
            prop_assert!(table.guard.agrees_with(table.slots().iter().map(|slot| &**slot.effective())));
            for kept in table.slots().iter().flat_map(Slot::instances).filter(|i| i.facts.kept.is_some()) {
                prop_assert!(kept.facts.lapsed.is_some() && kept.facts.is_up_but_for_its_lease());
                prop_assert!(kept.kept_until() > Some(Moment(clock)), "{kept:?} at {clock}");
            }
            let deadlines = || table.slots().iter().flat_map(Slot::instances).map(|i| table.deadline(i));
            let first = deadlines().min().filter(|first| *first != NEVER);
            prop_assert!(first.is_none_or(|first| table.next_due().is_some_and(|due| due <= first)));
            prop_assert!(table.due.len() <= deadlines().count());
        }
    }
}
