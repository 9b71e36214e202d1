//! How many flips there were, for who wants to know what a registry has been through.

use crate::service::{Cause, Status};

/// What becomes of an instance: a status, or that nothing is left.
const OUTCOMES: usize = Status::ALL.len() + 1;

/// How many flips there were since the start, first registrations included, by cause and what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals([[u64; OUTCOMES]; Cause::ALL.len()]);

impl Totals {
    /// Counts one.
    pub(super) fn add(&mut self, cause: Cause, status: Option<Status>) {
        self.0[cause as usize][status.map_or(OUTCOMES - 1, |status| status as usize)] += 1;
    }

    /// Those that there were; without a status nothing was left.
    pub fn counts(&self) -> impl Iterator<Item = (Cause, Option<Status>, u64)> {
        let outcomes = Status::ALL.into_iter().map(Some).chain([None]);
        let all = Cause::ALL.into_iter().flat_map(move |cause| outcomes.clone().map(move |status| (cause, status)));
        all.zip(self.0.as_flattened()).map(|((cause, status), count)| (cause, status, *count)).filter(|(.., n)| *n > 0)
    }
}
