//! `GET /v1/explain?name=&type=`: what DNS would answer, which instances are in that, which are not, and why.
//!
//! Where a name has more than fits, each asker gets another part by chance: what is explained is one such part.
//!
//! Of every reason that is the instance's own, it is told since when it holds: of a lapse by the end of the lease, of all
//! others by the time that the status became what it is. Instances in a database from before that was kept have none.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hickory_proto::rr::RecordType;

use crate::api::{self, Candidate, Datum, Explained, Explanation, invalid_parameter, unknown_parameter};
use crate::registry::Slot;
use crate::service::{
    Check, DomainName, Host, Instance, NameError, Registration, Reported, ServiceType, Status, UnixMillis,
};
use crate::zone::{Question, Subject, rtype};

use super::Edge;
use super::concern::Concern;
use super::principal::Principal;
use super::request::Pairs;
use super::respond::{self, Refused};

/// Instances that are shown, at most: they are for people. Half of them for those that the answer lacks, half for those
/// that it has, and what one side does not need is the other's.
const SHOWN_MAX: usize = 200;

/// `GET /v1/explain`
pub(super) async fn explain(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Query(query): Query<Pairs>,
) -> Result<Response, Refused> {
    let (mut name, mut rtype) = (None, None);
    for (key, value) in &query {
        let twice = match key.as_str() {
            "name" => name.replace(edge.asked_for(value).map_err(|error| invalid("name", &error))?).is_some(),
            "type" => rtype.replace(read_type(value)?).is_some(),
            _ => return Err(unknown_parameter(key, "name, type").into()),
        };
        if twice {
            return Err(invalid_parameter(key, "is given twice").into());
        }
    }
    let name = name.ok_or_else(|| invalid_parameter("name", "is missing; give a whole name"))?;
    // A host may be that of any instance: all are looked at.
    let (looking, sender) = (Arc::clone(&edge), principal.sender);
    let explained = edge.explaining.take(sender, move || looking.explained(&name, rtype, &principal)).await?;
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
    /// A name in DNS: as it is written, or that of the service which is meant, such as `@scope/name`.
    fn asked_for(&self, text: &str) -> Result<DomainName, NameError> {
        let name = text.parse::<DomainName>();
        let is_ours = |name: &DomainName| self.terms.zones.iter().any(|zone| name.labels_below(zone).is_some());
        if name.as_ref().is_ok_and(is_ours) {
            return name;
        }
        let meant = ServiceType::meant(text, None).ok();
        let known = meant.filter(|wanted| self.registry.state().knows(wanted));
        known.map_or(name, |known| self.terms.name_of_type(&known).parse())
    }

    fn explained(&self, name: &DomainName, rtype: Option<u16>, principal: &Principal) -> Explanation {
        let state = self.registry.state();
        let explained = self.neighbours.name_server.explain(&state.zone, name, rtype, principal.sender);
        // Which patterns this client may ask for is settled above.
        let (subject, zone) = state.zone.subject(&Question { name: name.as_wire(), rtype: 0, globs: None });
        let concern = Concern::of(name, &self.terms.zones, subject);
        let zone = zone.filter(|_| subject != Subject::Address).or_else(|| self.terms.zones.first());
        let answer = Answer { explained, concern: &concern, subject, zone };
        let (mut has, mut lacks) = (Side::default(), Side::default());
        for slot in concern.slots(&state) {
            // DNS has it in any case: it counts.
            let is_seen = principal.grant.may_read(slot.id().service_type());
            for instance in slot.instances() {
                let reason = self.reason(slot, instance, &answer);
                let side = if reason.is_none() { &mut has } else { &mut lacks };
                side.add(is_seen, || self.candidate(instance, reason));
            }
        }
        // Whoever asks why something is missing is to see it, however much is not missing.
        let of_these = lacks.shown.len().min(SHOWN_MAX - has.shown.len().min(SHOWN_MAX / 2));
        lacks.shown.truncate(of_these);
        has.shown.truncate(SHOWN_MAX - of_these);
        let instances: Vec<_> = lacks.shown.into_iter().chain(has.shown).collect();
        let not_shown = has.count + lacks.count - instances.len();
        Explanation { reply: answer.explained.reply, instances, answered: has.count, left_out: lacks.count, not_shown }
    }

    fn candidate(&self, instance: &Instance, reason: Option<Reason>) -> Candidate {
        let view = api::Instance::of(instance, self.registry.expires_at(instance), &self.terms);
        Candidate::of(view, reason)
    }

    /// Why the answer does not have an instance, and since when.
    fn reason(&self, slot: &Slot, instance: &Arc<Instance>, answer: &Answer<'_>) -> Option<Reason> {
        let effective = slot.effective();
        // One that is down hides nothing, and nothing but that keeps it out: what is served may be of a lower source.
        let is_out = instance.status() == Status::Down && instance.facts.kept.is_none();
        if !Arc::ptr_eq(effective, instance) && !is_out {
            return Some((format!("hidden by what {} says of the same name", effective.origin.source()), None));
        }
        let lapsed_at = || self.registry.expires_at(instance);
        not_served(instance, lapsed_at).or_else(|| answer.lacks(instance).map(|reason| (reason, None)))
    }
}

/// Why an instance is left out, and since when, where that is known.
type Reason = (String, Option<UnixMillis>);

/// The instances that an answer has, or those that it lacks.
#[derive(Default)]
struct Side {
    count: usize,
    /// The first of them.
    shown: Vec<Candidate>,
}

impl Side {
    fn add(&mut self, is_seen: bool, candidate: impl FnOnce() -> Candidate) {
        self.count += 1;
        if is_seen && self.shown.len() < SHOWN_MAX {
            self.shown.push(candidate());
        }
    }
}

/// An answer, to be compared with instances.
struct Answer<'a> {
    explained: Explained,
    concern: &'a Concern,
    subject: Subject,
    /// The zone that names in the records are in.
    zone: Option<&'a DomainName>,
}

impl Answer<'_> {
    /// Why it does not have an instance that is served.
    fn lacks(&self, instance: &Instance) -> Option<String> {
        let Explained { reply, rtype, exists, answers, selected, is_full } = &self.explained;
        let is_without =
            |family: fn(&IpAddr) -> bool| !instance.registration.addresses.iter().any(|a| family(&a.get()));
        let reason = match *rtype {
            _ if self.is_in(answers, instance) => return None,
            _ if !exists => "this name does not lead to it",
            _ if self.concern.passes_over(instance, self.subject) => match self.subject {
                Subject::Host => "the host of this name comes before the service",
                _ => "the service of this name has a higher source and comes before the host",
            },
            rtype::A if is_without(IpAddr::is_ipv4) => "it has no IPv4 address",
            rtype::AAAA if is_without(IpAddr::is_ipv6) => "it has no IPv6 address",
            _ if selected.as_ref().is_some_and(|selected| !self.is_in(selected, instance)) => "beyond dns.glob_limit",
            _ if reply.records.is_empty() => return Some(format!("this name has no {} records", reply.rtype)),
            _ if *is_full => "beyond the 64 KiB of a message over TCP",
            _ => "not looked at: too many before it repeat what others have",
        };
        Some(reason.to_owned())
    }

    /// Whether a record of an instance is among these.
    fn is_in(&self, data: &HashSet<Datum>, instance: &Instance) -> bool {
        let addresses = || instance.registration.addresses.iter().any(|a| data.contains(&Datum::Address(a.get())));
        let has = |datum: Option<Datum>| datum.is_some_and(|datum| data.contains(&datum));
        match self.explained.rtype {
            rtype::A | rtype::AAAA => addresses(),
            rtype::PTR => has(self.pointer(instance)),
            rtype::SRV => has(self.srv(instance)),
            rtype::ANY => addresses() || has(self.pointer(instance)) || has(self.srv(instance)),
            // Of an instance, which alone has such records.
            _ => !self.explained.reply.records.is_empty(),
        }
    }

    fn pointer(&self, instance: &Instance) -> Option<Datum> {
        let target = if self.subject == Subject::Address { self.target(instance) } else { self.name(instance) };
        target.map(Datum::Name)
    }

    fn srv(&self, instance: &Instance) -> Option<Datum> {
        let Registration { weight, port, .. } = instance.registration;
        let (priority, target) = (instance.priority(), self.target(instance)?);
        Some(Datum::Srv { priority, weight, port: port.get(), target })
    }

    fn target(&self, instance: &Instance) -> Option<DomainName> {
        match instance.host() {
            Host::Label(label) => self.below(&[label.as_str()]),
            Host::Foreign(name) => Some(name.clone()),
        }
    }

    fn name(&self, instance: &Instance) -> Option<DomainName> {
        let (id, service_type) = (instance.id(), instance.id().service_type());
        let service = format!("_{}", service_type.service());
        self.below(&[id.instance().as_str(), &service, service_type.transport().label()])
    }

    fn below(&self, labels: &[&str]) -> Option<DomainName> {
        let labels = labels.iter().map(|label| label.as_bytes());
        DomainName::from_labels(labels.chain(self.zone?.labels())).ok()
    }
}

/// Why DNS does not have an instance at all.
fn not_served(instance: &Instance, lapsed_at: impl FnOnce() -> Option<UnixMillis>) -> Option<Reason> {
    let facts = &instance.facts;
    let reason = match instance.status() {
        _ if instance.is_served() => return None,
        Status::Up => return instance.withheld().map(|withheld| (withheld.to_string(), None)),
        Status::Starting if facts.reported == Reported::Starting => "it says that it is starting".to_owned(),
        Status::Starting => "its first check has not passed yet".to_owned(),
        Status::OutOfService if facts.drained => "drained by an operator".to_owned(),
        Status::OutOfService => "it left".to_owned(),
        Status::Down => match &facts.check {
            _ if facts.lapsed.is_some() => return Some(("its lease lapsed".to_owned(), lapsed_at())),
            Check::Failing(reason) => format!("its check fails: {reason}"),
            Check::None | Check::Awaited | Check::Passing => "down".to_owned(),
        },
    };
    Some((reason, facts.since))
}
