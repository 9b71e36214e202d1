//! Backends: instances as a Plexus registry shows them, and the names that they go by.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::json;

use crate::api::{self, Kind, Problem, Txt};
use crate::http::doors::{of_any_transport, reached_at};
use crate::registry::State as Published;
use crate::service::{ForeignNameError, ID, Instance, InstanceId, InstanceName, NAME, Origin, ServiceType, Source};
use crate::tokens::Grant;

/// Backends of one list, at most: it is one message, and has no pages.
const SHOWN_MAX: usize = 10_000;
/// Instances of a service that one of them is chosen from, at most.
const LOOKED_MAX: usize = 1000;

#[derive(Serialize)]
pub(super) struct Backend {
    /// A UUID, which is another after a registration anew.
    id: String,
    name: String,
    host: String,
    port: u16,
    protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The attributes, as a text of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    source: &'static str,
    is_active: bool,
    /// Unix seconds, as all that follow.
    registered_at: u64,
    last_seen: u64,
    created_at: u64,
    updated_at: u64,
}

impl Backend {
    pub(super) fn of(instance: &Instance) -> Self {
        let registration = &instance.registration;
        let details = &registration.details;
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let mut metadata = Txt::of(&registration.txt);
        metadata.0.retain(|(key, _)| key != NAME && key != ID);
        let registered_at = instance.registered_at.0 / 1000;
        let seen = instance.renewed_at().0 / 1000;
        Self {
            id: uuid(instance),
            name: name_of(instance),
            host: reached_at(instance),
            port: registration.port.get(),
            protocol: text(&details.protocol).unwrap_or_else(|| api::Backend::PROTOCOL.to_owned()),
            description: text(&details.description),
            namespace: text(&details.namespace),
            version: details.version.as_ref().map(ToString::to_string),
            metadata: (!metadata.is_empty()).then(|| json!(metadata).to_string()),
            source: match instance.origin.source() {
                Source::Api => "manual",
                Source::File => "file",
                Source::Mdns | Source::Own => "auto",
            },
            is_active: instance.is_served(),
            registered_at,
            last_seen: seen,
            created_at: registered_at,
            updated_at: seen,
        }
    }
}

/// Of the name and of when it was registered (RFC 9562 §5.8).
fn uuid(instance: &Instance) -> String {
    let said = format!("{} {}", instance.id(), instance.registered_at.0);
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest(&SHA256, said.to_ascii_lowercase().as_bytes()).as_ref()[..16]);
    octets[6] = octets[6] & 0x0f | 0x80;
    octets[8] = octets[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(octets));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Why nothing has this name.
pub(super) fn unnamed(error: &ForeignNameError) -> Problem {
    Problem { field: Some("name".into()), ..Problem::new(Kind::InvalidInstance, format!("`name` {error}")) }
}

/// Its own, or those of the service and of the instance.
fn name_of(instance: &Instance) -> String {
    let (service, own) = (instance.registration.service_name(), instance.registration.instance_name());
    if service.eq_ignore_ascii_case(own) { own.to_owned() } else { format!("{service}/{own}") }
}

/// The identities that a name may mean, the first before the second.
pub(super) fn meant(name: &str) -> impl Iterator<Item = InstanceId> {
    let of_others = name.rsplit_once('/').and_then(|(service, instance)| {
        Some(InstanceId::new(ServiceType::of_name(service).ok()?, InstanceName::of_name(instance).ok()?))
    });
    [api::Backend::identity(name).ok(), of_others]
        .into_iter()
        .flatten()
        .flat_map(|id| of_any_transport(&id).collect::<Vec<_>>())
}

/// What the API holds of the backend: the rest is not for its clients to change.
pub(super) fn held(state: &Published, name: &str) -> Option<Arc<Instance>> {
    meant(name).find_map(|id| state.get(&id)?.of_origin(&Origin::api()).cloned())
}

/// The backend, else an instance of the service that is served, of the lowest priority; of what `grant` may see.
pub(super) fn found<'a>(state: &'a Published, name: &str, grant: &Grant) -> Option<&'a Arc<Instance>> {
    let mut shown = meant(name).filter(|id| grant.may_read(id.service_type()));
    let exact = shown.find_map(|id| Some(state.get(&id)?.effective()));
    exact.or_else(|| {
        let service = api::Backend::identity(name).ok()?;
        let listed = state.of_service(service.service_type(), grant).take(LOOKED_MAX);
        let served = listed.map(|(_, slot)| slot.effective()).filter(|instance| instance.is_served());
        served.min_by_key(|instance| instance.registration.priority)
    })
}

/// The last registered first.
pub(super) fn all(state: &Published, grant: &Grant, active_only: bool) -> Result<Vec<Backend>, Problem> {
    let seen = state.after(None).filter(|(id, _)| grant.may_read(id.service_type()));
    let effective = seen.map(|(_, slot)| slot.effective());
    let mut listed: Vec<_> =
        effective.filter(|instance| !active_only || instance.is_served()).take(SHOWN_MAX + 1).collect();
    if listed.len() > SHOWN_MAX {
        let detail = format!("there are more than {SHOWN_MAX} backends; GET /v1/instances lists them in pages");
        return Err(Problem::new(Kind::TooMany, detail));
    }
    listed.sort_by_key(|instance| std::cmp::Reverse(instance.registered_at.0));
    Ok(listed.into_iter().map(|instance| Backend::of(instance)).collect())
}
