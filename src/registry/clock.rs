//! The lease clock: how long the registry has been running, over all its restarts.
//!
//! Leases are told by it alone. It is monotonic, so a wall clock that jumps moves nothing. It goes on from where
//! the store saw it last, so it stands still while the registry is down. And it stands still while the registry
//! is stopped or starved: whoever could not be heard for a while is not blamed for its silence.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::service::{Moment, UnixMillis};

/// A lateness below this is ordinary and left alone: expiry is exact to 50 ms, and were every millisecond forgiven,
/// a busy machine's leases would stretch without end, a little at every tick.
const ORDINARY: Duration = Duration::from_millis(50);

/// Both clocks at one instant: the table is told the time, it never asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Leases.
    pub(super) clock: Moment,
    /// For people.
    pub(super) wall: UnixMillis,
}

/// The lease clock of this run.
#[derive(Debug)]
pub(super) struct Clock {
    /// What it showed when this run began.
    base: Moment,
    started: Instant,
    /// Milliseconds in which the registry was held up.
    lost: AtomicU64,
}

impl Clock {
    /// Goes on from `base`.
    pub(super) fn resume(base: Moment) -> Self {
        Self { base, started: Instant::now(), lost: AtomicU64::new(0) }
    }

    /// Both clocks.
    pub(super) fn now(&self) -> Now {
        Now { clock: self.at(Instant::now()), wall: UnixMillis::now() }
    }

    fn at(&self, instant: Instant) -> Moment {
        let running = self.base.after(instant.duration_since(self.started));
        Moment(running.0.saturating_sub(self.lost.load(Ordering::Relaxed)))
    }

    /// When the clock will show `moment`, if nothing holds it up.
    pub(super) fn instant_of(&self, moment: Moment) -> Instant {
        let millis = (moment.0 + self.lost.load(Ordering::Relaxed)).saturating_sub(self.base.0);
        self.started + Duration::from_millis(millis)
    }

    /// Takes note that what was to happen at `planned` happens now: the time between did not pass.
    pub(super) fn forgive(&self, planned: Instant) -> Option<Duration> {
        let late = Instant::now().duration_since(planned);
        if late < ORDINARY {
            return None;
        }
        self.lost.fetch_add(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Some(late)
    }

    /// How long this run has lasted.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_goes_on_where_it_stopped_and_stands_still_while_held_up() {
        let clock = Clock::resume(Moment(1_000));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now().clock, Moment(3_000));
        let planned = Instant::now();
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(clock.forgive(planned), Some(Duration::from_secs(9)));
        assert_eq!(clock.now().clock, Moment(3_000));
        assert_eq!(clock.instant_of(Moment(3_500)), Instant::now() + Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn ordinary_lateness_stretches_no_lease() {
        let clock = Clock::resume(Moment(0));
        tokio::time::advance(Duration::from_millis(40)).await;
        assert_eq!(clock.forgive(Instant::now() - Duration::from_millis(40)), None);
        assert_eq!(clock.now().clock, Moment(40));
    }
}
