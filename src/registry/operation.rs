//! What is asked of the registry, and what it answers.

use std::sync::Arc;

use thiserror::Error;

use crate::service::{Cause, Check, HostLabel, Instance, InstanceId, Origin, Registration, Revision, Source};

/// What is asked of the writer. Operations of one call are applied in order, atomically each.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Upsert of a whole registration; renews the lease in any case.
    ///
    /// It lifts `left`, but neither a drain nor a failing check: those are not the service's to lift. What another
    /// place or another question is checked by is yet to pass.
    Register {
        /// What the service says.
        registration: Registration,
        /// Who says it.
        origin: Origin,
        /// What must hold.
        condition: Condition,
    },
    /// The same for what [moves](Registration::moves), whatever there was: of what moves it is the only one of its name
    /// and transport from then on, in whichever service. What whoever asks may not change stays where it is.
    Move(Registration),
    /// Renews the lease of what the API layer holds, and brings a lapsed instance back.
    Renew(InstanceId),
    /// Takes away what `origin` holds.
    Deregister {
        /// Whose.
        id: InstanceId,
        /// From which layer.
        origin: Origin,
        /// What must hold.
        condition: Condition,
    },
    /// What a check by the registry says of what an origin holds. Refused as unknown where that was registered anew
    /// meanwhile: the check was of something else.
    Checked {
        /// As it was when it was checked.
        instance: Arc<Instance>,
        /// What came of it.
        check: Check,
    },
    /// An operator's word on what the API layer holds.
    ///
    /// Of what is checked by the registry, `up` and `down` stand until the next check that says otherwise.
    SetStatus {
        /// Whose.
        id: InstanceId,
        /// The wish.
        status: StatusWish,
        /// What must hold.
        condition: Condition,
    },
}

impl Operation {
    /// Whose instance it is about.
    pub fn id(&self) -> &InstanceId {
        match self {
            Self::Register { registration, .. } | Self::Move(registration) => &registration.id,
            Self::Renew(id) | Self::Deregister { id, .. } | Self::SetStatus { id, .. } => id,
            Self::Checked { instance, .. } => instance.id(),
        }
    }

    /// Whether it says what is to be there, for whoever says it.
    pub fn registers(&self) -> bool {
        matches!(self, Self::Register { .. } | Self::Move(_))
    }

    /// Whether its answer waits for the store. What other sources say is theirs to repeat, and is not saved.
    pub(super) fn is_saved(&self) -> bool {
        match self {
            Self::Register { origin, .. } | Self::Deregister { origin, .. } => origin.source() == Source::Api,
            Self::Move(_) | Self::Renew(_) | Self::SetStatus { .. } => true,
            // The next check says it again.
            Self::Checked { .. } => false,
        }
    }
}

/// What an operator can wish of an instance's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusWish {
    /// Reported starting.
    Starting,
    /// Reported up, drain lifted, a failing check forgotten.
    Up,
    /// The check fails, for this reason.
    Down(Arc<str>),
    /// Drained until lifted.
    OutOfService,
}

/// A precondition on what the operation's layer holds of the identity (RFC 9110 §13.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// None.
    #[default]
    Always,
    /// `If-None-Match: *`. A lapsed instance is still listed, but its name is free again: it counts as absent.
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: "REVISION"`
    Revision(Revision),
}

impl Condition {
    /// Whether it holds of `existing`.
    pub(super) fn check(self, id: &InstanceId, existing: Option<&Arc<Instance>>) -> Result<(), Refusal> {
        match (self, existing) {
            (Self::Absent, Some(found)) if found.facts.lapsed.is_none() => Err(Refusal::Exists(Arc::clone(found))),
            (Self::Present | Self::Revision(_), None) => Err(Refusal::Unknown(id.clone())),
            (Self::Revision(wanted), Some(found)) if found.revision != wanted => Err(Refusal::Stale(Arc::clone(found))),
            _ => Ok(()),
        }
    }
}

/// What became of an operation.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The instance as it is now; as it was, where it was deregistered.
    pub instance: Arc<Instance>,
    /// Whether the identity was unknown to that layer before.
    pub created: bool,
    /// What happened to it, `None` where nothing but its lease has moved.
    pub cause: Option<Cause>,
    /// From where it was moved.
    pub left: Vec<InstanceId>,
}

impl Applied {
    /// Nothing but the lease has moved, if that.
    pub(super) fn unchanged(instance: Arc<Instance>) -> Self {
        Self { instance, created: false, cause: None, left: Vec::new() }
    }

    /// What was there already has changed.
    pub(super) fn changed(instance: Arc<Instance>, cause: Cause) -> Self {
        Self { cause: Some(cause), ..Self::unchanged(instance) }
    }
}

/// Why an operation was refused. Nothing of it was applied.
#[derive(Debug, Clone, Error)]
pub enum Refusal {
    /// The layer holds no such instance; to heal, register.
    #[error("{0} is not registered")]
    Unknown(InstanceId),
    /// [`Condition::Absent`] does not hold.
    #[error("{} is registered already", .0.id())]
    Exists(Arc<Instance>),
    /// [`Condition::Revision`] does not hold.
    #[error("{} is at revision {}", .0.id(), .0.revision)]
    Stale(Arc<Instance>),
    /// The token is for other services.
    #[error("the token may not change {}", .0.service_type())]
    OutOfScope(InstanceId),
    /// The instance is another owner's.
    #[error("{} belongs to the token {:?}", .0.id(), .0.owner.as_deref().unwrap_or_default())]
    NotYours(Arc<Instance>),
    /// The host label is another owner's.
    #[error("the host {:?} belongs to another owner", .0.as_str())]
    HostTaken(HostLabel),
    /// The store did not take it; the table is as before.
    #[error("the store failed, nothing was changed: {0}")]
    Store(String),
    /// The queue stayed full.
    #[error("too many changes are waiting; try again")]
    Busy,
    /// The table holds as many instances as it may.
    #[error("the registry holds {0} instances, which is its limit (lease.max_instances)")]
    Full(usize),
    /// As many are checked as may be.
    #[error("the registry checks {0} instances, which is its limit (lease.max_checked); register without a check")]
    ChecksFull(usize),
    /// The writer has stopped.
    #[error("the registry is shutting down")]
    Stopped,
}
