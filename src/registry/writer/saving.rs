//! One save: a draft, handed to the store, and what comes of it.
//!
//! Nobody is told what the store would not tell after a crash. So a draft that was overtaken is made anew, and if
//! its content is then another one than the store has, that is saved as well before anybody is answered. A refusal
//! was true when it was decided, and stands: each operation can turn from done to refused, once, and never back,
//! and each instance lapses and is reaped once; so there is an end to saving again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{error, info};

use super::super::authority::By;
use super::super::clock::Now;
use super::super::operation::{Operation, Refusal};
use super::super::renewal::renew_in_place;
use super::super::table::{Journal, Table};
use super::{Answers, BATCH, Call, Writer, answer, apply};
use crate::service::{Instance, InstanceId, Origin, Revision, Source, UnixMillis};
use crate::store::{Row, Save, SaveError};
use crate::zone;

/// Revisions reserved at a time. A crash skips what is left of a block, which costs nothing: there are 2^64, and
/// a zone's serial moves far less than the 2^31 that it may (RFC 1982 §3.2).
const REVISION_BLOCK: u64 = 1 << 20;

/// What calls make of the table, if the store agrees.
#[derive(Debug)]
struct Draft {
    calls: Vec<Call>,
    answers: Vec<Answers>,
    /// When they were decided first: what is registered anew was registered then, as the store has it.
    wall: UnixMillis,
    table: Table,
    journal: Journal,
}

/// A save under way.
#[derive(Debug)]
pub(super) struct Saving {
    draft: Draft,
    zone: zone::Snapshot,
    /// The table has changed since the draft was made.
    pub(super) overtaken: bool,
    /// Saved along.
    dirty: Vec<InstanceId>,
    ceiling: Revision,
    /// When the store was asked, if it was.
    asked: Option<Instant>,
    done: oneshot::Receiver<Result<(), SaveError>>,
}

impl Writer {
    /// Whether there is something to save although nobody calls.
    pub(super) fn wants_save(&self) -> bool {
        let wanted = !self.dirty.is_empty() || self.next_ceiling(&self.table) != self.ceiling;
        self.pace.may_retry().unwrap_or(wanted)
    }

    /// Applies `calls` to a draft and hands it to the store, with what is dirty.
    pub(super) fn save(&mut self, calls: Vec<Call>) {
        let mut table = self.table.clone();
        let mut journal = Journal::default();
        let now = self.shared.clock.now();
        let answers = apply(&calls, now, &mut table, &mut journal);
        let dirty: Vec<InstanceId> = self.dirty.iter().take(BATCH).cloned().collect();
        for id in &dirty {
            self.dirty.remove(id);
        }
        self.hand_over(Draft { calls, answers, wall: now.wall, table, journal }, dirty);
    }

    /// Gives the store what a draft touches, and `dirty` along with it.
    fn hand_over(&mut self, draft: Draft, dirty: Vec<InstanceId>) {
        let ceiling = self.next_ceiling(&draft.table);
        let rows = rows(&draft.table, &draft.journal, &dirty);
        let (asked, done) = if rows.is_empty() && ceiling == self.ceiling && self.pace.may_retry().is_none() {
            // Refusals, and renewals that need no saving: there is nothing to wait for.
            let (done, receiver) = oneshot::channel();
            done.send(Ok(())).expect("the receiver is at hand");
            (None, receiver)
        } else {
            let save = Save { rows, clock: self.shared.clock.now().clock, ceiling };
            (Some(Instant::now()), self.store.save(save))
        };
        // While the disk works.
        let zone = self.shared.zone().with(&draft.journal.changes);
        self.saving = Some(Saving { draft, zone, overtaken: false, dirty, ceiling, asked, done });
        self.pace.save_begins();
    }

    /// The store has answered.
    pub(super) fn saved(&mut self, result: Result<(), SaveError>) {
        let Some(mut saving) = self.saving.take() else { return };
        if let Some(asked) = saving.asked {
            self.shared.counts.commits.note(asked.elapsed(), 1);
        }
        if let Err(error) = result {
            return self.save_failed(saving, &error);
        }
        if self.shared.store_healed() {
            info!("the store takes changes again");
        }
        self.pace.save_ended(true);
        self.ceiling = saving.ceiling;
        if saving.overtaken {
            let (saved, journal) = self.make_anew(&mut saving.draft);
            let draft = &saving.draft;
            let touched: Vec<InstanceId> = saved_ids(&journal).chain(saved_ids(&draft.journal)).collect();
            let api = Origin::api();
            if !touched.iter().all(|id| reads_back_as(saved.get(id, &api), draft.table.get(id, &api))) {
                return self.hand_over(saving.draft, touched);
            }
            // The revisions are others, which nobody has to wait for.
            self.dirty.extend(touched);
            saving.zone = self.shared.zone().with(&draft.journal.changes);
        }
        let Draft { calls, answers, table, mut journal, .. } = saving.draft;
        self.publish(table, saving.zone, &mut journal);
        for instance in &journal.renewed {
            let current = self.table.get(instance.id(), &instance.origin);
            if current.is_some_and(|current| Arc::ptr_eq(current, instance)) {
                instance.unseal();
            }
        }
        answer(calls, answers);
    }

    /// Makes the draft anew from the table as it is now, of what was not refused; gives what it was.
    fn make_anew(&self, draft: &mut Draft) -> (Table, Journal) {
        let mut table = self.table.clone();
        let mut journal = Journal::default();
        let now = Now { wall: draft.wall, ..self.shared.clock.now() };
        for (call, answers) in draft.calls.iter().zip(&mut draft.answers) {
            for (operation, answer) in call.operations.iter().zip(answers).filter(|(_, answer)| answer.is_ok()) {
                *answer = table.apply(operation, &call.by, now, &mut journal);
            }
        }
        (std::mem::replace(&mut draft.table, table), std::mem::replace(&mut draft.journal, journal))
    }

    /// Nothing has happened but that callers are told so; what the store took of an earlier draft is among the
    /// dirty. Leases that the calls renewed stay renewed: a full disk takes nobody out of DNS.
    fn save_failed(&mut self, saving: Saving, error: &SaveError) {
        self.shared.counts.failures.add(1);
        if self.shared.store_failed(error.to_string()) {
            error!(%error, "the store takes no changes; answers and expiry go on, and it is tried again every second");
        }
        self.pace.save_ended(false);
        self.dirty.extend(saving.dirty);
        let now = self.shared.clock.now();
        let refuse = |operation: &Operation, by: &By| {
            renew_in_place(self.table.slots(), self.table.places(), operation, by, now)
                .ok_or_else(|| Refusal::Store(error.to_string()))
        };
        let calls = saving.draft.calls;
        let answers = calls.iter().map(|call| call.operations.iter().map(|o| refuse(o, &call.by)).collect()).collect();
        answer(calls, answers);
    }

    /// Half a block is always left, so that what does not wait for the store does not run out.
    fn next_ceiling(&self, table: &Table) -> Revision {
        let revision = table.revision().0;
        if revision + REVISION_BLOCK / 2 > self.ceiling.0 { Revision(revision + REVISION_BLOCK) } else { self.ceiling }
    }

    /// Leaves the store as exact as it can be.
    pub(super) async fn finish(mut self) {
        let dirty: Vec<InstanceId> = self.dirty.drain().collect();
        let rows = rows(&self.table, &Journal::default(), &dirty);
        let save = Save { rows, clock: self.shared.clock.now().clock, ceiling: self.table.revision() };
        if let Err(error) = self.store.save(save).await.unwrap_or(Err(SaveError::Stopped)) {
            error!(%error, "what nobody waited for was not saved: the next run begins with a little less");
        }
        self.store.close().await;
    }
}

/// Never, while nothing is being saved.
pub(super) async fn outcome(saving: &mut Option<Saving>) -> Result<(), SaveError> {
    match saving {
        Some(saving) => (&mut saving.done).await.unwrap_or(Err(SaveError::Stopped)),
        None => std::future::pending().await,
    }
}

/// The identities whose rows a journal touches.
pub(super) fn saved_ids(journal: &Journal) -> impl Iterator<Item = InstanceId> {
    let sides = journal.replaced.iter().filter_map(|r| r.after.as_ref().or(r.before.as_ref()));
    sides.filter(|i| i.origin.source() == Source::Api).map(|i| i.id().clone())
}

/// Whether a crash would lose nothing that counts if the store had `saved` for `now`. What differs then is the
/// revision, the times of the lease, and a lapse, which comes again.
fn reads_back_as(saved: Option<&Arc<Instance>>, now: Option<&Arc<Instance>>) -> bool {
    let (Some(saved), Some(now)) = (saved, now) else { return saved.is_none() && now.is_none() };
    saved.registration == now.registration
        && saved.owner == now.owner
        && saved.registered_at == now.registered_at
        && saved.facts.revived() == now.facts.revived()
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
