//! Which services have an instance of a name, of those that are in one service at a time.
//!
//! Whoever is pinged at a place under another service's name has moved, and the service that it was in has to be found
//! without a look at all. What the API holds and was moved where it is, is in here, and nothing else: of a million
//! instances that were registered it costs nothing. Persistent, as all that the table has.

use imbl::OrdSet;

use crate::service::{Instance, InstanceId, InstanceName, ServiceType, Source};

/// By name. `None` comes before every service: a place to begin a range.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(OrdSet<(InstanceName, Option<ServiceType>)>);

impl Places {
    /// One instance takes the place of another of the same identity and origin; either may be none.
    pub(super) fn replace(&mut self, before: Option<&Instance>, after: Option<&Instance>) {
        let [before, after] = [before, after].map(|instance| instance.filter(|instance| is_kept(instance)));
        match (before, after) {
            (Some(before), None) => drop(self.0.remove(&key(before.id()))),
            // Also where it was there: its name is shared with the instance that is there now.
            (_, Some(after)) => drop(self.0.insert(key(after.id()))),
            (None, None) => {}
        }
    }

    /// The same instance in every other service over the same transport.
    pub(super) fn elsewhere(&self, id: &InstanceId) -> impl Iterator<Item = InstanceId> {
        let named = self.0.range((id.instance().clone(), None)..).take_while(|(name, _)| name == id.instance());
        let transport = id.service_type().transport();
        let others = named.filter_map(|(_, service_type)| service_type.as_ref());
        let others = others.filter(move |other| other.transport() == transport && *other != id.service_type());
        others.map(|service_type| InstanceId::new(service_type.clone(), id.instance().clone()))
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

fn key(id: &InstanceId) -> (InstanceName, Option<ServiceType>) {
    (id.instance().clone(), Some(id.service_type().clone()))
}
