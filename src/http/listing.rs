//! A list as it is written: piece by piece, as its client takes them. A page may have megabytes, and a client of
//! HTTP/2 can ask for many of them and take none.
//!
//! All pieces are of one snapshot. It is let go after `http.request_timeout`, and then the answer breaks off: of a
//! registry that changes, a client that takes its time would keep every state. Pieces of all lists take turns, so that
//! they have one worker at most, and that for less than a millisecond at a time.

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

use crate::api::{Cursor, Filter, Instance, Page, Position, Problem};
use crate::registry::State;

use super::Edge;
use super::principal::Principal;
use super::respond;
use super::select::Selection;
use super::watch;

/// How a page begins.
const BEGIN: &[u8] = br#"{"instances":["#;
/// Octets of a piece, to which its last instance is added: what one stream of a client that takes nothing costs.
const PIECE: usize = 8 << 10;
/// Identities that are looked at for one piece, at most.
const EXAMINED_AT_ONCE: usize = 250;
/// Identities that are looked at for one page, at most: a filter that matches little in a large registry is answered
/// with short pages, not with a pause for everybody else.
const EXAMINED_MAX: usize = 5_000;

/// The page of a list, as an answer.
pub(super) async fn page(edge: &Arc<Edge>, principal: &Principal, filter: Filter) -> Result<Response, Problem> {
    let listing = Listing::new(edge, principal, filter)?;
    // It ends with its reader, or with the time that a request may take.
    let (pieces, mut rest) = mpsc::channel(1);
    tokio::spawn(timeout(edge.config.request_timeout, listing.write(pieces)));
    match rest.recv().await {
        Some(Piece { octets, is_last: true }) => Ok(respond::text(StatusCode::OK, respond::JSON, octets)),
        first => Ok(respond::text(StatusCode::OK, respond::JSON, Body::new(Pieces { first, rest, ended: false }))),
    }
}

/// The page of a list as a value, for who puts it into words of another kind; it is gathered in turns as well.
pub(super) async fn gathered(edge: &Arc<Edge>, principal: &Principal, filter: Filter) -> Result<Page, Problem> {
    let mut listing = Listing::new(edge, principal, filter)?;
    let mut instances = Vec::new();
    loop {
        let turn = edge.listing.lock().await;
        let end = listing.go_on(|_, instance| {
            instances.push(instance);
            false
        });
        drop(turn);
        yield_now().await;
        if let Some(End { cursor }) = end {
            let (revision, position) = listing.place();
            return Ok(Page { instances, revision, position, cursor });
        }
    }
}

/// What of a page is still to be written.
struct Listing {
    edge: Arc<Edge>,
    state: Arc<State>,
    selection: Selection,
    limit: usize,
    /// The last identity that was looked at.
    after: Option<Cursor>,
    examined: usize,
    found: usize,
}

/// The end of a page, and where the next one begins.
struct End {
    cursor: Option<Cursor>,
}

struct Piece {
    octets: Vec<u8>,
    is_last: bool,
}

impl Listing {
    fn new(edge: &Arc<Edge>, principal: &Principal, filter: Filter) -> Result<Self, Problem> {
        let (selection, limit) = (Selection::new(&filter, principal)?, filter.limit());
        let state = edge.registry.state();
        Ok(Self { edge: Arc::clone(edge), state, selection, limit, after: filter.cursor, examined: 0, found: 0 })
    }

    async fn write(mut self, pieces: mpsc::Sender<Piece>) {
        let edge = Arc::clone(&self.edge);
        let mut octets = BEGIN.to_vec();
        while let Ok(room) = pieces.reserve().await {
            let is_last = loop {
                let turn = edge.listing.lock().await;
                let end = self.go_on(|index, instance| {
                    if index > 0 {
                        octets.push(b',');
                    }
                    write(&mut octets, &instance);
                    octets.len() >= PIECE
                });
                let is_last = end.is_some();
                if let Some(End { cursor }) = end {
                    self.end(&mut octets, cursor);
                }
                drop(turn);
                yield_now().await;
                if is_last || octets.len() >= PIECE {
                    break is_last;
                }
            };
            room.send(Piece { octets: std::mem::take(&mut octets), is_last });
            if is_last {
                return;
            }
        }
    }

    /// Finds some more, until `take`, which is given the index of each, has enough for now.
    fn go_on(&mut self, mut take: impl FnMut(usize, Instance) -> bool) -> Option<End> {
        let mut last = None;
        let mut candidates = self.selection.candidates(&self.state, self.after.as_ref()).peekable();
        for _ in 0..EXAMINED_AT_ONCE {
            let Some((id, slot)) = candidates.next() else {
                return Some(End { cursor: None });
            };
            self.examined += 1;
            let mut is_enough = false;
            if self.selection.matches(slot.effective()) {
                is_enough = take(self.found, self.edge.show(slot));
                self.found += 1;
            }
            let is_full = self.found >= self.limit || self.examined >= EXAMINED_MAX;
            if is_full && candidates.peek().is_some() {
                return Some(End { cursor: Some(Cursor(id.clone())) });
            }
            last = Some(id);
            if is_enough {
                break;
            }
        }
        let last = last.cloned().map(Cursor);
        drop(candidates);
        self.after = last;
        None
    }

    /// Writes what of a page follows its instances.
    fn end(&self, octets: &mut Vec<u8>, cursor: Option<Cursor>) {
        let (revision, position) = self.place();
        let begun = octets.len();
        write(octets, &Page { instances: Vec::new(), revision, position, cursor });
        octets.drain(begun..begun + BEGIN.len());
        // For terminals.
        octets.push(b'\n');
    }

    fn place(&self) -> (u64, Position) {
        (self.state.revision.0, watch::position(self.state.history, self.state.revision))
    }
}

fn write(octets: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(octets, value).expect("our types have texts for keys");
}

/// The pieces as a body.
struct Pieces {
    first: Option<Piece>,
    rest: mpsc::Receiver<Piece>,
    ended: bool,
}

/// The client is told by a stream or a connection that breaks off: the status has long been sent.
#[derive(Debug, Error)]
#[error("the list was not taken within http.request_timeout")]
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
