//! `GET /v1/explain?name=&type=`: what DNS would answer, which instances are in that, which are not, and why.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hickory_proto::rr::RecordType;

use crate::api::{Candidate, Explanation, Instance, Reply, invalid_parameter, unknown_parameter};
use crate::registry::Slot;
use crate::service::{self, Address, Check, DomainName, Status};

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
    // A host may be that of any instance: all are looked at, while others are served.
    let explained = tokio::task::spawn_blocking(move || edge.explained(&name, rtype, sender)).await;
    Ok(respond::document(StatusCode::OK, &explained.expect("explaining does not panic")))
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
        let (subject, reply) = self.name_server.explain(name, rtype, sender);
        let concern = Concern::of(name, &self.terms.zones, subject);
        let (mut answered, mut left_out) = (Vec::new(), Vec::new());
        for slot in concern.slots(&state) {
            for instance in slot.instances() {
                let reason = reason(slot, instance, &reply, answered.len());
                let list = if reason.is_none() { &mut answered } else { &mut left_out };
                list.push((instance, reason));
            }
        }
        Explanation {
            answered: answered.len(),
            left_out: left_out.len(),
            instances: answered
                .iter()
                .chain(&left_out)
                .take(SHOWN_MAX)
                .map(|(i, r)| self.candidate(i, r.as_ref()))
                .collect(),
            reply,
        }
    }

    fn candidate(&self, instance: &service::Instance, reason: Option<&String>) -> Candidate {
        let view = Instance::of(instance, self.registry.expires_at(instance), &self.terms);
        Candidate {
            name: view.name,
            source: view.source,
            status: view.status,
            answered: reason.is_none(),
            reason: reason.cloned(),
            since: instance.facts.lapsed.and(view.expires_at),
        }
    }
}

/// Why the answer does not have an instance; `before` others of the same question are in it.
fn reason(slot: &Slot, instance: &Arc<service::Instance>, reply: &Reply, before: usize) -> Option<String> {
    let effective = slot.effective();
    if !Arc::ptr_eq(effective, instance) {
        return Some(format!("hidden by what {} says of the same name", effective.origin.source()));
    }
    if let Some(reason) = not_served(instance) {
        return Some(reason);
    }
    let whole = reply.sizes.last().map_or(0, |size| size.answers);
    let has = |family: fn(&IpAddr) -> bool| {
        instance.registration.addresses.iter().map(|a| Address::get(*a)).any(|a| family(&a))
    };
    match reply.rtype.as_str() {
        _ if reply.code != "NOERROR" => Some("this name does not lead to it".to_owned()),
        "A" if !has(IpAddr::is_ipv4) => Some("it has no IPv4 address".to_owned()),
        "AAAA" if !has(IpAddr::is_ipv6) => Some("it has no IPv6 address".to_owned()),
        rtype if whole == 0 => Some(format!("this name has no {rtype} records")),
        "PTR" if before >= whole => Some("beyond dns.glob_limit, or what fits into 64 KiB".to_owned()),
        _ => None,
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
