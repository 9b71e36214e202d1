//! DNS over QUIC (RFC 9250): a connection has streams, and a stream one request and its reply.
//!
//! A client shows that it is where it says before anything is kept of it (Retry, RFC 9000 §8.1.2). Then it counts as a
//! connection among those over TCP and TLS, and has as long as they have for its handshake, each request and each
//! reply. Message IDs are 0 (§4.2.1); replies need no order.
//!
//! Road not taken: hickory's QUIC server. It shakes hands with one client at a time, so that one which stalls holds up
//! all, validates no address, and takes any number of connections.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ReadToEndError, RecvStream, SendStream, ServerConfig,
    TokioRuntime, TransportConfig, VarInt,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::connections::Permit;
use super::context::Seeds;
use super::options;
use super::stream::{REQUEST_MAX, Streams};
use super::transport::Transport;
use crate::tls::Identity;

/// What clients ask for (RFC 9250 §4.1).
const ALPN: &[u8] = b"doq";
/// Requests at once on a connection.
const STREAMS_MAX: u16 = 64;
/// Octets in front of a message that say how long it is (RFC 9250 §4.2).
const LENGTH: usize = 2;
/// Code of edns-tcp-keepalive, which is about TCP alone (RFC 7828 §3.1, RFC 9250 §5.5.2).
const KEEPALIVE: u16 = 11;
/// Octets of a stream that a client may send.
const STREAM_MAX: u16 = 2 + REQUEST_MAX;
/// Replies of a connection that are made and not yet written, at most: the next questions wait until there is room for
/// what they ask for.
const REPLIES_MAX: usize = 4;
/// Octets of replies that are written, and that a connection holds until its client has them: four of the largest.
const SEND_MAX: u64 = 256 << 10;
/// Clients that have not yet shown where they are, at once, and octets that are kept of each.
const INCOMING_MAX: usize = 256;
const INCOMING_OCTETS: u64 = 16 << 10;
/// How long to wait for clients to hear that a connection ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a connection is closed (RFC 9250 §8.4).
const NO_ERROR: VarInt = VarInt::from_u32(0);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// Listens on a socket; within a Tokio runtime. `idle` is how long a connection may be without a word.
pub(super) fn listen(socket: UdpSocket, identity: &Identity, idle: Duration) -> io::Result<Endpoint> {
    let tls = QuicServerConfig::try_from(identity.server_config(&[ALPN]));
    let mut config = ServerConfig::with_crypto(Arc::new(tls.expect("ring has the first cipher of QUIC")));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(0_u8.into())
        .stream_receive_window(STREAM_MAX.into())
        .receive_window((u32::from(STREAM_MAX) * u32::from(STREAMS_MAX)).into())
        .send_window(SEND_MAX)
        .datagram_receive_buffer_size(None)
        // More than QUIC can say is more than anybody waits.
        .max_idle_timeout(IdleTimeout::try_from(idle).ok());
    config
        .transport_config(Arc::new(transport))
        // The address that was validated is the client's.
        .migration(false)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_OCTETS)
        .incoming_buffer_size_total(INCOMING_OCTETS * INCOMING_MAX as u64);
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

/// Accepts until the stop, then waits until what is being answered is answered.
pub(super) async fn serve(streams: Streams, endpoint: Endpoint) {
    let tasks = TaskTracker::new();
    while let Some(Some(incoming)) = streams.stop.run_until_cancelled(endpoint.accept()).await {
        if !incoming.remote_address_validated() {
            // Who is not validated may be asked to.
            let _ = incoming.retry();
            continue;
        }
        let client = incoming.remote_address();
        let permit = streams.connections.take(client.ip(), Instant::now());
        tasks.spawn(connected(streams.clone(), incoming, client, permit));
    }
    tasks.close();
    tasks.wait().await;
    endpoint.close(NO_ERROR, b"");
    let _ = timeout(FAREWELL, endpoint.wait_idle()).await;
}

/// Serves one connection, until its permit is recalled: then at once, whatever is still being answered.
async fn connected(streams: Streams, incoming: Incoming, client: SocketAddr, permit: Permit) {
    let handshake = tokio::select! {
        handshake = timeout(streams.idle, incoming) => handshake,
        () = permit.recalled() => return,
        () = streams.stop.cancelled() => return,
    };
    let Ok(Ok(connection)) = handshake else { return };
    let answering = pin!(answer(&streams, &connection, client, &permit));
    let reason = tokio::select! {
        biased;
        () = permit.recalled() => EXCESSIVE_LOAD,
        () = answering => NO_ERROR,
    };
    // Before what is still being answered is dropped, which would end its streams as if that were all.
    connection.close(reason, b"");
}

/// Answers until the client is done or idle, or all stop, and then until what was asked is answered.
async fn answer(streams: &Streams, connection: &Connection, client: SocketAddr, permit: &Permit) {
    let (mut exchanges, replies) = (JoinSet::new(), Arc::new(Semaphore::new(REPLIES_MAX)));
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = timeout(streams.idle, connection.accept_bi()) => accepted,
            Some(_) = exchanges.join_next() => continue,
            () = streams.stop.cancelled() => break,
        };
        match accepted {
            Ok(Ok((send, receive))) => {
                permit.touch(Instant::now());
                exchanges.spawn(exchange(streams.clone(), connection.clone(), replies.clone(), send, receive, client));
            }
            // The client's end.
            Ok(Err(_)) => return,
            Err(_elapsed) => break,
        }
    }
    while exchanges.join_next().await.is_some() {}
}

async fn exchange(
    streams: Streams,
    connection: Connection,
    replies: Arc<Semaphore>,
    mut send: SendStream,
    mut receive: RecvStream,
    client: SocketAddr,
) {
    let request = match timeout(streams.idle, receive.read_to_end(usize::from(STREAM_MAX))).await {
        Ok(Ok(octets)) => request(&octets).map(<[u8]>::to_vec),
        Ok(Err(ReadToEndError::TooLong)) => None,
        // The client gave up, or is too slow.
        Ok(Err(ReadToEndError::Read(_))) | Err(_) => return,
    };
    let taken = async {
        {
            let _room = replies.acquire().await;
            let asked = request.as_deref();
            let reply =
                asked.and_then(|asked| streams.responder.reply(asked, Transport::Quic, client, &mut Seeds::new()));
            let Some(reply) = reply else {
                // What is no request of DNS over QUIC ends the connection (RFC 9250 §4.3.3).
                connection.close(PROTOCOL_ERROR, b"");
                return;
            };
            if send.write_all(reply.octets()).await.is_err() {
                return;
            }
        }
        if send.finish().is_ok() {
            // Until the client has it: a connection that is closed takes back what is on its way.
            let _ = send.stopped().await;
        }
    };
    if timeout(streams.idle, taken).await.is_err() {
        // Else the stream would end as if what was written of it were all.
        let _ = send.reset(EXCESSIVE_LOAD);
    }
}

/// The message that a stream has: one, whole, with an ID of 0, and without what no message over QUIC has (RFC 9250
/// §4.2, §4.2.1, §4.3.3).
fn request(octets: &[u8]) -> Option<&[u8]> {
    let (length, message) = octets.split_first_chunk::<LENGTH>()?;
    let is_whole = usize::from(u16::from_be_bytes(*length)) == message.len();
    (is_whole && message.starts_with(&[0, 0]) && !options::has(message, KEEPALIVE)).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_message_with_an_id_of_0() {
        let header = [0; 12];
        let framed = |length: u8, message: &[u8]| [&[0, length], message].concat();
        assert_eq!(request(&framed(12, &header)), Some(&header[..]));
        for octets in [vec![], vec![0], framed(0, &[]), framed(13, &header), framed(11, &header), framed(2, &[0, 1])] {
            assert_eq!(request(&octets), None, "{octets:?}");
        }
        let with =
            |option| [&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4][..], option].concat();
        assert!(request(&framed(27, &with(&[0, 12, 0, 0]))).is_some());
        assert_eq!(request(&framed(27, &with(&[0, 11, 0, 0]))), None, "a timeout of TCP's");
    }
}
