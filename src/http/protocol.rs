//! One connection: HTTP/1.1 or HTTP/2, whichever the client begins with, within the limits.
//!
//! A client that goes slowly is met by three limits: without a request being answered, and without taking anything,
//! it has `idle_timeout`; the answer has `request_timeout`; and octets that its machine does not take are given up
//! after as long. What becomes of each request is its `handler`'s matter.

mod handler;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

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
use super::request::{OverTls, Sender};
use super::routed::Routed;

use handler::Handler;

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
