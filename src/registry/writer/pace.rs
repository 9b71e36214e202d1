//! When the writer acts unasked: for what lapses, for the clock, and for a store that fails or hangs.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::super::table::Journal;
use super::Writer;

/// Entries of the expiry index that are worked on before others have a turn.
const EXPIRE_AT_ONCE: usize = 4096;
/// Between ticks while leases run: how finely the lease clock notices that the registry was held up.
const TICK: Duration = Duration::from_millis(100);
/// After the start, ticks and notes come at this pace: a registry that crashes over and over still moves the
/// stored clock.
const FIRST_TICK: Duration = Duration::from_millis(50);
/// Between two notes of the clock in the store, at most: a crash turns it back by no more.
const NOTE: Duration = Duration::from_secs(1);
/// How soon a failed save is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A save that takes longer is reported as a failure, although it may still succeed.
const HANGS: Duration = Duration::from_secs(5);
/// Being held up for less is for the debug log: a busy machine does it all the time.
const WORTH_A_WARNING: Duration = Duration::from_secs(1);

/// Moments at which to act.
#[derive(Debug)]
pub(super) struct Pace {
    /// While leases run.
    tick: Option<Instant>,
    last_tick: Instant,
    /// When the store should hear of the clock again.
    note: Instant,
    /// When a failed save may be tried again.
    retry: Option<Instant>,
    /// When the save under way has taken too long.
    hangs: Option<Instant>,
}

impl Pace {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { tick: None, last_tick: now, note: now + FIRST_TICK, retry: None, hangs: None }
    }

    /// `None` unless the last save failed; then whether it is time to try again.
    pub(super) fn may_retry(&self) -> Option<bool> {
        Some(self.retry? <= Instant::now())
    }

    pub(super) fn save_begins(&mut self) {
        self.hangs = Some(Instant::now() + HANGS);
    }

    pub(super) fn save_ended(&mut self, well: bool) {
        self.hangs = None;
        self.retry = (!well).then(|| Instant::now() + RETRY);
    }
}

impl Writer {
    /// When to act, if nobody asks before.
    pub(super) fn wake(&mut self) -> Option<Instant> {
        if self.table.next_due().is_none() {
            self.pace.tick = None;
        } else if self.pace.tick.is_none() {
            self.pace.tick = Some(Instant::now() + self.shared.clock.uptime().clamp(FIRST_TICK, TICK));
        }
        let retry = self.pace.retry.filter(|_| self.saving.is_none());
        self.tick_due().into_iter().chain(retry).chain(self.pace.hangs).min()
    }

    /// The moment has come; ticks and retries are looked after elsewhere.
    pub(super) fn woken(&mut self) {
        if self.pace.hangs.is_some_and(|hangs| hangs <= Instant::now()) {
            self.pace.hangs = None;
            let why = format!("the store has not answered for {HANGS:?}");
            if self.shared.store_failed(why) {
                error!(after = ?HANGS, "the store does not answer; renewals, answers and expiry go on");
            }
        }
    }

    /// When to tick: for what lapses next, and every so often while leases run.
    pub(super) fn tick_due(&self) -> Option<Instant> {
        let due = self.shared.clock.instant_of(self.table.next_due()?);
        Some(self.pace.tick.map_or(due, |tick| tick.min(due)))
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self) {
        let planned = self.tick_due().map(|due| due.max(self.pace.last_tick));
        if let Some(late) = planned.and_then(|planned| self.shared.clock.forgive(planned)) {
            if late < WORTH_A_WARNING {
                debug!(?late, "held up; leases are extended by as much");
            } else {
                warn!(?late, "held up; leases are extended by as much");
            }
        }
        let mut table = self.table.clone();
        let mut journal = Journal::default();
        table.expire(self.shared.clock.now(), EXPIRE_AT_ONCE, &mut journal);
        for (service, why) in &journal.guarded {
            warn!(%service, %why, "most of a service went silent at once; DNS has it for one more lease (lease.guard)");
        }
        self.adopt(table, journal);
        let now = Instant::now();
        if now >= self.pace.note {
            self.store.note(self.shared.clock.now().clock);
            // Twice as late as it is now: half of every run counts, however short.
            self.pace.note = now + self.shared.clock.uptime().min(NOTE);
        }
        self.pace.last_tick = now;
        self.pace.tick = None;
    }
}
