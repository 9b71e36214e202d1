//! The registry in its own chart, and what is configured to stand beside it: the lowest of all sources.
//!
//! `_portolan._tcp` is where its HTTP is, `_dns._udp` where its DNS is: who finds one finds the other, and who browses
//! sees both. Whatever else says the same names hides these. They are in this registry alone: nothing of it is announced
//! on a link, so that two registries there do not meet. Each instance has the name of its machine.
//!
//! Where either is reached from elsewhere, loopback is left out of both, since 127.0.0.1 is another machine to whoever is
//! told of it there. What listens on nothing else is not listed then.
//!
//! They cost nothing while it runs: they have no lease, are not saved, and change only where somebody else wants their
//! hosts. Those have names that no address has: under that of an address they would make room for the first service on
//! this machine, and whoever watches would be told of it.
//!
//! Road not taken: to do so only where asked. A list would begin with nothing but what others registered, as in the
//! registries before this one, whose profiles have it so; but who comes to a strange network looks for the registry
//! first, and nobody has asked for what he needs then.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, info_span, warn};

use crate::api::{self, LeaseWish, Terms};
use crate::registry::{Condition, Operation, Refusal, Registry};
use crate::service::{Address, InstanceName, Origin, Registration, Source};

/// Before what the registry refused is said again.
const RETRY: Duration = Duration::from_secs(5);
/// Addresses of one instance, at most, as of every registration.
const ADDRESSES_MAX: usize = 16;

/// `[self]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether the registry registers itself: `_portolan._tcp` and `_dns._udp`.
    pub register: bool,
    /// Services of this machine that are always listed: `NAME=ADDRESS:PORT`.
    pub services: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { register: true, services: Vec::new() }
    }
}

/// Where the registry is.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts {
    /// Where HTTP listens.
    pub http: Vec<SocketAddr>,
    /// Where DNS listens.
    pub dns: Vec<SocketAddr>,
    /// Where it is asked besides, which is not listed: over TLS and QUIC, and by WebSockets alone.
    pub elsewhere: Vec<SocketAddr>,
    /// In the place of an unspecified address: those that others reach.
    pub reachable: Vec<Address>,
}

/// Set up, not yet running.
#[derive(Debug)]
pub struct Own {
    said: Vec<Registration>,
}

/// Why it cannot be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("self.services has {item:?}{reason}; write NAME=ADDRESS:PORT, such as \"substrate=127.0.0.1:4444\"")]
pub struct BindError {
    item: String,
    /// Empty where it is no such text.
    reason: String,
}

impl Own {
    /// Checks `config`, and makes of it what will be said.
    pub fn bind(config: &Config, terms: &Terms, at: &Whereabouts) -> Result<Self, BindError> {
        let beside = config.services.iter().map(|item| beside(item, terms));
        let mut said = beside.collect::<Result<Vec<_>, _>>()?;
        if config.register {
            let version = Some(env!("CARGO_PKG_VERSION").to_owned());
            let protocol = Some("http".to_owned());
            let http = api::Registration { version, protocol, ..listening("_portolan._tcp", "portolan") };
            let dns = listening("_dns._udp", "portolan-dns");
            said.extend(
                [(http, &at.http), (dns, &at.dns)].into_iter().filter_map(|(it, on)| itself(it, on, at, terms)),
            );
        }
        Ok(Self { said })
    }

    /// Says it, again where it was refused, and waits for `stop`.
    pub async fn run(self, registry: Registry, stop: CancellationToken) {
        let saying = say(self.said, &registry).instrument(info_span!("self"));
        stop.run_until_cancelled(saying).await;
        stop.cancelled().await;
    }
}

async fn say(mut said: Vec<Registration>, registry: &Registry) {
    let mut complained = false;
    while !said.is_empty() {
        let answers = registry.apply(said.iter().cloned().map(registering).collect()).await;
        let mut answers = answers.into_iter();
        said.retain(|registration| match answers.next().unwrap_or(Err(Refusal::Stopped)) {
            Ok(_) => false,
            Err(refusal) => {
                if !std::mem::replace(&mut complained, true) {
                    warn!("{} is not listed yet: {refusal}; trying again", registration.id);
                }
                true
            }
        });
        if !said.is_empty() {
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn registering(registration: Registration) -> Operation {
    let origin = Origin::new(Source::Own, "");
    Operation::Register { registration, origin, condition: Condition::Always }
}

/// This machine's instance of a service, whose port is not known yet.
fn listening(service: &str, host: &str) -> api::Registration {
    let machine = gethostname::gethostname().to_string_lossy().into_owned();
    let instance = if InstanceName::new(&machine).is_ok() { machine } else { "portolan".to_owned() };
    api::Registration { instance: Some(instance), host: Some(host.to_owned()), ..lasting(service, 0) }
}

fn lasting(service: &str, port: u16) -> api::Registration {
    api::Registration { lease: Some(LeaseWish::Seconds(0.0)), ..api::Registration::new(service, port) }
}

/// On the first port that it is reached on, with the addresses of all that have it; nothing where no one can reach it.
fn itself(template: api::Registration, listen: &[SocketAddr], at: &Whereabouts, terms: &Terms) -> Option<Registration> {
    let reached: Vec<_> = listen.iter().flat_map(|bound| at.reached(*bound)).collect();
    let Some(&(here, port)) = reached.first() else {
        if !listen.is_empty() {
            info!("{} is not listed: others could not reach it", template.service.unwrap_or_default());
        }
        return None;
    };
    let mut addresses = Vec::new();
    for (address, _) in reached.into_iter().filter(|(_, other)| *other == port) {
        if !addresses.contains(&address) && addresses.len() < ADDRESSES_MAX {
            addresses.push(address);
        }
    }
    let texts = addresses.iter().map(ToString::to_string).collect();
    let registration = api::Registration { port, addresses: Some(texts), ..template };
    registration.accept(terms, here, None).inspect_err(|error| warn!("this registry is not listed: {error}")).ok()
}

impl Whereabouts {
    /// Where whoever may be told of it reaches what listens there.
    fn reached(&self, bound: SocketAddr) -> Vec<(IpAddr, u16)> {
        let addresses = if bound.ip().is_unspecified() {
            let is_reached = |address: &&Address| address.get().is_ipv4() == bound.is_ipv4();
            self.reachable.iter().filter(is_reached).copied().collect()
        } else {
            Vec::from_iter(Address::new(bound.ip()))
        };
        let addresses = addresses.into_iter().map(|address| (address.get(), bound.port()));
        addresses.filter(|(address, _)| self.is_alone() || !address.is_loopback()).collect()
    }

    /// Whether nobody is told of anything but on this machine.
    fn is_alone(&self) -> bool {
        self.http.iter().chain(&self.dns).chain(&self.elsewhere).all(|bound| bound.ip().to_canonical().is_loopback())
    }
}

/// `NAME=ADDRESS:PORT`, both service and instance of that name.
fn beside(item: &str, terms: &Terms) -> Result<Registration, BindError> {
    let refuse = |reason: String| BindError { item: item.chars().take(80).collect(), reason };
    let parts = item.split_once('=').and_then(|(name, at)| Some((name.trim(), at.trim().parse::<SocketAddr>().ok()?)));
    let (name, at) = parts.ok_or_else(|| refuse(String::new()))?;
    let host = Some(at.ip().to_string());
    let registration = api::Registration { instance: Some(name.to_owned()), host, ..lasting(name, at.port()) };
    registration.accept(terms, at.ip(), None).map_err(|invalid| refuse(format!(", whose {invalid}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{LeaseLimits, Reach};

    fn terms() -> Terms {
        let day = Duration::from_hours(24);
        let leases = LeaseLimits { default: Duration::from_mins(1), shortest: Duration::from_secs(5), longest: day };
        Terms { zones: ["registry.local".parse().unwrap()].into(), leases, checks: Reach::Anywhere }
    }

    /// What is said of a registry that listens there: type, port and addresses.
    fn said(http: &[&str], dns: &[&str]) -> Vec<String> {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let reachable = ["10.0.0.1", "2001:db8::1"].map(|text| Address::new(text.parse().unwrap()).unwrap()).to_vec();
        let at = Whereabouts { http: parse(http), dns: parse(dns), elsewhere: Vec::new(), reachable };
        let own = Own::bind(&Config::default(), &terms(), &at).unwrap();
        let text = |r: &Registration| {
            let addresses: Vec<_> = r.addresses.iter().map(ToString::to_string).collect();
            format!("{} {} {}", r.id.service_type(), r.port, addresses.join(" "))
        };
        own.said.iter().map(text).collect()
    }

    #[test]
    fn it_is_where_it_listens_and_where_others_reach_it() {
        assert_eq!(
            said(&["10.0.0.3:80", "10.0.0.4:80", "10.0.0.3:81"], &["0.0.0.0:53"]),
            ["_portolan._tcp 80 10.0.0.3 10.0.0.4", "_dns._udp 53 10.0.0.1"]
        );
        assert_eq!(
            said(&["[::]:8420", "0.0.0.0:8420"], &["[fe80::1]:53"]),
            ["_portolan._tcp 8420 2001:db8::1 10.0.0.1"]
        );
    }

    #[test]
    fn loopback_is_told_to_nobody_elsewhere() {
        assert_eq!(
            said(&["127.0.0.1:8420", "[::1]:8420", "127.0.0.1:80"], &["127.0.0.1:5300"]),
            ["_portolan._tcp 8420 127.0.0.1 ::1", "_dns._udp 5300 127.0.0.1"]
        );
        assert_eq!(said(&["127.0.0.1:8420"], &["0.0.0.0:53"]), ["_dns._udp 53 10.0.0.1"]);
        assert_eq!(said(&["10.0.0.3:8420"], &["[::ffff:127.0.0.1]:53"]), ["_portolan._tcp 8420 10.0.0.3"]);
        assert_eq!(
            said(&["127.0.0.1:8420", "10.0.0.3:80"], &["127.0.0.1:53", "10.0.0.3:53"]),
            ["_portolan._tcp 80 10.0.0.3", "_dns._udp 53 10.0.0.3"]
        );
        let over_tls = Whereabouts {
            http: vec!["127.0.0.1:8420".parse().unwrap()],
            elsewhere: vec!["10.0.0.3:853".parse().unwrap()],
            ..Whereabouts::default()
        };
        assert_eq!(Own::bind(&Config::default(), &terms(), &over_tls).unwrap().said, []);
    }

    #[test]
    fn what_stands_beside_it_is_a_name_and_an_address() {
        let bind = |item: &str| {
            let config = Config { register: false, services: vec![item.to_owned()] };
            Own::bind(&config, &terms(), &Whereabouts::default()).map_err(|error| error.to_string())
        };
        let own = bind("substrate = [::1]:4444").unwrap();
        let [registration] = &own.said[..] else { panic!("{own:?}") };
        assert_eq!(
            (registration.id.to_string().as_str(), registration.port.get()),
            ("substrate._substrate._tcp", 4444)
        );
        for item in ["", "substrate", "substrate=4444", "substrate=localhost:4444", "127.0.0.1:4444"] {
            let refusal = bind(item).unwrap_err();
            assert!(refusal.starts_with(&format!("self.services has {item:?}; write NAME=ADDRESS:PORT")), "{refusal}");
        }
        let refusal = bind("a=127.0.0.1:0").unwrap_err();
        assert!(refusal.contains("self.services has \"a=127.0.0.1:0\", whose `port` is 0"), "{refusal}");
    }
}
