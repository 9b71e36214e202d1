//! `GET /v1/instances/{type}/{instance}/history`: what became of an instance lately, also of one that is gone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::{self, History};
use crate::registry::{Flip, Refusal};

use super::Edge;
use super::principal::Principal;
use super::request::Addressed;
use super::respond::{self, Refused};

pub(super) async fn history(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Addressed(id): Addressed,
) -> Result<Response, Refused> {
    principal.check_read(id.service_type())?;
    let mut flips = edge.registry.flips(&id);
    if flips.is_empty() {
        let state = edge.registry.state();
        let slot = state.get(&id).ok_or(Refusal::Unknown(id))?;
        flips.push(Flip::first(slot.effective()));
    }
    let shown = flips.iter().map(|f| api::Flip::new(f.at, f.cause, f.status, f.reason.as_deref(), f.source));
    Ok(respond::document(StatusCode::OK, &History { flips: shown.collect() }))
}
