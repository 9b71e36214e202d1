//! An instance as it is shown.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{self, Address, Host, InstanceId, Reported, ServiceType, Source, Status, Transport, UnixMillis};

use super::accept::Terms;
use super::check::Check;
use super::lease::LeaseWish;
use super::txt::Txt;

/// All that the registry knows of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// `auth`
    pub service: String,
    /// `tcp`
    pub transport: Transport,
    /// The instance's own name, case kept.
    pub instance: String,
    /// The whole name in the first zone, in presentation form: `Main\032Auth._auth._tcp.registry.local.`
    pub name: String,
    /// Where to connect to, as DNS serves it: a whole name.
    pub host: String,
    /// Addresses of this instance; empty for a foreign host.
    pub addresses: Vec<IpAddr>,
    /// Where to connect to.
    pub port: u16,
    /// As DNS serves it; lower is tried first (RFC 2782).
    pub priority: u16,
    /// Share among equal priorities (RFC 2782).
    pub weight: u16,
    /// Attributes as given.
    #[serde(default, skip_serializing_if = "Txt::is_empty")]
    pub txt: Txt,
    /// Subtypes as given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtypes: Vec<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Exact version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is spoken on the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Where on the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For programs that group instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `up`, `starting`, `down` or `out-of-service`.
    pub status: Status,
    /// Whether DNS answers with it.
    pub served: bool,
    /// Why not, or why it does although it is down, where the status alone does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who told us.
    pub source: Source,
    /// Which of that source: an interface, a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The name of the token that it was registered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Seconds; 0 for until deregistered.
    #[schemars(with = "f64", range(min = 0))]
    pub lease: LeaseWish,
    /// How the registry checks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// When it was first registered.
    pub registered_at: Timestamp,
    /// When it was last registered or renewed.
    pub renewed_at: Timestamp,
    /// When the lease ends or ended, by the registry's wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The change that made it what it is.
    pub revision: u64,
    /// What other sources say of the same name, hidden by this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beneath: Vec<Self>,
}

impl Instance {
    /// Shows `instance`; `expires_at` is when its lease ends by the wall clock.
    pub fn of(instance: &service::Instance, expires_at: Option<UnixMillis>, terms: &Terms) -> Self {
        let service::Registration { id, details, .. } = &instance.registration;
        let said = &instance.registration;
        let text = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
        Self {
            service: id.service_type().service().to_owned(),
            transport: id.service_type().transport(),
            instance: id.instance().as_str().to_owned(),
            name: terms.name_of(id),
            host: match instance.host() {
                Host::Label(label) => format!("{}.{}", label.as_str(), terms.zone()),
                Host::Foreign(name) => name.to_string(),
            },
            addresses: said.addresses.iter().copied().map(Address::get).collect(),
            port: said.port.get(),
            priority: instance.priority(),
            weight: said.weight,
            txt: Txt::of(&said.txt),
            subtypes: details.subtypes.iter().map(|s| s.as_str().to_owned()).collect(),
            tags: details.tags.iter().map(|t| t.as_str().to_owned()).collect(),
            version: details.version.as_ref().map(ToString::to_string),
            protocol: text(&details.protocol),
            path: text(&details.path),
            description: text(&details.description),
            namespace: text(&details.namespace),
            status: instance.status(),
            served: instance.is_served(),
            reason: reason(instance),
            source: instance.origin.source(),
            origin: Some(instance.origin.name()).filter(|name| !name.is_empty()).map(str::to_owned),
            owner: instance.owner.as_deref().map(str::to_owned),
            lease: LeaseWish::of(said.lease),
            check: details.probe.as_deref().map(Check::of),
            registered_at: timestamp(instance.registered_at),
            renewed_at: timestamp(instance.renewed_at()),
            expires_at: expires_at.map(timestamp),
            revision: instance.revision.0,
            beneath: Vec::new(),
        }
    }
}

impl Terms {
    /// The whole name of an instance in the first zone, in presentation form.
    pub fn name_of(&self, id: &InstanceId) -> String {
        format!("{id}.{}", self.zone())
    }

    /// The name to browse for a service type, in the first zone.
    pub fn name_of_type(&self, service_type: &ServiceType) -> String {
        format!("{service_type}.{}", self.zone())
    }

    fn zone(&self) -> &service::DomainName {
        self.zones.first().expect("there is at least one zone")
    }
}

/// The facts behind the status, in its order, then why an instance that is up is not served.
fn reason(instance: &service::Instance) -> Option<String> {
    let facts = &instance.facts;
    if facts.drained {
        return Some("drained by an operator".into());
    }
    if facts.reported == Reported::Left {
        return Some("left of its own accord".into());
    }
    match &facts.check {
        _ if facts.lapsed.is_some() => Some(facts.kept.as_ref().map_or_else(
            || "its lease lapsed".to_owned(),
            |why| format!("its lease lapsed; in DNS for one more, since {why}"),
        )),
        service::Check::Failing(why) => Some(format!("failing: {why}")),
        service::Check::Awaited => Some("its first check has not passed yet".into()),
        service::Check::None | service::Check::Passing => instance.withheld().map(|w| w.to_string()),
    }
}

/// RFC 3339 ends with the year 9999; later is as good as that.
pub(super) fn timestamp(millis: UnixMillis) -> Timestamp {
    i64::try_from(millis.0).ok().and_then(|m| Timestamp::from_millisecond(m).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use crate::service::{Facts, Moment, Origin, Revision};

    use super::super::accept::tests::terms;
    use super::super::{Json, Registration};
    use super::*;

    fn instance(body: &str) -> service::Instance {
        let read: Registration = Json::parse(body.as_bytes()).unwrap().read().unwrap();
        let registration = read.accept(&terms(), "10.0.0.7".parse().unwrap(), None).unwrap();
        service::Instance::new(registration, Origin::api(), UnixMillis(1_000), Moment(0), Revision(7))
    }

    #[test]
    fn what_is_shown_is_what_was_given_and_what_dns_serves() {
        let text = r#"{"service": "auth", "instance": "Main Auth.1", "port": 1, "txt": {"k": {"base64": "/w=="}}}"#;
        let view = Instance::of(&instance(text), Some(UnixMillis(61_000)), &terms());
        assert_eq!(view.name, r"Main\032Auth\.1._auth._tcp.registry.local.");
        assert_eq!(view.host, "ip-10-0-0-7.registry.local.");
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["txt"]["k"]["base64"], "/w==");
        assert_eq!(json["expires_at"], "1970-01-01T00:01:01Z");
        assert_eq!(json["lease"], 60);
        assert_eq!(serde_json::from_value::<Instance>(json).unwrap(), view);
    }

    #[test]
    fn the_reason_is_the_first_fact_that_decides() {
        let mut shown = instance(r#"{"service": "auth", "port": 1}"#);
        let mut reason = |facts: Facts| {
            shown.facts = facts.into();
            Instance::of(&shown, None, &terms()).reason.unwrap_or_default()
        };
        let failing = service::Check::Failing("timeout".into());
        assert_eq!(reason(Facts::default()), "");
        assert_eq!(reason(Facts { check: failing.clone(), ..Facts::default() }), "failing: timeout");
        let lapsed = Facts { lapsed: Some(Moment(1)), check: failing, ..Facts::default() };
        assert_eq!(reason(lapsed.clone()), "its lease lapsed");
        let kept = Facts { lapsed: Some(Moment(1)), kept: Some("3 of 3 lapsed".into()), ..Facts::default() };
        assert_eq!(reason(kept), "its lease lapsed; in DNS for one more, since 3 of 3 lapsed");
        assert_eq!(reason(Facts { drained: true, ..lapsed }), "drained by an operator");
    }

    #[test]
    fn an_instance_can_be_written_as_the_registration_that_made_it() {
        let text = r#"{"service": "auth", "instance": "a1", "port": 1, "host": "web1", "tags": ["blue"],
                       "txt": {"k": null}, "version": "1.2.3", "path": "/x", "lease": "90s", "status": "starting"}"#;
        let before = instance(text);
        let again = Registration::of(&before).accept(&terms(), "10.9.9.9".parse().unwrap(), Some(before.id()));
        assert_eq!(again.unwrap(), before.registration);
    }
}
