//! The one task that changes the table.
//!
//! ```text
//! calls ──→ draft of the table ──→ store ──→ the draft becomes the table ──→ publish ──→ announce ──→ answer
//! expiry, mDNS, files ───────────→ table ──→ publish ──→ announce ──→ answer;  saved with the next calls
//! ```
//!
//! Calls that have to be saved share a transaction: while one is under way the next gather in the queue. What must
//! not wait for the store goes past it, onto the table at once; if that happened while a save was under way, the
//! draft is out of date, and the operations are applied anew to the table as it is then. The store may differ from
//! the table after that, and after every expiry; such identities are *dirty* and are saved by themselves as soon
//! as the store has time, or heals.
//!
//! Renewals of a running instance are not seen here at all, see `renewal`: so however long a save takes, a
//! renewal never waits behind it while its lease runs out.
//!
//! Road not taken: to apply first and undo when the store fails. Between the two, readers would see what never
//! happened.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::operation::{Applied, Operation, Refusal};
use super::renewal::renew_in_place;
use super::shared::Shared;
use super::table::{Journal, Table};
use crate::service::{InstanceId, Origin, Revision, Source};
use crate::store::{Row, Save, SaveError, Store};
use crate::zone;

/// Operations in one transaction, about: some ten milliseconds of work, so that none waits long for the others.
const BATCH: usize = 4096;
/// Entries of the expiry index that are worked on before others have a turn.
const EXPIRE_AT_ONCE: usize = 4096;
/// Between ticks while leases run: how finely the lease clock notices that the registry was held up.
const TICK: Duration = Duration::from_millis(100);
/// After the start, ticks come at this pace and then half as often each time, up to [`TICK`]: a registry that
/// crashes over and over still moves the stored clock.
const FIRST_TICK: Duration = Duration::from_millis(50);
/// Between two notes of the clock in the store, at most: a crash turns it back by no more.
const NOTE: Duration = Duration::from_secs(1);
/// How soon a failed save is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Revisions reserved at a time. A crash skips what is left of a block, which costs nothing: there are 2^64, and
/// a zone's serial moves far less than the 2^31 that it may (RFC 1982 §3.2).
const REVISION_BLOCK: u64 = 1 << 20;

/// What one caller asks, and where the answer goes.
#[derive(Debug)]
pub(super) struct Call {
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

/// A save under way.
#[derive(Debug)]
struct Saving {
    calls: Vec<Call>,
    answers: Vec<Answers>,
    draft: Table,
    journal: Journal,
    zone: zone::Snapshot,
    /// The table has changed since the draft was made.
    overtaken: bool,
    /// Saved along.
    dirty: Vec<InstanceId>,
    ceiling: Revision,
    done: oneshot::Receiver<Result<(), SaveError>>,
}

/// When the writer has to act unasked.
#[derive(Debug)]
struct Pace {
    /// While leases run.
    tick: Option<Instant>,
    last_tick: Instant,
    /// When the store should hear of the clock again.
    note: Instant,
    /// When a failed save may be tried again.
    retry: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        table: Table,
        store: Store,
        durable: mpsc::Receiver<Call>,
        volatile: mpsc::Receiver<Call>,
    ) -> Self {
        let now = Instant::now();
        let pace = Pace { tick: None, last_tick: now, note: now + FIRST_TICK, retry: None };
        // Nothing is reserved yet: the first save does it.
        let ceiling = table.revision();
        Self { shared, table, store, durable, volatile, saving: None, dirty: HashSet::new(), ceiling, pace }
    }

    /// Runs until `stop`, then takes what is queued, saves it and returns.
    pub async fn run(mut self, stop: CancellationToken) {
        self.pace.last_tick = Instant::now();
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
                        let calls = self.gather(call);
                        self.save(calls);
                    }
                    None => durable_open = false,
                },
                call = self.volatile.recv(), if volatile_open => match call {
                    Some(call) => self.apply_at_once(call),
                    None => volatile_open = false,
                },
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
            // Not a branch of its own: whatever else there is to do, a tick that is due comes next.
            if self.tick_due().is_some_and(|due| due <= Instant::now()) {
                self.tick();
            }
        }
        self.finish().await;
    }

    /// What is queued, up to a batch.
    fn gather(&mut self, first: Call) -> Vec<Call> {
        let mut operations = first.operations.len();
        let mut calls = vec![first];
        while operations < BATCH
            && let Ok(call) = self.durable.try_recv()
        {
            operations += call.operations.len();
            calls.push(call);
        }
        calls
    }

    /// Applies `calls` to a draft and hands it to the store, with what is dirty.
    fn save(&mut self, calls: Vec<Call>) {
        let mut draft = self.table.clone();
        let mut journal = Journal::default();
        let answers = self.apply(&calls, &mut draft, &mut journal);
        let dirty: Vec<InstanceId> = self.dirty.iter().take(BATCH).cloned().collect();
        let ceiling = if draft.revision().0 + REVISION_BLOCK / 2 > self.ceiling.0 {
            Revision(draft.revision().0 + REVISION_BLOCK)
        } else {
            self.ceiling
        };
        let rows = rows(&draft, &journal, &dirty);
        for id in &dirty {
            self.dirty.remove(id);
        }
        let save = Save { rows, clock: self.shared.clock.now().clock, ceiling };
        let done = if save.rows.is_empty() && ceiling == self.ceiling && self.pace.retry.is_none() {
            // Refusals and renewals alone.
            let (done, receiver) = oneshot::channel();
            done.send(Ok(())).expect("the receiver is at hand");
            receiver
        } else {
            self.store.save(save)
        };
        // While the disk works.
        let zone = self.shared.zone().with(&journal.changes);
        let saving = Saving { calls, answers, draft, journal, zone, overtaken: false, dirty, ceiling, done };
        self.saving = Some(saving);
    }

    fn apply(&self, calls: &[Call], table: &mut Table, journal: &mut Journal) -> Vec<Answers> {
        let now = self.shared.clock.now();
        let mut answer = |call: &Call| call.operations.iter().map(|o| table.apply(o, now, journal)).collect();
        calls.iter().map(&mut answer).collect()
    }

    /// The store has answered.
    fn saved(&mut self, result: Result<(), SaveError>) {
        let Some(mut saving) = self.saving.take() else { return };
        if let Err(error) = result {
            return self.save_failed(saving, &error);
        }
        if self.shared.store_healed() {
            info!("the store takes changes again");
        }
        self.pace.retry = None;
        self.ceiling = saving.ceiling;
        if saving.overtaken {
            self.dirty.extend(saved_ids(&saving.journal));
            let mut table = self.table.clone();
            saving.journal = Journal::default();
            saving.answers = self.apply(&saving.calls, &mut table, &mut saving.journal);
            self.dirty.extend(saved_ids(&saving.journal));
            saving.zone = self.shared.zone().with(&saving.journal.changes);
            saving.draft = table;
        }
        self.publish(saving.draft, saving.zone, &mut saving.journal);
        for instance in &saving.journal.renewed {
            let current = self.table.get(instance.id(), &instance.origin);
            if current.is_some_and(|current| Arc::ptr_eq(current, instance)) {
                instance.unseal();
            }
        }
        answer(saving.calls, saving.answers);
    }

    /// Nothing has happened but that callers are told so. Leases that the calls renewed stay renewed: a full disk
    /// takes nobody out of DNS.
    fn save_failed(&mut self, saving: Saving, error: &SaveError) {
        if self.shared.store_failed(error.to_string()) {
            error!(%error, "the store takes no changes; answers and expiry go on, and it is tried again every second");
        }
        self.pace.retry = Some(Instant::now() + RETRY);
        self.dirty.extend(saving.dirty);
        let now = self.shared.clock.now();
        let refuse = |operation: &Operation| {
            renew_in_place(self.table.slots(), operation, now).ok_or_else(|| Refusal::Store(error.to_string()))
        };
        let answers = saving.calls.iter().map(|call| call.operations.iter().map(refuse).collect()).collect();
        answer(saving.calls, answers);
    }

    /// Applies a call that does not wait for the store.
    fn apply_at_once(&mut self, call: Call) {
        let calls = vec![call];
        let mut table = self.table.clone();
        let mut journal = Journal::default();
        let answers = self.apply(&calls, &mut table, &mut journal);
        self.adopt(table, journal);
        answer(calls, answers);
    }

    fn tick(&mut self) {
        let planned = self.tick_due().map(|due| due.max(self.pace.last_tick));
        if let Some(late) = planned.and_then(|planned| self.shared.clock.forgive(planned)) {
            warn!(?late, "held up; leases are extended by as much");
        }
        let mut table = self.table.clone();
        let mut journal = Journal::default();
        table.expire(self.shared.clock.now(), EXPIRE_AT_ONCE, &mut journal);
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
            self.shared.publish(&self.table, zone);
        }
        if !journal.changes.is_empty() {
            self.shared.announce(std::mem::take(&mut journal.changes));
        }
    }

    /// Whether there is something to save although nobody calls.
    fn wants_save(&self) -> bool {
        let short_of_revisions = self.table.revision().0 + REVISION_BLOCK / 2 > self.ceiling.0;
        match self.pace.retry {
            Some(retry) => retry <= Instant::now(),
            None => !self.dirty.is_empty() || short_of_revisions,
        }
    }

    fn wake(&mut self) -> Option<Instant> {
        if self.table.next_due().is_none() {
            self.pace.tick = None;
        } else if self.pace.tick.is_none() {
            self.pace.tick = Some(Instant::now() + self.shared.clock.uptime().clamp(FIRST_TICK, TICK));
        }
        let retry = self.pace.retry.filter(|_| self.saving.is_none());
        self.tick_due().into_iter().chain(retry).min()
    }

    /// When to tick: for what lapses next, and every so often while leases run.
    fn tick_due(&self) -> Option<Instant> {
        let due = self.shared.clock.instant_of(self.table.next_due()?);
        Some(self.pace.tick.map_or(due, |tick| tick.min(due)))
    }

    /// Leaves the store as exact as it can be.
    async fn finish(mut self) {
        let dirty: Vec<InstanceId> = self.dirty.drain().collect();
        let rows = rows(&self.table, &Journal::default(), &dirty);
        let save = Save { rows, clock: self.shared.clock.now().clock, ceiling: self.table.revision() };
        if let Err(error) = flatten(self.store.save(save).await) {
            error!(%error, "the last changes that nobody waited for were not saved");
        }
        self.store.close().await;
    }
}

fn answer(calls: Vec<Call>, answers: Vec<Answers>) {
    for (call, answers) in calls.into_iter().zip(answers) {
        // A caller that is gone wants no answer.
        let _ = call.answer.send(answers);
    }
}

/// Never, while nothing is being saved.
async fn outcome(saving: &mut Option<Saving>) -> Result<(), SaveError> {
    match saving {
        Some(saving) => flatten((&mut saving.done).await),
        None => std::future::pending().await,
    }
}

fn flatten(answer: Result<Result<(), SaveError>, oneshot::error::RecvError>) -> Result<(), SaveError> {
    answer.unwrap_or(Err(SaveError::Stopped))
}

/// The identities whose rows a journal touches.
fn saved_ids(journal: &Journal) -> impl Iterator<Item = InstanceId> {
    let sides = journal.replaced.iter().filter_map(|r| r.after.as_ref().or(r.before.as_ref()));
    sides.filter(|i| i.origin.source == Source::Api).map(|i| i.id().clone())
}

/// What the store is to remember after `journal`, whose outcome is `table`.
fn rows(table: &Table, journal: &Journal, dirty: &[InstanceId]) -> Vec<(InstanceId, Option<Row>)> {
    let touched = saved_ids(journal).chain(dirty.iter().cloned()).map(|id| (id, false));
    // By identity, each once, and neighbours together, as the store has them on its pages.
    let mut ids: BTreeMap<InstanceId, bool> = touched.collect();
    ids.extend(journal.renewed.iter().map(|instance| (instance.id().clone(), true)));
    let row = |(id, renewed): (InstanceId, bool)| {
        let instance = table.get(&id, &Origin::api()).cloned();
        let row = instance.map(|instance| Row { renewed: renewed || !instance.is_sealed(), instance });
        (id, row)
    };
    ids.into_iter().map(row).collect()
}
