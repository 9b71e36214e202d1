//! The command line: one file per subcommand, one for what reaches the terminal, one for what scripts are told, and
//! three for what is between a process and its system: signals, descriptors and the log. What several subcommands take
//! is in `filter` and `details`, what is to be checked in `checked`.
//!
//! Commands other than `serve` and `browse` talk HTTP through the client library. None opens the database: they work
//! from any machine, and beside a running registry.

mod browse;
mod checked;
mod config;
mod deregister;
mod descriptors;
mod details;
mod explain;
mod failure;
mod filter;
mod history;
mod list;
mod log;
mod lookup;
mod named;
mod output;
mod register;
mod reload;
mod run;
mod serve;
mod signals;
mod token;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use clap::{Args, Parser, Subcommand};

use crate::client::Client;

use failure::Failure;

/// A service registry that you can dig: services announce themselves over HTTP or mDNS, programs find them over DNS.
#[derive(Debug, Parser)]
#[command(name = "portolan", version, after_help = failure::EXIT_CODES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Register(Box<register::Register>),
    Run(Box<run::Run>),
    Deregister(deregister::Deregister),
    List(list::List),
    Lookup(lookup::Lookup),
    Watch(watch::Watch),
    History(history::History),
    Browse(browse::Browse),
    Explain(explain::Explain),
    Reload(reload::Reload),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Config(config::Config),
}

/// Which registry to talk to, and as whom.
#[derive(Debug, Args)]
struct Registry {
    /// Where the registry is.
    #[arg(long, value_name = "URL", env = "PORTOLAN_URL", default_value = "http://127.0.0.1:8420")]
    url: String,
    /// A token to show; a file or `PORTOLAN_TOKEN` keeps it from those who list processes.
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that has the token, which may also be named by `PORTOLAN_TOKEN_FILE`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Registry {
    fn client(&self) -> Result<Client, Failure> {
        let client = Client::new(&self.url)?;
        match self.shown()? {
            Some(token) => Ok(client.with_token(&token)?),
            None => Ok(client),
        }
    }

    /// By a flag, else by a variable, of which the one with the token itself comes first. Variables are not left to
    /// clap: with them a flag would be in conflict.
    fn shown(&self) -> Result<Option<String>, Failure> {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let file = match (&self.token, &self.token_file) {
            (Some(token), _) => return Ok(Some(token.clone())),
            (None, Some(file)) => Some(file.clone()),
            (None, None) => match variable("PORTOLAN_TOKEN") {
                Some(token) => return Ok(Some(token.to_string_lossy().into_owned())),
                None => variable("PORTOLAN_TOKEN_FILE").map(PathBuf::from),
            },
        };
        let read = |file: PathBuf| match fs::read_to_string(&file) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(Failure::Usage(format!("the token cannot be read: {}: {error}", file.display()))),
        };
        file.map(read).transpose()
    }

    /// How to point dig at it. Known of a registry on its usual port for HTTP: it is on its usual port for DNS.
    fn dns(&self) -> Option<String> {
        let url: reqwest::Url = self.url.parse().ok()?;
        let host = url.host_str().filter(|_| url.port() == Some(8420))?;
        Some(format!("@{} -p 5300", host.trim_matches(['[', ']'])))
    }
}

/// Runs the program on the arguments and the environment of the process.
pub fn main() -> ExitCode {
    // Usage errors end here, with status 2 and clap's own words.
    let Arguments { command } = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Start(error.into()).report(),
    };
    let done = runtime.block_on(run(command));
    // Threads that block must not hold the process: a second signal ends it at once.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve.run().await,
        Command::Register(register) => register.run().await,
        Command::Run(run) => run.run().await,
        Command::Deregister(deregister) => deregister.run().await,
        Command::List(list) => list.run().await,
        Command::Lookup(lookup) => lookup.run().await,
        Command::Watch(watch) => watch.run().await,
        Command::History(history) => history.run().await,
        Command::Browse(browse) => browse.run().await,
        Command::Explain(explain) => explain.run().await,
        Command::Reload(reload) => reload.run().await,
        Command::Token(token) => token.run(),
        Command::Config(config) => config.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_dns_is_can_be_told_of_a_registry_on_its_usual_port() {
        let dns = |url: &str| Registry { url: url.to_owned(), token: None, token_file: None }.dns();
        assert_eq!(dns("http://localhost:8420").as_deref(), Some("@localhost -p 5300"));
        assert_eq!(dns("http://[::1]:8420/").as_deref(), Some("@::1 -p 5300"));
        assert_eq!(dns("http://127.0.0.1:18420"), None);
    }
}
