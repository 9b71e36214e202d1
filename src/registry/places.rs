//! Which services have an instance of a name, of those that are in one service at a time.
//!
//! Whoever is pinged at a place under another service's name has moved, and the service that it was in has to be found
//! without a look at all. What the API holds and was moved where it is, is in here, and nothing else: of a million
//! instances that were registered it costs nothing. Persistent, as all that the table has.

use std::sync::Arc;

use imbl::OrdSet;

use super::authority::By;
use crate::service::{Instance, InstanceId, InstanceName, ServiceType, Source};

/// By name, then by owner: whoever moves looks at what is theirs to move, however much others have at that place.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(OrdSet<Key>);

/// `None` comes before every service: a place to begin a range.
type Key = (InstanceName, Option<Arc<str>>, Option<ServiceType>);

impl Places {
    /// One instance takes the place of another of the same identity and origin; either may be none.
    pub(super) fn replace(&mut self, before: Option<&Instance>, after: Option<&Instance>) {
        let [before, after] = [before, after].map(|instance| instance.filter(|instance| is_kept(instance)));
        match (before, after) {
            (Some(before), None) => drop(self.0.remove(&key(before))),
            (Some(before), Some(after)) => {
                if before.owner != after.owner {
                    self.0.remove(&key(before));
                }
                // Also where it was there: its name is shared with the instance that is there now.
                self.0.insert(key(after));
            }
            (None, Some(after)) => drop(self.0.insert(key(after))),
            (None, None) => {}
        }
    }

    /// The same instance in every other service over the same transport, where `by` may change it.
    pub(super) fn elsewhere(&self, id: &InstanceId, by: &By) -> impl Iterator<Item = InstanceId> {
        let owners = by.owners();
        let begins = owners.clone().unwrap_or_else(|| vec![None]);
        let named = begins.into_iter().flat_map(move |begin| {
            let (all, owner) = (owners.is_none(), begin.clone());
            let from = self.0.range((id.instance().clone(), begin, None)..);
            from.take_while(move |(name, of, _)| name == id.instance() && (all || *of == owner))
        });
        let others = named.filter_map(|(.., service_type)| service_type.as_ref());
        let same = |other: &&ServiceType| other.transport() == id.service_type().transport();
        let others = others.filter(same).filter(|other| *other != id.service_type());
        let others = others.map(|service_type| InstanceId::new(service_type.clone(), id.instance().clone()));
        others.filter(|other| by.check_scope(other).is_ok())
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn is_kept(instance: &Instance) -> bool {
    instance.origin.source() == Source::Api && instance.registration.moves
}

fn key(instance: &Instance) -> Key {
    let id = instance.id();
    (id.instance().clone(), instance.owner.clone(), Some(id.service_type().clone()))
}
