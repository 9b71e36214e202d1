//! DNS over TCP (RFC 7766): accepts within limits, answers in order what is pipelined, and waits for nobody long.
//!
//! Road not taken: hickory's server. It takes any number of connections, and when file descriptors run out it
//! asks for the next one at full speed.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::access::Access;
use super::connections::{Connections, Place};
use super::context::{self, Context, Seeds};
use super::cookie::Cookies;
use super::reply::Reply;
use super::respond::respond;
use super::transport::Transport;
use crate::registry::Registry;

/// Octets read ahead of a connection: a few pipelined questions.
const READ_AHEAD: usize = 1024;
/// Octets of a request, at most: ten times what a question with all its options takes.
const REQUEST_MAX: usize = 4096;
/// Octets in front of a message that say how long it is (RFC 1035 §4.2.2).
const LENGTH: usize = 2;
/// Pause when no connection can be accepted: most likely file descriptors ran out.
const PAUSE: Duration = Duration::from_millis(100);

/// How long accepting must not have failed to be well again: at the limit it fails and succeeds by turns, as
/// connections end.
const WELL: Duration = Duration::from_secs(5);

/// What the connections of all addresses share.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) registry: Registry,
    pub(super) access: Access,
    pub(super) cookies: Cookies,
    pub(super) connections: Connections,
    /// How long a client may take to send a whole request, or to take a response.
    pub(super) idle: Duration,
    pub(super) stop: CancellationToken,
}

impl Streams {
    /// Accepts until the stop, then waits until what is being answered is answered.
    pub(super) async fn serve(self, listener: TcpListener) {
        let tasks = TaskTracker::new();
        let mut failed = None;
        while let Some(accepted) = self.stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, client)) => {
                    if failed.take_if(|last: &mut Instant| last.elapsed() > WELL).is_some() {
                        info!("DNS connections are accepted again");
                    }
                    let place = self.connections.take(client.ip(), Instant::now());
                    tasks.spawn(self.clone().answer(stream, client, place));
                }
                // The client's doing, and over.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => {
                    if failed.replace(Instant::now()).is_none() {
                        warn!(error = %e, "no DNS connection can be accepted; trying again");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Answers until the client is done or too slow, its place is needed, or all stop. What ends a connection is
    /// the client's matter: it is not logged.
    async fn answer(self, stream: TcpStream, client: SocketAddr, place: Place) {
        let mut stream = BufReader::with_capacity(READ_AHEAD, stream);
        // A response is one write: holding it back for more would only delay it.
        let _ = stream.get_ref().set_nodelay(true);
        let mut seeds = Seeds::new();
        loop {
            let request = tokio::select! {
                biased;
                request = timeout(self.idle, read(&mut stream)) => request,
                () = place.close.cancelled() => return,
                () = self.stop.cancelled() => return,
            };
            let Ok(Ok(request)) = request else { return };
            place.touch(Instant::now());
            let response = {
                let state = self.registry.state();
                let context = Context {
                    zone: &state.zone,
                    access: &self.access,
                    cookies: &self.cookies,
                    now: context::now(),
                    client,
                    transport: Transport::Tcp,
                    seed: seeds.next(),
                };
                framed(&context, &request)
            };
            if response.is_empty() {
                return;
            }
            let written = tokio::select! {
                written = timeout(self.idle, stream.write_all(&response)) => written,
                () = place.close.cancelled() => return,
            };
            let Ok(Ok(())) = written else { return };
        }
    }
}

/// The response with its length in front, for one write (RFC 7766 §8); empty where none is due.
fn framed(context: &Context<'_>, request: &[u8]) -> Vec<u8> {
    let mut response = vec![0; LENGTH + usize::from(u16::MAX)];
    response[LENGTH..][..request.len()].copy_from_slice(request);
    let Reply { length, .. } = respond(context, &mut response[LENGTH..], request.len());
    let Some(prefix) = u16::try_from(length).ok().filter(|length| *length > 0) else { return Vec::new() };
    response[..LENGTH].copy_from_slice(&prefix.to_be_bytes());
    response.truncate(LENGTH + length);
    response
}

/// One request: its length in two octets, then itself.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > REQUEST_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut request = vec![0; length];
    stream.read_exact(&mut request).await?;
    Ok(request)
}
