//! What the table says happened.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instance::{Instance, Revision};
use super::registration::InstanceId;

/// One change of what is served or listed under an identity.
///
/// `before` and `after` are the effective instances: those that hide every other source's. Both are set where
/// one takes the place of another, and at least one always is.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its number; the next change has a higher one.
    pub revision: Revision,
    /// Whose.
    pub id: InstanceId,
    /// Why.
    pub cause: Cause,
    /// What was listed.
    pub before: Option<Arc<Instance>>,
    /// What is listed from now on.
    pub after: Option<Arc<Instance>>,
}

impl Change {
    /// Octets of memory that it holds, about. What was listed before is counted as well: nothing else may hold it.
    pub fn size(&self) -> usize {
        let sides = [&self.before, &self.after].into_iter().flatten();
        size_of::<Self>() + sides.map(|instance| size_of::<Instance>() + instance.registration.size()).sum::<usize>()
    }
}

/// Why a change happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A registration of a new identity, or one that differs from what was known.
    Registered,
    /// A renewal or an equal registration brought a lapsed instance back.
    Revived,
    /// A status was set.
    StatusSet,
    /// The lease ended.
    Lapsed,
    /// Most of its service lapsed at once: it is kept for one more lease.
    Guarded,
    /// That has passed.
    Unguarded,
    /// A lapsed instance was removed.
    Reaped,
    /// It was taken away.
    Deregistered,
    /// A check passed, of an instance that was not up for want of it.
    CheckPassed,
    /// As many checks failed as make an instance down, or for another reason than before.
    CheckFailed,
    /// The change of another instance moved its host label or brought it to the surface.
    Followed,
}

impl Cause {
    /// Every cause, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Registered,
        Self::Revived,
        Self::StatusSet,
        Self::Lapsed,
        Self::Guarded,
        Self::Unguarded,
        Self::Reaped,
        Self::Deregistered,
        Self::CheckPassed,
        Self::CheckFailed,
        Self::Followed,
    ];

    /// As metrics and events call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Revived => "revived",
            Self::StatusSet => "status-set",
            Self::Lapsed => "lapsed",
            Self::Guarded => "guarded",
            Self::Unguarded => "unguarded",
            Self::Reaped => "reaped",
            Self::Deregistered => "deregistered",
            Self::CheckPassed => "check-passed",
            Self::CheckFailed => "check-failed",
            Self::Followed => "followed",
        }
    }
}
