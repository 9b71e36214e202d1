//! What is published: everything listed and everything served, at one revision.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use super::census::Census;
use super::places::Places;
use super::slot::{Slot, Slots};
use crate::service::{Instance, InstanceId, InstanceName, Revision, ServiceType};
use crate::tokens::Grant;
use crate::zone;

/// All that is published, at one revision. It shares what did not change with the state before it.
#[derive(Debug)]
pub struct State {
    /// The last change.
    pub revision: Revision,
    /// Which database the revision belongs to.
    pub history: History,
    /// The zones at this revision.
    pub zone: zone::Snapshot,
    /// How many instances there are.
    pub census: Census,
    pub(super) slots: Slots,
    pub(super) places: Places,
}

/// Names one run of revisions: another one means that the database was lost, and that a revision which a watcher
/// remembers tells nothing of what it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct History(pub u64);

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl State {
    /// One identity.
    pub fn get(&self, id: &InstanceId) -> Option<&Slot> {
        self.slots.get(id).filter(|slot| !slot.id().is_declaration())
    }

    /// What declares a service.
    pub fn declaration(&self, service_type: &ServiceType) -> Option<&Arc<Instance>> {
        self.slots.get(&InstanceId::declaring(service_type.clone())).map(Slot::effective)
    }

    /// Whether a service has instances, or is declared.
    pub fn knows(&self, service_type: &ServiceType) -> bool {
        self.all_of_type(service_type).next().is_some()
    }

    /// Identities that are kept, declarations included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Every identity from `after` on (exclusive), by type and instance name.
    pub fn after(&self, after: Option<&InstanceId>) -> impl Iterator<Item = (&InstanceId, &Slot)> {
        self.with_declarations(after).filter(|(id, _)| !id.is_declaration())
    }

    /// The same with what declares services.
    pub fn with_declarations(&self, after: Option<&InstanceId>) -> impl Iterator<Item = (&InstanceId, &Slot)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.slots.range::<_, InstanceId>((from, Bound::Unbounded)).map(|slot| (slot.id(), slot))
    }

    /// Every identity of a service over any transport over which `grant` is shown it.
    pub fn of_service<'a>(
        &'a self,
        service: &ServiceType,
        grant: &Grant,
    ) -> impl Iterator<Item = (&'a InstanceId, &'a Slot)> + use<'a> {
        self.of_service_with_declarations(service, grant, None).filter(|(id, _)| !id.is_declaration())
    }

    /// The same from `after` on (exclusive), with what declares the service.
    pub fn of_service_with_declarations<'a>(
        &'a self,
        service: &ServiceType,
        grant: &Grant,
        after: Option<&InstanceId>,
    ) -> impl Iterator<Item = (&'a InstanceId, &'a Slot)> + use<'a> {
        let shown: Vec<_> = service.over_any_transport().filter(|over| grant.may_read(over)).collect();
        let after = after.cloned();
        shown.into_iter().flat_map(move |over| {
            let reached = after.clone().filter(|after| *after.service_type() >= over);
            let from = reached.map_or_else(|| Bound::Included(first_of(&over)), Bound::Excluded);
            let rest = self.slots.range((from, Bound::Unbounded)).map(|slot| (slot.id(), slot));
            rest.take_while(move |(id, _)| *id.service_type() == over)
        })
    }

    /// Every identity of one service type.
    pub fn of_type(&self, service_type: &ServiceType) -> impl Iterator<Item = (&InstanceId, &Slot)> {
        self.all_of_type(service_type).filter(|(id, _)| !id.is_declaration())
    }

    fn all_of_type(&self, service_type: &ServiceType) -> impl Iterator<Item = (&InstanceId, &Slot)> {
        let listed = self.slots.range(first_of(service_type)..).map(|slot| (slot.id(), slot));
        listed.take_while(move |(id, _)| id.service_type() == service_type)
    }
}

/// Before every instance of a type: a name has no control characters, so none comes before a single space.
fn first_of(service_type: &ServiceType) -> InstanceId {
    InstanceId::new(service_type.clone(), InstanceName::new(" ").expect("a space is a name"))
}

/// Reads the state over and over: one atomic load while nothing has changed, no reference counting. One for each
/// thread.
#[derive(Clone)]
pub struct Reader(Cache<Arc<ArcSwap<State>>, Arc<State>>);

impl Reader {
    pub(super) fn new(published: Arc<ArcSwap<State>>) -> Self {
        Self(Cache::new(published))
    }

    /// What is published now.
    pub fn state(&mut self) -> &Arc<State> {
        self.0.load()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}
