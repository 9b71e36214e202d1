//! `portolan register`: a service that cannot announce itself is announced for as long as this runs.

use clap::Args;

use crate::api::{self, Heartbeat, LeaseWish, Txt, TxtValue};
use crate::client::{Registration, Standing};
use crate::service::Transport;

use super::Registry;
use super::failure::Failure;
use super::output;
use super::signals::Signals;

/// Register an instance, keep it registered until stopped, then deregister it.
///
/// Its lease is renewed in time, and it is registered again if the registry forgot it. Ends by SIGINT (Ctrl-C) or
/// SIGTERM.
#[derive(Debug, Args)]
pub(super) struct Register {
    /// auth or _auth._tcp
    service: String,
    /// Where the service listens.
    #[arg(long)]
    port: u16,
    /// tcp or udp, where the service does not say it [default: tcp].
    #[arg(long, value_parser = transport)]
    transport: Option<Transport>,
    /// 1 to 63 octets of text [default: from host and port].
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// A label of the zone, a foreign name with a dot, or an address [default: from the address].
    #[arg(long)]
    host: Option<String>,
    /// Where the host is; may repeat [default: the address that the registry sees].
    #[arg(long, value_name = "IP")]
    address: Vec<String>,
    /// Lower is tried first [default: 0].
    #[arg(long)]
    priority: Option<u16>,
    /// The share among equal priorities [default: 0].
    #[arg(long)]
    weight: Option<u16>,
    /// An attribute; may repeat. KEY alone is a flag, KEY= has an empty value.
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    txt: Vec<(String, TxtValue)>,
    /// A subtype; may repeat.
    #[arg(long)]
    subtype: Vec<String>,
    /// A tag, which is a subtype as well; may repeat.
    #[arg(long)]
    tag: Vec<String>,
    /// An exact semantic version, which makes the subtypes _v3, _v3-2 and _v3-2-2.
    #[arg(long = "service-version", value_name = "VERSION")]
    version: Option<String>,
    /// What is spoken on the port, such as wss.
    #[arg(long)]
    protocol: Option<String>,
    /// Where on the port, such as /login.
    #[arg(long)]
    path: Option<String>,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
    /// Text for programs that group instances.
    #[arg(long)]
    namespace: Option<String>,
    /// How long it holds if this program dies: 90 or 90s; 0 for until deregistered [default: the registry's].
    #[arg(long, value_name = "DURATION")]
    lease: Option<String>,
    #[command(flatten)]
    registry: Registry,
    /// Print the answers of the registry, each as a line of JSON.
    #[arg(long)]
    json: bool,
}

impl Register {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::catch().map_err(|error| Failure::Start(error.into()))?;
        let (client, json) = (self.registry.client()?, self.json);
        let registration = client.register(self.registration()).await?;
        let mut standing = registration.standing();
        let mut told = None;
        loop {
            tell(&standing.borrow_and_update().clone(), &mut told, json);
            tokio::select! {
                _ = signals.next() => break,
                news = standing.changed() => if news.is_err() { break },
            }
        }
        end(registration, &mut signals).await
    }

    fn registration(self) -> api::Registration {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        api::Registration {
            service: Some(self.service),
            transport: self.transport,
            instance: self.instance,
            host: self.host,
            addresses: some(self.address),
            port: self.port,
            priority: self.priority,
            weight: self.weight,
            txt: (!self.txt.is_empty()).then_some(Txt(self.txt)),
            subtypes: some(self.subtype),
            tags: some(self.tag),
            version: self.version,
            protocol: self.protocol,
            path: self.path,
            description: self.description,
            namespace: self.namespace,
            lease: self.lease.map(LeaseWish::Text),
            status: None,
        }
    }
}

/// Says goodbye; a second signal does not wait for it.
async fn end(registration: Registration, signals: &mut Signals) -> Result<(), Failure> {
    tokio::select! {
        done = registration.deregister() => Ok(done?),
        (_, number) = signals.next() => Err(Failure::Signal(number)),
    }
}

/// What was said last, so that a renewal an hour does not fill a log.
#[derive(Debug, PartialEq)]
enum Told {
    Registered,
    Failed(String),
}

fn tell(standing: &Standing, told: &mut Option<Told>, json: bool) {
    match standing {
        Standing::Registered(heartbeat) => {
            if json {
                output::json(heartbeat);
            } else if *told != Some(Told::Registered) {
                output::line(&sentence(heartbeat));
            }
            *told = Some(Told::Registered);
        }
        Standing::Retrying(reason) => {
            let failed = Some(Told::Failed(reason.clone()));
            if *told != failed {
                output::complain(&format!("{reason}; trying again"));
            }
            *told = failed;
        }
    }
}

fn sentence(heartbeat: &Heartbeat) -> String {
    let lease = match heartbeat.lease.read().ok().and_then(crate::service::Lease::duration) {
        Some(lease) => format!("lease {}", humantime::format_duration(lease)),
        None => "no lease".to_owned(),
    };
    format!("registered {} ({}, {lease})", heartbeat.name, heartbeat.status.as_str())
}

fn transport(text: &str) -> Result<Transport, String> {
    Transport::from_label(format!("_{text}").as_bytes()).ok_or_else(|| "give tcp or udp".to_owned())
}

fn attribute(text: &str) -> Result<(String, TxtValue), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("an attribute needs a key: write key=value".to_owned()),
        Some((key, value)) => Ok((key.to_owned(), TxtValue::Text(value.to_owned()))),
        None => Ok((text.to_owned(), TxtValue::Flag)),
    }
}
