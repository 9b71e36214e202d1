//! How many instances there are, counted as they come and go.

use crate::service::{Instance, Source, Status};

/// How many instances there are of each source and status, those beneath another's included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census([[usize; Status::ALL.len()]; Source::ALL.len()]);

impl Census {
    /// Counts the place of one instance being taken by another; either may be none.
    pub(super) fn replace(&mut self, before: Option<&Instance>, after: Option<&Instance>) {
        if let Some(after) = after {
            *self.count(after) += 1;
        }
        if let Some(before) = before {
            *self.count(before) -= 1;
        }
    }

    /// Every source and status with its count.
    pub fn counts(&self) -> impl Iterator<Item = (Source, Status, usize)> {
        let all = Source::ALL.into_iter().flat_map(|source| Status::ALL.map(|status| (source, status)));
        all.map(|(source, status)| (source, status, self.0[source as usize][status as usize]))
    }

    fn count(&mut self, instance: &Instance) -> &mut usize {
        &mut self.0[instance.origin.source() as usize][instance.status() as usize]
    }
}
