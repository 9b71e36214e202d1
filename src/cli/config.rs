//! `portolan config`: settings, without running anything.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::config::Sources;

use super::failure::Failure;
use super::output;

/// Look at settings without running anything.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    Check(Check),
}

/// Check a file of settings: exits with 0 if serve would take it, else with 2 and the reason.
///
/// Addresses are not bound and no store is opened; the environment is not looked at.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// A TOML file.
    file: PathBuf,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Verdict {
    file: PathBuf,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Check(check) => check.run(),
        }
    }
}

impl Check {
    fn run(self) -> Result<(), Failure> {
        let checked = Sources { file: Some(self.file.clone()), ..Sources::default() }.load();
        if self.json {
            let error = checked.as_ref().err().map(ToString::to_string);
            output::json(&Verdict { file: self.file, valid: error.is_none(), error })?;
        } else if checked.is_ok() {
            output::line(&format!("{}: valid", self.file.display()))?;
        }
        checked?;
        Ok(())
    }
}
