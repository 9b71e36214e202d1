//! Why a command failed, as a sentence for people and a status for scripts.

use std::error::Error;
use std::io;
use std::process::{ExitCode, ExitStatus};

use thiserror::Error;

use crate::api::Kind;
use crate::client;
use crate::config::ConfigError;
use crate::server::{Fault, StartError};

use super::output;

/// For `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done; something was found
  1  nothing was found, or there was nothing to deregister
  2  wrong usage or configuration
  3  the registry or the name server refused
  4  the registry or the name server cannot be reached
  5  serve could not start: an address is taken, the store cannot be opened
  6  serve ended by a fault, or the output could not be written
run ends with the code of its command, or with 128 and the number of the signal that ended that; with 127 where there is
no such command, and with 126 where it cannot be started.
SIGHUP ends register, run and watch as SIGTERM does. After the first of these a SIGINT or SIGTERM ends serve, register and
run at once, with 128 and the signal's number. Where register has had no answer yet, the first one makes it undo what it
can, for two seconds: then it ends with 0, or with that number.";

/// Why a command failed.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// Nothing matched.
    #[error("{0}")]
    Nothing(String),
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The other side said no.
    #[error("refused: {0}")]
    Refused(String),
    /// The other side said nothing.
    #[error("{0}")]
    Unreachable(String),
    /// The server did not start.
    #[error("cannot start: {0}")]
    Start(Box<dyn Error + Send + Sync>),
    /// The server ended by itself.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What was found has not been seen.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// The command that was run.
    #[error("the command ended: {status}")]
    Command {
        /// How.
        status: ExitStatus,
        /// What this ends with, then.
        code: u8,
    },
    /// The command that was to be run.
    #[error("cannot start {program:?}: {source}")]
    Spawn {
        /// Its first word.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A second signal, by its number.
    #[error("ended at once by a second signal")]
    Signal(u8),
    /// A first one, by its number, while it is open whether there is something to end.
    #[error(
        "stopped before the registry answered; if it registers the instance all the same, that ends with the lease, if \
         it has one"
    )]
    Unanswered(u8),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Nothing(_) => 1,
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Refused(_) => 3,
            Self::Unreachable(_) => 4,
            Self::Start(_) => 5,
            Self::Fault(_) | Self::Output(_) => 6,
            Self::Command { code, .. } => *code,
            // As env, nice and timeout have it.
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Spawn { .. } => 126,
            Self::Signal(number) | Self::Unanswered(number) => 128 + number,
        }
    }

    /// Says what happened on standard error, and gives the status to exit with.
    pub(super) fn report(&self) -> ExitCode {
        output::complain(&self.to_string());
        ExitCode::from(self.code())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(error) => Self::Config(error),
            error => Self::Start(error.into()),
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        match error {
            client::Error::Url { .. } => Self::Usage(error.to_string()),
            client::Error::Token => Self::Usage(format!("{error}; give the one that `portolan token new` printed")),
            client::Error::Refused(problem) => {
                let kind = problem.kind.rsplit('/').next().unwrap_or_default();
                let remedy = match problem.known() {
                    Some(Kind::TokenNeeded) => "\nshow a token with --token-file, or PORTOLAN_TOKEN",
                    _ => "",
                };
                Self::Refused(format!("{} ({} {kind}){remedy}", problem.detail, problem.status))
            }
            client::Error::Unreachable { url, source } if hung_up(&source) => Self::Unreachable(format!(
                "what listens at {url} hung up without an answer in HTTP: {}\n\
                 it ended just then, or that is the port for DNS: `portolan serve` prints both; say the one for HTTP \
                 with --url or PORTOLAN_URL",
                root_cause(&source),
            )),
            client::Error::Unreachable { url, source } => Self::Unreachable(format!(
                "the registry at {url} does not answer: {}\n\
                 is it running? start it with `portolan serve`, or say where it is with --url or PORTOLAN_URL",
                root_cause(&source),
            )),
            client::Error::Foreign { .. } => Self::Unreachable(error.to_string()),
        }
    }
}

/// Whether somebody took the connection and then said nothing, or nothing that is HTTP.
fn hung_up(error: &(dyn Error + 'static)) -> bool {
    let wordless = |error: &hyper::Error| error.is_incomplete_message() || error.is_parse();
    error.downcast_ref().is_some_and(wordless) || error.source().is_some_and(hung_up)
}

/// The layers of an HTTP client each say that they failed; the innermost says why.
pub(super) fn root_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}
