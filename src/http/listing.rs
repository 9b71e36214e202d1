//! A page of a list, written in pieces or gathered, of one snapshot.

use std::sync::Arc;

use axum::response::Response;
use tokio::task::yield_now;

use crate::api::{Cursor, Filter, Instance, Page, Position, Problem};
use crate::registry::State;

use super::Edge;
use super::pieces::{self, EXAMINED_AT_ONCE, PIECE, Written, put};
use super::principal::Principal;
use super::select::Selection;
use super::watch;

/// How a page begins.
const BEGIN: &[u8] = br#"{"instances":["#;
/// Identities that are looked at for one page, at most: a filter that matches little in a large registry is answered
/// with short pages, not with a pause for everybody else.
const EXAMINED_MAX: usize = 5_000;

/// The page of a list, as an answer.
pub(super) async fn page(edge: &Arc<Edge>, principal: &Principal, filter: Filter) -> Result<Response, Problem> {
    Ok(pieces::answer(edge, principal.sender, Listing::new(edge, principal, filter)?).await)
}

/// The page of a list as a value, for who puts it into words of another kind; it is gathered in turns as well.
pub(super) async fn gathered(edge: &Arc<Edge>, principal: &Principal, filter: Filter) -> Result<Page, Problem> {
    let mut listing = Listing::new(edge, principal, filter)?;
    let mut instances = Vec::new();
    let line = edge.listing.line(principal.sender);
    loop {
        let turn = edge.listing.come(Arc::clone(&line)).await;
        let end = listing.find(|_, instance| {
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
    is_begun: bool,
    /// The last identity that was looked at.
    after: Option<Cursor>,
    examined: usize,
    found: usize,
}

/// The end of a page, and where the next one begins.
struct End {
    cursor: Option<Cursor>,
}

impl Listing {
    fn new(edge: &Arc<Edge>, principal: &Principal, filter: Filter) -> Result<Self, Problem> {
        let (selection, limit) = (Selection::new(&filter, principal)?, filter.limit());
        let state = edge.registry.state();
        let (edge, after) = (Arc::clone(edge), filter.cursor);
        Ok(Self { edge, state, selection, limit, is_begun: false, after, examined: 0, found: 0 })
    }

    /// Finds some more, until `take`, which is given the index of each, has enough for now.
    fn find(&mut self, mut take: impl FnMut(usize, Instance) -> bool) -> Option<End> {
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
        put(octets, &Page { instances: Vec::new(), revision, position, cursor });
        octets.drain(begun..begun + BEGIN.len());
        // For terminals.
        octets.push(b'\n');
    }

    fn place(&self) -> (u64, Position) {
        (self.state.revision.0, watch::position(self.state.history, self.state.revision))
    }
}

impl Written for Listing {
    fn go_on(&mut self, octets: &mut Vec<u8>) -> bool {
        if !std::mem::replace(&mut self.is_begun, true) {
            octets.extend_from_slice(BEGIN);
        }
        let end = self.find(|index, instance| {
            if index > 0 {
                octets.push(b',');
            }
            put(octets, &instance);
            octets.len() >= PIECE
        });
        let is_last = end.is_some();
        if let Some(End { cursor }) = end {
            self.end(octets, cursor);
        }
        is_last
    }
}
