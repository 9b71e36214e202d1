//! Whoever calls methods: over HTTP once, over a WebSocket with a session, which may own instances and watch.

use std::sync::Arc;

use crate::http::Edge;
use crate::http::principal::Principal;

use super::owner::Owner;
use super::socket::Line;
use super::watch::Watches;

/// Somebody, over one transport.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) edge: Arc<Edge>,
    pub(super) principal: Principal,
    /// Over HTTP there is none.
    pub(super) session: Option<Arc<Session>>,
}

/// What lives as long as a WebSocket.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) owner: Owner,
    pub(super) watches: Watches,
}

impl Caller {
    /// Over HTTP.
    pub(super) fn new(edge: &Arc<Edge>, principal: Principal) -> Self {
        Self { edge: Arc::clone(edge), principal, session: None }
    }

    /// Over a WebSocket that begins.
    pub(super) fn with_session(edge: &Arc<Edge>, principal: Principal) -> Self {
        let session = Session { owner: Owner::new(&edge.claims), watches: Watches::default() };
        Self { session: Some(Arc::new(session)), ..Self::new(edge, principal) }
    }

    /// The same as they may be by now, `None` where their token is one no more.
    pub(super) fn renewed(&self) -> Option<Self> {
        Some(Self { principal: self.edge.guard.renewed(&self.principal)?, ..self.clone() })
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
