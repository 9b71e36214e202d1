//! Asks a server over sockets of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::{Name, Query, Reply, SOA};

/// Longer than any server here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server to be asked over UDP and over one TCP connection.
#[derive(Debug)]
pub struct Client {
    server: SocketAddr,
    udp: UdpSocket,
    tcp: Option<TcpStream>,
    id: u16,
}

impl Client {
    pub fn of(server: SocketAddr) -> Self {
        let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let udp = UdpSocket::bind(any).unwrap();
        udp.connect(server).unwrap();
        udp.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { server, udp, tcp: None, id: 0 }
    }

    #[track_caller]
    pub fn udp(&mut self, query: &Query) -> Reply {
        let id = self.next_id();
        self.check(query, id, self.udp_octets(&query.octets(id)))
    }

    #[track_caller]
    pub fn tcp(&mut self, query: &Query) -> Reply {
        let id = self.next_id();
        let reply = self.tcp_octets(&query.octets(id));
        self.check(query, id, reply)
    }

    /// The reply to whatever octets, which begin with an ID.
    #[track_caller]
    pub fn udp_octets(&self, request: &[u8]) -> Vec<u8> {
        self.udp.send(request).unwrap();
        let mut reply = vec![0; 65_535];
        loop {
            let length = self.udp.recv(&mut reply).unwrap_or_else(|e| panic!("no reply from {}: {e}", self.server));
            if reply[..2] == request[..2] {
                reply.truncate(length);
                return reply;
            }
        }
    }

    /// The same over TCP, on the connection that there is, or on a new one where the server has closed it.
    #[track_caller]
    pub fn tcp_octets(&mut self, request: &[u8]) -> Vec<u8> {
        if let Some(reply) = self.tcp.as_mut().and_then(|stream| exchange(stream, request).ok()) {
            return reply;
        }
        let mut stream = TcpStream::connect(self.server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let reply = exchange(&mut stream, request).unwrap_or_else(|e| panic!("no reply from {}: {e}", self.server));
        self.tcp = Some(stream);
        reply
    }

    /// Sends datagrams and gives all that comes back, not necessarily in pairs: a question after them, answered
    /// last, ends it.
    #[track_caller]
    pub fn burst(&mut self, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
        for datagram in datagrams {
            self.udp.send(datagram).unwrap();
        }
        let last = Query::new(&Name::of("last"), SOA).octets(0xffff);
        self.udp.send(&last).unwrap();
        let (mut replies, mut octets) = (Vec::new(), [0; 4096]);
        loop {
            let length = self.udp.recv(&mut octets).unwrap_or_else(|e| panic!("no reply from {}: {e}", self.server));
            let reply = &octets[..length];
            // The question is repeated, and nobody else asks for that name.
            if reply.ends_with(&last[12..]) {
                return replies;
            }
            replies.push(reply.to_vec());
        }
    }

    fn next_id(&mut self) -> u16 {
        self.id = self.id.wrapping_add(1);
        self.id
    }

    #[track_caller]
    fn check(&self, query: &Query, id: u16, octets: Vec<u8>) -> Reply {
        let reply = Reply::read(octets).unwrap_or_else(|e| panic!("{}: {query:?}: {e}", self.server));
        assert_eq!((reply.id, reply.is_response()), (id, true), "{}: {query:?}", self.server);
        reply
    }
}

/// Sends a message with its length in front, and receives one.
pub fn exchange(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(&framed(request))?;
    receive(stream)
}

/// A message with its length in front (RFC 1035 §4.2.2).
pub fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

pub fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}
