//! What a store remembers when a run of the registry begins.

use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc;

use super::OpenError;
use crate::service::{Instance, Moment, Revision, UnixMillis};

/// What a store remembers when a run of the registry begins.
#[derive(Debug)]
pub struct Contents {
    /// Everything registered, its lease ending where the lease clock says.
    pub instances: Instances,
    /// Where the lease clock stood.
    pub clock: Moment,
    /// At least the last revision that was given.
    pub revision: Revision,
    /// Names the run of revisions; random, and as old as the store.
    pub history: u64,
}

/// The instances of a store, part by part, in the order of their identities.
///
/// The store reads the next part while the last one is taken in: a million instances are never all on their way, and
/// two processors share the work. The end is reached without an error if and only if all were read and the store is
/// ready to save.
#[derive(Debug)]
pub struct Instances(Parts);

#[derive(Debug)]
enum Parts {
    Given(Option<Vec<Instance>>),
    /// Ends with `None`; where it ends otherwise, the store's thread is gone.
    Read(mpsc::Receiver<Part>),
}

/// Instances as they were read, `None` when these were all.
pub(super) type Part = Result<Option<Vec<Instance>>, OpenError>;

impl Contents {
    /// Those of a store that is as new as this.
    pub(super) fn new() -> Self {
        Self {
            instances: Vec::new().into(),
            clock: Moment::default(),
            // So that a lost database is no step back, unless there were more changes than seconds.
            revision: Revision(UnixMillis::now().0 / 1000),
            // The standard library's hash keys are random numbers of the system.
            history: RandomState::new().hash_one(std::process::id()),
        }
    }
}

impl Instances {
    pub(super) fn read(parts: mpsc::Receiver<Part>) -> Self {
        Self(Parts::Read(parts))
    }
}

impl From<Vec<Instance>> for Instances {
    fn from(instances: Vec<Instance>) -> Self {
        Self(Parts::Given(Some(instances)))
    }
}

impl Iterator for Instances {
    type Item = Result<Vec<Instance>, OpenError>;

    /// Waits for the store. Nothing is to be expected behind an error.
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Parts::Given(all) => all.take().map(Ok),
            Parts::Read(parts) => parts.recv().unwrap_or(Err(OpenError::Stopped)).transpose(),
        }
    }
}
