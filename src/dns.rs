//! Speaks DNS: UDP and TCP on the same port, TLS and QUIC where it is asked to, answering from the registry's snapshot.
//!
//! ```text
//! udp ── batch (the kernel's part)     one thread per core and address
//! stream ─┬─ connections (limits)      TCP and TLS
//! quic ───┘                            QUIC
//! messages                            HTTPS, which another room speaks
//!   └─ respond ─┬─ query ─ zone ─ wire      plain questions: in place, no allocation
//!               └─ message (hickory)        everything else
//! ```
//!
//! How much of it there was, `counts` keeps where it happens and `metrics` tells.
//!
//! What is said is the zone's matter ([`Snapshot::answer`](crate::zone::Snapshot::answer)); both encoders write the
//! same answer, which a test holds them to. Here is how it is said (RFC 1035, 6891, 7766) and to whom.

mod access;
mod batch;
mod bind;
mod connections;
mod context;
mod cookie;
mod counts;
mod edns;
mod explain;
mod extended_error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod message;
mod messages;
mod metrics;
mod options;
mod padding;
mod query;
mod quic;
mod reply;
mod respond;
mod responder;
mod rrl;
mod stream;
mod transport;
mod udp;
mod wire;

#[cfg(test)]
mod allocations;
#[cfg(test)]
mod encoders;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::listener::Listener;
use crate::metrics::Drops;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::service::Address;
use crate::tls::Identity;
use access::Access;
use bind::Bound;
use connections::Connections;
use cookie::Cookies;
use counts::Counting;
use responder::Responder;
use rrl::Limiter;
use stream::Streams;
use udp::Serving;

pub use bind::BindError;
pub use cookie::CookieSecret;
pub use messages::{Answered, Messages};
pub use rrl::Config as RrlConfig;

/// What clients ask for over TLS that has several protocols (RFC 7858 §3.1 leaves it out, the registry of RFC 7301
/// has it).
const ALPN_TLS: &[u8] = b"dot";

/// `[dns]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen, UDP and TCP. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where to listen for DNS over TLS (RFC 7858), whose port is 853. Needs a certificate (`[tls]`).
    pub tls_listen: Vec<SocketAddr>,
    /// Where to listen for DNS over QUIC (RFC 9250), whose port is 853, too, of UDP. Needs a certificate.
    pub quic_listen: Vec<SocketAddr>,
    /// The addresses of the name server in the zones (`ns`). Empty: those of `listen`, or of the interfaces where
    /// that is a wildcard.
    pub advertise: Vec<IpAddr>,
    /// Whether `*` and `?` in a name ask for all that match.
    pub glob: bool,
    /// The networks whose globs are answered. Empty: all.
    pub glob_from: Vec<IpNet>,
    /// Instances that a glob returns, at most; ten times as many names are looked at, and over UDP few.
    pub glob_limit: usize,
    /// Whether clients get DNS cookies (RFC 7873), which prove that they are where they say.
    pub cookies: bool,
    /// What cookies are signed with, for several servers to take each other's: the first signs, all are good. Empty:
    /// a random one, changed each day.
    pub cookie_secrets: Vec<CookieSecret>,
    /// How often one answer is sent to one network.
    pub rrl: RrlConfig,
    /// Connections over TCP, TLS and QUIC together, at most; beyond, the quietest is closed.
    pub tcp_connections: usize,
    /// Connections of one client (an address, an IPv6 /64), at most.
    pub tcp_connections_per_client: usize,
    /// How long such a client may take for its handshake, for a whole request, and to take a reply.
    #[serde(with = "humantime_serde")]
    pub tcp_idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![([127, 0, 0, 1], 5300).into()],
            tls_listen: Vec::new(),
            quic_listen: Vec::new(),
            advertise: Vec::new(),
            glob: true,
            glob_from: Vec::new(),
            glob_limit: 1000,
            cookies: true,
            cookie_secrets: Vec::new(),
            rrl: RrlConfig::default(),
            tcp_connections: 1000,
            tcp_connections_per_client: 100,
            tcp_idle: Duration::from_secs(10),
        }
    }
}

/// Bound, not yet running.
#[derive(Debug)]
pub struct Dns {
    bound: Vec<Bound>,
    tls: Vec<Listener>,
    quic: Vec<UdpSocket>,
    addresses: Vec<SocketAddr>,
    access: Access,
    cookies: Cookies,
    counting: Counting,
    connections: Connections,
    config: Config,
}

impl Dns {
    /// Binds what `config` says; within a Tokio runtime.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        if config.listen.is_empty() {
            return Err(BindError::Nothing);
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let bound = config.listen.iter().map(|address| bind::bind(*address, threads)).collect::<Result<Vec<_>, _>>()?;
        let addresses = bound.iter().map(|bound| bound.address).collect();
        let tls = config.tls_listen.iter().map(|address| bind::bind_tls(*address)).collect::<Result<Vec<_>, _>>()?;
        let quic = config.quic_listen.iter().map(|address| bind::bind_quic(*address)).collect::<Result<Vec<_>, _>>()?;
        let (access, cookies, counting) = (Access::new(config), Cookies::new(config), Counting::default());
        let connections = Connections::new(config.tcp_connections, config.tcp_connections_per_client);
        Ok(Self { bound, tls, quic, addresses, access, cookies, counting, connections, config: config.clone() })
    }

    /// Where it listens, over UDP and TCP.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens for DNS over TLS.
    pub fn tls_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.tls.iter().map(Listener::address)
    }

    /// Where it listens for DNS over QUIC.
    pub fn quic_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.quic.iter().filter_map(|socket| socket.local_addr().ok())
    }

    /// The addresses of the name server in the zones: `dns.advertise`, else those it listens on, a wildcard being
    /// the addresses of the machine's interfaces that others can reach.
    pub fn name_server_addresses(&self) -> Vec<Address> {
        let said = self.config.advertise.iter().copied();
        let mut addresses: Vec<Address> = if self.config.advertise.is_empty() {
            self.addresses.iter().flat_map(|bound| reachable(bound.ip())).filter_map(|a| Address::new(a).ok()).collect()
        } else {
            said.filter_map(|address| Address::new(address).ok()).collect()
        };
        addresses.sort();
        addresses.dedup();
        addresses
    }

    /// Names its metrics; those of service types are of `registry`.
    pub fn name_metrics(&self, metrics: &mut Metrics, registry: Registry) {
        let drops = Drops::of(self.bound.iter().flat_map(|bound| &bound.udp).chain(&self.quic));
        metrics::name(metrics, self.counting.clone(), self.connections.clone(), drops, registry);
    }

    /// Answers messages that came another way, from `registry`.
    pub fn messages(&self, registry: &Registry) -> Messages {
        Messages(self.responder(registry))
    }

    fn responder(&self, registry: &Registry) -> Responder {
        let (access, cookies, counting) = (self.access.clone(), self.cookies.clone(), self.counting.clone());
        Responder { registry: registry.clone(), access, cookies, counting }
    }

    /// Runs until `stop`, then answers what has arrived and ends. Ends at once where a part of it does.
    pub async fn run(self, registry: Registry, identity: Identity, stop: CancellationToken) {
        let responder = self.responder(&registry);
        let Self { bound, tls: tls_listeners, quic, access, cookies, counting, connections, config, .. } = self;
        let mut serving = Serving::default();
        let streams = Streams { responder, connections, idle: config.tcp_idle, stop: stop.clone() };
        let mut running = JoinSet::new();
        for Bound { udp, tcp, .. } in bound {
            for socket in udp {
                let (registry, access, cookies) = (registry.clone(), access.clone(), cookies.clone());
                let (counts, limiter) = (counting.thread(), Limiter::new(&config.rrl));
                running.spawn(serving.spawn(socket, move |socket, stopped| {
                    udp::serve(socket, registry.reader(), &access, cookies, limiter, &counts, stopped);
                }));
            }
            running.spawn(streams.clone().serve(tcp, None));
        }
        let acceptor = identity.acceptor(&[ALPN_TLS]);
        for listener in tls_listeners {
            running.spawn(streams.clone().serve(listener, Some(acceptor.clone())));
        }
        for socket in quic {
            match quic::listen(socket, &identity, config.tcp_idle) {
                Ok(endpoint) => drop(running.spawn(quic::serve(streams.clone(), endpoint))),
                Err(error) => return error!(%error, "the socket for DNS over QUIC cannot be used"),
            }
        }
        watch(running, serving, &stop).await;
    }
}

/// Waits for `stop` and then for all that run, or for the first that ends unasked: half a server is worse than one
/// that ends.
async fn watch(mut running: JoinSet<()>, serving: Serving, stop: &CancellationToken) {
    // What ends first may do so because of the stop, which it can see sooner than this does.
    let _ = stop.run_until_cancelled(running.join_next()).await;
    if !stop.is_cancelled() {
        return;
    }
    serving.stop();
    while running.join_next().await.is_some() {}
}

/// What a bound address is to others.
pub(crate) fn reachable(bound: IpAddr) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    // Without a list of interfaces the name server goes without addresses, and nothing else suffers.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
    interfaces.filter(|i| !i.is_loopback()).map(|i| i.ip()).filter(|ip| ip.is_ipv4() == bound.is_ipv4()).collect()
}
