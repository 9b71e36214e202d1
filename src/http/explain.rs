//! `GET /v1/explain?name=&type=`: what DNS would answer, which instances are in that, which are not, and why.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hickory_proto::rr::RecordType;

use crate::api::{Candidate, Explanation, Instance, Reply, invalid_parameter, unknown_parameter};
use crate::registry::Slot;
use crate::service::{self, Check, DomainName, Host, Status};
use crate::zone::Subject;

use super::Edge;
use super::concern::Concern;
use super::read::Pairs;
use super::request::Sender;
use super::respond::{self, Refused};

/// Instances that are shown, at most: they are for people.
const SHOWN_MAX: usize = 200;

/// `GET /v1/explain`
pub(super) async fn explain(
    State(edge): State<Arc<Edge>>,
    Sender(sender): Sender,
    Query(query): Query<Pairs>,
) -> Result<Response, Refused> {
    let (mut name, mut rtype) = (None, None);
    for (key, value) in &query {
        match key.as_str() {
            "name" => name = Some(value.parse().map_err(|error: service::NameError| invalid("name", &error))?),
            "type" => rtype = Some(read_type(value)?),
            _ => return Err(unknown_parameter(key, "name, type").into()),
        }
    }
    let name = name.ok_or_else(|| invalid_parameter("name", "is missing; give a whole name"))?;
    // A host may be that of any instance: all are looked at.
    let looking = Arc::clone(&edge);
    let explained = edge.explaining.take(move || looking.explained(&name, rtype, sender)).await?;
    Ok(respond::document(StatusCode::OK, &explained))
}

fn invalid(key: &str, error: &impl ToString) -> Refused {
    invalid_parameter(key, &error.to_string()).into()
}

/// `SRV`, or `TYPE33` (RFC 3597 §5).
fn read_type(text: &str) -> Result<u16, Refused> {
    let text = text.to_ascii_uppercase();
    let number = text.strip_prefix("TYPE").and_then(|number| number.parse().ok());
    let rtype = number.or_else(|| text.parse::<RecordType>().ok().map(u16::from));
    rtype.ok_or_else(|| invalid("type", &"is no type of records; give one such as SRV, A or TYPE65280"))
}

impl Edge {
    fn explained(&self, name: &DomainName, rtype: Option<u16>, sender: IpAddr) -> Explanation {
        let state = self.registry.state();
        let (subject, reply, data) = self.name_server.explain(&state.zone, name, rtype, sender);
        let concern = Concern::of(name, &self.terms.zones, subject);
        let answer = Contents::of(&reply, data, subject, &self.terms.zones);
        let (mut answered, mut left_out) = (Vec::new(), Vec::new());
        let (mut in_it, mut not_in_it) = (0, 0);
        for slot in concern.slots(&state) {
            for instance in slot.instances() {
                let reason = reason(slot, instance, &answer);
                let (count, shown) = match reason {
                    None => (&mut in_it, &mut answered),
                    Some(_) => (&mut not_in_it, &mut left_out),
                };
                *count += 1;
                if shown.len() < SHOWN_MAX {
                    shown.push(self.candidate(instance, reason));
                }
            }
        }
        answered.append(&mut left_out);
        answered.truncate(SHOWN_MAX);
        Explanation { reply, instances: answered, answered: in_it, left_out: not_in_it }
    }

    fn candidate(&self, instance: &service::Instance, reason: Option<String>) -> Candidate {
        let view = Instance::of(instance, self.registry.expires_at(instance), &self.terms);
        Candidate {
            name: view.name,
            source: view.source,
            status: view.status,
            answered: reason.is_none(),
            reason,
            since: instance.facts.lapsed.and(view.expires_at),
        }
    }
}

/// What an answer has.
struct Contents<'a> {
    code: &'a str,
    rtype: &'a str,
    /// Of every record, in lower case.
    data: HashSet<String>,
    /// Whether the records lead from an address to hosts.
    is_reverse: bool,
    /// The zone that names in the data are in.
    zone: Option<DomainName>,
}

impl<'a> Contents<'a> {
    fn of(reply: &'a Reply, data: HashSet<String>, subject: Subject, zones: &[DomainName]) -> Self {
        let is_reverse = subject == Subject::Address;
        let asked = reply.zone.as_ref().filter(|_| !is_reverse).and_then(|zone| zone.parse().ok());
        let zone = asked.or_else(|| zones.first().cloned());
        Self { code: &reply.code, rtype: &reply.rtype, data, is_reverse, zone }
    }

    /// Whether a record of an instance that is served is in it.
    fn has(&self, instance: &service::Instance) -> bool {
        let registration = &instance.registration;
        let below = |labels: &[&[u8]]| {
            let zone = self.zone.iter().flat_map(DomainName::labels);
            DomainName::from_labels(labels.iter().copied().chain(zone)).map_or(String::new(), |name| name.to_string())
        };
        let target = || match instance.host() {
            Host::Label(label) => below(&[label.as_str().as_bytes()]),
            Host::Foreign(name) => name.to_string(),
        };
        let id = instance.id();
        let data = match self.rtype {
            "A" | "AAAA" => {
                return registration.addresses.iter().any(|address| self.data.contains(&address.get().to_string()));
            }
            "PTR" if self.is_reverse => target(),
            "PTR" => {
                let service = format!("_{}", id.service_type().service());
                let transport = id.service_type().transport().label();
                below(&[id.instance().as_str().as_bytes(), service.as_bytes(), transport.as_bytes()])
            }
            "SRV" => {
                let (priority, weight, port) = (registration.priority, registration.weight, registration.port);
                format!("{priority} {weight} {port} {}", target())
            }
            _ => return !self.data.is_empty(),
        };
        self.data.contains(&data.to_ascii_lowercase())
    }
}

/// Why the answer does not have an instance.
fn reason(slot: &Slot, instance: &Arc<service::Instance>, answer: &Contents<'_>) -> Option<String> {
    let effective = slot.effective();
    // One that is down hides nothing, and nothing but that keeps it out: what is served may be of a lower source.
    if !Arc::ptr_eq(effective, instance) && instance.status() != Status::Down {
        return Some(format!("hidden by what {} says of the same name", effective.origin.source()));
    }
    if let Some(reason) = not_served(instance) {
        return Some(reason);
    }
    let lacks = |family: fn(&IpAddr) -> bool| !instance.registration.addresses.iter().any(|a| family(&a.get()));
    match answer.rtype {
        _ if answer.has(instance) => None,
        _ if answer.code != "NOERROR" => Some("this name does not lead to it".to_owned()),
        "A" if lacks(IpAddr::is_ipv4) => Some("it has no IPv4 address".to_owned()),
        "AAAA" if lacks(IpAddr::is_ipv6) => Some("it has no IPv6 address".to_owned()),
        rtype if answer.data.is_empty() => Some(format!("this name has no {rtype} records")),
        _ => Some("beyond dns.glob_limit, or what fits into 64 KiB".to_owned()),
    }
}

/// Why DNS does not have an instance at all.
fn not_served(instance: &service::Instance) -> Option<String> {
    let facts = &instance.facts;
    match instance.status() {
        Status::Up => instance.withheld().map(|withheld| withheld.to_string()),
        Status::Starting => Some("it says that it is starting".to_owned()),
        Status::OutOfService if facts.drained => Some("drained by an operator".to_owned()),
        Status::OutOfService => Some("it left".to_owned()),
        Status::Down => Some(match &facts.check {
            _ if facts.lapsed.is_some() => "its lease lapsed".to_owned(),
            Check::Failing(reason) => format!("its check fails: {reason}"),
            Check::None | Check::Passing => "down".to_owned(),
        }),
    }
}
