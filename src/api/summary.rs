//! What a registry says of itself as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{Cause, Status, Transport};

use super::history::Flip;

/// How a registry is, and what it has been through since its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Of the program.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// What it serves.
    pub zones: Vec<String>,
    /// The last change.
    pub revision: u64,
    /// Service types.
    pub services: ServiceCount,
    /// Instances by status, those that a higher source hides included.
    pub instances: Vec<InstanceCount>,
    /// Instances that lapsed and are in DNS for one more lease, since most of their service did (`lease.guard`).
    pub guarded: usize,
    /// What the process takes of its machine; absent where that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessUse>,
    /// How often instances came, went and changed their status since the start, by cause and by what came of it.
    pub flips: Vec<FlipCount>,
    /// The last flips, newest first, apart from first registrations.
    pub last_flips: Vec<LastFlip>,
}

/// What a process has used and has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessUse {
    /// Seconds of CPU time since the start.
    pub cpu: f64,
    /// Octets that are in RAM.
    pub memory: u64,
}

/// A flip, and whose it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastFlip {
    /// The service.
    pub service: String,
    /// Over which transport.
    pub transport: Transport,
    /// The instance.
    pub instance: String,
    /// What it was.
    #[serde(flatten)]
    pub flip: Flip,
}

/// Service types that there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceCount {
    /// With an instance of any status.
    pub listed: usize,
    /// With one that DNS answers with.
    pub served: usize,
}

/// Instances of one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceCount {
    /// Which.
    pub status: Status,
    /// How many.
    pub count: usize,
}

/// Flips of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlipCount {
    /// Why.
    pub cause: Cause,
    /// From then on; absent where nothing was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How many.
    pub count: u64,
}
