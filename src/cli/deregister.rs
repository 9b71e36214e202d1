//! `portolan deregister`: take an instance away.

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::named::Named;
use super::output;

/// Take an instance away; exits with 1 if it was not registered.
///
/// What mDNS says of the same name is not touched, and may surface.
#[derive(Debug, Args)]
pub(super) struct Deregister {
    #[command(flatten)]
    named: Named,
}

#[derive(Debug, Serialize)]
struct Outcome {
    deregistered: bool,
}

impl Deregister {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Named { service, instance, registry, json } = self.named;
        let deregistered = registry.client()?.deregister(&service, &instance).await?;
        if json {
            output::json(&Outcome { deregistered })?;
        } else if deregistered {
            output::line(&format!("deregistered {instance} of {service}"))?;
        }
        if deregistered {
            return Ok(());
        }
        Err(Failure::Nothing(format!("{instance} of {service} is not registered")))
    }
}
