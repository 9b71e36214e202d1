//! Takes the sockets of an address: UDP for every thread and TCP on one port, or what TLS or QUIC needs.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use super::batch;
use crate::listener::Listener;

/// Octets that may wait on a UDP socket, as far as the system allows: what arrives in the 10 ms that a thread
/// may have to wait for a busy core.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Free ports tried for port 0, until one is free for UDP and TCP alike.
const PORTS_TRIED: usize = 16;

/// The sockets of one address.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) address: SocketAddr,
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Listener,
}

/// Why an address was not taken; says what to do.
#[derive(Debug, Error)]
pub enum BindError {
    /// EADDRINUSE
    #[error(
        "cannot listen on {0}: another program has that port; stop it (`ss -lunpt` shows it) \
         or choose another address with {1}"
    )]
    Taken(SocketAddr, &'static str),
    /// EACCES
    #[error(
        "may not listen on {0}: ports below 1024 are the system's; run \
         `sysctl net.ipv4.ip_unprivileged_port_start=53`, give the program CAP_NET_BIND_SERVICE, \
         or choose another port with {1}"
    )]
    Forbidden(SocketAddr, &'static str),
    /// EADDRNOTAVAIL
    #[error(
        "cannot listen on {0} ({1}): no interface of this machine has that address; `ip address` shows which there are"
    )]
    NotOurs(SocketAddr, &'static str),
    /// Nothing to listen on.
    #[error("dns.listen is empty; give at least one address, such as \"127.0.0.1:5300\"")]
    Nothing,
    /// Whatever else the system said.
    #[error("cannot listen on {0}: {1}")]
    Other(SocketAddr, #[source] io::Error),
}

impl BindError {
    /// `setting` is where people change the address.
    fn new(address: SocketAddr, setting: &'static str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::Taken(address, setting),
            io::ErrorKind::PermissionDenied => Self::Forbidden(address, setting),
            io::ErrorKind::AddrNotAvailable => Self::NotOurs(address, setting),
            _ => Self::Other(address, error),
        }
    }
}

/// Binds `threads` UDP sockets and a TCP one, within a Tokio runtime. Port 0 takes a port that is free for both.
pub(super) fn bind(address: SocketAddr, threads: usize) -> Result<Bound, BindError> {
    let mut tries = if address.port() == 0 { PORTS_TRIED } else { 1 };
    loop {
        tries -= 1;
        match try_bind(address, threads) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            result => return result.map_err(|e| BindError::new(address, "--dns or dns.listen", e)),
        }
    }
}

/// Binds a port for DNS over TLS, within a Tokio runtime.
pub(super) fn bind_tls(address: SocketAddr) -> Result<Listener, BindError> {
    Listener::bind(address, "DNS over TLS").map_err(|e| BindError::new(address, "dns.tls_listen", e))
}

/// Binds a port for DNS over QUIC.
pub(super) fn bind_quic(address: SocketAddr) -> Result<UdpSocket, BindError> {
    let bind = || {
        let socket = socket(address)?;
        socket.bind(&address.into())?;
        Ok(UdpSocket::from(socket))
    };
    bind().map_err(|e| BindError::new(address, "dns.quic_listen", e))
}

fn try_bind(address: SocketAddr, threads: usize) -> io::Result<Bound> {
    // Alone first, so that a taken port is noticed: the kernel lets another process of this user join those
    // who share one, and would then split the questions among strangers.
    let first = socket(address)?;
    first.bind(&address.into())?;
    // The kernel finds one alone in fewer steps.
    first.set_reuse_port(threads > 1)?;
    let first = UdpSocket::from(first);
    let address = first.local_addr()?;
    let mut udp = vec![first];
    for _ in 1..threads {
        let sibling = socket(address)?;
        sibling.set_reuse_port(true)?;
        sibling.bind(&address.into())?;
        udp.push(sibling.into());
    }
    if address.ip().is_unspecified() {
        udp.iter().try_for_each(batch::tell_destinations)?;
    }
    udp.iter().try_for_each(batch::forbid_fragments)?;
    let tcp = Listener::bind(address, "DNS")?;
    Ok(Bound { address, udp, tcp })
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` beside `0.0.0.0` is two listeners, whatever the system's default.
        socket.set_only_v6(true)?;
    }
    // The system caps it silently; smaller works as well, until a burst.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[tokio::test]
    async fn port_0_is_one_port_for_udp_and_tcp() {
        let bound = bind(loopback(), 2).unwrap();
        assert_ne!(bound.address.port(), 0);
        assert_eq!(bound.tcp.address(), bound.address);
        assert!(bound.udp.iter().all(|socket| socket.local_addr().unwrap() == bound.address));
        assert_eq!(bound.udp.len(), 2);
    }

    #[tokio::test]
    async fn a_port_that_another_has_is_refused_by_name() {
        let first = bind(loopback(), 2).unwrap();
        let error = bind(first.address, 2).unwrap_err();
        assert!(matches!(error, BindError::Taken(address, _) if address == first.address), "{error}");
        assert!(error.to_string().contains(&first.address.to_string()));
        let tcp = std::net::TcpListener::bind(loopback()).unwrap();
        assert!(matches!(bind(tcp.local_addr().unwrap(), 1), Err(BindError::Taken(..))));
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused_by_name() {
        let error = bind(([192, 0, 2, 1], 0).into(), 1).unwrap_err();
        assert!(matches!(error, BindError::NotOurs(..)), "{error}");
    }

    #[tokio::test]
    async fn every_sibling_gets_its_share() {
        let bound = bind(loopback(), 2).unwrap();
        bound.udp.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        // The kernel spreads by the sender's port: of 64 senders, all on one side is a chance of 2^-63.
        for _ in 0..64 {
            UdpSocket::bind(loopback()).unwrap().send_to(b"x", bound.address).unwrap();
        }
        assert!(bound.udp.iter().all(|socket| socket.recv(&mut [0; 1]).is_ok()));
    }
}
