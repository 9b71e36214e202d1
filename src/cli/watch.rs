//! `portolan watch`: what comes, changes and goes, as it happens.

use clap::Args;

use crate::api::{Event, News, Position};
use crate::client;
use crate::service::Status;

use super::Registry;
use super::failure::Failure;
use super::filter::{self, Conditions};
use super::output;
use super::signals::Signals;

/// Watch instances come, change and go, until it is stopped; outlives restarts of the registry.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// auth, _auth._tcp, @scope/name, or a glob such as 'au*'; with a range of versions auth@3.x.
    service: Option<String>,
    /// Only instances that are starting, up, down or out-of-service; may repeat for alternatives. One that comes into
    /// such a state is added, one that leaves it removed.
    #[arg(long, value_name = "STATUS", value_parser = filter::status)]
    status: Vec<Status>,
    #[command(flatten)]
    conditions: Conditions,
    /// Begin after this position, which the events of --json and lists have; without it, from now on.
    #[arg(long, value_name = "POSITION")]
    since: Option<Position>,
    #[command(flatten)]
    registry: Registry,
    /// Print each event as JSON, in a line of its own.
    #[arg(long)]
    json: bool,
}

impl Watch {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::catch_all().map_err(|error| Failure::Start(error.into()))?;
        let filter = self.conditions.filter(self.service, self.status);
        let mut watch = self.registry.client()?.watch(&filter, self.since).await?;
        let mut is_well = true;
        loop {
            let event = tokio::select! {
                event = watch.next() => event,
                _ = signals.next() => return Ok(()),
            };
            let is_read = match event {
                Ok(event) if self.json => output::json(&event)?,
                Ok(event) => output::line(&describe(&event))?,
                Err(error @ client::Error::Unreachable { .. }) => {
                    if is_well {
                        output::complain(&format!("{error} trying again until it does"));
                    }
                    is_well = false;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if !is_read {
                return Ok(());
            }
            is_well = true;
        }
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Added(news) => line("added", news),
        Event::Changed(news) => line("changed", news),
        Event::Removed(news) => line("removed", news),
        Event::ListAgain { reason, .. } => format!("list again: {reason}"),
    }
}

/// `08:30:05  added    _auth._tcp  a1  web.registry.local:80  up (registered)`
fn line(what: &str, news: &News) -> String {
    let News { cause, time, instance, .. } = news;
    let service_type = filter::service_type(instance);
    let target = filter::target(&instance.host, instance.port);
    let (time, status) = (time.strftime("%H:%M:%SZ"), instance.status);
    let cause = cause.as_str();
    format!("{time}  {what:<7}  {service_type}  {}  {target}  {status} ({cause})", instance.instance)
}
