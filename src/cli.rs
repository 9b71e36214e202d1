//! The command line: one file per subcommand, one for what reaches the terminal.
//!
//! Commands other than `serve` and `browse` talk HTTP through the client library; none opens the database, so they
//! work from any machine and beside a running registry.

mod failure;
mod output;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

/// Runs the program on the arguments and the environment of the process.
pub fn main() -> ExitCode {
    // Usage errors end here, with status 2 and clap's own text.
    let Arguments { command } = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Start(error.into()).report(),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run().await,
        }
    });
    // Not waiting for threads that block: a second signal, or a resolver that hangs, must not hold the process.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
