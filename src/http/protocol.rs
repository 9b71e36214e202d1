//! One connection: HTTP/1.1 or HTTP/2, whichever the client begins with, within the limits.
//!
//! A client that goes slowly is met by three limits: without a request being answered, and without taking anything,
//! it has `idle_timeout`; the answer has `request_timeout`; and octets that its machine does not take are given up
//! after as long.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::Config;
use super::activity::Activity;
use super::connections::Ticket;
use super::handover::Handover;
use super::manner::Words;
use super::metered::metered;
use super::octets::{Share, received};
use super::request::{DISCARDED_MAX, OverTls, Sender};
use super::routed::Routed;

/// Octets of a request's head, at most; a long query fits many times.
const HEAD_MAX: u16 = 32 << 10;
/// Headers of a request, at most; browsers send about twenty.
const HEADERS_MAX: usize = 64;
/// Requests at once on a connection of HTTP/2. RFC 9113 §5.1.2 recommends no fewer than 100, for pages of many parts;
/// a client of ours sends a few, and what each may have us hold counts this many times.
const STREAMS_MAX: u32 = 32;
/// Octets that wait for a stream's client to take them, at most, and those of a frame.
const SEND_MAX: usize = 8 << 10;
/// Octets that a client may send before we have read them, of a request and of all of a connection.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 128 << 10;
/// How a connection of HTTP/2 begins, as far as it has to be seen.
const PREFACE: [u8; 3] = *b"PRI";
/// How long a connection without a request in flight may outlive its end: for a request that is on its way, and for
/// the rest of an answer.
const LINGER: Duration = Duration::from_secs(1);

/// How connections are served.
#[derive(Clone)]
pub(super) struct Protocol {
    http1: http1::Builder,
    http2: http2::Builder<Tracked>,
    routes: Routed,
    idle: Duration,
    body_limit: usize,
}

/// Which HTTP a client begins with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) sender: Sender,
    pub(super) over_tls: Option<OverTls>,
}

impl Protocol {
    /// `tasks` are waited for by who serves.
    pub(super) fn new(config: &Config, routes: Routed, tasks: TaskTracker) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            // Until its head is whole, a request is none, which the idle time is for.
            .header_read_timeout(None)
            // Who has sent all and said so still waits for the answer (RFC 9112 §9.6).
            .half_close(true)
            .max_buf_size(usize::from(HEAD_MAX))
            .max_headers(HEADERS_MAX);
        let mut http2 = http2::Builder::new(Tracked(tasks));
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(u32::from(HEAD_MAX))
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_MAX);
        Self { http1, http2, routes, idle: config.idle_timeout, body_limit: config.body_limit }
    }

    /// Until the client is done, idle, or all stop; then on with what a handler made of the connection.
    pub(super) async fn serve<S>(self, stream: S, spoken: Spoken, peer: Peer, ticket: &Ticket, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handover = Handover::new(ticket.share());
        self.serve_http(stream, spoken, peer, ticket, handover.clone(), stop).await;
        if let Some(next) = handover.take()
            && let Ok(next) = next.await
        {
            // It is no idle connection, which would be the first to make room.
            let _taking = ticket.activity.begin_to_take();
            next.await;
        }
    }

    async fn serve_http<S>(
        self,
        stream: S,
        spoken: Spoken,
        peer: Peer,
        ticket: &Ticket,
        handover: Handover,
        stop: CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = &ticket.activity;
        let handler = Handler {
            routes: self.routes,
            peer,
            handover,
            activity: activity.clone(),
            share: ticket.share().clone(),
            body_limit: self.body_limit,
        };
        let handler = Arc::new(handler);
        let service = service_fn(move |request| Arc::clone(&handler).answer(request));
        let (io, life) = (TokioIo::new(stream), Life { activity, idle: self.idle, stop });
        // Elsewhere, so that the one does not take the room of the other.
        let ended = match spoken {
            Spoken::Http1 => {
                let connection = self.http1.serve_connection(io, service).with_upgrades();
                Box::pin(life.of(connection, http1::UpgradeableConnection::graceful_shutdown)).await
            }
            Spoken::Http2 => {
                let connection = self.http2.serve_connection(io, service);
                Box::pin(life.of(connection, http2::Connection::graceful_shutdown)).await
            }
        };
        if let Err(error) = ended {
            debug!(peer = %peer.sender.0, %error, "an HTTP connection ended early");
        }
    }
}

impl Spoken {
    /// What the first octets on `stream` say, which stay there: HTTP/2 begins with a method that HTTP/1.1 does not have
    /// (RFC 9113 §3.4).
    pub(super) async fn begun(stream: &TcpStream) -> Self {
        let mut start = [0; PREFACE.len()];
        loop {
            match stream.peek(&mut start).await {
                Ok(length) if length == start.len() && start == PREFACE => return Self::Http2,
                Ok(length @ 1..) if length < start.len() && PREFACE.starts_with(&start[..length]) => {
                    // What has come already would be seen again at once.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                _ => return Self::Http1,
            }
        }
    }

    /// What was agreed on over TLS: without a word it is HTTP/1.1 (RFC 9113 §3.2).
    pub(super) fn agreed(protocol: Option<&[u8]>) -> Self {
        if protocol == Some(b"h2") { Self::Http2 } else { Self::Http1 }
    }
}

/// When a connection has to end.
struct Life<'a> {
    activity: &'a Activity,
    idle: Duration,
    stop: CancellationToken,
}

impl Life<'_> {
    /// Until the connection ends, by itself or by being told to `shut`.
    async fn of<C>(self, connection: C, shut: impl Fn(Pin<&mut C>)) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.activity.quiet(self.idle) => {}
            () = self.stop.cancelled() => {}
        }
        loop {
            shut(connection.as_mut());
            match tokio::time::timeout(LINGER, connection.as_mut()).await {
                Ok(ended) => return ended,
                Err(_) if self.activity.is_answering() => {}
                Err(_) => return Ok(()),
            }
        }
    }
}

struct Handler {
    routes: Routed,
    peer: Peer,
    handover: Handover,
    activity: Activity,
    share: Share,
    body_limit: usize,
}

impl Handler {
    async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
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
        let response = self.routes.answer(request, self.peer.sender, &self.handover).await;
        // What is written while it is taken has no length yet, and costs no more than its pieces.
        let (response, held) = match self.share.hold(response.body().size_hint().exact().unwrap_or_default()) {
            Ok(held) => (response, held),
            Err(too_many) => (Words::of(&response).tell(too_many.into()), None),
        };
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

/// Requests of HTTP/2 are tasks, whose parent is the listener, as it is of connections.
#[derive(Debug, Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
