//! The heart: one writer, many readers. (Skeleton: types are agreed, bodies are not written.)

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::service::{
    Change, Instance, InstanceId, LeaseLimits, Origin, Registration, Revision, ServiceType, UnixMillis,
};
use crate::zone;

/// What the registry holds its registrations to.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which leases are granted (the edges apply them; kept here for the one who asks).
    pub leases: LeaseLimits,
    /// How long a lapsed instance stays listed.
    pub reap: Duration,
}

/// A handle on the registry: cheap to clone, used by every edge.
#[derive(Debug, Clone)]
pub struct Registry {}

/// What is asked of the writer. Operations of one call are applied in order, atomically each.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Upsert of a whole registration; renews the lease in any case.
    Register {
        /// What the service says.
        registration: Registration,
        /// Who says it.
        origin: Origin,
        /// The token's name, if one was used.
        owner: Option<Arc<str>>,
        /// What must hold.
        condition: Condition,
    },
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
    /// An operator's word on what the API layer holds.
    SetStatus {
        /// Whose.
        id: InstanceId,
        /// The wish.
        status: StatusWish,
        /// What must hold.
        condition: Condition,
    },
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

/// A precondition on the API layer's instance (RFC 9110 §13.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// None.
    #[default]
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: "REVISION"`
    Revision(Revision),
}

/// What became of an operation.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The instance as it is now; as it was, where it was deregistered.
    pub instance: Arc<Instance>,
    /// Whether the identity was unknown to that layer before.
    pub created: bool,
}

/// Why an operation was refused. Nothing of it was applied.
#[derive(Debug, Clone, Error)]
pub enum Refusal {
    /// The API layer holds no such instance; to heal, register.
    #[error("{0} is not registered")]
    Unknown(InstanceId),
    /// [`Condition::Absent`] does not hold.
    #[error("{} is registered already", .0.id())]
    Exists(Arc<Instance>),
    /// [`Condition::Revision`] does not hold.
    #[error("{} is at revision {}", .0.id(), .0.revision)]
    Stale(Arc<Instance>),
    /// The instance or its host label is another owner's.
    #[error("{0} belongs to another owner")]
    NotYours(String),
    /// The store did not take it; the table is as before.
    #[error("the store failed, nothing was changed: {0}")]
    Store(String),
    /// The queue stayed full.
    #[error("too many changes are waiting; try again")]
    Busy,
    /// The table holds as many instances as it may.
    #[error("the registry holds {0} instances, which is its limit")]
    Full(usize),
    /// The writer has stopped.
    #[error("the registry is shutting down")]
    Stopped,
}

/// One identity: the effective instance, and those that it hides.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Highest effective first; never empty.
    pub instances: Vec<Arc<Instance>>,
}

/// All that is published, at one revision.
#[derive(Debug)]
pub struct State {
    /// The last change.
    pub revision: Revision,
    /// The zones at this revision.
    pub zone: zone::Snapshot,
}

impl State {
    /// One identity.
    pub fn get(&self, _id: &InstanceId) -> Option<&Slot> {
        None
    }

    /// Every identity from `after` on (exclusive), by type and instance name.
    pub fn after(&self, _after: Option<&InstanceId>) -> impl Iterator<Item = (&InstanceId, &Slot)> {
        std::iter::empty()
    }

    /// Every identity of one service type.
    pub fn of_type(&self, _service_type: &ServiceType) -> impl Iterator<Item = (&InstanceId, &Slot)> {
        std::iter::empty()
    }
}

impl Registry {
    /// Applies operations; each has its own result, in order. Answered when durable, visible and announced.
    pub async fn apply(&self, _operations: Vec<Operation>) -> Vec<Result<Applied, Refusal>> {
        unimplemented!("written next")
    }

    /// What is published now.
    pub fn state(&self) -> Arc<State> {
        unimplemented!("written next")
    }

    /// Every batch of changes from now on; lagging is told.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Change]>> {
        unimplemented!("written next")
    }

    /// When the lease of `instance` ends by the wall clock, if the registry runs until then; for people.
    pub fn expires_at(&self, _instance: &Instance) -> Option<UnixMillis> {
        None
    }

    /// Whether the last save succeeded: for `/readyz`.
    pub fn store_error(&self) -> Option<String> {
        None
    }
}

/// The one task that changes the table.
#[derive(Debug)]
pub struct Writer {}

impl Writer {
    /// Runs until `stop`, then takes what is queued, saves it and returns.
    pub async fn run(self, _stop: CancellationToken) {}
}
