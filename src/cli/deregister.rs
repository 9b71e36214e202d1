//! `portolan deregister`: take an instance away.

use clap::Args;
use serde::Serialize;

use super::Registry;
use super::failure::Failure;
use super::output;

/// Take an instance away; exits with 1 if it was not registered.
///
/// What mDNS says of the same name is not touched, and may surface.
#[derive(Debug, Args)]
pub(super) struct Deregister {
    /// auth, _auth._tcp or @scope/name.
    service: String,
    /// Its name, as list shows it.
    instance: String,
    #[command(flatten)]
    registry: Registry,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Outcome {
    deregistered: bool,
}

impl Deregister {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let deregistered = self.registry.client()?.deregister(&self.service, &self.instance).await?;
        if self.json {
            output::json(&Outcome { deregistered })?;
        } else if deregistered {
            output::line(&format!("deregistered {} of {}", self.instance, self.service))?;
        }
        if deregistered {
            return Ok(());
        }
        Err(Failure::Nothing(format!("{} of {} is not registered", self.instance, self.service)))
    }
}
