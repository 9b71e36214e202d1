//! A WebSocket as who has our methods sees it: it may own instances, and watch.

use std::sync::Arc;

use crate::http::Edge;
use crate::http::principal::Principal;

use super::caller::Caller;
use super::owner::Owner;
use super::socket::Line;
use super::watch::Watches;

/// What lives as long as a WebSocket.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) owner: Owner,
    pub(super) watches: Watches,
}

impl Session {
    pub(super) fn new(edge: &Edge) -> Self {
        Self { owner: Owner::new(&edge.claims), watches: Watches::default() }
    }
}

impl Line for Caller {
    fn is_over(&self) -> bool {
        self.renewed().is_none()
    }

    async fn renew(&self) {
        if let (Some(session), Some(now)) = (&self.session, self.renewed()) {
            session.owner.renew(&self.edge, &now.principal).await;
        }
    }

    async fn news(&self) -> Vec<String> {
        match &self.session {
            Some(session) => session.watches.news().await,
            None => std::future::pending().await,
        }
    }

    async fn end(&self) {
        if let Some(session) = &self.session {
            session.owner.end(&self.edge, &self.principal).await;
        }
    }
}

impl Caller {
    /// Of a new session.
    pub(super) fn with_session(edge: &Arc<Edge>, principal: Principal) -> Self {
        Self { edge: Arc::clone(edge), principal, session: Some(Arc::new(Session::new(edge))) }
    }
}
