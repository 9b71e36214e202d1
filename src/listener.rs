//! A TCP port that is listened on, for DNS and HTTP alike.
//!
//! Accepting does not fail: a listener that finds no file descriptor left says so once, waits, and tries again, where
//! a bare loop would ask at full speed. Who may connect, and how often, is the matter of those who listen.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{info, warn};

/// Connections that the kernel keeps for us until we accept them.
const BACKLOG: i32 = 1024;
/// Pause when no connection can be accepted: most likely file descriptors ran out.
const PAUSE: Duration = Duration::from_millis(100);
/// How long accepting must not have failed to be well again: at the limit it fails and succeeds by turns, as
/// connections end.
const WELL: Duration = Duration::from_secs(5);

/// A port that is listened on.
#[derive(Debug)]
pub(crate) struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    /// What is spoken, for the log.
    protocol: &'static str,
    /// When accepting failed last, while that is not over.
    failed: Option<Instant>,
}

impl Listener {
    /// Listens on `address`, where port 0 is one that is free; within a Tokio runtime.
    pub(crate) fn bind(address: SocketAddr, protocol: &'static str) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart finds connections of the last run in TIME_WAIT; this does not share a port that is listened on.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // `[::]` beside `0.0.0.0` is two listeners, whatever the system's default.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let tcp = TcpListener::from_std(socket.into())?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address, protocol, failed: None })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. May be dropped while it waits, and loses none.
    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let protocol = self.protocol;
        loop {
            match self.tcp.accept().await {
                Ok(accepted) => {
                    if self.failed.take_if(|last| last.elapsed() > WELL).is_some() {
                        info!("{protocol} connections are accepted again");
                    }
                    return accepted;
                }
                // The client's doing, and over.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if self.failed.replace(Instant::now()).is_none() {
                        warn!(%error, "no {protocol} connection can be accepted; trying again");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_once_and_port_0_is_a_free_one() {
        let mut first = Listener::bind(([127, 0, 0, 1], 0).into(), "test").unwrap();
        assert_ne!(first.address().port(), 0);
        let second = Listener::bind(first.address(), "test");
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let client = std::net::TcpStream::connect(first.address()).unwrap();
        let (_, peer) = first.accept().await;
        assert_eq!(peer, client.local_addr().unwrap());
    }
}
