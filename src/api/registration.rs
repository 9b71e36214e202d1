//! A registration as it is written in JSON: shapes only, `accept` checks what they hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{self, Transport};

use super::check::Check;
use super::json::optional;
use super::lease::LeaseWish;
use super::schema;
use super::txt::Txt;

/// What a service says of itself. Only `service` and `port` are required, and `service` only where the path of the
/// request does not name it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// `auth`, `_auth` or `_auth._tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::service")]
    pub service: Option<String>,
    /// Default: tcp.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// 1 to 63 octets of text. Default: derived from host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instance")]
    pub instance: Option<String>,
    /// A label of our zone, a foreign name with a dot, or an IP address. Default: derived from the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::host")]
    pub host: Option<String>,
    /// IPv4 and IPv6, at most 16. Default: the address that the request comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::addresses")]
    pub addresses: Option<Vec<String>>,
    /// 1 to 65535.
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Lower is tried first (RFC 2782). Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// Share among equal priorities (RFC 2782). Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Attributes in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txt: Option<Txt>,
    /// Labels, with or without their underscore, at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::subtypes")]
    pub subtypes: Option<Vec<String>>,
    /// Labels, at most 16; `blue` is also the subtype `_blue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::tags")]
    pub tags: Option<Vec<String>>,
    /// An exact semantic version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::version")]
    pub version: Option<String>,
    /// What is spoken on the port, such as `wss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::protocol")]
    pub protocol: Option<String>,
    /// Where on the port, such as `/login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::path")]
    pub path: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::description")]
    pub description: Option<String>,
    /// For programs that group instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::namespace")]
    pub namespace: Option<String>,
    /// Seconds, a text with a unit, or 0 for until deregistered. Default: the server's; until deregistered with a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseWish>,
    /// How the registry finds out by itself whether it serves. Default: it does not.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Default: up.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub status: Option<ReportedStatus>,
}

impl Registration {
    /// `service` on `port`, all else by default.
    pub fn new(service: impl Into<String>, port: u16) -> Self {
        Self { service: Some(service.into()), port, ..Self::default() }
    }

    /// What would have to be sent to register `instance` as it is, its names left out: they are in the path.
    ///
    /// A host that was derived from the address is left out as well, so that it follows the addresses.
    pub fn of(instance: &service::Instance) -> Self {
        let service::Registration { host, addresses, details, .. } = &instance.registration;
        let derived = addresses.first().map(|first| service::Host::Label(service::HostLabel::of_address(*first)));
        let text = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
        Self {
            service: None,
            transport: None,
            instance: None,
            host: (Some(host) != derived.as_ref()).then(|| host.to_string()),
            addresses: match host {
                service::Host::Label(_) => Some(addresses.iter().map(ToString::to_string).collect()),
                service::Host::Foreign(_) => None,
            },
            port: instance.registration.port.get(),
            priority: Some(instance.registration.priority),
            weight: Some(instance.registration.weight),
            txt: Some(Txt::of(&instance.registration.txt)),
            subtypes: Some(details.subtypes.iter().map(|s| s.as_str().to_owned()).collect()),
            tags: Some(details.tags.iter().map(|t| t.as_str().to_owned()).collect()),
            version: details.version.as_ref().map(ToString::to_string),
            protocol: text(&details.protocol),
            path: text(&details.path),
            description: text(&details.description),
            namespace: text(&details.namespace),
            lease: Some(LeaseWish::of(instance.registration.lease)),
            check: details.probe.as_deref().map(Check::of),
            status: Some(match instance.facts.reported {
                service::Reported::Starting => ReportedStatus::Starting,
                service::Reported::Up | service::Reported::Left => ReportedStatus::Up,
            }),
        }
    }
}

/// What a service may report of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportedStatus {
    /// Alive, but not yet to be used.
    Starting,
    /// Ready.
    #[default]
    Up,
}
