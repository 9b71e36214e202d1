//! What a watcher is told, and where in the run of changes it is.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{Cause, Change, UnixMillis};

use super::instance::{Instance, timestamp};

/// Something that happened to an instance that the watcher's filter is about, or to the watcher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It matches from now on: it is new, or was changed into one that matches.
    Added(Box<News>),
    /// It matched before, and does as it is now.
    Changed(Box<News>),
    /// It matches no longer: it is gone, or was changed into one that does not.
    Removed(Box<News>),
    /// There are changes that cannot be told: what is known is to be listed anew. Changes from `position` on follow.
    ListAgain {
        /// Where the events go on.
        position: Position,
        /// For people.
        reason: String,
    },
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    /// Where to go on after it.
    pub position: Position,
    /// Why it changed.
    pub cause: Cause,
    /// When the registry told of it.
    pub time: Timestamp,
    /// As it is now, or as it was last; what other sources say of the same name is not in here.
    pub instance: Instance,
}

/// A place in a registry's run of changes: who knows it can be told of all that comes after. Opaque to clients, but that
/// a revision alone is one as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position {
    /// The last change that is known.
    pub revision: u64,
    /// Of which database; without it, a registry that lost its own does not notice.
    pub history: Option<u64>,
}

/// A position that we did not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no position; give one that a list or an event had, or a revision")]
pub struct BadPosition;

impl News {
    /// Of `change`, announced `at` that time; `instance` is as it shows what is or was there.
    pub fn of(change: &Change, at: UnixMillis, position: Position, instance: Instance) -> Box<Self> {
        Box::new(Self { position, cause: change.cause, time: timestamp(at), instance })
    }
}

impl Event {
    /// Where to go on after it.
    pub fn position(&self) -> Position {
        match self {
            Self::Added(news) | Self::Changed(news) | Self::Removed(news) => news.position,
            Self::ListAgain { position, .. } => *position,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.revision)?;
        self.history.map_or(Ok(()), |history| write!(f, "-{history:016x}"))
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (revision, history) = match text.split_once('-') {
            Some((revision, history)) => (revision, Some(history)),
            None => (text, None),
        };
        let history = history.map(|digits| u64::from_str_radix(digits, 16)).transpose().map_err(|_| BadPosition)?;
        Ok(Self { revision: revision.parse().map_err(|_| BadPosition)?, history })
    }
}

impl TryFrom<String> for Position {
    type Error = BadPosition;

    fn try_from(text: String) -> Result<Self, BadPosition> {
        text.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text_and_a_revision_is_one() {
        for history in [None, Some(0), Some(u64::MAX)] {
            let position = Position { revision: 17, history };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        assert_eq!("17".parse(), Ok(Position { revision: 17, history: None }));
        for text in ["", "x", "-", "17-", "17-g", "17-1-1", "18446744073709551616"] {
            assert_eq!(text.parse::<Position>(), Err(BadPosition), "{text}");
        }
    }
}
