//! A connection that no longer speaks HTTP, because it has become a WebSocket (RFC 9110 §7.8).
//!
//! What comes then is run within the connection's own task, so that it counts as one, and is waited for, until it is
//! closed.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::octets::Share;

/// By which the handler of a request tells its connection what to go on with.
#[derive(Clone)]
pub(super) struct Handover {
    next: Arc<Mutex<Option<oneshot::Receiver<Next>>>>,
    share: Share,
}

/// What to go on with.
pub(super) type Next = Pin<Box<dyn Future<Output = ()> + Send>>;

/// To say with what to go on, once HTTP is done with.
pub(super) struct GoOn(oneshot::Sender<Next>);

impl Handover {
    /// Of a connection whose client has this share.
    pub(super) fn new(share: &Share) -> Self {
        Self { next: Arc::default(), share: share.clone() }
    }

    /// What the client's messages count against.
    pub(super) fn share(&self) -> &Share {
        &self.share
    }

    /// The connection will wait to be told, or for the other end of this to be gone.
    pub(super) fn begin(&self) -> GoOn {
        let (sender, receiver) = oneshot::channel();
        *self.slot() = Some(receiver);
        GoOn(sender)
    }

    /// What to wait for, if anything.
    pub(super) fn take(&self) -> Option<oneshot::Receiver<Next>> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<oneshot::Receiver<Next>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GoOn {
    pub(super) fn with(self, next: impl Future<Output = ()> + Send + 'static) {
        // A connection that was cut off needs nothing more.
        let _ = self.0.send(Box::pin(next));
    }
}
