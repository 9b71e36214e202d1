//! What became of an instance lately.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{Cause, Source, Status, UnixMillis};

use super::instance::timestamp;

/// When an instance came, went and changed its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The last ones, oldest first.
    pub flips: Vec<Flip>,
}

/// One change of the status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flip {
    /// When.
    pub time: Timestamp,
    /// Why.
    pub cause: Cause,
    /// From then on; absent where nothing was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Why a check failed, or DNS has it although its lease lapsed, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whose word counted; where nothing was left, whose had.
    pub source: Source,
}

impl Flip {
    /// What happened `at` that time.
    pub fn new(at: UnixMillis, cause: Cause, status: Option<Status>, reason: Option<&str>, source: Source) -> Self {
        Self { time: timestamp(at), cause, status, reason: reason.map(str::to_owned), source }
    }
}
