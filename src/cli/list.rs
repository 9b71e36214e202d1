//! `portolan list`: everything that the registry knows, for people who look after it.

use clap::Args;
use jiff::Timestamp;

use crate::api::Instance;
use crate::service::Status;

use super::Registry;
use super::failure::Failure;
use super::filter::{self, Conditions};
use super::output;

/// List instances in every state; exits with 1 if there are none.
#[derive(Debug, Args)]
pub(super) struct List {
    /// auth, _auth._tcp, @scope/name, or a glob such as 'au*'; with a range of versions auth@3.x.
    service: Option<String>,
    /// Only instances that are starting, up, down or out-of-service; may repeat for alternatives.
    #[arg(long, value_name = "STATUS", value_parser = filter::status)]
    status: Vec<Status>,
    #[command(flatten)]
    conditions: Conditions,
    #[command(flatten)]
    registry: Registry,
    /// Print all that is known, as a JSON array.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.registry.client()?;
        let instances = client.list(self.conditions.filter(self.service, self.status)).await?;
        if self.json {
            output::json(&instances)?;
        } else if !instances.is_empty() {
            let now = Timestamp::now();
            let rows: Vec<_> = instances.iter().map(|instance| row(instance, now)).collect();
            output::table(["SERVICE", "INSTANCE", "STATUS", "TARGET", "ADDRESSES", "LEASE", "SOURCE"], &rows)?;
        }
        if instances.is_empty() { Err(Failure::Nothing("no instance matches".to_owned())) } else { Ok(()) }
    }
}

fn row(instance: &Instance, now: Timestamp) -> [String; 7] {
    let status = match &instance.reason {
        Some(reason) => format!("{} ({reason})", instance.status.as_str()),
        None => instance.status.as_str().to_owned(),
    };
    let source = match &instance.origin {
        Some(origin) => format!("{} {origin}", instance.source),
        None => instance.source.to_string(),
    };
    [
        filter::service_type(instance),
        instance.instance.clone(),
        status,
        filter::target(&instance.host, instance.port),
        filter::addresses(&instance.addresses),
        lease(instance.expires_at, now),
        source,
    ]
}

/// What is left of the lease, by this machine's clock.
fn lease(expires_at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(end) = expires_at else { return "none".to_owned() };
    match (end - now).total(jiff::Unit::Second) {
        Ok(left) if left > 0.0 => format!("{left:.0}s left"),
        _ => "lapsed".to_owned(),
    }
}
