//! The one task that changes the table.
//!
//! ```text
//! calls ──→ draft of the table ──→ store ──→ the draft becomes the table ──→ publish ──→ announce ──→ answer
//! expiry, mDNS, files ───────────→ table ──→ publish ──→ announce ──→ answer;  saved with the next calls
//! ```
//!
//! Calls that have to be saved share a transaction: while one is under way the next gather in the queue. What must
//! not wait for the store goes past it, onto the table at once; if that happened while a save was under way, the
//! draft is out of date, and the operations that were not refused are applied anew to the table as it is then; if
//! that makes anything else of them than was saved, it is saved before it is answered. Where the store may differ in
//! what nobody was promised, after expiry and after that, the identity is *dirty* and is saved by itself as soon as
//! the store has time, or heals.
//!
//! Renewals of a running instance are not seen here at all, see `renewal`: so however long a save takes, a
//! renewal never waits behind it while its lease runs out.
//!
//! Road not taken: to apply first and undo when the store fails. Between the two, readers would see what never
//! happened.

mod pace;
mod saving;

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::pace::Pace;
use self::saving::{Saving, outcome, saved_ids};
use super::authority::By;
use super::clock::Now;
use super::operation::{Applied, Operation, Refusal};
use super::shared::{Retired, Shared};
use super::table::{Journal, Table};
use crate::service::{InstanceId, Revision};
use crate::store::Store;
use crate::zone;

/// Operations that are applied together, about: some ten milliseconds of work, so that none waits long for the
/// others.
const BATCH: usize = 4096;

/// What one caller asks, and where the answer goes.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) by: By,
    pub(super) operations: Vec<Operation>,
    pub(super) answer: oneshot::Sender<Answers>,
}

/// One for each operation, in order.
pub(super) type Answers = Vec<Result<Applied, Refusal>>;

/// The one task that changes the table.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    table: Table,
    retired: Retired,
    store: Store,
    /// Calls that wait for the store.
    durable: mpsc::Receiver<Call>,
    /// Calls that do not.
    volatile: mpsc::Receiver<Call>,
    saving: Option<Saving>,
    /// What the store may have otherwise than the table.
    dirty: HashSet<InstanceId>,
    /// Revisions up to here are reserved.
    ceiling: Revision,
    pace: Pace,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        table: Table,
        store: Store,
        durable: mpsc::Receiver<Call>,
        volatile: mpsc::Receiver<Call>,
    ) -> Self {
        // Nothing is reserved yet: the first save does it.
        let ceiling = table.revision();
        let pace = Pace::begin();
        let (retired, dirty) = (Retired::default(), HashSet::new());
        Self { shared, table, retired, store, durable, volatile, saving: None, dirty, ceiling, pace }
    }

    /// Runs until `stop`, then takes what is queued, saves it and returns.
    pub async fn run(mut self, stop: CancellationToken) {
        self.pace = Pace::begin();
        let (mut durable_open, mut volatile_open) = (true, true);
        while durable_open || volatile_open || self.saving.is_some() {
            if self.saving.is_none() && self.wants_save() {
                self.save(Vec::new());
            }
            let wake = self.wake();
            tokio::select! {
                () = stop.cancelled(), if !self.durable.is_closed() => {
                    self.durable.close();
                    self.volatile.close();
                }
                saved = outcome(&mut self.saving) => self.saved(saved),
                call = self.durable.recv(), if durable_open && self.saving.is_none() => match call {
                    Some(call) => {
                        let calls = gather(call, &mut self.durable);
                        self.save(calls);
                    }
                    None => durable_open = false,
                },
                call = self.volatile.recv(), if volatile_open => match call {
                    Some(call) => {
                        let calls = gather(call, &mut self.volatile);
                        self.apply_at_once(calls);
                    }
                    None => volatile_open = false,
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.woken(),
            }
            // Not a branch of its own: whatever else there is to do, a tick that is due comes next.
            if self.tick_due().is_some_and(|due| due <= Instant::now()) {
                self.tick();
            }
        }
        self.finish().await;
    }

    /// Applies calls that do not wait for the store.
    fn apply_at_once(&mut self, calls: Vec<Call>) {
        let mut table = self.table.clone();
        let mut journal = Journal::default();
        let answers = apply(&calls, self.shared.clock.now(), &mut table, &mut journal);
        self.adopt(table, journal);
        answer(calls, answers);
    }

    /// Makes `table` the table without asking the store, which hears of it later.
    fn adopt(&mut self, table: Table, mut journal: Journal) {
        if journal.replaced.is_empty() {
            self.table = table;
            return;
        }
        self.dirty.extend(saved_ids(&journal));
        if let Some(saving) = &mut self.saving {
            saving.overtaken = true;
        }
        let zone = self.shared.zone().with(&journal.changes);
        self.publish(table, zone, &mut journal);
    }

    /// The one place where the table, the state and the watchers move.
    fn publish(&mut self, table: Table, zone: zone::Snapshot, journal: &mut Journal) {
        for replaced in &journal.replaced {
            if let Some(before) = &replaced.before {
                before.retire(replaced.after.as_deref());
            }
        }
        self.table = table;
        if !journal.replaced.is_empty() {
            self.retired.add(self.shared.publish(&self.table, zone));
        }
        if !journal.changes.is_empty() {
            self.shared.announce(std::mem::take(&mut journal.changes));
        }
    }
}

/// What is queued behind `first`, up to a batch.
fn gather(first: Call, queue: &mut mpsc::Receiver<Call>) -> Vec<Call> {
    let mut operations = first.operations.len();
    let mut calls = vec![first];
    while operations < BATCH
        && let Ok(call) = queue.try_recv()
    {
        operations += call.operations.len();
        calls.push(call);
    }
    calls
}

fn apply(calls: &[Call], now: Now, table: &mut Table, journal: &mut Journal) -> Vec<Answers> {
    let mut answer = |call: &Call| call.operations.iter().map(|o| table.apply(o, &call.by, now, journal)).collect();
    calls.iter().map(&mut answer).collect()
}

fn answer(calls: Vec<Call>, answers: Vec<Answers>) {
    for (call, answers) in calls.into_iter().zip(answers) {
        // A caller that is gone wants no answer.
        let _ = call.answer.send(answers);
    }
}
