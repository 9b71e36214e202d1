//! Answers that are written piece by piece, as their clients take them: one may have megabytes, and a client of HTTP/2
//! can ask for many of them and take none.
//!
//! What is written keeps its state of the registry for as long. It is let go after `http.request_timeout`, and then the
//! answer breaks off: of a registry that changes, a client that takes its time would keep every state. Pieces take turns,
//! client by client, so that they have one worker at most, and that for less than a millisecond at a time.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::Frame;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::turn::Turn;
use super::{Edge, respond};

/// Octets of a piece, to which its last part is added: what one stream of a client that takes nothing costs.
pub(super) const PIECE: usize = 8 << 10;
/// Identities that are looked at for one piece, at most.
pub(super) const EXAMINED_AT_ONCE: usize = 250;

/// What is written piece by piece.
pub(super) trait Written: Send + 'static {
    /// Writes some more, [`PIECE`] at most and the rest of a part, of as many identities as are
    /// [examined at once](EXAMINED_AT_ONCE); true at the end.
    fn go_on(&mut self, octets: &mut Vec<u8>) -> bool;
}

/// It as a document for `client`.
pub(super) async fn answer(edge: &Arc<Edge>, client: IpAddr, written: impl Written) -> Response {
    // It ends with its reader, or with the time that a request may take.
    let (pieces, mut rest) = mpsc::channel(1);
    let (writing, limit) = (Arc::clone(edge), edge.config.request_timeout);
    tokio::spawn(async move { timeout(limit, write(&writing.listing, client, written, pieces)).await });
    match rest.recv().await {
        Some(Piece { octets, is_last: true }) => respond::text(StatusCode::OK, respond::JSON, octets),
        first => respond::text(StatusCode::OK, respond::JSON, Body::new(Pieces { first, rest, ended: false })),
    }
}

async fn write(turns: &Turn, client: IpAddr, mut written: impl Written, pieces: mpsc::Sender<Piece>) {
    let line = turns.line(client);
    while let Ok(room) = pieces.reserve().await {
        let mut octets = Vec::new();
        let is_last = loop {
            let turn = turns.come(Arc::clone(&line)).await;
            // For a long time there may be nothing to write, and nobody who notices.
            if pieces.is_closed() {
                return;
            }
            let is_last = written.go_on(&mut octets);
            drop(turn);
            yield_now().await;
            if is_last || octets.len() >= PIECE {
                break is_last;
            }
        };
        room.send(Piece { octets, is_last });
        if is_last {
            return;
        }
    }
}

/// Adds a value to a piece.
pub(super) fn put(octets: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(octets, value).expect("our types have texts for keys");
}

struct Piece {
    octets: Vec<u8>,
    is_last: bool,
}

/// The pieces as a body.
struct Pieces {
    first: Option<Piece>,
    rest: mpsc::Receiver<Piece>,
    ended: bool,
}

/// The client is told by a stream or a connection that breaks off: the status has long been sent.
#[derive(Debug, Error)]
#[error("the answer was not taken within http.request_timeout")]
struct Late;

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Late;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Late>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None => std::task::ready!(self.rest.poll_recv(context)),
        };
        self.ended = piece.as_ref().is_none_or(|piece| piece.is_last);
        Poll::Ready(Some(piece.map(|piece| Frame::data(piece.octets.into())).ok_or(Late)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    /// As one who may read nothing finds it in a large registry.
    struct Nothing;

    impl Written for Nothing {
        fn go_on(&mut self, _: &mut Vec<u8>) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn for_who_has_gone_nothing_is_looked_at_any_more() {
        let (turns, (pieces, rest)) = (Turn::default(), mpsc::channel(1));
        let mut writing = pin!(write(&turns, Ipv4Addr::LOCALHOST.into(), Nothing, pieces));
        timeout(Duration::from_millis(10), writing.as_mut()).await.expect_err("there is no end");
        drop(rest);
        timeout(Duration::from_secs(20), writing).await.expect("it ends with its reader");
    }
}
