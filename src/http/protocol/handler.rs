//! One request of a connection and its answer, of either version: what the connection knows comes to the routes, and
//! bodies count.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::{Frame, Incoming, SizeHint};

use crate::http::activity::Activity;
use crate::http::handover::Handover;
use crate::http::metered::metered;
use crate::http::octets::{Held, Share, received};
use crate::http::request::DISCARDED_MAX;
use crate::http::routed::Routed;

use super::{LINGER, Peer};

/// What the requests of a connection have in common.
pub(super) struct Handler {
    pub(super) routes: Routed,
    pub(super) peer: Peer,
    pub(super) handover: Handover,
    pub(super) activity: Activity,
    pub(super) share: Share,
    pub(super) body_limit: usize,
}

impl Handler {
    pub(super) async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let _answering = self.activity.begin();
        if let Some(over_tls) = self.peer.over_tls {
            request.extensions_mut().insert(over_tls);
        }
        // HTTP/2 says in another place to whom it speaks (RFC 9113 §8.3.1).
        if let Some(authority) = request.uri().authority()
            && !request.headers().contains_key(HOST)
            && let Ok(host) = HeaderValue::try_from(authority.as_str())
        {
            request.headers_mut().insert(HOST, host);
        }
        let (request, sent) = keep(request);
        let request = request.map(|body| received(body, self.share.clone(), self.body_limit));
        let mut response = self.routes.answer(request, self.peer.sender, &self.handover).await;
        let held = response.extensions_mut().remove::<Arc<Held>>();
        if let Some(sent) = &sent {
            // Who takes longer than that has no need of it, or no will.
            let _ = tokio::time::timeout(LINGER, sent.forget()).await;
        }
        let taking = self.activity.begin_to_take();
        let kept = (held, sent);
        Ok(response.map(|body| {
            metered(body, move |_| {
                // The client has room for more of it; what was kept for it goes when it has all.
                let _kept = &kept;
                taking.touch();
                Ok(())
            })
        }))
    }
}

/// Keeps what a client of HTTP/2 sends until its answer is on its way. Who is refused before all of that was read would
/// else find its stream cancelled, and the answer lost with it; so the stream ends without an error (RFC 9113 §8.1),
/// and for clients that do not listen before they have sent all, the rest is read first.
fn keep(request: Request<Incoming>) -> (Request<Body>, Option<Sent>) {
    if request.version() != Version::HTTP_2 {
        return (request.map(Body::new), None);
    }
    let (parts, body) = request.into_parts();
    let sent = Sent(Arc::new(Mutex::new(body)));
    (Request::from_parts(parts, Body::new(sent.clone())), Some(sent))
}

/// The body of a request; clones are of the same one.
#[derive(Clone)]
struct Sent(Arc<Mutex<Incoming>>);

impl Sent {
    fn body(&self) -> MutexGuard<'_, Incoming> {
        // Whoever panicked was reading a frame: the next one is read, or is an error.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the rest and throws it away, unless it is too much.
    async fn forget(&self) {
        let mut length = 0;
        while length < DISCARDED_MAX
            && let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut *self.body()).poll_frame(context)).await
        {
            length += frame.data_ref().map_or(0, Bytes::len);
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
