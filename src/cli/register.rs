//! `portolan register`: a service that cannot announce itself is announced for as long as this runs.

use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use crate::api::{self, Heartbeat};
use crate::client::{self, Client, Registration, Standing};
use crate::service::{DomainName, ServiceType};

use super::Registry;
use super::checked::Checked;
use super::details::Details;
use super::failure::Failure;
use super::output;
use super::signals::Signals;

/// How long who was told to end before the registry has answered waits for that, and then once more without it.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Register an instance, keep it registered until stopped, then deregister it.
///
/// Its lease is renewed in time, and it is registered again if the registry forgot it. Ends by SIGINT (Ctrl-C), SIGTERM
/// or SIGHUP.
#[derive(Debug, Args)]
pub(super) struct Register {
    /// auth or _auth._tcp
    service: String,
    /// Where the service listens.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    #[command(flatten)]
    details: Details,
    #[command(flatten)]
    checked: Checked,
    /// Register it and end: it stays for its lease, or with a check until it is deregistered.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    registry: Registry,
    /// Print the answers of the registry, each as a line of JSON.
    #[arg(long)]
    json: bool,
}

impl Register {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::catch_all().map_err(|error| Failure::Start(error.into()))?;
        let client = self.registry.client()?;
        let mut voice = Voice { json: self.json, once: self.once, dns: self.registry.dns(), told: None };
        let check = self.checked.check();
        let wanted = api::Registration { check, ..self.details.registration(self.service, self.port) };
        if self.once {
            let heartbeat = client.heartbeat(&wanted).await?;
            return voice.tell(&Standing::Registered(heartbeat));
        }
        let mut first = pin!(client.register(wanted.clone()));
        let registration = tokio::select! {
            done = &mut first => done?,
            (_, number) = signals.next() => return give_up(&client, wanted, first, &mut signals, number).await,
        };
        let mut standing = registration.standing();
        loop {
            voice.tell(&standing.borrow_and_update().clone())?;
            tokio::select! {
                _ = signals.next() => break,
                news = standing.changed() => if news.is_err() { break },
            }
        }
        end(registration, &mut signals).await
    }
}

/// Ends before the registry has answered. It may do as it was asked all the same, so that is undone where possible; a
/// second signal does not wait for it.
async fn give_up(
    client: &Client,
    wanted: api::Registration,
    first: impl Future<Output = Result<Registration, client::Error>>,
    signals: &mut Signals,
    number: u8,
) -> Result<(), Failure> {
    let undo = async {
        // Better than by the name alone: the answer tells also one that the registry made up.
        if let Ok(registered) = timeout(LAST_WAIT, first).await {
            return Ok(registered?.deregister().await?);
        }
        // The answer may be lost on its way, or the connection be dead: this takes another. Were the request lost as
        // well, an instance of that name is another program's, which its next renewal registers again.
        if let (Some(service), Some(instance)) = (wanted.service, wanted.instance)
            && let Ok(service_type) = ServiceType::new(&service, wanted.transport)
            && let Ok(Ok(true)) = timeout(LAST_WAIT, client.deregister(&service_type.to_string(), &instance)).await
        {
            return Ok(());
        }
        Err(Failure::Unanswered(number))
    };
    tokio::select! {
        done = undo => done,
        (_, number) = signals.next() => Err(Failure::Signal(number)),
    }
}

/// Says goodbye; a second signal does not wait for it.
async fn end(registration: Registration, signals: &mut Signals) -> Result<(), Failure> {
    tokio::select! {
        done = registration.deregister() => Ok(done?),
        (_, number) = signals.next() => Err(Failure::Signal(number)),
    }
}

/// Tells how the registration stands, but not again what was told last: a renewal every 20 s must not fill a log.
#[derive(Debug)]
struct Voice {
    json: bool,
    once: bool,
    /// How to point dig at the registry, where that is known.
    dns: Option<String>,
    told: Option<Told>,
}

#[derive(Debug, PartialEq)]
enum Told {
    Registered,
    Failed(String),
}

impl Voice {
    fn tell(&mut self, standing: &Standing) -> Result<(), Failure> {
        let news = match standing {
            Standing::Registered(_) => Told::Registered,
            Standing::Retrying(reason) => Told::Failed(reason.clone()),
        };
        match standing {
            Standing::Registered(heartbeat) if self.json => {
                output::json(heartbeat)?;
            }
            // Created again while we thought that all was well: the registry was emptied in between.
            Standing::Registered(heartbeat) if heartbeat.created || self.told != Some(Told::Registered) => {
                self.say_registered(heartbeat)?;
            }
            Standing::Retrying(reason) if self.told.as_ref() != Some(&news) => {
                output::complain(&format!("{reason}; trying again"));
            }
            _ => {}
        }
        self.told = Some(news);
        Ok(())
    }

    fn say_registered(&self, heartbeat: &Heartbeat) -> Result<(), Failure> {
        let again = if self.told.is_some() { " again" } else { "" };
        let lease = match heartbeat.lease.read().ok().and_then(crate::service::Lease::duration) {
            Some(lease) => format!("lease {}", humantime::format_duration(lease)),
            None => "no lease".to_owned(),
        };
        let (name, status) = (heartbeat.name.trim_end_matches('.'), heartbeat.status.as_str());
        let end = if self.once { "" } else { "; Ctrl-C deregisters" };
        output::line(&format!("registered{again}: {name} ({status}, {lease}){end}"))?;
        if let (Some(dns), Some(name), None) = (&self.dns, type_name(&heartbeat.name), &self.told) {
            output::line(&format!("see it: dig {dns} SRV {}", name.trim_end_matches('.')))?;
        }
        Ok(())
    }
}

/// The name of the service type: that of the instance without its first label.
fn type_name(instance: &str) -> Option<String> {
    let instance: DomainName = instance.parse().ok()?;
    Some(DomainName::from_labels(instance.labels().skip(1)).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_the_instance_does_not_move_the_type() {
        let name = type_name(r"Main\.1._auth._tcp.registry.local.");
        assert_eq!(name.as_deref(), Some("_auth._tcp.registry.local."));
    }
}
