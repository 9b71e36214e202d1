//! Introduces the rooms to each other: bind, run, drain.
//!
//! Binding takes every address before the store is touched, so a port that is taken costs nothing. Running gives
//! each room a task; one that ends unasked ends all, since a registry that answers DNS but takes no heartbeats
//! would slowly tell lies. Draining goes against the flow: intake stops first and DNS last, since readers
//! outlive writers.
//!
//! Signals are left to the program: whoever embeds a server has its own way to stop.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::{Reply, Terms};
use crate::config::Config;
use crate::config::ConfigError;
use crate::dns::{self, Answered, Dns, Messages};
use crate::http::{self, Http, NameServer};
use crate::mdns::{self, Mdns};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::registry::Writer;
use crate::service::{Address, DomainName};
use crate::store::{self, Store};
use crate::tls::{CertificateError, Tls};
use crate::zone::{Snapshot, Subject};

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
    tls: Tls,
    terms: Terms,
    metrics: Metrics,
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
    /// The certificate is not to be had.
    #[error("TLS: {0}")]
    Tls(#[from] CertificateError),
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
        let tls = Tls::open(&config.tls, &config.data_dir, &certificate_names(config, &dns, &http))?;
        let opened = Store::open(&config.store, &config.data_dir)?;
        let zone = Snapshot::new(&config.zone, &dns.name_server_addresses());
        let (registry, writer) = Registry::open(&config.lease, opened, &zone)?;
        let terms = Terms { zones: config.zone.domains.as_slice().into(), leases: config.lease.limits() };
        let mut metrics = Metrics::new();
        registry.name_metrics(&mut metrics);
        dns.name_metrics(&mut metrics, registry.clone());
        http.name_metrics(&mut metrics);
        mdns.name_metrics(&mut metrics);
        Ok(Self { dns, http, mdns, tls, terms, metrics, registry, writer })
    }

    /// Where HTTP listens.
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.http.addresses()
    }

    /// Where HTTP listens over TLS.
    pub fn http_tls_addresses(&self) -> Vec<SocketAddr> {
        self.http.tls_addresses()
    }

    /// Where DNS listens, over UDP and TCP.
    pub fn dns_addresses(&self) -> Vec<SocketAddr> {
        self.dns.addresses().to_vec()
    }

    /// Where DNS listens over TLS.
    pub fn dns_tls_addresses(&self) -> Vec<SocketAddr> {
        self.dns.tls_addresses().collect()
    }

    /// Where DNS listens over QUIC.
    pub fn dns_quic_addresses(&self) -> Vec<SocketAddr> {
        self.dns.quic_addresses().collect()
    }

    /// The certificate that is shown over TLS, if any.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The registry, for a program that registers and reads without HTTP.
    pub fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// Runs until `stop`, then drains.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Fault> {
        let Self { dns, http, mdns, tls, terms, metrics, registry, writer } = self;
        let (identity, name_server) = (tls.identity(), Arc::new(dns.messages(&registry)));
        let (known, metrics) = (registry.clone(), Arc::new(metrics));
        let rooms = Rooms {
            writer: Room::open("the writer", |stop| writer.run(stop)),
            dns: Room::open("DNS", |stop| dns.run(registry.clone(), identity.clone(), stop)),
            http: Room::open("HTTP", |stop| http.run(known, terms, name_server, metrics, identity, stop)),
            mdns: Room::open("mDNS", |stop| mdns.run(registry.clone(), stop)),
            tls: Room::open("TLS", |stop| tls.run(stop)),
        };
        rooms.run(stop).await
    }
}

impl NameServer for Messages {
    fn answer(&self, request: &[u8], client: IpAddr) -> Option<(Vec<u8>, u32)> {
        let Answered { message, max_age } = self.answer(request, client)?;
        Some((message, max_age))
    }

    fn explain(
        &self,
        zone: &Snapshot,
        name: &DomainName,
        rtype: Option<u16>,
        client: IpAddr,
    ) -> (Subject, Reply, HashSet<String>) {
        self.explain(zone, name, rtype, client)
    }
}

/// What clients may call this server: a certificate of our own making is for all of it.
fn certificate_names(config: &Config, dns: &Dns, http: &Http) -> Vec<String> {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let zones = config.zone.domains.iter().map(|zone| format!("ns.{}", zone.to_string().trim_end_matches('.')));
    let listening = dns
        .addresses()
        .iter()
        .copied()
        .chain(dns.tls_addresses())
        .chain(dns.quic_addresses())
        .chain(http.addresses())
        .chain(http.tls_addresses());
    let bound = listening.map(|address| address.ip()).filter(|address| !address.is_unspecified());
    let addresses = bound.chain([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    let advertised = dns.name_server_addresses().into_iter().map(Address::get);
    let addresses = addresses.chain(advertised).map(|address| address.to_string());
    let mut names: Vec<_> = ["localhost".to_owned(), host].into_iter().chain(zones).chain(addresses).collect();
    names.sort();
    names.dedup();
    names
}

/// All rooms at work.
#[derive(Debug)]
struct Rooms {
    writer: Room,
    dns: Room,
    http: Room,
    mdns: Room,
    tls: Room,
}

impl Rooms {
    async fn run(mut self, stop: CancellationToken) -> Result<(), Fault> {
        let ended = tokio::select! {
            () = stop.cancelled() => None,
            name = self.writer.ended() => Some(name),
            name = self.dns.ended() => Some(name),
            name = self.http.ended() => Some(name),
            name = self.mdns.ended() => Some(name),
            name = self.tls.ended() => Some(name),
        };
        info!("stopping: no new requests are taken, those at hand are answered");
        // What the intake does not finish was promised to nobody: that is no fault.
        let intake =
            tokio::join!(self.http.close(INTAKE_GRACE), self.mdns.close(INTAKE_GRACE), self.tls.close(INTAKE_GRACE),);
        let intake = <[_; 3]>::from(intake).into_iter().try_for_each(|closed| match closed {
            Err(late @ Fault::Late(..)) => {
                warn!("{late}; it was cut off");
                Ok(())
            }
            other => other,
        });
        let written = self.writer.close(WRITER_GRACE).await;
        let answered = self.dns.close(DNS_GRACE).await;
        match ended {
            Some(name) => Err(Fault::Ended(name)),
            None => written.and(intake).and(answered),
        }
    }
}

/// One room at work.
#[derive(Debug)]
struct Room {
    name: &'static str,
    stop: CancellationToken,
    /// `None` once its end was seen: a task is not awaited twice.
    task: Option<JoinHandle<()>>,
}

impl Room {
    /// Starts it; its parent is [`Rooms`], which closes it, or aborts it by being dropped.
    fn open<F>(name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = Some(tokio::spawn(run(stop.clone())));
        Self { name, stop, task }
    }

    /// Its name when it ends, by itself or in a panic, which the panic hook has told of.
    async fn ended(&mut self) -> &'static str {
        match &mut self.task {
            Some(task) => drop(task.await),
            None => std::future::pending().await,
        }
        self.task = None;
        self.name
    }

    /// Asks it to finish, and waits no longer than `grace`.
    async fn close(&mut self, grace: Duration) -> Result<(), Fault> {
        self.stop.cancel();
        let Some(task) = &mut self.task else { return Ok(()) };
        match tokio::time::timeout(grace, task).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_panic)) => Err(Fault::Ended(self.name)),
            Err(_elapsed) => Err(Fault::Late(self.name, grace)),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A room that waits for its stop and then writes its name down.
    fn waiting(name: &'static str, closed: &Arc<Mutex<Vec<&'static str>>>) -> Room {
        let closed = Arc::clone(closed);
        Room::open(name, |stop| async move {
            stop.cancelled().await;
            closed.lock().unwrap().push(name);
        })
    }

    fn rooms(closed: &Arc<Mutex<Vec<&'static str>>>) -> Rooms {
        Rooms {
            writer: waiting("the writer", closed),
            dns: waiting("DNS", closed),
            http: waiting("HTTP", closed),
            mdns: waiting("mDNS", closed),
            tls: waiting("TLS", closed),
        }
    }

    #[tokio::test]
    async fn intake_closes_first_and_dns_last() {
        let closed = Arc::default();
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(rooms(&closed).run(stop).await, Ok(()));
        let mut order = closed.lock().unwrap().clone();
        order[..3].sort_unstable();
        assert_eq!(order, ["HTTP", "TLS", "mDNS", "the writer", "DNS"]);
    }

    #[tokio::test]
    async fn a_room_that_ends_by_itself_ends_all_in_order() {
        let closed = Arc::default();
        let mut rooms = rooms(&closed);
        rooms.dns = Room::open("DNS", |_| async { panic!("a defect") });
        assert_eq!(rooms.run(CancellationToken::new()).await, Err(Fault::Ended("DNS")));
        assert_eq!(closed.lock().unwrap().last(), Some(&"the writer"), "what was queued is still written");
    }

    #[tokio::test]
    async fn a_room_that_fails_while_it_finishes_is_a_fault() {
        let failing = |name| {
            Room::open(name, |stop| async move {
                stop.cancelled().await;
                panic!("a defect");
            })
        };
        let stop = CancellationToken::new();
        stop.cancel();
        let mut first = rooms(&Arc::default());
        first.writer = failing("the writer");
        assert_eq!(first.run(stop.clone()).await, Err(Fault::Ended("the writer")));
        let mut second = rooms(&Arc::default());
        second.http = failing("HTTP");
        assert_eq!(second.run(stop).await, Err(Fault::Ended("HTTP")));
    }

    #[tokio::test(start_paused = true)]
    async fn intake_that_hangs_is_cut_off_and_a_writer_that_hangs_is_a_fault() {
        let hanging = |name| Room::open(name, |_| std::future::pending());
        let stop = CancellationToken::new();
        stop.cancel();
        let mut first = rooms(&Arc::default());
        first.http = hanging("HTTP");
        assert_eq!(first.run(stop.clone()).await, Ok(()));
        let mut second = rooms(&Arc::default());
        second.writer = hanging("the writer");
        assert_eq!(second.run(stop).await, Err(Fault::Late("the writer", WRITER_GRACE)));
    }
}
