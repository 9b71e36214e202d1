//! Every setting, and where it comes from: flag, else environment, else file, else default.
//!
//! Each room defines its own table and the default of every key; here they are collected. Every key has a
//! variable by one rule: `PORTOLAN_`, the table, the key, in capitals (`PORTOLAN_ZONE_TTL`), lists by comma. The
//! variables are derived from the tables themselves, so a new key has one without a line here.
//!
//! Road not taken: a layering library. It would merge all sources before reading any, and an error could no longer
//! say in which line of the file, or in which variable, the mistake is.

mod bounds;
mod inherited;
mod log;
mod sense;
mod sources;
mod wording;

use std::env;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

use crate::api::{FileFault, Terms};
use crate::checks;
use crate::dns;
use crate::files;
use crate::http;
use crate::mdns;
use crate::own;
use crate::registry;
use crate::store;
use crate::tls;
use crate::tokens;
use crate::zone;

pub use sources::{Setting, Sources};

/// Every setting of `portolan serve`; `config/default.toml` explains each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the database is: a relative path in `store.url` begins here.
    pub data_dir: PathBuf,
    /// What is logged, as `tracing-subscriber` filters: `info`, or `warn,portolan::dns=debug`.
    pub log: String,
    /// `[zone]`
    pub zone: zone::Config,
    /// `[lease]`
    pub lease: registry::Config,
    /// `[store]`
    pub store: store::Config,
    /// `[dns]`
    pub dns: dns::Config,
    /// `[http]`
    pub http: http::Config,
    /// `[rpc]`
    pub rpc: http::RpcConfig,
    /// `[mdns]`
    pub mdns: mdns::Config,
    /// `[checks]`
    pub checks: checks::Config,
    /// `[tls]`
    pub tls: tls::Config,
    /// `[files]`
    pub files: files::Config,
    /// `[self]`
    #[serde(rename = "self")]
    pub own: own::Config,
    /// `[[token]]`: only in a file, as no variable and no flag holds a list of tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token: Vec<tokens::Config>,
    /// `[[service]]`: taken in by `files`, from the file itself.
    #[serde(skip_serializing)]
    pub service: IgnoredAny,
}

/// Why settings are not taken. Each text says where the mistake is and what would be right.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is no TOML, or has an unknown key or a value of the wrong kind.
    #[error("{}: {}", path.display(), wording::of_file(error, *line))]
    File {
        /// As given.
        path: PathBuf,
        /// With line, column and the line itself, which is left out in a `[[token]]`.
        error: Box<toml::de::Error>,
        /// From 1.
        line: Option<usize>,
    },
    /// A service that stands beside the settings is none.
    #[error("{0}")]
    Service(FileFault),
    /// A flag or a variable has a value that its key does not take.
    #[error("{origin}: {reason}")]
    Value {
        /// `--dns`, `PORTOLAN_DNS_LISTEN`
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The value is of the right kind and makes no sense.
    #[error("{key} {reason}")]
    Limit {
        /// `zone.ttl`
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The same, in the words of the room that it is for.
    #[error("{0}")]
    Room(String),
}

impl ConfigError {
    /// The same as a fault of `file`, which is being read again.
    pub fn in_file(self, file: &Path) -> FileFault {
        let (line, reason) = match &self {
            Self::Service(fault) => return fault.clone(),
            Self::Unreadable { error, .. } => (None, error.to_string()),
            Self::File { error, line, .. } => (*line, wording::of_value(error)),
            other => (None, other.to_string()),
        };
        FileFault { file: file.display().to_string(), line, reason }
    }
}

/// A value of the right kind that makes no sense.
fn refuse(key: &'static str, reason: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Limit { key, reason: reason.into() })
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(),
            log: "info".to_owned(),
            zone: zone::Config::default(),
            lease: registry::Config::default(),
            store: store::Config::default(),
            dns: dns::Config::default(),
            http: http::Config::default(),
            rpc: http::RpcConfig::default(),
            mdns: mdns::Config::default(),
            checks: checks::Config::default(),
            tls: tls::Config::default(),
            files: files::Config::default(),
            own: own::Config::default(),
            token: Vec::new(),
            service: IgnoredAny,
        }
    }
}

impl Config {
    /// Whether all values make sense, each by itself and beside the others. [`Sources::load`] has asked; a program
    /// that builds a `Config` itself is asked again when the server binds.
    pub fn check(&self) -> Result<(), ConfigError> {
        bounds::check(self)?;
        sense::check(self)
    }

    /// What registrations are held to.
    pub fn terms(&self) -> Terms {
        let (leases, checks) = (self.lease.limits(), self.checks.reach());
        Terms { zones: self.zone.domains.as_slice().into(), leases, checks }
    }

    /// The keys whose values differ from those of `other`, tokens aside.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        sources::differences(self, other)
    }

    /// `log`, with libraries that are quieter than it.
    pub fn log_filter(&self) -> EnvFilter {
        log::filter(&self.log)
    }
}

/// `/var/lib/portolan` for root (Filesystem Hierarchy Standard §5.8), else the XDG base directory.
fn default_data_dir() -> PathBuf {
    // Settings are text: what is none is passed over.
    let folder = |name: &str| env::var(name).ok().map(PathBuf::from).filter(|path| path.is_absolute());
    // The owner of a process's own directory is its effective user; elsewhere than on Linux nobody is root here.
    if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return "/var/lib/portolan".into();
    }
    let data = folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")));
    data.unwrap_or_default().join("portolan")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unless_asked_nothing_is_reachable_from_elsewhere() {
        let Config { dns, http, .. } = Config::default();
        assert!(dns.listen.iter().chain(&http.listen).all(|address| address.ip().is_loopback()));
        assert!(!http.anonymous_writes);
    }
}
