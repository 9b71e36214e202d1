//! What Registro's door is sent, and what it shows.

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::api::schema;
use crate::http::doors::reached_at;
use crate::service::{Instance, Status};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegistroApps")]
pub(super) struct Applications {
    applications: Vec<App>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegistroApp")]
pub(super) struct App {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) instances: Vec<Shown>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegistroInstance")]
pub(super) struct Shown {
    id: String,
    ip: String,
    port: u16,
    status: Status,
    /// Unix seconds.
    #[serde(rename = "lastRenewal")]
    last_renewal: u64,
}

pub(super) fn shown(instance: &Instance) -> Shown {
    let registration = &instance.registration;
    Shown {
        id: registration.instance_name().to_owned(),
        ip: reached_at(instance),
        port: registration.port.get(),
        status: instance.status(),
        last_renewal: instance.renewed_at().0 / 1000,
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RegistroNewApp")]
pub(super) struct NewApp {
    #[schemars(length(min = 1, max = 250), regex(pattern = schema::NO_CONTROLS), extend("format" = "attribute-text"))]
    pub(super) name: String,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RegistroNewInstance")]
pub(super) struct NewInstance {
    #[schemars(length(min = 1, max = 250), regex(pattern = schema::NO_CONTROLS), extend("format" = "attribute-text"))]
    pub(super) id: String,
    /// An address, or a host.
    #[schemars(regex(pattern = "^[0-9A-Za-z.:-]+$"), extend("format" = "host"))]
    pub(super) ip: String,
    #[schemars(range(min = 1))]
    pub(super) port: u16,
}

/// Adds what the door answers with.
pub(in crate::http) fn describe_answers(generator: &mut SchemaGenerator) {
    let _ = (generator.subschema_for::<Applications>(), generator.subschema_for::<Shown>());
}

/// Adds what the door is sent.
pub(in crate::http) fn describe_bodies(generator: &mut SchemaGenerator) {
    let _ = (generator.subschema_for::<NewApp>(), generator.subschema_for::<NewInstance>());
}
