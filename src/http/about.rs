//! What the server says of itself: a welcome, its health, and what its problems mean.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::api::{Flip, FlipCount, InstanceCount, Kind, LastFlip, Problem, ProcessUse, ServiceCount, Summary};
use crate::metrics::Usage;
use crate::registry;
use crate::service::{InstanceId, Status};

use super::Edge;
use super::pages;
use super::principal::Principal;
use super::request::{InPath, OverTls};
use super::respond::{self, Refused};

/// Flips that are told of, at most.
const LAST_FLIPS: usize = 100;

/// What there is, for who asks for `/`.
pub(super) fn welcome(edge: &Edge, request: &Request) -> String {
    let scheme = if request.extensions().get::<OverTls>().is_some() { "https" } else { "http" };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost:8420");
    let zone = edge.terms.zones.first().map(ToString::to_string).unwrap_or_default();
    format!(
        "portolan {}: a service registry that you can dig\n\n\
         Announce a service, and again before its lease ends:\n  \
         curl {scheme}://{host}/v1/heartbeat -d '{{\"service\":\"auth\",\"instance\":\"a1\",\"port\":8080}}'\n\n\
         Find it:\n  \
         curl {scheme}://{host}/v1/instances?service=auth\n  \
         curl {scheme}://{host}/v1/services\n  \
         dig SRV _auth._tcp.{zone}\n\n\
         One instance (GET, PUT, PATCH, DELETE), its lease and its status:\n  \
         {scheme}://{host}/v1/instances/_auth._tcp/a1\n  \
         POST …/renew\n  \
         PUT  …/status '{{\"status\":\"out-of-service\"}}'\n\n\
         What changes, as it happens:\n  \
         curl -N {scheme}://{host}/v1/watch\n\n\
         JSON-RPC: POST /rpc, WebSocket /ws; rpc.discover lists the methods\n\
         DNS over HTTPS: /dns-query\n\
         Is it well: /healthz, /readyz, /status. What errors mean: /problems\n\
         All of it: /docs, /openapi.json\n",
        env!("CARGO_PKG_VERSION"),
    )
}

/// `GET /healthz`: the process answers.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: writes are taken and saved. A file that is not taken in is told of, and no reason to send nobody here;
/// strangers get to know how many there are, and nothing of what the store is made of.
pub(super) async fn readiness(State(edge): State<Arc<Edge>>, principal: Principal) -> Result<String, Refused> {
    if edge.stop.is_cancelled() {
        return Err(Problem::new(Kind::ShuttingDown, "the registry is shutting down").into());
    }
    if let Some(error) = edge.registry.store_error() {
        let why = if edge.shows_faults_to(&principal) { error } else { "the log says why".to_owned() };
        return Err(Problem::new(Kind::StoreFailed, format!("the last change was not saved: {why}")).into());
    }
    let faults = edge.neighbours.reloader.faults();
    let mut text = "ready\n".to_owned();
    if edge.shows_faults_to(&principal) {
        for fault in faults.iter() {
            let _ = writeln!(text, "not taken in: {fault}");
        }
    } else if !faults.is_empty() {
        let _ = writeln!(text, "not taken in: {}, which `portolan reload` tells", faults.len());
    }
    Ok(text)
}

/// `GET /status`: how much there is, and how often it changed; for browsers as a page.
pub(super) async fn status(State(edge): State<Arc<Edge>>, principal: Principal, headers: HeaderMap) -> Response {
    let state = edge.registry.state();
    let (sizes, census) = (state.zone.sizes(), state.census);
    let flips =
        edge.registry.totals().counts().map(|(cause, status, count)| FlipCount { cause, status, count }).collect();
    let last_flips = edge.registry.last_flips(LAST_FLIPS).into_iter();
    let last_flips = last_flips.filter(|(id, _)| principal.grant.may_read(id.service_type()));
    let summary = Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: edge.registry.uptime().as_secs(),
        zones: edge.terms.zones.iter().map(ToString::to_string).collect(),
        revision: state.revision.0,
        services: ServiceCount { listed: sizes.types, served: sizes.served },
        instances: Status::ALL.map(|status| InstanceCount { status, count: census.of_status(status) }).into(),
        guarded: census.kept,
        process: Usage::now().map(|used| ProcessUse { cpu: used.cpu.as_secs_f64(), memory: used.memory }),
        flips,
        last_flips: last_flips.map(|(id, flip)| last_flip(&id, &flip)).collect(),
    };
    if pages::are_wanted(&headers) { pages::status(&summary) } else { respond::document(StatusCode::OK, &summary) }
}

fn last_flip(id: &InstanceId, flip: &registry::Flip) -> LastFlip {
    LastFlip {
        service: id.service_type().service().to_owned(),
        transport: id.service_type().transport(),
        instance: id.instance().as_str().to_owned(),
        flip: Flip::new(flip.at, flip.cause, flip.status, flip.reason.as_deref(), flip.source),
    }
}

/// `GET /problems`
pub(super) async fn problems() -> String {
    Kind::ALL.iter().fold(String::new(), |mut text, kind| {
        let _ = writeln!(text, "{}  {:20} {}", kind.status(), kind.name(), kind.title());
        text
    })
}

/// `GET /problems/{kind}`: where the `type` of a problem leads.
pub(super) async fn problem(InPath(name): InPath<String>) -> Result<String, Refused> {
    let kind = Kind::parse(&name)
        .ok_or_else(|| Problem::new(Kind::NoSuchPath, "there is no such kind of problem; GET /problems lists them"))?;
    Ok(format!("{} ({}): {}.\n", kind.name(), kind.status(), kind.title()))
}
