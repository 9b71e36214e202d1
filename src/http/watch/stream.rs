//! What one watcher is told: the body of an answer that ends when the client or the registry does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::ReusableBoxFuture;

use super::following::Following;
use super::frames::{Frame as Told, of_silence};

/// After so long without an event comes a comment: proxies close what is silent for a minute, and a client that has
/// gone is noticed by the second one, at which its system says so.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Of the time after which a connection counts as idle, within which comments come at least so often.
const HEARTBEATS: u32 = 3;

/// One watcher.
pub(super) struct Watching {
    following: Following,
    /// When something is to be said, be it that nothing happens; at first at once, so that the client knows where it
    /// is.
    due: Instant,
}

/// The events of one watcher.
pub(super) struct Stream {
    /// In one place for all events: most watchers wait most of the time.
    next: ReusableBoxFuture<'static, Option<(Watching, Bytes)>>,
    ended: bool,
}

impl Watching {
    pub(super) fn new(following: Following) -> Self {
        Self { following, due: Instant::now() }
    }

    /// Waits for what is to be said next; `None` when the registry stops.
    async fn next(mut self) -> Option<(Self, Bytes)> {
        loop {
            if self.due <= Instant::now()
                && let Some(position) = self.following.position()
            {
                return Some((self.rested(), of_silence(position)));
            }
            if let Ok(told) = timeout_at(self.due, self.following.next()).await
                && let Some(said) = together(told?)
            {
                return Some((self.rested(), said));
            }
            // Of a hundred thousand changes there may be none to tell of.
            consume_budget().await;
        }
    }

    /// Something is being said: nothing has to be for a while.
    fn rested(self) -> Self {
        let pause = HEARTBEAT.min(self.following.idle_timeout() / HEARTBEATS);
        Self { due: Instant::now() + pause, ..self }
    }
}

/// Most often it is one, which is shared with all others who are told of it.
fn together(told: Vec<Told>) -> Option<Bytes> {
    let mut said = told.into_iter().map(Told::into_text);
    let first = said.next()?;
    let Some(second) = said.next() else { return Some(first) };
    let mut all = [first, second].concat();
    said.for_each(|more| all.extend_from_slice(&more));
    Some(all.into())
}

impl Stream {
    pub(super) fn new(watching: Watching) -> Self {
        Self { next: ReusableBoxFuture::new(watching.next()), ended: false }
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Some((watching, said)) = ready!(self.next.poll(context)) else {
            self.ended = true;
            return Poll::Ready(None);
        };
        self.next.set(watching.next());
        Poll::Ready(Some(Ok(Frame::data(said))))
    }
}
