//! servreg's door (it is also called emerald): JSON-RPC at `POST /api`, whose replies have both `result` and `error`.
//!
//! A service of any name has instances at a host and port, or at a URL; `ping` registers or renews one for a minute,
//! `locate_service` finds them by name or glob. An instance is named after where it is (`10.0.0.7:8080`), and is in one
//! service at a time: pinged there under another name it has moved. What others registered stays, however it is named.

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
use crate::http::respond::{self, problem_of};
use crate::http::rpc::{Call, Methods, Outcome, Params, Spent, posted, refusal};
use crate::registry::{Operation, Refusal, Slot};
use crate::service::{self, Glob, Instance, InstanceId, InstanceName, ServiceType, URL};

use super::{located, reached_at};

/// How long a ping holds.
const ACTIVE: Duration = Duration::from_mins(1);
/// Instances that one call finds, at most.
const FOUND_MAX: usize = 1000;

/// `POST /api`
pub(in crate::http) async fn call(State(edge): State<Arc<Edge>>, principal: Principal, request: Request) -> Response {
    let caller = Caller { edge: &edge, principal: &principal };
    // To a notification nothing is said, with the status that everything has.
    posted(&caller, &edge, request).await.unwrap_or_else(|| StatusCode::OK.into_response())
}

/// Who is turned away before a call of theirs was read: its clients look for a reply, under the one status that they know.
pub(in crate::http) fn refuse(problem: Problem) -> Response {
    respond::document(StatusCode::OK, &refusal::<Caller<'_>>(problem))
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
        let mut pings = Vec::new();
        let mut spent = Spent::default();
        for call in calls {
            if call.method == "ping" {
                pings.push(self.ping(call.params));
                continue;
            }
            self.apply(&mut pings, &mut outcomes).await;
            let result = match call.method.as_str() {
                "locate_service" => self.locate(call.params, &mut spent).await.map(Value::Array),
                _ => Err(call.unknown("the methods are ping and locate_service")),
            };
            outcomes.push(result.map(Into::into));
            // A batch takes its time; others have theirs.
            tokio::task::consume_budget().await;
        }
        self.apply(&mut pings, &mut outcomes).await;
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
    /// `ping(name, host, port)` or `ping(name, url)`
    fn ping(&self, params: Params) -> Result<Operation, Problem> {
        self.edge.check_write(self.principal, "ping")?;
        let names: &[&str] = match &params {
            Params::ByPosition(values) if values.len() == 2 => &["name", "url"],
            _ => &["name", "host", "port"],
        };
        let ping: Ping = Json::Object(params.named(names)?).read()?;
        let service_type = ServiceType::of_name(&ping.name);
        let service_type = service_type.map_err(|error| named(Kind::InvalidService, "name", &error))?;
        let name = ping.name.clone();
        let place = Place::of(ping, self.principal.sender)?;
        let id = InstanceId::new(service_type, place.instance()?);
        let registration = self.registration(&id, &name, place);
        let registration = registration.accept(&self.edge.terms, self.principal.sender, None)?;
        Ok(Operation::Move(service::Registration { moves: true, ..registration }))
    }

    /// Applies pings that follow each other, together: to all of which it is said that it is true.
    async fn apply(&self, pings: &mut Vec<Result<Operation, Problem>>, outcomes: &mut Vec<Outcome>) {
        let moves = pings.iter().flatten().cloned().collect();
        let mut results = self.edge.apply_all(self.principal, moves).await.into_iter();
        outcomes.extend(pings.drain(..).map(|ping| {
            ping?;
            let result = results.next().unwrap_or(Err(Refusal::Stopped));
            result.map(|_| Value::Bool(true).into()).map_err(|refusal| problem_of(&refusal))
        }));
    }

    fn registration(&self, id: &InstanceId, name: &str, place: Place) -> Registration {
        let (txt, host, port) = match place {
            Place::At { host, port } => (Txt::of_names(id, name, &at(&host, port)), host, port),
            Place::Url { url, host, port } => {
                let mut txt = Txt::of_names(id, name, id.instance().as_str());
                txt.0.push((URL.to_owned(), TxtValue::Text(url)));
                (txt, host, port)
            }
        };
        Registration {
            instance: Some(id.instance().as_str().to_owned()),
            host: Some(host),
            txt: Some(txt),
            lease: Some(LeaseWish::of(self.edge.terms.leases.nearest(ACTIVE))),
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
        self.principal.check_read_any(over_tcp.over_any_transport())?;
        let (state, grant) = (self.edge.registry.state(), self.principal.grant.clone());
        if state.of_service(&over_tcp, &grant).nth(AT_ONCE).is_none() {
            return Ok(found(state.of_service(&over_tcp, &grant), |_| true));
        }
        drop(state);
        let edge = Arc::clone(self.edge);
        let look = move || found(edge.registry.state().of_service(&over_tcp, &grant), |_| true);
        self.edge.surveying.take(self.principal.sender, look).await
    }

    /// To match a pattern takes a look at all.
    async fn matching(&self, pattern: &str) -> Result<Vec<Value>, Problem> {
        let (pattern, edge, grant) = (Glob::new(pattern), Arc::clone(self.edge), self.principal.grant.clone());
        let look = move || {
            let state = edge.registry.state();
            found(state.after(None).filter(|(id, _)| grant.may_read(id.service_type())), |name| pattern.matches(name))
        };
        self.edge.surveying.take(self.principal.sender, look).await
    }
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
                Ok(Self::At { host: located(host, sender), port })
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

/// What is up of services whose names are meant, as clients want it: the lowest priority first.
fn found<'a>(
    candidates: impl Iterator<Item = (&'a InstanceId, &'a Slot)>,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<Value> {
    let up = candidates.map(|(_, slot)| slot.effective()).filter(|instance| instance.is_served());
    let meant = up.filter(|instance| is_meant(instance.registration.service_name()));
    let mut found: Vec<_> = meant.collect();
    found.sort_by_key(|instance| instance.priority());
    found.into_iter().take(FOUND_MAX).map(|instance| shown(instance)).collect()
}

/// A URL, or a host and port: the host as it was pinged, else one that needs no DNS where there is one.
fn shown(instance: &Instance) -> Value {
    let registration = &instance.registration;
    let port = registration.port.get();
    if registration.is_named_after_its_place() {
        if let Some(url) = registration.url() {
            return url.into();
        }
        if let Some((host, _)) = registration.instance_name().rsplit_once(':') {
            return json!({"host": host.trim_matches(['[', ']']), "port": port});
        }
    }
    json!({"host": reached_at(instance), "port": port})
}
