//! One identity as it is listed: what every source says of it, the effective one first.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::slice;
use std::sync::Arc;

use imbl::OrdSet;

use crate::service::{Instance, InstanceId, Moment, Origin, Status};

/// All that is listed, by identity.
pub(super) type Slots = OrdSet<Slot>;

/// What the sources say of one identity; never empty.
///
/// The highest source is effective. The others stay beneath it, visible, and the next one surfaces while those
/// above are down or gone. A drained or starting instance is no reason: an operator who takes something out of
/// service does not want it replaced by what the link says.
///
/// Slots are compared by their identity, which they take from the instance: it is not stored beside it.
#[derive(Debug, Clone)]
pub struct Slot(Layers);

#[derive(Debug, Clone)]
enum Layers {
    /// Nearly always.
    One(Layer),
    /// At least two, the effective one first. Behind one pointer, so that a slot takes two words, not three.
    Several(Arc<Vec<Layer>>),
}

/// What one origin says, and under which moment the expiry index has it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) instance: Arc<Instance>,
    /// `Moment(u64::MAX)`: not in the index.
    pub(super) due: Moment,
}

impl Slot {
    /// Orders `layers`, all of one identity; `None` when there is none.
    pub(super) fn of(mut layers: Vec<Layer>) -> Option<Self> {
        if layers.len() < 2 {
            return layers.pop().map(|layer| Self(Layers::One(layer)));
        }
        layers.sort_by(|a, b| rank(&a.instance.origin, &b.instance.origin));
        if let Some(effective) = layers.iter().position(|l| l.instance.status() != Status::Down) {
            layers[..=effective].rotate_right(1);
        }
        Some(Self(Layers::Several(Arc::new(layers))))
    }

    /// Whose it is.
    pub fn id(&self) -> &InstanceId {
        self.effective().id()
    }

    /// The one that is served, if any is.
    pub fn effective(&self) -> &Arc<Instance> {
        &self.layers()[0].instance
    }

    /// All, the effective one first, the others by rank.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.layers().iter().map(|layer| &layer.instance)
    }

    /// What `origin` says.
    pub fn of_origin(&self, origin: &Origin) -> Option<&Arc<Instance>> {
        self.instances().find(|instance| instance.origin == *origin)
    }

    pub(super) fn layers(&self) -> &[Layer] {
        match &self.0 {
            Layers::One(layer) => slice::from_ref(layer),
            Layers::Several(layers) => layers,
        }
    }
}

/// The higher source first; within one, by name, so that the order does not depend on who came first.
fn rank(a: &Origin, b: &Origin) -> Ordering {
    b.source().cmp(&a.source()).then_with(|| a.name().cmp(b.name()))
}

impl Borrow<InstanceId> for Slot {
    fn borrow(&self) -> &InstanceId {
        self.id()
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Slot {}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(other.id())
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_takes_two_words() {
        assert_eq!(size_of::<Slot>(), 16);
    }
}
