//! The Plexus registry's door: JSON-RPC over a WebSocket at `/`, where every backend has a name of its own.
//!
//! A backend is the instance of its name (`substrate` of the service `substrate`), and stays until it is deleted; what
//! other doors registered is there as `SERVICE/INSTANCE`, and to `get` a service is to get one that is served. The dotted
//! spelling (`registry.list`) answers with a result; the others (`registry_list`, `registry-hub.call`) with a
//! subscription, whose items follow at once and end.
//!
//! Unlike there, a backend that comes back under its name and at its place is no error.

mod backend;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::header::UPGRADE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Fault, Invalid, Json, Kind, Problem};
use crate::http::doors::located;
use crate::http::handover::Handover;
use crate::http::principal::Principal;
use crate::http::respond::{Refused, problem_of};
use crate::http::rpc::{Answer, Call, Line, Methods, Outcome, Params, Spent, known, no_params, open, take};
use crate::http::{Edge, about};
use crate::registry::{Applied, Condition, Operation, Refusal};
use crate::service::Origin;

use backend::{Backend, all, found, held, unnamed};

/// What the registry is called among hubs.
const HUB: &str = "registry-hub";

/// `GET /`: for who asks for a WebSocket the door, for others the welcome.
pub(in crate::http) async fn root(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Extension(handover): Extension<Handover>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Result<Response, Refused> {
    if !request.headers().contains_key(UPGRADE) {
        return Ok(about::welcome(&edge, &request).into_response());
    }
    let hub = Hub { edge: Arc::clone(&edge), principal, subscriptions: Arc::default() };
    Ok(open(edge, &handover, upgrade, hub)?)
}

/// The registry, as one connection sees it.
#[derive(Debug, Clone)]
struct Hub {
    edge: Arc<Edge>,
    principal: Principal,
    /// The last number of one.
    subscriptions: Arc<AtomicU64>,
}

/// What a method does; the names of its params are in the order of positions.
#[derive(Debug, Clone, Copy)]
struct Verb {
    name: &'static str,
    params: &'static [&'static str],
}

const BACKEND: &[&str] = &["name", "host", "port", "protocol", "description", "namespace"];
const VERBS: &[Verb] = &[
    Verb { name: "register", params: BACKEND },
    Verb { name: "list", params: &["active_only"] },
    Verb { name: "get", params: &["name"] },
    Verb { name: "update", params: BACKEND },
    Verb { name: "delete", params: &["name"] },
    Verb { name: "ping", params: &["name"] },
    Verb { name: "reload", params: &[] },
];

/// What a client wants, by its spelling.
enum Asked {
    Result(Verb),
    Subscription(Verb),
    /// The same with the method in the params.
    Call,
    Info,
    /// All have ended.
    Unsubscribe,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    active_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

impl Line for Hub {
    fn is_over(&self) -> bool {
        self.renewed().is_none()
    }
}

impl Methods for Hub {
    async fn answer(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let hub = self.renewed().unwrap_or_else(|| self.clone());
        let mut outcomes = Vec::with_capacity(calls.len());
        let mut spent = Spent::default();
        for call in calls {
            outcomes.push(hub.obey(call, &mut spent).await);
            // A batch takes its time; others have theirs.
            tokio::task::consume_budget().await;
        }
        outcomes
    }
}

impl Asked {
    fn of(method: &str) -> Option<Self> {
        let verb = |name| VERBS.iter().find(|verb| verb.name == name).copied();
        if let Some(name) = method.strip_prefix("registry.") {
            return verb(name).map(Self::Result);
        }
        let asked = match method.strip_suffix("_unsub").unwrap_or(method) {
            "_info" => Self::Info,
            "registry-hub.call" | "registry-hub_call" => Self::Call,
            other => Self::Subscription(verb(other.strip_prefix("registry_")?)?),
        };
        Some(if method.ends_with("_unsub") { Self::Unsubscribe } else { asked })
    }
}

impl Hub {
    /// The same as its client may be by now, `None` where the token is one no more.
    fn renewed(&self) -> Option<Self> {
        Some(Self { principal: self.edge.guard.renewed(&self.principal)?, ..self.clone() })
    }

    async fn obey(&self, call: Call, spent: &mut Spent) -> Outcome {
        let Some(asked) = Asked::of(&call.method) else {
            return Err(call.unknown("the methods are registry.register, list, get, update, delete, ping and reload"));
        };
        let Call { method, params, .. } = call;
        match asked {
            Asked::Result(verb) => self.content(verb, params, spent).await.map(Answer::from),
            Asked::Subscription(verb) => {
                let content = self.content(verb, params, spent).await;
                Ok(self.told(&method, &format!("registry.{}", verb.name), content))
            }
            Asked::Call => {
                let (dotted, content) = match called(params) {
                    Ok((dotted, inner)) => match Asked::of(&dotted) {
                        Some(Asked::Result(verb)) => (dotted, self.content(verb, inner, spent).await),
                        _ => (dotted, Err(Problem::new(Kind::NoSuchMethod, "there is no such method of the registry"))),
                    },
                    Err(problem) => (String::new(), Err(problem)),
                };
                Ok(self.told(&method, &dotted, content))
            }
            Asked::Info => {
                let info = json!({"backend": HUB, "version": env!("CARGO_PKG_VERSION")});
                Ok(self.told(&method, &method, Ok(info)))
            }
            Asked::Unsubscribe => Ok(Value::Bool(true).into()),
        }
    }

    /// A subscription with all its items: also what fails is one, since its clients look for no other error.
    fn told(&self, method: &str, content_type: &str, content: Result<Value, Problem>) -> Answer {
        let number = self.subscriptions.fetch_add(1, Ordering::Relaxed) + 1;
        let items = match content {
            Ok(content) => vec![item(content_type, &content), done()],
            Err(problem) => vec![failed(&problem)],
        };
        let notification = |item| {
            let params = json!({"subscription": number, "result": item});
            json!({"jsonrpc": "2.0", "method": method, "params": params})
        };
        Answer { result: number.into(), then: items.into_iter().map(notification).collect() }
    }

    async fn content(&self, verb: Verb, params: Params, spent: &mut Spent) -> Result<Value, Problem> {
        if matches!(verb.name, "register" | "update" | "delete" | "ping") {
            self.edge.check_write(&self.principal, verb.name)?;
        }
        if matches!(verb.name, "list" | "get") {
            spent.check()?;
        }
        let mut params = params.named(verb.params)?;
        params.retain(|(_, value)| *value != Json::Null);
        match verb.name {
            "register" => self.register(params).await,
            "list" => {
                let Wanted { active_only } = Json::Object(params).read()?;
                let (edge, grant) = (Arc::clone(&self.edge), self.principal.grant.clone());
                let look = move || all(&edge.registry.state(), &grant, active_only.unwrap_or(true));
                let backends = self.edge.surveying.take(self.principal.sender, look).await??;
                spent.shown += backends.len();
                Ok(json!({"type": "backends", "backends": backends}))
            }
            "update" => self.update(params).await,
            "reload" => {
                no_params(&params)?;
                self.reload().await
            }
            other => {
                let Named { name } = Json::Object(params).read()?;
                match other {
                    "get" => {
                        spent.shown += 1;
                        let state = self.edge.registry.state();
                        let found = found(&state, &name);
                        found.map_or(Ok(()), |found| self.principal.check_read(found.id().service_type()))?;
                        let backend = found.map(|instance| Backend::of(instance));
                        Ok(json!({"type": "backend", "backend": backend}))
                    }
                    "delete" => self.delete(name).await,
                    _ => self.ping(name).await,
                }
            }
        }
    }

    async fn register(&self, params: Vec<(String, Json)>) -> Result<Value, Problem> {
        known(&params, BACKEND)?;
        let backend: api::Backend = Json::Object(params).read()?;
        let Some(host) = backend.host else { return Err(Invalid::new("host", Fault::Missing).into()) };
        let (name, port) = (backend.name.clone(), backend.port);
        let backend = api::Backend { host: Some(located(host, self.principal.sender)), ..backend };
        let registration = backend.registration().map_err(|error| unnamed(&error))?;
        let registration = registration.accept(&self.edge.terms, self.principal.sender, None)?;
        let (host, addresses) = (registration.host.clone(), registration.addresses.clone());
        let applied = match self.edge.registered(&self.principal, registration.clone(), Condition::Absent).await {
            Err(Refusal::Exists(found)) => {
                let known = &found.registration;
                if (&known.host, &known.addresses, known.port.get()) != (&host, &addresses, port) {
                    return Ok(error(&format!("Backend already exists: {name}; update it, or delete it first")));
                }
                self.edge.registered(&self.principal, registration, Condition::Always).await
            }
            other => other,
        };
        Ok(changed("backend_registered", &applied.map_err(|refusal| problem_of(&refusal))?))
    }

    async fn update(&self, mut params: Vec<(String, Json)>) -> Result<Value, Problem> {
        known(&params, BACKEND)?;
        let name = take(&mut params, "name")?.map(|name| ("name".to_owned(), name));
        let Named { name } = Json::Object(name.into_iter().collect()).read()?;
        let Some(held) = held(&self.edge.registry.state(), &name) else { return Ok(not_found(&name)) };
        if let Some(Json::Text(host)) = take(&mut params, "host")? {
            // Its addresses are those of the new place.
            params.push(("addresses".to_owned(), Json::Null));
            params
                .push(("host".to_owned(), Json::Text(api::Backend::place(Some(located(host, self.principal.sender))))));
        }
        let patched = self.edge.patched(held.id(), &Json::Object(params), Condition::Present, &self.principal).await;
        Ok(changed("backend_updated", &patched.map_err(Problem::from)?))
    }

    async fn delete(&self, name: String) -> Result<Value, Problem> {
        let Some(held) = held(&self.edge.registry.state(), &name) else { return Ok(not_found(&name)) };
        let (id, origin, condition) = (held.id().clone(), Origin::api(), Condition::Always);
        match self.edge.apply(&self.principal, Operation::Deregister { id, origin, condition }).await {
            Ok(_) => Ok(json!({"type": "backend_deleted", "name": name})),
            Err(Refusal::Unknown(_)) => Ok(not_found(&name)),
            Err(refusal) => Err(problem_of(&refusal)),
        }
    }

    async fn ping(&self, name: String) -> Result<Value, Problem> {
        let state = self.edge.registry.state();
        let is_there = match held(&state, &name) {
            Some(held) => match self.edge.apply(&self.principal, Operation::Renew(held.id().clone())).await {
                Ok(_) => true,
                Err(Refusal::Unknown(_)) => false,
                Err(refusal) => return Err(problem_of(&refusal)),
            },
            // What stands in a file needs no sign of life.
            None => found(&state, &name).is_some(),
        };
        let message =
            if is_there { "Backend health check updated".to_owned() } else { format!("Backend not found: {name}") };
        Ok(json!({"type": "ping", "name": name, "success": is_there, "message": message}))
    }

    async fn reload(&self) -> Result<Value, Problem> {
        let reloaded = self.edge.reload(&self.principal).await?;
        Ok(match &reloaded.faults[..] {
            [] => {
                let count: usize = reloaded.files.iter().map(|file| file.services).sum();
                json!({"type": "reloaded", "count": count})
            }
            [fault, ..] => error(&fault.to_string()),
        })
    }
}

/// The method that is called, dotted, and its params.
fn called(params: Params) -> Result<(String, Params), Problem> {
    let mut params = params.named(&["method", "params"])?;
    let inner = match take(&mut params, "params")?.unwrap_or(Json::Null) {
        Json::Null => Params::None,
        Json::Array(values) => Params::ByPosition(values),
        Json::Object(members) => Params::ByName(members),
        _ => return Err(Problem::new(Kind::WrongType, "`params` is neither an array nor an object")),
    };
    let Some(Json::Text(called)) = take(&mut params, "method")? else {
        return Err(Problem::new(Kind::MissingField, "`method` is missing, or no text"));
    };
    Ok((if called.contains('.') { called } else { format!("registry.{called}") }, inner))
}

fn changed(event: &str, applied: &Applied) -> Value {
    json!({"type": event, "backend": Backend::of(&applied.instance)})
}

fn error(message: &str) -> Value {
    json!({"type": "error", "message": message})
}

fn not_found(name: &str) -> Value {
    error(&format!("Backend not found: {name}"))
}

fn item(content_type: &str, content: &Value) -> Value {
    json!({"type": "data", "metadata": metadata(), "content_type": content_type, "content": content})
}

fn done() -> Value {
    json!({"type": "done", "metadata": metadata()})
}

/// It is the last item, too.
fn failed(problem: &Problem) -> Value {
    let (code, recoverable) = problem.known().map_or(("unknown", false), |kind| (kind.name(), kind.is_temporary()));
    json!({"type": "error", "metadata": metadata(), "message": problem.detail, "code": code, "recoverable": recoverable})
}

fn metadata() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // The methods change with the version alone.
    json!({"provenance": [HUB, "registry"], "plexus_hash": env!("CARGO_PKG_VERSION"), "timestamp": now})
}
