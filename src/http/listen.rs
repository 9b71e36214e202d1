//! From sockets to connections: accepts them, bounds them, shakes hands where that is asked for, and drains them on
//! the way out.
//!
//! Every connection is a task of its listener's loop, which ends when they have.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(target_os = "linux")]
use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::Config;
use super::connections::{Connections, Ticket};
use super::protocol::{Peer, Protocol, Spoken};
use super::request::{OverTls, Sender};
use super::routed::Routed;
use crate::listener::Listener;

/// Why HTTP cannot begin.
#[derive(Debug, Error)]
pub enum BindError {
    /// An address is not to be had.
    #[error("cannot listen on {address}: {}", advice(.source, .setting))]
    Address {
        /// Which.
        address: SocketAddr,
        /// Where people change it.
        setting: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// The access log is not to be written.
    #[error("cannot open the access log {}: {source}; choose another file with --access-log", path.display())]
    AccessLog {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

fn advice(error: &io::Error, setting: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program listens there already; stop it, or choose another address with {setting}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); choose another port with {setting}")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address; choose another with {setting}")
        }
        _ => error.to_string(),
    }
}

/// Listeners for plain HTTP.
pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Vec<Listener>, BindError> {
    bind_all(addresses, "HTTP", "--http or http.listen")
}

/// Listeners for HTTP over TLS.
pub(super) fn bind_tls(addresses: &[SocketAddr]) -> Result<Vec<Listener>, BindError> {
    bind_all(addresses, "HTTPS", "http.tls_listen")
}

/// Listeners for WebSockets.
pub(super) fn bind_for_calls(addresses: &[SocketAddr]) -> Result<Vec<Listener>, BindError> {
    bind_all(addresses, "JSON-RPC", "rpc.listen")
}

fn bind_all(
    addresses: &[SocketAddr],
    protocol: &'static str,
    setting: &'static str,
) -> Result<Vec<Listener>, BindError> {
    let bind = |&address: &SocketAddr| {
        Listener::bind(address, protocol).map_err(|source| BindError::Address { address, setting, source })
    };
    addresses.iter().map(bind).collect()
}

/// Serves `listeners`, of which there may be none, each with its routes and with what shakes hands where it is for TLS,
/// until `stop`, then until their last connection has ended.
pub(super) async fn run(
    listeners: Vec<(Listener, Option<TlsAcceptor>, Routed)>,
    config: &Config,
    connections: &Connections,
    stop: &CancellationToken,
) {
    let mut loops = JoinSet::new();
    for (listener, tls, routes) in listeners {
        let tasks = TaskTracker::new();
        let door = Door {
            connections: connections.clone(),
            protocol: Protocol::new(config, routes, tasks.clone()),
            tls,
            idle: config.idle_timeout,
            patience: config.request_timeout,
            stop: stop.clone(),
        };
        loops.spawn(door.accept(listener, tasks));
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

/// What the connections of a listener have in common.
#[derive(Clone)]
struct Door {
    connections: Connections,
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    /// How long a handshake may take.
    idle: Duration,
    /// How long octets may wait for the client to take them.
    patience: Duration,
    stop: CancellationToken,
}

impl Door {
    async fn accept(self, mut listener: Listener, tasks: TaskTracker) {
        while let Some((stream, peer)) = self.stop.run_until_cancelled(listener.accept()).await {
            // Every listener has one connection in hand, so that none of them keeps room that another could use.
            let Some(ticket) = self.stop.run_until_cancelled(self.connections.enter(peer.ip())).await else { break };
            let Some(ticket) = ticket else {
                debug!(%peer, "closed a connection: its address has too many");
                continue;
            };
            let door = self.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = door.serve(stream, Sender(peer.ip()), &ticket) => {}
                    () = ticket.recalled() => debug!(%peer, "closed a connection: another client needed the room"),
                }
            });
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }

    async fn serve(self, stream: TcpStream, sender: Sender, ticket: &Ticket) {
        // Neither is needed to serve: without the first answers are slower, without the second a client that
        // takes nothing is only noticed by the kernel's own limits.
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(self.patience));

        // Either elsewhere: a connection would else keep the room for both.
        match self.tls.clone() {
            None => Box::pin(self.serve_plain(stream, sender, ticket)).await,
            Some(tls) => Box::pin(self.serve_tls(tls, stream, sender, ticket)).await,
        }
    }

    async fn serve_plain(self, stream: TcpStream, sender: Sender, ticket: &Ticket) {
        let begun = tokio::time::timeout(self.idle, Spoken::begun(&stream));
        let Some(Ok(spoken)) = self.stop.run_until_cancelled(begun).await else { return };
        Box::pin(self.protocol.serve(stream, spoken, Peer { sender, over_tls: None }, ticket, self.stop)).await;
    }

    async fn serve_tls(self, tls: TlsAcceptor, stream: TcpStream, sender: Sender, ticket: &Ticket) {
        let handshake = tokio::time::timeout(self.idle, tls.accept(stream));
        if let Some(Ok(Ok(stream))) = self.stop.run_until_cancelled(handshake).await {
            let peer = Peer { sender, over_tls: Some(OverTls) };
            let spoken = Spoken::agreed(stream.get_ref().1.alpn_protocol());
            Box::pin(self.protocol.serve(stream, spoken, peer, ticket, self.stop)).await;
        }
    }
}
