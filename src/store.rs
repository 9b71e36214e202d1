//! Where registrations outlive the process.
//!
//! A store loads what it remembers when a run begins, and then takes one transaction after another. It knows
//! neither leases nor layers: the registry tells it which instance to remember and which to forget. It keeps the
//! lease clock, though, since that is what has to survive.
//!
//! Back ends are a closed set, so they are an enum. A save is answered through a channel, because a disk may take
//! its time and the writer has other things to do meanwhile.

mod contents;
mod sqlite;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::oneshot;

pub use self::contents::{Contents, Instances};
pub use self::sqlite::Sqlite;
use crate::service::{Instance, InstanceId, Moment, Revision};

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `memory:` or `sqlite:PATH`; a relative path is below the data directory.
    pub url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: "sqlite:portolan.db".into() }
    }
}

/// What a URL names.
enum BackEnd<'a> {
    Memory,
    Sqlite(&'a str),
}

impl Config {
    /// Whether the URL names a back end; it is not looked for.
    pub fn check(&self) -> Result<(), OpenError> {
        self.back_end().map(drop)
    }

    fn back_end(&self) -> Result<BackEnd<'_>, OpenError> {
        match self.url.split_once(':') {
            Some(("memory", "")) => Ok(BackEnd::Memory),
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('\0') => Ok(BackEnd::Sqlite(path)),
            _ => Err(OpenError::UnknownUrl(self.url.clone())),
        }
    }
}

/// An open store.
#[derive(Debug)]
pub enum Store {
    /// Nothing outlives the process.
    Memory,
    /// One file on a disk.
    Sqlite(Sqlite),
    /// A test answers every save, or does not.
    #[cfg(test)]
    Scripted(tokio::sync::mpsc::UnboundedSender<(Save, SaveAnswer)>),
}

/// Where the outcome of a save goes.
type SaveAnswer = oneshot::Sender<Result<(), SaveError>>;

/// A store that was opened, and what it remembered.
#[derive(Debug)]
pub struct Opened {
    /// To save to.
    pub store: Store,
    /// To begin with.
    pub contents: Contents,
}

/// One transaction.
#[derive(Debug)]
pub struct Save {
    /// What the store is to remember of these from now on; `None`: nothing.
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
    /// Whether it was registered or renewed in this run; otherwise it keeps the run that it has.
    pub renewed: bool,
}

/// Why a store was not opened. Whatever was found is as it was.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Not one of the back ends.
    #[error("store.url is {0:?}; give memory: or sqlite:PATH")]
    UnknownUrl(String),
    /// The file or its directory cannot be made or opened.
    #[error(
        "cannot open the database {path}: {source}; check the directory and its owner, or choose another with \
         --data-dir"
    )]
    Inaccessible {
        /// Of the database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another registry has it.
    #[error("the database {0} is in use by another process; stop that one, or give this one its own --data-dir")]
    InUse(PathBuf),
    /// A later version of portolan made it.
    #[error(
        "the database {path} has schema version {found}, and this portolan knows versions up to {known}; \
         it was left untouched: use the newer portolan, or another --data-dir"
    )]
    Newer {
        /// Of the database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The latest that is understood.
        known: u32,
    },
    /// Another program's file.
    #[error("{0} is no portolan database; it was left untouched: choose another path in store.url")]
    Foreign(PathBuf),
    /// It cannot be relied upon.
    #[error(
        "the database {path} is damaged ({what}); it was left untouched: restore a copy, or move it away to begin \
         anew (services that send heartbeats come back by themselves)"
    )]
    Damaged {
        /// Of the database.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// Anything else that the database says.
    #[error("cannot open the database {path}: {what}")]
    Failed {
        /// Of the database.
        path: PathBuf,
        /// The message.
        what: String,
    },
    /// A defect, whose message was logged.
    #[error("the store's thread ended")]
    Stopped,
}

/// Why a save failed; nothing of it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SaveError {
    /// It heals when there is room again.
    #[error("no space is left for the database {0}; free some on its file system")]
    Full(PathBuf),
    /// Anything else that the database says.
    #[error("the database {path} failed: {what}")]
    Failed {
        /// Of the database.
        path: PathBuf,
        /// The message.
        what: String,
    },
    /// Its thread is gone.
    #[error("the store has stopped")]
    Stopped,
}

impl Store {
    /// Opens what `config` names; relative paths are below `data_dir`, which is made where it is missing.
    pub fn open(config: &Config, data_dir: &Path) -> Result<Opened, OpenError> {
        match config.back_end()? {
            BackEnd::Memory => Ok(Opened::memory()),
            BackEnd::Sqlite(path) => {
                let (sqlite, contents) = Sqlite::open(&data_dir.join(path))?;
                Ok(Opened { store: Self::Sqlite(sqlite), contents })
            }
        }
    }

    /// Saves; the answer comes when it is on the disk.
    pub fn save(&self, save: Save) -> oneshot::Receiver<Result<(), SaveError>> {
        let (answer, answered) = oneshot::channel();
        match self {
            Self::Memory => drop(answer.send(Ok(()))),
            Self::Sqlite(sqlite) => sqlite.save(save, answer),
            #[cfg(test)]
            Self::Scripted(script) => drop(script.send((save, answer))),
        }
        answered
    }

    /// Notes where the lease clock stands, without waiting for a disk. A crash of the process does not lose it, a
    /// crash of the machine may.
    pub fn note(&self, clock: Moment) {
        if let Self::Sqlite(sqlite) = self {
            sqlite.note(clock);
        }
    }

    /// Returns when all is on the disk and the file is closed.
    pub async fn close(self) {
        if let Self::Sqlite(sqlite) = self {
            sqlite.close().await;
        }
    }
}

impl Opened {
    /// A store that remembers nothing.
    pub fn memory() -> Self {
        Self { store: Store::Memory, contents: Contents::new() }
    }
}
