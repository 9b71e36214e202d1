//! `POST /v1/reload`: the files of services are read again, and what came of it is told.

use std::fmt::Debug;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::{FileFault, Kind, Problem, Reloaded};

use super::Edge;
use super::request::Sender;
use super::respond::{self, Refused};

/// Reads the files of services again.
pub trait Reloader: Debug + Send + Sync {
    /// Whatever has changed or not; `None` where the server is about to end.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reloaded>> + Send + '_>>;

    /// What is wrong with files now.
    fn faults(&self) -> Arc<Vec<FileFault>>;
}

/// `POST /v1/reload`
pub(super) async fn reload(State(edge): State<Arc<Edge>>, Sender(sender): Sender) -> Result<Response, Refused> {
    Ok(respond::document(StatusCode::OK, &edge.reload(sender).await?))
}

impl Edge {
    /// For this machine alone, whoever else may write, since the answer has its paths.
    pub(super) async fn reload(&self, sender: IpAddr) -> Result<Reloaded, Problem> {
        if !sender.to_canonical().is_loopback() {
            let detail = format!("{sender} is another machine, and files are read again only for who asks on this one");
            return Err(Problem::new(Kind::AnonymousWrite, detail));
        }
        let reloaded = self.neighbours.reloader.reload().await;
        reloaded.ok_or_else(|| Problem::new(Kind::ShuttingDown, "the registry is shutting down"))
    }
}
