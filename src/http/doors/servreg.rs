//! servreg's door (it is also called emerald): JSON-RPC at `POST /api`, whose replies have both `result` and `error`.
//!
//! A service of any name has instances at a host and port, or at a URL; `ping` registers or renews one for a minute,
//! `locate_service` finds them by name or glob. An instance is named after where it is (`10.0.0.7:8080`), which tells
//! the doors' own from those that others registered, and by which it is found when it moves to another service.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Json, Kind, LeaseWish, Problem, Registration, Txt, TxtValue};
use crate::http::Edge;
use crate::http::pick::AT_ONCE;
use crate::http::principal::Principal;
use crate::http::respond::problem_of;
use crate::http::rpc::{Call, Methods, Outcome, Params, Spent, posted};
use crate::registry::{Condition, Operation, Slot, State as Published};
use crate::service::{Glob, Instance, InstanceId, InstanceName, Lease, NAME, Origin, ServiceType};
use crate::tokens::Grant;

use super::{of_types, over_any_transport, reached_at};

/// Where calls are posted.
pub(in crate::http) const PATH: &str = "/api";
/// How long a ping holds.
const ACTIVE: Duration = Duration::from_mins(1);
/// Instances that one call finds, at most.
const FOUND_MAX: usize = 1000;
/// The attribute that has the URL of an instance that is at one.
const URL: &str = "url";

/// `POST /api`
pub(in crate::http) async fn call(State(edge): State<Arc<Edge>>, principal: Principal, request: Request) -> Response {
    let caller = Caller { edge: &edge, principal: &principal };
    // To a notification nothing is said, with the status that everything has.
    posted(&caller, &edge, request).await.unwrap_or_else(|| StatusCode::OK.into_response())
}

/// What is posted: names and places are texts that no schema can tell from others.
pub(in crate::http) fn call_schema() -> Value {
    let (text, port) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 1, "maximum": 65535 }));
    json!({
        "description": "A call of JSON-RPC 2.0; without an id it is a notification, to which nothing is said",
        "type": "object",
        "required": ["jsonrpc", "method"],
        "properties": {
            "jsonrpc": { "const": "2.0" },
            "method": { "enum": ["ping", "locate_service"] },
            "params": {
                "anyOf": [
                    { "type": "array", "minItems": 1, "maxItems": 3 },
                    { "type": "object", "properties": { "name": text, "host": text, "port": port, "url": text } },
                ],
            },
            "id": { "type": ["string", "number", "null"] },
        },
    })
}

struct Caller<'a> {
    edge: &'a Arc<Edge>,
    principal: &'a Principal,
}

impl Methods for Caller<'_> {
    /// Its clients look at both.
    const BOTH: bool = true;

    async fn answer(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(calls.len());
        let mut spent = Spent::default();
        for call in calls {
            let result = match call.method.as_str() {
                "ping" => self.ping(call.params).await,
                "locate_service" => self.locate(call.params, &mut spent).await.map(Value::Array),
                _ => Err(call.unknown("the methods are ping and locate_service")),
            };
            outcomes.push(result.map(Into::into));
            // A batch takes its time; others have theirs.
            tokio::task::consume_budget().await;
        }
        outcomes
    }
}

/// A ping, by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ping {
    name: String,
    host: Option<String>,
    port: Option<u16>,
    url: Option<String>,
}

/// Where an instance is, in the client's words.
enum Place {
    At { host: String, port: u16 },
    Url { url: String, host: String, port: u16 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
}

impl Caller<'_> {
    /// `ping(name, host, port)` or `ping(name, url)`: true.
    async fn ping(&self, params: Params) -> Result<Value, Problem> {
        self.edge.check_write(self.principal, "ping")?;
        let names: &[&str] = match &params {
            Params::ByPosition(values) if values.len() == 2 => &["name", "url"],
            _ => &["name", "host", "port"],
        };
        let ping: Ping = Json::Object(params.named(names)?).read()?;
        let service_type = service_type(&ping.name)?;
        let name = ping.name.clone();
        let place = Place::of(ping, self.principal.sender)?;
        let id = InstanceId::new(service_type, place.instance()?);
        let (origin, condition) = (Origin::api(), Condition::Always);
        let state = self.edge.registry.state();
        let is_known = |instance: &Arc<Instance>| instance.facts.lapsed.is_none();
        let known = state.get(&id).and_then(|slot| slot.of_origin(&origin)).is_some_and(is_known);
        let registration =
            self.registration(&id, &name, place).accept(&self.edge.terms, self.principal.sender, None)?;
        self.edge.registered(self.principal, registration, condition).await.map_err(|refusal| problem_of(&refusal))?;
        if !known {
            // To find where it was takes a look at all: only what is new has moved.
            let looking = Arc::clone(self.edge);
            let moved = self.edge.surveying.take(move || elsewhere(&looking.registry.state(), &id)).await?;
            let gone = moved.into_iter().map(|id| Operation::Deregister { id, origin: origin.clone(), condition });
            // Who is gone already has moved as well, and what is another's stays where it is.
            self.edge.change(self.principal, gone.collect()).await;
        }
        Ok(Value::Bool(true))
    }

    fn registration(&self, id: &InstanceId, name: &str, place: Place) -> Registration {
        let mut txt = Vec::new();
        if id.service_type().service() != name {
            txt.push((NAME.to_owned(), TxtValue::Text(name.to_owned())));
        }
        let (host, port) = match place {
            Place::At { host, port } => (host, port),
            Place::Url { url, host, port } => {
                txt.push((URL.to_owned(), TxtValue::Text(url)));
                (host, port)
            }
        };
        let leases = self.edge.terms.leases;
        Registration {
            instance: Some(id.instance().as_str().to_owned()),
            host: Some(host),
            txt: Some(Txt(txt)),
            lease: Some(LeaseWish::of(Lease::from(ACTIVE.clamp(leases.shortest, leases.longest)))),
            ..Registration::new(id.service_type().to_string(), port)
        }
    }

    /// `locate_service(name)`: every instance that is up, of every service that matches.
    async fn locate(&self, params: Params, spent: &mut Spent) -> Result<Vec<Value>, Problem> {
        spent.check()?;
        let Wanted { name } = Json::Object(params.named(&["name"])?).read()?;
        let found = if Glob::is_pattern(&name) { self.matching(&name).await? } else { self.of_service(&name).await? };
        spent.shown += found.len();
        Ok(found)
    }

    async fn of_service(&self, name: &str) -> Result<Vec<Value>, Problem> {
        // A name that cannot be is that of no service.
        let Ok(over_tcp) = ServiceType::of_name(name) else { return Ok(Vec::new()) };
        self.principal.check_read(&over_tcp)?;
        let types: Vec<_> = over_any_transport(&over_tcp).collect();
        let (state, grant) = (self.edge.registry.state(), self.principal.grant.clone());
        if of_types(&state, &types).nth(AT_ONCE).is_none() {
            return Ok(found(of_types(&state, &types), &grant, |_| true));
        }
        drop(state);
        let edge = Arc::clone(self.edge);
        let look = move || found(of_types(&edge.registry.state(), &types), &grant, |_| true);
        self.edge.surveying.take(look).await
    }

    /// To match a pattern takes a look at all.
    async fn matching(&self, pattern: &str) -> Result<Vec<Value>, Problem> {
        let (pattern, edge, grant) = (Glob::new(pattern), Arc::clone(self.edge), self.principal.grant.clone());
        let look = move || found(edge.registry.state().after(None), &grant, |name| pattern.matches(name));
        self.edge.surveying.take(look).await
    }
}

fn service_type(name: &str) -> Result<ServiceType, Problem> {
    ServiceType::of_name(name).map_err(|error| named(Kind::InvalidService, "name", &error))
}

fn named(kind: Kind, field: &str, why: &dyn std::fmt::Display) -> Problem {
    Problem { field: Some(field.into()), ..Problem::new(kind, format!("`{field}` {why}")) }
}

impl Place {
    fn of(ping: Ping, sender: IpAddr) -> Result<Self, Problem> {
        match ping {
            Ping { url: Some(url), host: None, port: None, .. } => {
                let wrong = |why: &str| Err(named(Kind::InvalidHost, URL, &why));
                let Ok(parts) = url.parse::<Uri>() else { return wrong("is no URL") };
                let Some(host) = parts.host() else { return wrong("has no host") };
                let known = match parts.scheme_str() {
                    Some("http" | "ws") => Some(80),
                    Some("https" | "wss") => Some(443),
                    _ => None,
                };
                let Some(port) = parts.port_u16().or(known) else { return wrong("has no port") };
                let host = host.trim_matches(['[', ']']).to_owned();
                Ok(Self::Url { url, host, port })
            }
            Ping { host: Some(host), port: Some(port), url: None, .. } => {
                // Who listens everywhere is where it calls from.
                let everywhere = host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
                let host = if everywhere { sender.to_canonical().to_string() } else { host };
                Ok(Self::At { host, port })
            }
            _ => Err(Problem::new(Kind::MissingField, "a ping has a name and either a host and a port, or a url")),
        }
    }

    /// The name of what is there.
    fn instance(&self) -> Result<InstanceName, Problem> {
        match self {
            Self::At { host, port } => {
                InstanceName::of_name(&at(host, *port)).map_err(|error| named(Kind::InvalidHost, "host", &error))
            }
            Self::Url { url, .. } => InstanceName::of_name(url).map_err(|error| named(Kind::InvalidHost, URL, &error)),
        }
    }
}

/// `10.0.0.7:8080`, `[2001:db8::7]:8080`
fn at(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The instances of the same name, which is their place, of other services.
fn elsewhere(state: &Published, id: &InstanceId) -> Vec<InstanceId> {
    let origin = Origin::api();
    let moved = state.after(None).filter(|(other, slot)| {
        other.instance() == id.instance()
            && other.service_type() != id.service_type()
            && slot.of_origin(&origin).is_some_and(|instance| is_own(instance))
    });
    moved.map(|(id, _)| id.clone()).collect()
}

/// Whether an instance is named after its place, as those of this door are.
fn is_own(instance: &Instance) -> bool {
    let name = instance.id().instance().as_str();
    let url = instance.registration.txt.get(URL).flatten().and_then(|url| std::str::from_utf8(url).ok());
    let port = name.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port == Some(instance.registration.port.get())
        || url.is_some_and(|url| InstanceName::of_name(url).is_ok_and(|named| named == *instance.id().instance()))
}

/// What is up of services whose names are meant, and which are shown, as clients want it: the lowest priority first.
fn found<'a>(
    candidates: impl Iterator<Item = (&'a InstanceId, &'a Slot)>,
    grant: &Grant,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<Value> {
    let up = candidates.map(|(_, slot)| slot.effective()).filter(|instance| instance.is_served());
    let meant = up.filter(|instance| is_meant(instance.registration.service_name()));
    let meant = meant.filter(|instance| grant.may_read(instance.id().service_type()));
    let mut found: Vec<_> = meant.collect();
    found.sort_by_key(|instance| instance.priority());
    found.into_iter().take(FOUND_MAX).map(|instance| shown(instance)).collect()
}

/// A URL, or a host and port: the host as it was pinged, else one that needs no DNS where there is one.
fn shown(instance: &Instance) -> Value {
    let name = instance.id().instance().as_str();
    let port = instance.registration.port.get();
    if is_own(instance) {
        if let Some(Some(url)) = instance.registration.txt.get(URL) {
            return String::from_utf8_lossy(url).into();
        }
        if let Some((host, _)) = name.rsplit_once(':') {
            return json!({"host": host.trim_matches(['[', ']']), "port": port});
        }
    }
    json!({"host": reached_at(instance), "port": port})
}
