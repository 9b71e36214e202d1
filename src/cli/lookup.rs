//! `portolan lookup`: where to connect to, for programs and people who want to use a service.

use std::time::Duration;

use clap::Args;

use crate::api::{Filter, Instance, Pick};

use super::Registry;
use super::failure::Failure;
use super::filter::{self, Conditions};
use super::output;

/// Find the instances of a service that DNS answers with; exits with 1 if there are none.
#[derive(Debug, Args)]
pub(super) struct Lookup {
    /// auth, _auth._tcp, @scope/name, or a glob such as 'au*'; with a range of versions auth@3.x.
    service: String,
    #[command(flatten)]
    conditions: Conditions,
    /// Only one of those of the lowest priority: first, random, round-robin, weighted or hash:KEY.
    #[arg(long, value_name = "HOW")]
    pick: Option<Pick>,
    /// How long to wait for the first, where there is none.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    registry: Registry,
    /// Print all that is known, as a JSON array.
    #[arg(long)]
    json: bool,
}

impl Lookup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.registry.client()?;
        let conditions = self.conditions.filter(Some(self.service.clone()), Vec::new());
        let filter = Filter { served: Some(true), pick: self.pick, ..conditions };
        let mut instances = match self.wait {
            Some(time) => client.wait(filter, time).await?,
            None => client.list(filter).await?,
        };
        // Lower is tried first (RFC 2782).
        instances.sort_by_key(|instance| instance.priority);
        if self.json {
            output::json(&instances)?;
        } else if !instances.is_empty() {
            let rows: Vec<_> = instances.iter().map(row).collect();
            output::table(["SERVICE", "INSTANCE", "TARGET", "ADDRESSES", "PRIORITY", "WEIGHT", "TXT"], &rows)?;
        }
        if instances.is_empty() {
            Err(Failure::Nothing(format!("no instance of {} is up", self.service)))
        } else {
            Ok(())
        }
    }
}

fn row(instance: &Instance) -> [String; 7] {
    [
        filter::service_type(instance),
        instance.instance.clone(),
        filter::target(&instance.host, instance.port),
        filter::addresses(&instance.addresses),
        instance.priority.to_string(),
        instance.weight.to_string(),
        filter::txt(&instance.txt),
    ]
}
