//! How many instances there are, counted as they come and go.

use crate::service::{Instance, Source, Status};

/// How many instances there are of each source and status, and how many are checked, those beneath another's included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    counts: [[usize; Status::ALL.len()]; Source::ALL.len()],
    /// Of those that are down: which DNS has for one more lease, because most of their service lapsed at once.
    pub kept: usize,
    checked: usize,
}

impl Census {
    /// Counts the place of one instance being taken by another; either may be none.
    pub(super) fn replace(&mut self, before: Option<&Instance>, after: Option<&Instance>) {
        if let Some(after) = after {
            *self.count(after) += 1;
            self.kept += usize::from(after.facts.kept.is_some());
            self.checked += usize::from(after.is_checked());
        }
        if let Some(before) = before {
            *self.count(before) -= 1;
            self.kept -= usize::from(before.facts.kept.is_some());
            self.checked -= usize::from(before.is_checked());
        }
    }

    /// Every source and status with its count.
    pub fn counts(&self) -> impl Iterator<Item = (Source, Status, usize)> {
        let all = Source::ALL.into_iter().flat_map(|source| Status::ALL.map(|status| (source, status)));
        all.map(|(source, status)| (source, status, self.counts[source as usize][status as usize]))
    }

    /// How many have this status.
    pub fn of_status(&self, status: Status) -> usize {
        self.counts.iter().map(|of_source| of_source[status as usize]).sum()
    }

    /// Those that the registry checks.
    pub fn checked(&self) -> usize {
        self.checked
    }

    fn count(&mut self, instance: &Instance) -> &mut usize {
        &mut self.counts[instance.origin.source() as usize][instance.status() as usize]
    }
}
