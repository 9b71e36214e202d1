//! What is known of an instance's life, and the status that follows from it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::lease::Moment;
use super::rare::Usual;

/// What a service says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reported {
    /// Alive, but not yet to be used.
    Starting,
    /// Ready.
    #[default]
    Up,
    /// Gone of its own accord, still listed.
    Left,
}

/// What a check says of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Check {
    /// Nobody checks.
    #[default]
    None,
    /// The last check passed.
    Passing,
    /// The last check failed, for this reason.
    Failing(Arc<str>),
}

/// The four facts that are kept; the [`Status`] follows from them and is never stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// When the lease lapsed, `None` while it runs.
    pub lapsed: Option<Moment>,
    /// What the service says.
    pub reported: Reported,
    /// What a check says.
    pub check: Check,
    /// Taken out by an operator, and only put back by one.
    pub drained: bool,
}

/// The state of an instance as everybody sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Alive, but not yet served.
    Starting,
    /// Served.
    Up,
    /// Its lease lapsed or its check fails.
    Down,
    /// Drained, or gone of its own accord.
    OutOfService,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Up, Self::Down, Self::OutOfService];

    /// The word that the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Down => "down",
            Self::OutOfService => "out-of-service",
        }
    }

    /// The reverse of [`Status::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Usual for Facts {
    /// A running lease, and nobody says anything against it.
    fn usual() -> &'static Self {
        static USUAL: Facts = Facts { lapsed: None, reported: Reported::Up, check: Check::None, drained: false };
        &USUAL
    }
}

impl Facts {
    /// Drained or left, then lapsed or failing, then starting, then up: the first that holds.
    pub fn status(&self) -> Status {
        if self.drained || self.reported == Reported::Left {
            Status::OutOfService
        } else if self.lapsed.is_some() || matches!(self.check, Check::Failing(_)) {
            Status::Down
        } else if self.reported == Reported::Starting {
            Status::Starting
        } else {
            Status::Up
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_from_the_facts_in_order() {
        let facts = |lapsed: bool, reported, failing: bool, drained| Facts {
            lapsed: lapsed.then_some(Moment(1)),
            reported,
            check: if failing { Check::Failing("timeout".into()) } else { Check::None },
            drained,
        };
        assert_eq!(facts(false, Reported::Up, false, false).status(), Status::Up);
        assert_eq!(facts(false, Reported::Starting, false, false).status(), Status::Starting);
        assert_eq!(facts(true, Reported::Starting, false, false).status(), Status::Down);
        assert_eq!(facts(false, Reported::Up, true, false).status(), Status::Down);
        assert_eq!(facts(true, Reported::Left, true, false).status(), Status::OutOfService);
        assert_eq!(facts(false, Reported::Up, false, true).status(), Status::OutOfService);
    }
}
