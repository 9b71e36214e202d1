//! Events in words, each written once for all who are told of it.

use std::ops::Range;
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
pub(super) struct Frames(Box<[Mutex<Option<Kept>>]>);

#[derive(Debug)]
struct Kept {
    revision: Revision,
    effect: Effect,
    frame: Frame,
}

/// An event in words. Clones are of the same octets.
#[derive(Debug, Clone)]
pub(in crate::http) struct Frame {
    text: Bytes,
    json: Range<usize>,
}

impl Default for Frames {
    fn default() -> Self {
        Self((0..KEPT).map(|_| Mutex::default()).collect())
    }
}

impl Frames {
    /// The frame of a change, which `event` makes where it is not at hand. Others who want the same wait for it.
    pub(super) fn get(&self, revision: Revision, effect: Effect, event: impl FnOnce() -> Event) -> Frame {
        let place = usize::try_from(revision.0 % self.0.len() as u64).expect("a remainder of a length");
        // Whoever panicked left it as it was.
        let mut kept = self.0[place].lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(kept) if kept.revision == revision && kept.effect == effect => kept.frame.clone(),
            _ => {
                let frame = Frame::of(&event());
                *kept = Some(Kept { revision, effect, frame: frame.clone() });
                frame
            }
        }
    }
}

impl Frame {
    pub(super) fn of(event: &Event) -> Self {
        let name = match event {
            Event::Added(_) => "added",
            Event::Changed(_) => "changed",
            Event::Removed(_) => "removed",
            Event::ListAgain { .. } => "list-again",
        };
        // JSON has no line break of its own, which would end the data.
        let data = serde_json::to_string(event).expect("our types have texts for keys");
        let begin = format!("event: {name}\nid: {}\ndata: ", event.position());
        let json = begin.len()..begin.len() + data.len();
        Self { text: [&begin, &data, "\n\n"].concat().into(), json }
    }

    /// As a server-sent event: with its name, for those who listen to some only, and its position.
    pub(super) fn into_text(self) -> Bytes {
        self.text
    }

    /// As JSON alone.
    pub(in crate::http) fn json(&self) -> &str {
        std::str::from_utf8(&self.text[self.json.clone()]).expect("it was a text")
    }
}

/// A comment, which clients pass over, with the position that they go on from.
pub(super) fn of_silence(position: Position) -> Bytes {
    format!(":\nid: {position}\n\n").into()
}
