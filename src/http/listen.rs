//! From sockets to requests: accepts connections, bounds them, and drains them on the way out.
//!
//! Every connection is a task of its listener's loop, which ends when they have. A client that goes slowly is met
//! by three limits: the head of a request must be there within `idle_timeout`, its answer within `request_timeout`,
//! and octets that the client does not take are given up after as long.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::Config;
use super::connections::{Connections, Ticket};
use super::request::Sender;
use crate::listener::Listener;

/// Octets of a request's head, at most; a long query fits many times.
const HEAD_MAX: usize = 32 << 10;
/// Headers of a request, at most; browsers send about twenty.
const HEADERS_MAX: usize = 64;
/// How long a connection without a request in flight may outlive `stop`: for a request that is on its way, and for
/// the rest of an answer.
const LINGER: Duration = Duration::from_secs(1);

/// Why an address was not bound.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {}", advice(.source))]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// The system's word.
    pub source: io::Error,
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there already; stop it, or choose another address with --http or http.listen"
                .into()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); choose another port with --http or http.listen"
                .into()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose another with --http or http.listen".into()
        }
        _ => error.to_string(),
    }
}

pub(super) fn bind(address: SocketAddr) -> Result<Listener, BindError> {
    Listener::bind(address, "HTTP").map_err(|source| BindError { address, source })
}

/// Serves `listeners`, of which there may be none, until `stop`, then until their last connection has ended.
pub(super) async fn run(listeners: Vec<Listener>, config: &Config, routes: Router, stop: &CancellationToken) {
    let connections = Connections::new(config.connections, config.connections_per_client);
    let mut loops = JoinSet::new();
    for listener in listeners {
        let protocol = Http1::new(config, routes.clone());
        loops.spawn(accept(listener, connections.clone(), protocol, stop.clone()));
    }
    if loops.is_empty() {
        stop.cancelled().await;
    }
    while let Some(ended) = loops.join_next().await {
        if ended.is_err() {
            // A panic, which the hook has told of. Half a server is worse than one that ends.
            return;
        }
    }
}

async fn accept(mut listener: Listener, connections: Connections, protocol: Http1, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    while let Some((stream, peer)) = stop.run_until_cancelled(listener.accept()).await {
        // Every listener has one connection in hand, so that none of them keeps room that another could use.
        let Some(room) = stop.run_until_cancelled(connections.room()).await else { break };
        let Some(ticket) = room.enter(peer.ip()) else {
            debug!(%peer, "closed a connection: its address has too many");
            continue;
        };
        tasks.spawn(protocol.clone().serve(stream, peer.ip(), ticket, stop.clone()));
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// How a connection is served: HTTP/1.1 within the limits.
#[derive(Clone)]
struct Http1 {
    http: http1::Builder,
    routes: Router,
    /// How long octets may wait for the client to take them.
    patience: Duration,
}

impl Http1 {
    fn new(config: &Config, routes: Router) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(config.idle_timeout)
            // Who has sent all and said so still waits for the answer (RFC 9112 §9.6).
            .half_close(true)
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX);
        Self { http, routes, patience: config.request_timeout }
    }

    async fn serve(self, stream: TcpStream, peer: IpAddr, _ticket: Ticket, stop: CancellationToken) {
        // Neither is needed to serve: without the first answers are slower, without the second a client that
        // takes nothing is only noticed by the kernel's own limits.
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(self.patience));

        let busy = Arc::new(AtomicBool::new(false));
        let handler =
            Handler { routes: TowerToHyperService::new(self.routes), sender: Sender(peer), busy: busy.clone() };
        let service = service_fn(move |request| handler.clone().answer(request));
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let ended = match stop.run_until_cancelled(connection.as_mut()).await {
            Some(ended) => ended,
            None => loop {
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(LINGER, connection.as_mut()).await {
                    Ok(ended) => break ended,
                    Err(_) if busy.load(Ordering::Relaxed) => {}
                    Err(_) => return,
                }
            },
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "an HTTP connection ended early");
        }
    }
}

#[derive(Clone)]
struct Handler {
    routes: TowerToHyperService<Router>,
    sender: Sender,
    /// Whether a request is being answered; there is one at a time on a connection of HTTP/1.1.
    busy: Arc<AtomicBool>,
}

impl Handler {
    async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        request.extensions_mut().insert(self.sender);
        self.busy.store(true, Ordering::Relaxed);
        let response = self.routes.call(request).await;
        self.busy.store(false, Ordering::Relaxed);
        response
    }
}
