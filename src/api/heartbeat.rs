//! The answers to a heartbeat, and the wish for a status.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{self, Status, Transport};

use super::accept::Terms;
use super::instance::timestamp;
use super::invalid::{Fault, Invalid};
use super::lease::LeaseWish;
use super::problem::Problem;
use super::schema;

/// Octets of a reason, at most: it stands in a list of instances.
pub(super) const REASON_MAX: usize = 255;

/// What is answered to a registration or renewal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// `auth`
    pub service: String,
    /// `tcp`
    pub transport: Transport,
    /// The name as given, or as derived.
    pub instance: String,
    /// The whole name in DNS.
    pub name: String,
    /// Whether the name was not registered before.
    pub created: bool,
    /// `up`, unless an operator or a check says otherwise.
    pub status: Status,
    /// Seconds within which to come again; 0 for never.
    #[schemars(with = "f64", range(min = 0))]
    pub lease: LeaseWish,
    /// When the lease ends, by the registry's wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The change that made the instance what it is: its `ETag`.
    pub revision: u64,
}

impl Heartbeat {
    /// The answer about `instance`.
    pub fn of(
        instance: &service::Instance,
        created: bool,
        expires_at: Option<service::UnixMillis>,
        terms: &Terms,
    ) -> Self {
        let id = instance.id();
        Self {
            service: id.service_type().service().to_owned(),
            transport: id.service_type().transport(),
            instance: id.instance().as_str().to_owned(),
            name: terms.name_of(id),
            created,
            status: instance.status(),
            lease: LeaseWish::of(instance.registration.lease),
            expires_at: expires_at.map(timestamp),
            revision: instance.revision.0,
        }
    }
}

/// What became of one item of an array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// `{"registered": {…}}`
    Registered(Heartbeat),
    /// `{"problem": {…}}`: nothing of this item was applied.
    Problem(Problem),
}

/// The body of `PUT …/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusWish {
    /// `out-of-service` drains; `up` undoes that and forgets a failing check.
    pub status: Status,
    /// Why, for people; only `down` keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    pub reason: Option<String>,
}

impl StatusWish {
    /// The reason, checked; a standing one where none was given.
    pub fn reason(&self) -> Result<Arc<str>, Invalid> {
        let Some(reason) = &self.reason else { return Ok("set down by an operator".into()) };
        if let Some(control) = reason.chars().find(|c| c.is_control()) {
            return Err(Invalid::new("reason", Fault::Control(control)));
        }
        if reason.len() > REASON_MAX {
            return Err(Invalid::new("reason", Fault::TooLong { given: reason.len(), limit: REASON_MAX }));
        }
        Ok(reason.as_str().into())
    }
}
