//! `POST /v1/reload`: the files of services are read again, and what came of it is told.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::{FileFault, Kind, Problem, Reloaded};

use super::Edge;
use super::principal::Principal;
use super::respond::{self, Refused};

/// Reads the files of services again.
pub trait Reloader: Debug + Send + Sync {
    /// Whatever has changed or not; `None` where the server is about to end.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reloaded>> + Send + '_>>;

    /// What is wrong with files now.
    fn faults(&self) -> Arc<Vec<FileFault>>;
}

/// `POST /v1/reload`
pub(super) async fn reload(State(edge): State<Arc<Edge>>, principal: Principal) -> Result<Response, Refused> {
    Ok(respond::document(StatusCode::OK, &edge.reload(&principal).await?))
}

impl Edge {
    /// Whether somebody may know of paths and what is wrong with files: this machine and admins, whoever else may write.
    pub(super) fn shows_faults_to(&self, principal: &Principal) -> bool {
        principal.is_here() && self.config.loopback_writes || principal.grant.is_admin()
    }

    /// For those alone, since the answer has paths.
    pub(super) async fn reload(&self, principal: &Principal) -> Result<Reloaded, Problem> {
        if !self.shows_faults_to(principal) {
            let kind = if principal.grant.name().is_some() { Kind::OutOfScope } else { Kind::AnonymousWrite };
            let detail = "files are read again only for who asks on this machine, or shows a token with admin = true";
            let problem = Problem::new(kind, detail);
            self.audit.reloads(principal, Some(&problem));
            return Err(problem);
        }
        self.audit.reloads(principal, None);
        let reloaded = self.neighbours.reloader.reload().await;
        reloaded.ok_or_else(|| Problem::new(Kind::ShuttingDown, "the registry is shutting down"))
    }
}
