//! What one message has cost, and when that is enough.
//!
//! A batch of reads would be as long as a client likes, and is not written as it is taken: all of it is there before its
//! first octet goes out. So every door that takes batches counts what it shows.

use std::time::Duration;

use crate::api::{Kind, LIMIT_MAX, Problem};

/// Instances that one message is answered with before it is told that this is enough: as many as a page has.
const SHOWN_MAX: usize = LIMIT_MAX;

/// What one message has cost.
#[derive(Debug, Default)]
pub(in crate::http) struct Spent {
    /// Instances, or what is as long.
    pub(in crate::http) shown: usize,
    pub(super) waited: Duration,
}

impl Spent {
    /// Whether there may be more. What comes last may go beyond: nobody knows how much it is before it is there.
    pub(in crate::http) fn check(&self) -> Result<(), Problem> {
        if self.shown < SHOWN_MAX {
            return Ok(());
        }
        let detail =
            format!("the answer to this batch is as long as {SHOWN_MAX} instances; ask for the rest in another");
        Err(Problem::new(Kind::TooMany, detail))
    }
}
