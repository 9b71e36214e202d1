//! What applying operations did, beside the answers.

use std::sync::Arc;

use crate::service::{Change, Instance, ServiceType};

/// Collects, in order, what the writer has to save, seal, publish and announce.
#[derive(Debug, Default)]
pub(in crate::registry) struct Journal {
    /// Changes of effective instances: what is served and announced.
    pub(in crate::registry) changes: Vec<Change>,
    /// Changes within one layer, hidden ones included: what is saved.
    pub(in crate::registry) replaced: Vec<Replaced>,
    /// Renewed although sealed: the first renewal of this run, which the store has to hear of.
    pub(in crate::registry) renewed: Vec<Arc<Instance>>,
    /// Services that the guard has begun to keep something of, and why.
    pub(in crate::registry) guarded: Vec<(ServiceType, Arc<str>)>,
}

/// One layer before and after; at least one is set.
#[derive(Debug, Clone)]
pub(in crate::registry) struct Replaced {
    pub(in crate::registry) before: Option<Arc<Instance>>,
    pub(in crate::registry) after: Option<Arc<Instance>>,
}
