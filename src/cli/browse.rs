//! `portolan browse`: ask any DNS server what it has, the DNS-SD way (RFC 6763 §4, §9).
//!
//! The one command that talks DNS, and so sees what every other program sees. What the server sends along is used;
//! what it does not is asked for.

mod resolver;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use hickory_proto::rr::{RData, RecordType};
use serde::Serialize;

use crate::service::{DomainName, ServiceType, Subtype};

use super::failure::Failure;
use super::filter;
use super::output;
use resolver::{Resolver, name};

/// Where name servers listen unless told otherwise.
const DNS_PORT: u16 = 53;
/// Where ours listens unless told otherwise.
const OURS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);
/// Instances that are looked at, at most: a hostile server must not keep us busy for ever.
const INSTANCES_MAX: usize = 10_000;

/// Ask a DNS server for service types, or for the instances of one; exits with 1 if there are none.
#[derive(Debug, Args)]
pub(super) struct Browse {
    /// Such as _http._tcp; without it the types themselves are listed.
    #[arg(value_name = "TYPE")]
    service: Option<String>,
    /// Only instances of this subtype.
    #[arg(long, requires = "service", value_parser = |text: &str| Subtype::new(text).map_err(|e| e.to_string()))]
    subtype: Option<Subtype>,
    /// The name server, whose port is 53 unless given.
    #[arg(long, value_name = "IP[:PORT]", default_value_t = OURS, value_parser = server)]
    server: SocketAddr,
    /// Where to look.
    #[arg(long, value_name = "ZONE", default_value = "registry.local", value_parser = domain)]
    domain: DomainName,
    /// How long to wait for each answer.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

/// One instance as the records show it.
#[derive(Debug, Serialize)]
struct Found {
    instance: String,
    name: String,
    host: String,
    port: u16,
    priority: u16,
    weight: u16,
    addresses: Vec<IpAddr>,
    txt: Vec<String>,
}

impl Browse {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut resolver = Resolver::new(self.server, self.timeout);
        match &self.service {
            None => self.types(&mut resolver).await,
            Some(text) => {
                let service = text.parse().map_err(|error| Failure::Usage(format!("{text:?} {error}")))?;
                self.instances(&service, &mut resolver).await
            }
        }
    }

    /// Enumerates service types (RFC 6763 §9).
    async fn types(&self, resolver: &mut Resolver) -> Result<(), Failure> {
        let question = below(&[b"_services", b"_dns-sd", b"_udp"], &self.domain)?;
        let mut types: Vec<String> = Vec::new();
        for pointed in pointers(resolver, &question).await? {
            // Two labels and the domain; what else a server may say there is no type.
            if let Some([service, transport]) = pointed.labels_below(&self.domain).as_deref() {
                let text = [*service, *transport].map(String::from_utf8_lossy).join(".");
                types.push(text);
            }
        }
        types.sort();
        types.dedup();
        if self.json {
            output::json(&types);
        } else {
            for text in &types {
                output::line(text);
            }
        }
        if types.is_empty() { Err(self.nothing("no service type")) } else { Ok(()) }
    }

    /// Enumerates instances and resolves each (RFC 6763 §4, §5, §6).
    async fn instances(&self, service: &ServiceType, resolver: &mut Resolver) -> Result<(), Failure> {
        let text = format!("_{}", service.service());
        let own = [text.as_bytes(), service.transport().label().as_bytes()];
        let question = match &self.subtype {
            None => below(&own, &self.domain)?,
            Some(subtype) => below(&[subtype.as_str().as_bytes(), b"_sub", own[0], own[1]], &self.domain)?,
        };
        let mut found = Vec::new();
        for instance in pointers(resolver, &question).await?.into_iter().take(INSTANCES_MAX) {
            found.extend(resolve(resolver, &instance).await?);
        }
        if self.json {
            output::json(&found);
        } else if !found.is_empty() {
            let rows: Vec<_> = found.iter().map(row).collect();
            output::table(["INSTANCE", "TARGET", "ADDRESSES", "PRIORITY", "WEIGHT", "TXT"], &rows);
        }
        if found.is_empty() { Err(self.nothing(&format!("no instance of {service}"))) } else { Ok(()) }
    }

    fn nothing(&self, what: &str) -> Failure {
        let domain = self.domain.to_string();
        Failure::Nothing(format!("{} has {what} in {}", self.server, domain.trim_end_matches('.')))
    }
}

/// The labels in front of `domain`.
fn below(front: &[&[u8]], domain: &DomainName) -> Result<DomainName, Failure> {
    let all = front.iter().copied().chain(domain.labels());
    DomainName::from_labels(all).map_err(|error| Failure::Usage(format!("the name to ask for {error}")))
}

/// What the PTR records of `question` point to.
async fn pointers(resolver: &mut Resolver, question: &DomainName) -> Result<Vec<DomainName>, Failure> {
    let records = resolver.ask(question, RecordType::PTR).await?;
    Ok(records.iter().filter_map(|data| if let RData::PTR(to) = data { name(to) } else { None }).collect())
}

/// The instance's SRV, TXT and addresses; one target per SRV record, none where it is gone by now.
async fn resolve(resolver: &mut Resolver, instance: &DomainName) -> Result<Vec<Found>, Failure> {
    let mut txt = Vec::new();
    for data in resolver.ask(instance, RecordType::TXT).await? {
        if let RData::TXT(record) = data {
            let strings = record.txt_data.iter().filter(|string| !string.is_empty());
            txt.extend(strings.map(|string| String::from_utf8_lossy(string).into_owned()));
        }
    }
    let mut found = Vec::new();
    for data in resolver.ask(instance, RecordType::SRV).await? {
        let RData::SRV(srv) = data else { continue };
        let Some(host) = name(&srv.target) else { continue };
        let mut addresses = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            for data in resolver.ask(&host, kind).await? {
                addresses.extend(data.ip_addr());
            }
        }
        let label = instance.labels().next().unwrap_or_default();
        found.push(Found {
            instance: String::from_utf8_lossy(label).into_owned(),
            name: instance.to_string(),
            host: host.to_string(),
            port: srv.port,
            priority: srv.priority,
            weight: srv.weight,
            addresses,
            txt: txt.clone(),
        });
    }
    Ok(found)
}

fn row(found: &Found) -> [String; 6] {
    [
        found.instance.clone(),
        filter::target(&found.host, found.port),
        filter::addresses(&found.addresses),
        found.priority.to_string(),
        found.weight.to_string(),
        found.txt.join(" "),
    ]
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)));
    address.map_err(|_| "give an IP address and maybe a port: 127.0.0.1:5300, ::1, [::1]:5300".to_owned())
}

fn domain(text: &str) -> Result<DomainName, String> {
    text.parse().map_err(|error| format!("the zone {error}"))
}
