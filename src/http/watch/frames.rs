//! Events in words, each written once for all who are told of it.

use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;

use crate::api::{Event, Position};
use crate::service::Revision;

use super::Effect;

/// Frames that are kept: those who follow are at most some hundred changes behind. Who comes back from further behind
/// has its own written, and these are a few MB at most.
const KEPT: usize = 1024;

/// The last frames. A later one takes the place of an earlier one whose number has the same remainder.
#[derive(Debug)]
pub(super) struct Frames(Box<[Mutex<Option<Frame>>]>);

#[derive(Debug)]
struct Frame {
    revision: Revision,
    effect: Effect,
    octets: Bytes,
}

impl Default for Frames {
    fn default() -> Self {
        Self((0..KEPT).map(|_| Mutex::default()).collect())
    }
}

impl Frames {
    /// The frame of a change, which `event` makes where it is not at hand. Others who want the same wait for it.
    pub(super) fn get(&self, revision: Revision, effect: Effect, event: impl FnOnce() -> Event) -> Bytes {
        let place = usize::try_from(revision.0 % self.0.len() as u64).expect("a remainder of a length");
        // Whoever panicked left it as it was.
        let mut kept = self.0[place].lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(frame) if frame.revision == revision && frame.effect == effect => frame.octets.clone(),
            _ => {
                let octets = of_event(&event());
                *kept = Some(Frame { revision, effect, octets: octets.clone() });
                octets
            }
        }
    }
}

/// An event with its name, for those who listen to some only, and its position.
pub(super) fn of_event(event: &Event) -> Bytes {
    let name = match event {
        Event::Added(_) => "added",
        Event::Changed(_) => "changed",
        Event::Removed(_) => "removed",
        Event::ListAgain { .. } => "list-again",
    };
    // JSON has no line break of its own, which would end the data.
    let data = serde_json::to_string(event).expect("our types have texts for keys");
    format!("event: {name}\nid: {}\ndata: {data}\n\n", event.position()).into()
}

/// A comment, which clients pass over, with the position that they go on from.
pub(super) fn of_silence(position: Position) -> Bytes {
    format!(":\nid: {position}\n\n").into()
}
