//! Registro's door: REST below `/registro/1.0`, with apps that have instances.
//!
//! An instance is `starting` until its first heartbeat (`PUT`), `down` without one for 90 s, and `out-of-service` once
//! it was deleted. An app without instances is a declared service, until it is deleted.
//!
//! Unlike Registro, who restarts under the same id after it went `down` or was deleted is registered anew; there it
//! met a 409 for ten minutes.

mod wire;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};

use crate::api::{Kind, LeaseWish, Problem, Registration, ReportedStatus, Txt};
use crate::http::Edge;
use crate::http::pieces;
use crate::http::principal::Principal;
use crate::http::request::{Document, InPath};
use crate::http::respond::{self, Refused, problem_of};
use crate::http::write::PATCH_ATTEMPTS;
use crate::registry::{Condition, Operation, Refusal, State as Published};
use crate::service::{
    self, ForeignNameError, Instance, InstanceId, InstanceName, Lease, Origin, Reported, ServiceType, Status,
};

use super::of_any_transport;

use wire::{App, NewApp, NewInstance, shown};
use writing::Writing;

pub(in crate::http) use wire::{describe_answers, describe_bodies};

/// What all paths begin with.
const BASE: &str = "/registro/1.0/";
/// How long a heartbeat holds; clients send one every 30 s.
const LEASE: Duration = Duration::from_secs(90);
/// The port of what declares an app, since every registration has one: that which discards everything (RFC 863).
const DISCARD: u16 = 9;

type Answer = Result<Response, Rejected>;

/// A problem in Registro's statuses.
pub(in crate::http) struct Rejected(Problem);

impl<T: Into<Problem>> From<T> for Rejected {
    fn from(problem: T) -> Self {
        let problem = problem.into();
        Self(Problem { status: in_its_statuses(problem.status), ..problem })
    }
}

/// What is wrong with a body is 400 there.
const fn in_its_statuses(status: u16) -> u16 {
    if status == 422 { 400 } else { status }
}

/// The status of a kind of problem there.
pub(in crate::http) fn status(kind: Kind) -> u16 {
    in_its_statuses(kind.status())
}

/// Who is turned away before the door was reached.
pub(in crate::http) fn refuse(problem: Problem) -> Response {
    Rejected::from(problem).into_response()
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        Refused::from(self.0).into_response()
    }
}

/// `GET /registro/1.0/apps`
pub(in crate::http) async fn apps(State(edge): State<Arc<Edge>>, principal: Principal) -> Response {
    pieces::answer(&edge, principal.sender, Writing::all(edge.registry.state(), principal.grant)).await
}

/// `POST /registro/1.0/apps`
pub(in crate::http) async fn declare(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Document(body): Document,
) -> Answer {
    let NewApp { name } = body.read()?;
    let service_type = service_type(&name)?;
    if is_known(&edge.registry.state(), &service_type) {
        return Err(exists(&name).into());
    }
    let id = InstanceId::declaring(service_type);
    let registration = Registration {
        lease: Some(LeaseWish::of(Lease::UntilDeregistered)),
        txt: Some(Txt::of_names(&id, &name, id.instance().as_str())),
        ..Registration::new(id.service_type().to_string(), DISCARD)
    };
    let registration = registration.accept(&edge.terms, principal.sender, None)?;
    let registration = service::Registration { id, ..registration };
    match edge.registered(&principal, registration, Condition::Absent).await {
        Err(Refusal::Exists(_)) => Err(exists(&name).into()),
        Err(refusal) => Err(problem_of(&refusal).into()),
        Ok(_) => Ok(respond::document(StatusCode::CREATED, &App { name, instances: Vec::new() })),
    }
}

/// `GET /registro/1.0/apps/{app}`
pub(in crate::http) async fn app(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    InPath(name): InPath<String>,
) -> Answer {
    let (state, service_type) = (edge.registry.state(), service_type(&name)?);
    principal.check_read_any(service_type.over_any_transport())?;
    if state.of_service_with_declarations(&service_type, &principal.grant, None).next().is_none() {
        return Err(no_such_app(&name).into());
    }
    Ok(pieces::answer(&edge, principal.sender, Writing::one(state, service_type, principal.grant)).await)
}

/// `DELETE /registro/1.0/apps/{app}`: it is declared no more. Registro itself forgets no app.
pub(in crate::http) async fn forget(
    State(edge): State<Arc<Edge>>,
    InPath(name): InPath<String>,
    principal: Principal,
) -> Answer {
    let (id, origin, condition) = (InstanceId::declaring(service_type(&name)?), Origin::api(), Condition::Always);
    match edge.apply(&principal, Operation::Deregister { id, origin, condition }).await {
        Err(Refusal::Unknown(_)) => {
            let detail =
                format!("{:?} is not declared; an app is there while it has instances", respond::excerpt(&name));
            Err(Problem::new(Kind::NotRegistered, detail).into())
        }
        Err(refusal) => Err(problem_of(&refusal).into()),
        Ok(_) => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// `POST /registro/1.0/apps/{app}`
pub(in crate::http) async fn register(
    State(edge): State<Arc<Edge>>,
    InPath(name): InPath<String>,
    principal: Principal,
    Document(body): Document,
) -> Answer {
    let NewInstance { id: instance, ip, port } = body.read()?;
    let service_type = service_type(&name)?;
    let state = edge.registry.state();
    if !is_known(&state, &service_type) {
        return Err(no_such_app(&name).into());
    }
    let id = InstanceId::new(service_type, instance_name(&instance)?);
    let registration = Registration {
        host: Some(ip),
        lease: Some(LeaseWish::of(edge.terms.leases.nearest(LEASE))),
        txt: Some(Txt::of_names(&id, &name, &instance)),
        ..starting(&id, port)
    };
    let registration = registration.accept(&edge.terms, principal.sender, None)?;
    let existing = state.get(&id).and_then(|slot| slot.of_origin(&Origin::api()));
    let condition = match existing.filter(|existing| existing.facts.reported == Reported::Left) {
        Some(left) => Condition::Revision(left.revision),
        None => Condition::Absent,
    };
    match edge.registered(&principal, registration, condition).await {
        Ok(applied) => Ok(respond::document(StatusCode::CREATED, &shown(&applied.instance))),
        Err(Refusal::Exists(_) | Refusal::Stale(_)) => Err(exists(&instance).into()),
        Err(refusal) => Err(problem_of(&refusal).into()),
    }
}

/// `GET /registro/1.0/apps/{app}/{id}`
pub(in crate::http) async fn instance(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    InPath((name, instance)): InPath<(String, String)>,
) -> Answer {
    let state = edge.registry.state();
    let id = InstanceId::new(service_type(&name)?, instance_name(&instance)?);
    principal.check_read_any(id.service_type().over_any_transport())?;
    let mut seen = of_any_transport(&id).filter(|id| principal.grant.may_read(id.service_type()));
    let slot = seen.find_map(|id| state.get(&id)).ok_or(Refusal::Unknown(id));
    let slot = slot.map_err(|refusal| problem_of(&refusal))?;
    Ok(respond::document(StatusCode::OK, &shown(slot.effective())))
}

/// `PUT /registro/1.0/apps/{app}/{id}`: a heartbeat.
pub(in crate::http) async fn heartbeat(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    InPath((name, instance)): InPath<(String, String)>,
) -> Answer {
    edge.report(&principal, &name, &instance, Reported::Up).await
}

/// `DELETE /registro/1.0/apps/{app}/{id}`
pub(in crate::http) async fn leave(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    InPath((name, instance)): InPath<(String, String)>,
) -> Answer {
    edge.report(&principal, &name, &instance, Reported::Left).await
}

/// Registro leads from a path with a slash at its end to the one without.
pub(in crate::http) fn without_slash(uri: &Uri) -> Option<Response> {
    let path = uri.path().strip_suffix('/').filter(|path| path.starts_with(BASE))?;
    Some(Redirect::permanent(path).into_response())
}

impl Edge {
    /// What the doors hold of an instance; other sources are not for them to change.
    fn held(&self, name: &str, instance: &str) -> Result<Arc<Instance>, Rejected> {
        let id = InstanceId::new(service_type(name)?, instance_name(instance)?);
        let state = self.registry.state();
        let held = of_any_transport(&id).find_map(|id| state.get(&id)?.of_origin(&Origin::api()).cloned());
        held.ok_or_else(|| problem_of(&Refusal::Unknown(id)).into())
    }

    /// The instance says the same of itself, but for its state; its lease begins anew.
    async fn report(&self, principal: &Principal, name: &str, instance: &str, reported: Reported) -> Answer {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let existing = self.held(name, instance)?;
            match reported {
                Reported::Up if existing.status() == Status::OutOfService => return Err(out_of_service(existing.id())),
                Reported::Left if existing.facts.reported == Reported::Left => break,
                _ => {}
            }
            let registration = service::Registration { reported, ..existing.registration.clone() };
            // Only of what was read: somebody else may have changed it since.
            let only = Condition::Revision(existing.revision);
            match self.registered(principal, registration, only).await {
                Err(Refusal::Stale(_)) if attempts < PATCH_ATTEMPTS => {}
                result => {
                    result.map_err(|refusal| problem_of(&refusal))?;
                    break;
                }
            }
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }
}

fn starting(id: &InstanceId, port: u16) -> Registration {
    Registration {
        instance: Some(id.instance().as_str().to_owned()),
        status: Some(ReportedStatus::Starting),
        ..Registration::new(id.service_type().to_string(), port)
    }
}

fn service_type(name: &str) -> Result<ServiceType, Problem> {
    ServiceType::of_name(name).map_err(|error| refused("the name of the app", &error))
}

fn instance_name(id: &str) -> Result<InstanceName, Problem> {
    InstanceName::of_name(id).map_err(|error| refused("the id", &error))
}

fn refused(what: &str, error: &ForeignNameError) -> Problem {
    Problem::new(Kind::InvalidInstance, format!("{what} {error}"))
}

fn out_of_service(id: &InstanceId) -> Rejected {
    let detail = format!("{id} is out of service; register it again, unless an operator drained it");
    Problem { status: 403, ..Problem::new(Kind::NotYours, detail) }.into()
}

fn exists(name: &str) -> Problem {
    Problem::new(Kind::AlreadyRegistered, format!("{:?} is there already", respond::excerpt(name)))
}

fn no_such_app(name: &str) -> Problem {
    let detail = format!("there is no app {:?}; declare it with POST {BASE}apps", respond::excerpt(name));
    Problem::new(Kind::NotRegistered, detail)
}

/// Whether a service has instances over either transport, or is declared.
fn is_known(state: &Published, over_tcp: &ServiceType) -> bool {
    over_tcp.over_any_transport().any(|wanted| state.knows(&wanted))
}
