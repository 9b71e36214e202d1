//! What there is to do with backends, however it is spelled.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Fault, Invalid, Json, Problem};
use crate::http::doors::located;
use crate::http::respond::problem_of;
use crate::http::rpc::{Params, Spent, known, no_params, take};
use crate::registry::{Applied, Condition, Operation, Refusal};
use crate::service::Origin;

use super::Hub;
use super::backend::{Backend, all, found, held, meant, unnamed};

/// What a method does; the names of its params are in the order of positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb {
    pub(super) name: &'static str,
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

impl Verb {
    pub(super) fn of(name: &str) -> Option<Self> {
        VERBS.iter().find(|verb| verb.name == name).copied()
    }
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

impl Hub {
    /// Does it, and says what came of it.
    pub(super) async fn content(&self, verb: Verb, params: Params, spent: &mut Spent) -> Result<Value, Problem> {
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
                        let found = found(&state, &name, &self.principal.grant);
                        if found.is_none() {
                            self.principal.check_read_any(meant(&name).map(|id| id.service_type().clone()))?;
                        }
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
            None => found(&state, &name, &self.principal.grant).is_some(),
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

fn changed(event: &str, applied: &Applied) -> Value {
    json!({"type": event, "backend": Backend::of(&applied.instance)})
}

fn error(message: &str) -> Value {
    json!({"type": "error", "message": message})
}

fn not_found(name: &str) -> Value {
    error(&format!("Backend not found: {name}"))
}
