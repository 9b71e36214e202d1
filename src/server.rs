//! Introduces the rooms to each other: bind, run, drain.
//!
//! Binding takes every address before the store is touched, so a port that is taken costs nothing. Running gives
//! each room a task; one that ends unasked ends all, since a registry that answers DNS but takes no heartbeats
//! would slowly tell lies. Draining goes against the flow: intake stops first and DNS last, since readers
//! outlive writers.
//!
//! Signals are left to the program: whoever embeds a server has its own way to stop.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::Terms;
use crate::config::Config;
use crate::config::ConfigError;
use crate::dns::{self, Dns};
use crate::http::{self, Http};
use crate::mdns::{self, Mdns};
use crate::registry::Registry;
use crate::registry::Writer;
use crate::store::{self, Store};
use crate::zone::Snapshot;

/// How long requests in flight may take after the stop. The three graces add up to 9 s, within the 10 s after which
/// `docker stop` kills.
const INTAKE_GRACE: Duration = Duration::from_secs(5);
/// How long the writer may take for what is queued: thousands of commits, or one on a disk that hangs.
const WRITER_GRACE: Duration = Duration::from_secs(3);
/// How long DNS may take for the questions at hand.
const DNS_GRACE: Duration = Duration::from_secs(1);

/// A registry with its doors bound, not yet running.
#[derive(Debug)]
pub struct Server {
    dns: Dns,
    http: Http,
    mdns: Mdns,
    terms: Terms,
    registry: Registry,
    writer: Writer,
}

/// Why it did not start. Nothing is left behind.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// DNS cannot have its address.
    #[error("DNS: {0}")]
    Dns(#[from] dns::BindError),
    /// HTTP cannot have its address.
    #[error("HTTP: {0}")]
    Http(#[from] http::BindError),
    /// mDNS is misconfigured.
    #[error("mDNS: {0}")]
    Mdns(#[from] mdns::BindError),
    /// The store is not to be had, or is not to be touched.
    #[error("store: {0}")]
    Store(#[from] store::OpenError),
}

/// Why it ended otherwise than by being told to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// A room ended by itself: a defect, whose message was logged.
    #[error("{0} ended unexpectedly; all else was stopped")]
    Ended(&'static str),
    /// What was queued was not written in time; nobody was told that it was.
    #[error("{0} did not finish within {grace}", grace = humantime::format_duration(*.1))]
    Late(&'static str, Duration),
}

impl Server {
    /// Binds every address, then opens the store. Within a Tokio runtime.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        config.check()?;
        let dns = Dns::bind(&config.dns)?;
        let http = Http::bind(&config.http)?;
        let mdns = Mdns::bind(&config.mdns)?;
        let opened = Store::open(&config.store, &config.data_dir)?;
        let zone = Snapshot::new(&config.zone, &dns.name_server_addresses());
        let (registry, writer) = Registry::open(&config.lease, opened, &zone);
        let terms = Terms { zones: config.zone.domains.as_slice().into(), leases: config.lease.limits() };
        Ok(Self { dns, http, mdns, terms, registry, writer })
    }

    /// Where HTTP listens.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        self.http.addresses()
    }

    /// Where DNS listens, over UDP and TCP.
    pub fn dns_addresses(&self) -> &[SocketAddr] {
        self.dns.addresses()
    }

    /// The registry, for a program that registers and reads without HTTP.
    pub fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// Runs until `stop`, then drains.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Fault> {
        let Self { dns, http, mdns, terms, registry, writer } = self;
        let mut writer = Room::open("the writer", |stop| writer.run(stop));
        let mut dns = Room::open("DNS", |stop| dns.run(registry.clone(), stop));
        let mut http = Room::open("HTTP", |stop| http.run(registry.clone(), terms, stop));
        let mut mdns = Room::open("mDNS", |stop| mdns.run(registry.clone(), stop));
        drop(registry);

        let ended = tokio::select! {
            () = stop.cancelled() => None,
            name = writer.ended() => Some(name),
            name = dns.ended() => Some(name),
            name = http.ended() => Some(name),
            name = mdns.ended() => Some(name),
        };
        info!("stopping: no new requests, those at hand are answered");
        // What the intake does not finish was promised to nobody: that is no fault.
        let intake = tokio::join!(http.close(INTAKE_GRACE), mdns.close(INTAKE_GRACE));
        for late in [intake.0, intake.1].into_iter().filter_map(Result::err) {
            warn!("{late}; it was cut off");
        }
        let written = writer.close(WRITER_GRACE).await;
        let answered = dns.close(DNS_GRACE).await;
        match ended {
            Some(name) => Err(Fault::Ended(name)),
            None => written.and(answered),
        }
    }
}

/// One room at work.
#[derive(Debug)]
struct Room {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Room {
    /// Starts it; its parent is [`Server::run`], which closes it or aborts it by being dropped.
    fn open<F>(name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { name, stop, task }
    }

    /// Its name when it ends, by itself or in a panic, which the panic hook has told of.
    async fn ended(&mut self) -> &'static str {
        let _ = (&mut self.task).await;
        self.name
    }

    /// Asks it to finish, and waits no longer than `grace`.
    async fn close(&mut self, grace: Duration) -> Result<(), Fault> {
        self.stop.cancel();
        // The task of a room that ended was awaited, and must not be again.
        if self.task.is_finished() {
            return Ok(());
        }
        let finished = tokio::time::timeout(grace, &mut self.task).await;
        finished.map_or(Err(Fault::Late(self.name, grace)), |_| Ok(()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.task.abort();
    }
}
