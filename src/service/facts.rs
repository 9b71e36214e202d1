//! What is known of an instance's life, and the status that follows from it.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lease::{Moment, UnixMillis};
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
    /// None has been made yet.
    Awaited,
    /// The last check passed.
    Passing,
    /// The last check failed, for this reason.
    Failing(Arc<str>),
}

/// The facts that are kept; the [`Status`] follows from them and is never stored.
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
    /// Why DNS has it for one more lease although this one lapsed, where it does: see the registry's guard.
    pub kept: Option<Arc<str>>,
    /// When the status became what it is, the lapse aside, which has its own time; `None` where it is up, as nearly
    /// all are, and where that is not known.
    pub since: Option<UnixMillis>,
}

/// The state of an instance as everybody sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Alive, or about to be checked, but not yet served.
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
        static USUAL: Facts =
            Facts { lapsed: None, reported: Reported::Up, check: Check::None, drained: false, kept: None, since: None };
        &USUAL
    }
}

impl Facts {
    /// Drained or left, then lapsed or failing, then starting, then up: the first that holds.
    pub fn status(&self) -> Status {
        self.status_where(self.lapsed.is_some())
    }

    /// Whether it would be up if its lease ran.
    pub fn is_up_but_for_its_lease(&self) -> bool {
        self.status_where(false) == Status::Up
    }

    /// The same with a running lease.
    #[must_use]
    pub fn revived(&self) -> Self {
        Self { lapsed: None, kept: None, ..self.clone() }
    }

    /// The same, with the time from which they hold: that of `before`, unless the status is another since `now`. Only
    /// what lapsed and nothing else is kept.
    #[must_use]
    pub fn following(self, before: &Self, now: UnixMillis) -> Self {
        let since = match self.status_where(false) {
            Status::Up => None,
            status if status == before.status_where(false) => before.since,
            _ => Some(now),
        };
        let kept = self.kept.clone().filter(|_| self.lapsed.is_some() && self.is_up_but_for_its_lease());
        Self { kept, since, ..self }
    }

    fn status_where(&self, has_lapsed: bool) -> Status {
        if self.drained || self.reported == Reported::Left {
            Status::OutOfService
        } else if has_lapsed || matches!(self.check, Check::Failing(_)) {
            Status::Down
        } else if self.reported == Reported::Starting || self.check == Check::Awaited {
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
            kept: None,
            since: None,
        };
        assert_eq!(facts(false, Reported::Up, false, false).status(), Status::Up);
        assert_eq!(facts(false, Reported::Starting, false, false).status(), Status::Starting);
        assert_eq!(facts(true, Reported::Starting, false, false).status(), Status::Down);
        assert_eq!(facts(false, Reported::Up, true, false).status(), Status::Down);
        assert_eq!(facts(true, Reported::Left, true, false).status(), Status::OutOfService);
        assert_eq!(facts(false, Reported::Up, false, true).status(), Status::OutOfService);
        assert_eq!(Facts { check: Check::Awaited, ..Facts::default() }.status(), Status::Starting);
    }

    #[test]
    fn the_time_of_a_status_stands_until_the_status_is_another() {
        let usual = Facts::default();
        let drained = Facts { drained: true, ..usual.clone() }.following(&usual, UnixMillis(1));
        assert_eq!(drained.since, Some(UnixMillis(1)));
        let lapsed = Facts { lapsed: Some(Moment(1)), ..drained.clone() }.following(&drained, UnixMillis(2));
        let starting = Facts { reported: Reported::Starting, ..drained.clone() }.following(&drained, UnixMillis(3));
        assert_eq!((lapsed.since, starting.since), (Some(UnixMillis(1)), Some(UnixMillis(1))));
        let still = Facts { drained: false, ..starting.clone() }.following(&starting, UnixMillis(4));
        assert_eq!(still.since, Some(UnixMillis(4)), "starting, from now on");
        let up = Facts { reported: Reported::Up, ..still.clone() }.following(&still, UnixMillis(5));
        assert_eq!(up, usual);
    }

    #[test]
    fn what_is_taken_out_is_kept_no_longer_and_not_again() {
        let kept = Facts { lapsed: Some(Moment(1)), kept: Some("most lapsed".into()), ..Facts::default() };
        assert_eq!(kept.clone().following(&kept, UnixMillis(2)), kept);
        let drained = Facts { drained: true, ..kept.clone() }.following(&kept, UnixMillis(2));
        assert_eq!(drained.kept, None);
        assert_eq!(Facts { drained: false, ..drained.clone() }.following(&drained, UnixMillis(3)).kept, None);
        assert_eq!(kept.revived(), Facts::default());
    }
}
