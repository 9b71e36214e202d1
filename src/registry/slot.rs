//! One identity as it is listed: what every source says of it, the effective one first.

use std::sync::Arc;

use crate::service::{Instance, Moment, Origin, Status};

/// What the sources say of one identity; never empty.
///
/// The highest source is effective. The others stay beneath it, visible, and the next one surfaces while those
/// above are down or gone. A drained or starting instance is no reason: an operator who takes something out of
/// service does not want it replaced by what the link says.
#[derive(Debug, Clone)]
pub struct Slot {
    top: Layer,
    /// Nearly always empty, so it costs nothing then.
    beneath: Option<Arc<[Layer]>>,
}

/// What one origin says, and under which moment the expiry index has it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) instance: Arc<Instance>,
    /// `Moment(u64::MAX)`: not in the index.
    pub(super) due: Moment,
}

impl Slot {
    /// Orders `layers`; `None` when there is none.
    pub(super) fn of(mut layers: Vec<Layer>) -> Option<Self> {
        layers.sort_by(|a, b| rank(&a.instance.origin, &b.instance.origin));
        let effective = layers.iter().position(|l| l.instance.status() != Status::Down).unwrap_or(0);
        let top = (effective < layers.len()).then(|| layers.remove(effective))?;
        let beneath = (!layers.is_empty()).then(|| layers.into());
        Some(Self { top, beneath })
    }

    /// The one that is served, if any is.
    pub fn effective(&self) -> &Arc<Instance> {
        &self.top.instance
    }

    /// All, the effective one first, the others by rank.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.layers().map(|layer| &layer.instance)
    }

    /// What `origin` says.
    pub fn of_origin(&self, origin: &Origin) -> Option<&Arc<Instance>> {
        self.instances().find(|instance| instance.origin == *origin)
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.top).chain(self.beneath.iter().flat_map(|layers| layers.iter()))
    }
}

/// The higher source first; within one, by name, so that the order does not depend on who came first.
fn rank(a: &Origin, b: &Origin) -> std::cmp::Ordering {
    b.source().cmp(&a.source()).then_with(|| a.name().cmp(b.name()))
}
