//! What one watcher is told of, however it is put on the wire.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{Event, Filter, Position, Problem};
use crate::http::Edge;
use crate::http::places::Place;
use crate::http::principal::Principal;
use crate::http::select::Selection;
use crate::registry::{Announced, History, Watch};
use crate::service::Revision;

use super::Effect;
use super::frames::Frame;

/// One watcher.
pub(in crate::http) struct Following {
    edge: Arc<Edge>,
    principal: Principal,
    changes: Watch,
    selection: Selection,
    _place: Place,
}

impl Following {
    /// Of what `filter` lets pass, after `since`, or from now on.
    pub(in crate::http) fn begin(
        edge: &Arc<Edge>,
        principal: &Principal,
        filter: &Filter,
        since: Option<Position>,
    ) -> Result<Self, Problem> {
        let selection = Selection::new(filter, principal)?;
        let place = edge.watchers.enter(principal.sender)?;
        let history = since.and_then(|since| since.history).map(History);
        let changes = edge.registry.watch(history, since.map(|since| Revision(since.revision)));
        Ok(Self { edge: Arc::clone(edge), principal: principal.clone(), changes, selection, _place: place })
    }

    /// Waits for what is to be told next; of changes that come there may be none that is. `None` when the registry
    /// stops, or the token is one no more. May be dropped while it waits, and loses none.
    pub(in crate::http) async fn next(&mut self) -> Option<Vec<Frame>> {
        // Also before the wait, which is not as long as one may be for a change.
        let told = self.follow_tokens()?;
        if !told.is_empty() {
            return Some(told);
        }
        let news = tokio::select! {
            news = self.changes.next() => news,
            () = self.edge.stop.cancelled() => return None,
        };
        let told = self.follow_tokens()?;
        if !told.is_empty() {
            return Some(told);
        }
        Some(match news {
            Ok(changes) => changes.iter().filter_map(|change| self.frame(change)).collect(),
            Err(missed) => {
                self.edge.watchers.lost.inc();
                list_again(self.position().expect("what is missed was told"), missed.to_string())
            }
        })
    }

    /// Where tokens have changed, others may be shown.
    fn follow_tokens(&mut self) -> Option<Vec<Frame>> {
        if self.edge.guard.is_current(&self.principal) {
            return Some(Vec::new());
        }
        self.principal = self.edge.guard.renewed(&self.principal)?;
        let is_other = self.selection.follow(&self.principal);
        // What was missed is told anyway.
        let position = self.position().filter(|_| is_other);
        let reason = "tokens have changed, and what is shown may be another";
        Some(position.map(|position| list_again(position, reason.to_owned())).unwrap_or_default())
    }

    /// Everything up to here was told. `None` until it is told that something is missed.
    pub(super) fn position(&self) -> Option<Position> {
        self.changes.position().map(|position| self.edge.position(position))
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.edge.config.idle_timeout
    }

    fn frame(&self, change: &Announced) -> Option<Frame> {
        let effect = Effect::of(change, &self.selection)?;
        let frames = &self.edge.watchers.frames;
        Some(frames.get(change.revision, effect, || self.edge.event(effect, change)))
    }
}

fn list_again(position: Position, reason: String) -> Vec<Frame> {
    vec![Frame::of(&Event::ListAgain { position, reason })]
}
