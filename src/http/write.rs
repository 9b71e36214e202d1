//! Requests that change something: each becomes operations, and is answered when they are done.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::api::{
    self, BATCH_MAX, Fault, Heartbeat, Heartbeats, Instance, Invalid, Json, Kind, Outcome, Problem, Registration,
};
use crate::registry::{Applied, Condition, Operation, Refusal, StatusWish};
use crate::service::{InstanceId, Origin, Status};

use super::Edge;
use super::audit::Audit;
use super::principal::Principal;
use super::request::{Addressed, Document, Named, Precondition, body_of, condition_of};
use super::respond::{self, Refused, problem_of};

/// How often a patch is made anew because the instance changed under it.
pub(super) const PATCH_ATTEMPTS: usize = 5;
/// What stands for itself in a path (RFC 3986 §2.3).
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a heartbeat asks for.
struct Asked {
    operations: Vec<Operation>,
    /// Of an array, what is wrong with each item.
    invalid: Option<Vec<Option<Invalid>>>,
}

/// `POST /v1/heartbeat`: registers what is new and renews what is known; one object, or an array of them.
pub(super) async fn heartbeat(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Refused> {
    let condition = condition_of(request.headers())?;
    let body = body_of(request, &edge).await?;
    let Asked { operations, invalid } = edge.read(&body, &principal, condition)?;
    let mut results = edge.apply_all(&principal, operations).await.into_iter();
    let mut next = || results.next().unwrap_or(Err(Refusal::Stopped));
    let Some(invalid) = invalid else {
        let applied = next()?;
        return Ok(registered(&applied, &edge.heartbeat_of(&applied)));
    };
    let outcome = |invalid: Option<Invalid>| match invalid.map_or_else(|| Ok(next()), Err) {
        Err(invalid) => Outcome::Problem(Problem::from(invalid)),
        Ok(Ok(applied)) => Outcome::Registered(edge.heartbeat_of(&applied)),
        Ok(Err(refusal)) => Outcome::Problem(problem_of(&refusal)),
    };
    let outcomes: Vec<_> = invalid.into_iter().map(outcome).collect();
    Ok(respond::document(StatusCode::OK, &outcomes))
}

/// `PUT /v1/instances/{type}/{instance}`: the whole registration.
pub(super) async fn replace(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Named(id): Named,
    Precondition(condition): Precondition,
    Document(body): Document,
) -> Result<Response, Refused> {
    let operation = edge.registering(body.read()?, &principal, Some(&id), condition)?;
    let applied = edge.apply(&principal, operation).await?;
    Ok(registered(&applied, &edge.view(&applied)))
}

/// `PATCH /v1/instances/{type}/{instance}`: what differs from the registration (RFC 7396). It renews the lease, as
/// every registration does.
pub(super) async fn patch(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Addressed(id): Addressed,
    Precondition(condition): Precondition,
    Document(patch): Document,
) -> Result<Response, Refused> {
    let applied = edge.patched(&id, &patch, condition, &principal).await?;
    Ok(registered(&applied, &edge.view(&applied)))
}

/// `DELETE /v1/instances/{type}/{instance}`
pub(super) async fn deregister(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Addressed(id): Addressed,
    Precondition(condition): Precondition,
) -> Result<Response, Refused> {
    edge.apply(&principal, Operation::Deregister { id, origin: Origin::api(), condition }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/instances/{type}/{instance}/renew`
pub(super) async fn renew(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Addressed(id): Addressed,
    Precondition(condition): Precondition,
) -> Result<Response, Refused> {
    if condition != Condition::Always {
        let detail = "a renewal depends on nothing: leave If-Match and If-None-Match out";
        return Err(Problem::new(Kind::MalformedRequest, detail).into());
    }
    let applied = edge.apply(&principal, Operation::Renew(id)).await?;
    Ok(registered(&applied, &edge.heartbeat_of(&applied)))
}

/// `PUT /v1/instances/{type}/{instance}/status`
pub(super) async fn set_status(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Addressed(id): Addressed,
    Precondition(condition): Precondition,
    Document(body): Document,
) -> Result<Response, Refused> {
    let wish: api::StatusWish = body.read()?;
    let status = match wish.status {
        Status::Starting => StatusWish::Starting,
        Status::Up => StatusWish::Up,
        Status::Down => StatusWish::Down(wish.reason()?),
        Status::OutOfService => StatusWish::OutOfService,
    };
    let applied = edge.apply(&principal, Operation::SetStatus { id, status, condition }).await?;
    Ok(registered(&applied, &edge.view(&applied)))
}

impl Edge {
    /// Items that cannot be read do not hold up the others.
    fn read(&self, body: &[u8], principal: &Principal, condition: Condition) -> Result<Asked, Refused> {
        let registering = |item: Result<_, _>| self.registering(item?, principal, None, condition);
        let items = match Heartbeats::parse(body).map_err(Problem::from)? {
            Heartbeats::One(item) => return Ok(Asked { operations: vec![registering(item)?], invalid: None }),
            Heartbeats::Several(items) => items,
        };
        if items.len() > BATCH_MAX {
            return Err(Invalid::new("", Fault::TooMany { given: items.len(), limit: BATCH_MAX }).into());
        }
        let mut operations = Vec::with_capacity(items.len());
        let mut note = |item| match registering(item) {
            Ok(operation) => {
                operations.push(operation);
                None
            }
            Err(invalid) => Some(invalid),
        };
        let invalid = Some(items.into_iter().map(&mut note).collect());
        Ok(Asked { operations, invalid })
    }

    /// Applies a merge patch to what the API layer holds.
    pub(super) async fn patched(
        &self,
        id: &InstanceId,
        patch: &Json,
        condition: Condition,
        principal: &Principal,
    ) -> Result<Applied, Refused> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let state = self.registry.state();
            let found = state.get(id).and_then(|slot| slot.of_origin(&Origin::api()));
            let found = found.ok_or_else(|| Refusal::Unknown(id.clone()))?;
            let mut body = Json::of(&Registration::of(found));
            body.merge(patch.clone())?;
            // Read, modify, write: only onto what was read, and onto what the caller has seen where that is said.
            let only = match condition {
                Condition::Revision(wanted) => Condition::Revision(wanted),
                Condition::Absent => return Err(Refusal::Exists(found.clone()).into()),
                Condition::Always | Condition::Present => Condition::Revision(found.revision),
            };
            let operation = self.registering(body.read()?, principal, Some(id), only)?;
            match self.apply(principal, operation).await {
                Err(Refusal::Stale(_)) if only != condition && attempts < PATCH_ATTEMPTS => {}
                result => return Ok(result?),
            }
        }
    }

    pub(super) fn registering(
        &self,
        said: Registration,
        principal: &Principal,
        path: Option<&InstanceId>,
        condition: Condition,
    ) -> Result<Operation, Invalid> {
        let registration = said.accept(&self.terms, principal.sender, path)?;
        Ok(Operation::Register { registration, origin: Origin::api(), condition })
    }

    /// Applies what somebody asks who has no session: what they register is theirs, whichever session claimed it.
    pub(super) async fn apply(&self, principal: &Principal, operation: Operation) -> Result<Applied, Refusal> {
        self.apply_all(principal, vec![operation]).await.pop().unwrap_or(Err(Refusal::Stopped))
    }

    /// The same of several, each with its own result.
    pub(super) async fn apply_all(
        &self,
        principal: &Principal,
        operations: Vec<Operation>,
    ) -> Vec<Result<Applied, Refusal>> {
        let _registering = self.claims.registering(&operations).await;
        let registers: Vec<_> = operations.iter().map(Operation::registers).collect();
        let results = self.change(principal, operations).await;
        for applied in results.iter().zip(registers).filter_map(|(result, is)| result.as_ref().ok().filter(|_| is)) {
            self.claims.forget(applied.instance.id());
        }
        results
    }

    /// Applies what somebody asks, as far as they may. Whatever is changed over HTTP goes through here.
    pub(super) async fn change(
        &self,
        principal: &Principal,
        operations: Vec<Operation>,
    ) -> Vec<Result<Applied, Refusal>> {
        let deeds = Audit::deeds(principal, &operations);
        let results = self.registry.apply_for(&principal.grant, operations).await;
        self.audit.tell(principal, &deeds, &results);
        results
    }

    pub(super) fn heartbeat_of(&self, applied: &Applied) -> Heartbeat {
        let instance = &*applied.instance;
        Heartbeat::of(instance, applied.created, self.registry.expires_at(instance), &self.terms)
    }

    pub(super) fn view(&self, applied: &Applied) -> Instance {
        let instance = &*applied.instance;
        Instance::of(instance, self.registry.expires_at(instance), &self.terms)
    }
}

/// 201 with a `Location` for what is new, else 200.
fn registered(applied: &Applied, body: &impl serde::Serialize) -> Response {
    let status = if applied.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = respond::tagged(status, applied.instance.revision, body);
    if applied.created {
        let id = applied.instance.id();
        let instance = utf8_percent_encode(id.instance().as_str(), PLAIN);
        respond::locate(&mut response, &format!("/v1/instances/{}/{instance}", id.service_type()));
    }
    response
}
