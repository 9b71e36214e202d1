//! `portolan reload`: have the files of services read again.

use clap::Args;

use crate::api::Reloaded;

use super::Registry;
use super::failure::Failure;
use super::output;

/// Have the files of services and the settings read again; exits with 2 if something is wrong with one.
///
/// Files are followed anyway: this is for whoever wants to know what came of a change. It has to be asked on the
/// registry's own machine. Settings are checked, and those that take a restart are told.
#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    registry: Registry,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

impl Reload {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let reloaded = self.registry.client()?.reload().await?;
        if self.json {
            output::json(&reloaded)?;
        } else {
            say(&reloaded)?;
        }
        let faults: Vec<_> = reloaded.faults.iter().map(ToString::to_string).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failure::Usage(faults.join("\n"))) }
    }
}

fn say(Reloaded { files, added, changed, removed, restart, .. }: &Reloaded) -> Result<(), Failure> {
    let services: usize = files.iter().map(|file| file.services).sum();
    output::line(&format!("{services} services in files: {added} added, {changed} changed, {removed} removed"))?;
    if !restart.is_empty() {
        output::line(&format!("to be restarted for: {}", restart.join(", ")))?;
    }
    Ok(())
}
