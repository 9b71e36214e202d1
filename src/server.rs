//! Introduces the rooms to each other: bind, run, drain.
//!
//! Binding takes every address before the store is touched, so a port that is taken costs nothing. How the rooms run
//! and in which order they end is in `rooms`.
//!
//! Signals are left to the program: whoever embeds a server has its own way to stop.

mod rooms;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::api::{Explained, FileFault, Reloaded, Terms};
use crate::checks::Checks;
use crate::config::Config;
use crate::config::ConfigError;
use crate::dns::{self, Answered, Dns, Messages};
use crate::files::{Files, Reloads, Reread};
use crate::http::{self, AccessLog, Http, NameServer, Neighbours, Reloader};
use crate::mdns::{self, Mdns};
use crate::metrics::Metrics;
use crate::own::{self, Own, Whereabouts};
use crate::registry::Registry;
use crate::registry::Writer;
use crate::service::{Address, DomainName};
use crate::store::{self, Store};
use crate::tls::{CertificateError, Tls};
use crate::tokens::Keyring;
use crate::zone::Snapshot;

use rooms::{Room, Rooms};

pub use rooms::Fault;

/// A registry with its doors bound, not yet running.
#[derive(Debug)]
pub struct Server {
    dns: Dns,
    http: Http,
    mdns: Mdns,
    checks: Checks,
    files: Files,
    own: Own,
    tls: Tls,
    terms: Terms,
    /// Where this machine is, for services in files that do not say where they are.
    here: IpAddr,
    reread: Reread,
    tokens: Keyring,
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
    /// What is to be said of the registry itself cannot be.
    #[error(transparent)]
    Own(#[from] own::BindError),
    /// The certificate is not to be had.
    #[error("TLS: {0}")]
    Tls(#[from] CertificateError),
    /// The store is not to be had, or is not to be touched.
    #[error("store: {0}")]
    Store(#[from] store::OpenError),
}

impl Server {
    /// Binds every address, then opens the store. Within a Tokio runtime.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        config.check()?;
        let dns = Dns::bind(&config.dns)?;
        let http = Http::bind(&config.http, &config.rpc)?;
        let mdns = Mdns::bind(&config.mdns)?;
        let tls = Tls::open(&config.tls, &config.data_dir, &certificate_names(config, &dns, &http))?;
        let opened = Store::open(&config.store, &config.data_dir)?;
        let checks = Checks::bind(&config.checks);
        let files = Files::bind(&config.files, &config.data_dir);
        let addresses = dns.name_server_addresses();
        let zone = Snapshot::new(&config.zone, &addresses);
        let here = addresses.first().map_or_else(|| Ipv4Addr::LOCALHOST.into(), |address| address.get());
        let (registry, writer) = Registry::open(&config.lease, opened, &zone)?;
        let mut metrics = Metrics::new();
        registry.name_metrics(&mut metrics);
        dns.name_metrics(&mut metrics, registry.clone());
        http.name_metrics(&mut metrics);
        mdns.name_metrics(&mut metrics);
        checks.name_metrics(&mut metrics);
        files.name_metrics(&mut metrics);
        let (terms, reread, tokens) = (config.terms(), Reread::default(), Keyring::new(config.token.clone()));
        let elsewhere = [http.tls_addresses(), http.rpc_addresses()].into_iter().flatten();
        let elsewhere = elsewhere.chain(dns.tls_addresses()).chain(dns.quic_addresses());
        let at = Whereabouts {
            http: http.addresses(),
            dns: dns.addresses().to_vec(),
            elsewhere: elsewhere.collect(),
            reachable: if config.dns.advertise.is_empty() { everywhere() } else { addresses },
        };
        let own = Own::bind(&config.own, &terms, &at)?;
        Ok(Self { dns, http, mdns, checks, files, own, tls, terms, here, reread, tokens, metrics, registry, writer })
    }

    /// Whenever its files are read again, the settings are as well, by `reread`: of the text that is in their file it
    /// gives those that differ from what the server runs with, or what is wrong with them.
    #[must_use]
    pub fn rereading(self, reread: impl Fn(&str) -> Result<Vec<String>, FileFault> + Send + Sync + 'static) -> Self {
        Self { reread: Reread::new(reread), ..self }
    }

    /// For whoever may ask to have the files of services read again.
    pub fn reloads(&self) -> Reloads {
        self.files.reloads()
    }

    /// Who may do what, which whoever reads the settings again may replace.
    pub fn tokens(&self) -> Keyring {
        self.tokens.clone()
    }

    /// The access log, for whoever moves it away.
    pub fn access_log(&self) -> Option<AccessLog> {
        self.http.access_log()
    }

    /// Where HTTP listens.
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.http.addresses()
    }

    /// Where HTTP listens over TLS.
    pub fn http_tls_addresses(&self) -> Vec<SocketAddr> {
        self.http.tls_addresses()
    }

    /// Where WebSockets alone are expected.
    pub fn rpc_addresses(&self) -> Vec<SocketAddr> {
        self.http.rpc_addresses()
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
        let Self { dns, http, mdns, checks, files, own, tls, terms, here, reread, tokens, metrics, registry, writer } =
            self;
        let (identity, held, known) = (tls.identity(), terms.clone(), registry.clone());
        let neighbours = Neighbours {
            name_server: Arc::new(dns.messages(&registry)),
            reloader: Arc::new(files.reloads()),
            tokens,
            metrics: Arc::new(metrics),
        };
        let rooms = Rooms {
            writer: Room::open_apart("the writer", |stop| writer.run(stop)),
            dns: Room::open("DNS", |stop| dns.run(registry.clone(), identity.clone(), stop)),
            http: Room::open("HTTP", |stop| http.run(known, terms, neighbours, identity, stop)),
            mdns: Room::open("mDNS", |stop| mdns.run(registry.clone(), stop)),
            checks: Room::open("checks", |stop| checks.run(registry.clone(), stop)),
            files: Room::open("files", |stop| files.run(registry.clone(), held, here, reread, stop)),
            own: Room::open("self", |stop| own.run(registry.clone(), stop)),
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

    fn explain(&self, zone: &Snapshot, name: &DomainName, rtype: Option<u16>, client: IpAddr) -> Explained {
        self.explain(zone, name, rtype, client)
    }
}

impl Reloader for Reloads {
    fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reloaded>> + Send + '_>> {
        Box::pin(self.reload())
    }

    fn faults(&self) -> Arc<Vec<FileFault>> {
        self.faults()
    }
}

/// Where a wildcard is reached by others.
fn everywhere() -> Vec<Address> {
    let wildcards: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    wildcards.into_iter().flat_map(dns::reachable).filter_map(|address| Address::new(address).ok()).collect()
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
