//! From a name to instances: PTR, then SRV, TXT and addresses. What the server sends along (RFC 6763 §12) is not
//! asked for.

use std::net::IpAddr;

use hickory_proto::rr::{RData, RecordType};
use serde::Serialize;

use crate::api;
use crate::service::{DomainName, Txt};

use super::super::failure::Failure;
use super::resolver::{Resolver, name};

/// Instances that are looked at, at most: a hostile server must not keep us busy for ever.
const INSTANCES_MAX: usize = 10_000;

/// One instance as its records show it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Found {
    /// `_auth._tcp`
    pub(super) service: String,
    /// The first label as text; octets that are none are replaced.
    pub(super) instance: String,
    /// The whole name in presentation form, exact.
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) txt: api::Txt,
}

/// The instances of every type that `domain` lists (RFC 6763 §9).
pub(super) async fn every_type(resolver: &mut Resolver, domain: &DomainName) -> Result<Vec<Found>, Failure> {
    let list: [&[u8]; 3] = [b"_services", b"_dns-sd", b"_udp"];
    let list = DomainName::from_labels(list.into_iter().chain(domain.labels()));
    let list =
        list.map_err(|error| Failure::Usage(format!("the zone {error}, with _services._dns-sd._udp before it")))?;
    let mut found = Vec::new();
    for service_type in pointers(resolver, &list).await? {
        // Two labels and the domain; what else a server may say there is no type.
        if service_type.labels_below(domain).is_some_and(|labels| labels.len() == 2) {
            found.extend(one_type(resolver, &service_type).await?);
        }
        if found.len() >= INSTANCES_MAX {
            break;
        }
    }
    Ok(found)
}

/// The instances that the PTR records of `service_type` lead to (RFC 6763 §4), by name.
pub(super) async fn one_type(resolver: &mut Resolver, service_type: &DomainName) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for instance in pointers(resolver, service_type).await?.into_iter().take(INSTANCES_MAX) {
        found.extend(resolve(resolver, &instance).await?);
    }
    Ok(found)
}

/// Where the PTR records of `question` lead, sorted.
async fn pointers(resolver: &mut Resolver, question: &DomainName) -> Result<Vec<DomainName>, Failure> {
    let records = resolver.ask(question, RecordType::PTR).await?;
    let target = |data: &RData| if let RData::PTR(to) = data { name(to) } else { None };
    let mut targets: Vec<_> = records.iter().filter_map(target).collect();
    targets.sort_by_cached_key(ToString::to_string);
    Ok(targets)
}

/// The instance's SRV, TXT and addresses; one target per SRV record, none where it is gone by now or the name is
/// too short to be an instance's.
async fn resolve(resolver: &mut Resolver, instance: &DomainName) -> Result<Vec<Found>, Failure> {
    let labels: Vec<_> = instance.labels().map(String::from_utf8_lossy).collect();
    let [label, service, transport, ..] = labels.as_slice() else { return Ok(Vec::new()) };
    let txt = resolver.ask(instance, RecordType::TXT).await?.iter().find_map(attributes).unwrap_or_default();
    let mut found = Vec::new();
    for data in resolver.ask(instance, RecordType::SRV).await? {
        let RData::SRV(srv) = data else { continue };
        let Some(host) = name(&srv.target) else { continue };
        let mut addresses = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            addresses.extend(resolver.ask(&host, kind).await?.iter().filter_map(RData::ip_addr));
        }
        addresses.sort();
        found.push(Found {
            service: format!("{service}.{transport}"),
            instance: label.to_string(),
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

/// The attributes by the rules of RFC 6763 §6.4; none of a record that is longer than §6.2 advises.
fn attributes(data: &RData) -> Option<api::Txt> {
    let RData::TXT(record) = data else { return None };
    let mut wire = Vec::new();
    for string in &record.txt_data {
        wire.push(u8::try_from(string.len()).ok()?);
        wire.extend_from_slice(string);
    }
    Txt::from_wire(&wire).map(|txt| api::Txt::of(&txt))
}
