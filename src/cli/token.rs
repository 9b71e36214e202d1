//! `portolan token`: tokens for the settings, without running anything.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::tokens::{Hash, Secret};

use super::failure::Failure;
use super::output;

/// Make tokens for the settings.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    New(New),
}

/// Make a token, and print it and its hash.
///
/// The hash goes into the settings ([[token]]), the token to whoever is to have it. Nothing keeps the token: it cannot
/// be printed again.
#[derive(Debug, Args)]
pub(super) struct New {
    /// Print both as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Made<'a> {
    token: &'a str,
    hash: String,
}

impl Token {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::New(new) => new.run(),
        }
    }
}

impl New {
    fn run(self) -> Result<(), Failure> {
        let token = Secret::random();
        let (token, hash) = (token.as_str(), Hash::of(token.as_str()).to_string());
        if self.json {
            output::json(&Made { token, hash })?;
        } else {
            output::line(&format!("token  {token}"))?;
            output::line(&format!("hash   {hash}"))?;
        }
        Ok(())
    }
}
