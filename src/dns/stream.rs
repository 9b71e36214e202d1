//! DNS over TCP (RFC 7766) and TLS (RFC 7858): accepts within limits, answers in order what is pipelined, and waits
//! for nobody long.
//!
//! A client has one idle time for a handshake, for each request, and for taking each reply; then it is cut off. Until
//! then it costs a small buffer to read ahead, one request, one reply, and what the kernel holds for it. Between two
//! of its replies all others have their turn.
//!
//! Road not taken: hickory's server. It takes any number of connections, and when file descriptors run out it
//! asks for the next one at full speed.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::{Connections, Permit};
use super::context::Seeds;
use super::responder::Responder;
use super::transport::Transport;
use crate::listener::Listener;

/// Octets of a request over any stream, at most: ten times what a question with all its options takes.
pub(super) const REQUEST_MAX: u16 = 4096;
/// Octets read ahead of a connection: a few pipelined questions.
const READ_AHEAD: usize = 1024;
/// Octets of replies that the kernel takes before it sends them, about: one of the largest. Left to itself it takes
/// megabytes, and whoever never reads has dozens of replies made that nobody will see.
const UNSENT_MAX: u32 = 64 << 10;
/// How long to wait for the end of a connection to be told.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the connections of all addresses share.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) responder: Responder,
    pub(super) connections: Connections,
    /// How long a client may take for its handshake, to send a whole request, or to take a reply.
    pub(super) idle: Duration,
    pub(super) stop: CancellationToken,
}

impl Streams {
    /// Accepts until the stop, then waits until what is being answered is answered.
    pub(super) async fn serve(self, mut listener: Listener, tls: Option<TlsAcceptor>) {
        let tasks = TaskTracker::new();
        while let Some((tcp, client)) = self.stop.run_until_cancelled(listener.accept()).await {
            let permit = self.connections.take(client.ip(), Instant::now());
            tasks.spawn(self.clone().connected(tcp, client, permit, tls.clone()));
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Serves one connection. What ends it is the client's matter: it is not logged.
    async fn connected(self, tcp: TcpStream, client: SocketAddr, permit: Permit, tls: Option<TlsAcceptor>) {
        // A reply is one write: holding it back for more would only delay it.
        let _ = tcp.set_nodelay(true);
        let _ = SockRef::from(&tcp).set_tcp_notsent_lowat(UNSENT_MAX);
        let Some(tls) = tls else { return self.answer(tcp, Transport::Tcp, client, &permit).await };
        let handshake = tokio::select! {
            handshake = timeout(self.idle, tls.accept(tcp)) => handshake,
            () = permit.recalled() => return,
            () = self.stop.cancelled() => return,
        };
        if let Ok(Ok(stream)) = handshake {
            // On the heap: most connections have no TLS.
            Box::pin(self.answer(stream, Transport::Tls, client, &permit)).await;
        }
    }

    /// Answers until the client is done or too slow, its permit is recalled, or all stop.
    async fn answer<S>(&self, stream: S, transport: Transport, client: SocketAddr, permit: &Permit)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = BufReader::with_capacity(READ_AHEAD, stream);
        let mut seeds = Seeds::new();
        loop {
            let request = tokio::select! {
                biased;
                // Before another request: who asks without end would stay without end.
                () = permit.recalled() => break,
                request = timeout(self.idle, read(&mut stream)) => request,
                () = self.stop.cancelled() => break,
            };
            let Ok(Ok(request)) = request else { break };
            permit.touch(Instant::now());
            let Some(reply) = self.responder.reply(&request, transport, client, &mut seeds) else { break };
            let written = tokio::select! {
                biased;
                written = timeout(self.idle, write(&mut stream, reply.octets())) => written,
                () = permit.recalled() => return,
            };
            let Ok(Ok(())) = written else { return };
            // Nothing here waits while there is a request read ahead and room for its reply.
            yield_now().await;
        }
        // Over TLS it says that nothing was cut off.
        let _ = timeout(FAREWELL, stream.shutdown()).await;
    }
}

/// One request: its length in two octets, then itself.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    if length > REQUEST_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut request = vec![0; usize::from(length)];
    stream.read_exact(&mut request).await?;
    Ok(request)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> io::Result<()> {
    stream.write_all(octets).await?;
    // TLS may hold octets that the kernel did not take at once.
    stream.flush().await
}
