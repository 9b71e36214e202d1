//! What came of reading the files of services again.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to a reload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// Every file that services come from.
    pub files: Vec<FileServices>,
    /// Services that are new.
    pub added: usize,
    /// Services that are not what they were.
    pub changed: usize,
    /// Services that are gone from their file.
    pub removed: usize,
    /// What is wrong; a file that is named here changed nothing.
    pub faults: Vec<FileFault>,
    /// Settings that differ from those that the server runs with: they take a restart.
    pub restart: Vec<String>,
}

/// A file, and how much of what is listed comes from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileServices {
    /// Its path.
    pub file: String,
    /// Services of this file that are listed.
    pub services: usize,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileFault {
    /// Its path.
    pub file: String,
    /// From 1; none where it is about the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for FileFault {
    /// `/etc/portolan/services.d/web.toml, line 3: …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, reason } = self;
        match line {
            Some(line) => write!(f, "{file}, line {line}: {reason}"),
            None => write!(f, "{file}: {reason}"),
        }
    }
}
