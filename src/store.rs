//! Where registrations outlive the process.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::service::{Instance, InstanceId, Moment, Revision, UnixMillis};

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `memory:` or `sqlite:PATH`; a relative path is below the data directory.
    pub url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: "memory:".into() }
    }
}

/// An open store.
#[derive(Debug)]
pub enum Store {
    /// Nothing outlives the process.
    Memory,
}

/// A store that was opened, and what it remembered.
#[derive(Debug)]
pub struct Opened {
    /// To save to.
    pub store: Store,
    /// To begin with.
    pub contents: Contents,
}

/// What a store remembers when a run of the registry begins.
#[derive(Debug)]
pub struct Contents {
    /// Everything registered, its lease ending where the lease clock says.
    pub instances: Vec<Instance>,
    /// Where the lease clock stood.
    pub clock: Moment,
    /// At least the last revision that was given.
    pub revision: Revision,
    /// Names the run of revisions; random, and as old as the store.
    pub history: u64,
}

/// One transaction.
#[derive(Debug)]
pub struct Save {
    /// What the store is to remember of these from now on.
    pub rows: Vec<(InstanceId, Option<Row>)>,
    /// The lease clock.
    pub clock: Moment,
    /// No revision above this one is given before a later save has raised it.
    pub ceiling: Revision,
}

/// One instance to be remembered.
#[derive(Debug)]
pub struct Row {
    /// What is remembered.
    pub instance: Arc<Instance>,
    /// Whether it was registered or renewed in this run.
    pub renewed: bool,
}

/// Why a store was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Not one of the back ends.
    #[error("store.url is {0:?}; known are memory: and sqlite:PATH")]
    Unknown(String),
}

/// Why a save failed; nothing of it was saved.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub struct SaveError(pub String);

impl Store {
    /// Opens what `config` names; relative paths are below `data_dir`.
    pub fn open(config: &Config, _data_dir: &Path) -> Result<Opened, OpenError> {
        match config.url.as_str() {
            "memory:" => Ok(Opened::memory()),
            _ => Err(OpenError::Unknown(config.url.clone())),
        }
    }

    /// Saves; the answer comes when it is on the disk.
    pub fn save(&self, _save: Save) -> oneshot::Receiver<Result<(), SaveError>> {
        let (answer, answered) = oneshot::channel();
        let _ = answer.send(Ok(()));
        answered
    }

    /// Notes where the lease clock stands, without waiting for a disk.
    pub fn note(&self, _clock: Moment) {}
}

impl Opened {
    /// A store that remembers nothing.
    pub fn memory() -> Self {
        Self { store: Store::Memory, contents: Contents::empty() }
    }
}

impl Contents {
    fn empty() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self {
            instances: Vec::new(),
            clock: Moment::default(),
            revision: Revision(UnixMillis::now().0 / 1000),
            history: RandomState::new().hash_one(0),
        }
    }
}
