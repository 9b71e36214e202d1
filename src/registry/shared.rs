//! What the writer shows to everybody else.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::broadcast;

use super::backlog::Backlog;
use super::clock::Clock;
use super::flips::Flips;
use super::metrics::Counts;
use super::state::{History, State};
use super::table::Table;
use crate::service::Change;
use crate::zone;

/// Batches of changes that a subscriber may lag behind before it is told that it missed some.
const ANNOUNCEMENTS: usize = 1024;

/// States that were published and may still be read.
///
/// Whoever lets go of a state last takes down all that its successors do not share: thousands of nodes, none of them
/// in the processor's cache. A thread that answers DNS would pay for it with hundreds of packets. So the writer holds
/// every state until the readers have moved on. A reader that sleeps keeps the one state that it read last, and wakes
/// each second to let go of it.
#[derive(Debug, Default)]
pub(super) struct Retired(Vec<Arc<State>>);

impl Retired {
    /// Takes in one more, and takes down those that are read no more.
    pub(super) fn add(&mut self, state: Arc<State>) {
        self.0.push(state);
        self.0.retain(|state| Arc::strong_count(state) > 1);
    }
}

/// Written by the writer alone, read by all.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) state: Arc<ArcSwap<State>>,
    pub(super) announcements: broadcast::Sender<Arc<[Change]>>,
    pub(super) backlog: Arc<Backlog>,
    pub(super) flips: Flips,
    pub(super) counts: Counts,
    /// Why the last save failed.
    pub(super) store_error: ArcSwapOption<String>,
}

impl Shared {
    pub(super) fn new(clock: Clock, history: History, table: &Table, zone: zone::Snapshot) -> Self {
        let state = state_of(table, history, zone);
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS);
        Self {
            clock,
            state: Arc::new(ArcSwap::from_pointee(state)),
            announcements,
            backlog: Arc::new(Backlog::new(table.revision())),
            flips: Flips::default(),
            counts: Counts::default(),
            store_error: ArcSwapOption::empty(),
        }
    }

    /// The zones as published.
    pub(super) fn zone(&self) -> zone::Snapshot {
        self.state.load().zone.clone()
    }

    /// Gives what was published until now, whose last holder must not be a reader, see [`Retired`].
    pub(super) fn publish(&self, table: &Table, zone: zone::Snapshot) -> Arc<State> {
        let history = self.state.load().history;
        let state = state_of(table, history, zone);
        self.state.swap(Arc::new(state))
    }

    pub(super) fn announce(&self, changes: Vec<Change>) {
        self.counts.changed(&changes);
        let (changes, now) = (Arc::from(changes), self.clock.now().wall);
        self.flips.note(&changes, now);
        self.backlog.add(&changes, now);
        // Nobody may be listening.
        let _ = self.announcements.send(changes);
    }

    /// True when it had been well.
    pub(super) fn store_failed(&self, error: String) -> bool {
        self.store_error.swap(Some(Arc::new(error))).is_none()
    }

    /// True when it had failed.
    pub(super) fn store_healed(&self) -> bool {
        self.store_error.swap(None).is_some()
    }
}

fn state_of(table: &Table, history: History, zone: zone::Snapshot) -> State {
    let (slots, places) = (table.slots().clone(), table.places().clone());
    State { revision: table.revision(), history, zone, census: table.census(), slots, places }
}
