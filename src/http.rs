//! (Skeleton.)

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;

/// `[http]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// Bound, not yet running.
#[derive(Debug)]
pub struct Http {}

/// Why it did not bind; names the address and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {}

impl Http {
    /// Binds what `config` says.
    pub fn bind(_config: &Config) -> Result<Self, BindError> {
        Ok(Self {})
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &[]
    }

    /// Runs until `stop`, then drains.
    pub async fn run(self, _registry: Registry, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
