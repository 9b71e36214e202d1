//! One save: a draft, handed to the store, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{error, info};

use super::super::operation::{Operation, Refusal};
use super::super::renewal::renew_in_place;
use super::super::table::{Journal, Table};
use super::{Answers, BATCH, Call, Writer, answer};
use crate::service::{InstanceId, Origin, Revision, Source};
use crate::store::{Row, Save, SaveError};
use crate::zone;

/// Revisions reserved at a time. A crash skips what is left of a block, which costs nothing: there are 2^64, and
/// a zone's serial moves far less than the 2^31 that it may (RFC 1982 §3.2).
const REVISION_BLOCK: u64 = 1 << 20;

/// A save under way.
#[derive(Debug)]
pub(super) struct Saving {
    calls: Vec<Call>,
    answers: Vec<Answers>,
    draft: Table,
    journal: Journal,
    zone: zone::Snapshot,
    /// The table has changed since the draft was made.
    pub(super) overtaken: bool,
    /// Saved along.
    dirty: Vec<InstanceId>,
    ceiling: Revision,
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
        let mut draft = self.table.clone();
        let mut journal = Journal::default();
        let answers = self.apply(&calls, &mut draft, &mut journal);
        let dirty: Vec<InstanceId> = self.dirty.iter().take(BATCH).cloned().collect();
        for id in &dirty {
            self.dirty.remove(id);
        }
        let ceiling = self.next_ceiling(&draft);
        let rows = rows(&draft, &journal, &dirty);
        let done = if rows.is_empty() && ceiling == self.ceiling && self.pace.may_retry().is_none() {
            // Refusals, and renewals that need no saving: there is nothing to wait for.
            let (done, receiver) = oneshot::channel();
            done.send(Ok(())).expect("the receiver is at hand");
            receiver
        } else {
            self.store.save(Save { rows, clock: self.shared.clock.now().clock, ceiling })
        };
        // While the disk works.
        let zone = self.shared.zone().with(&journal.changes);
        self.saving = Some(Saving { calls, answers, draft, journal, zone, overtaken: false, dirty, ceiling, done });
        self.pace.save_begins();
    }

    /// The store has answered.
    pub(super) fn saved(&mut self, result: Result<(), SaveError>) {
        let Some(mut saving) = self.saving.take() else { return };
        if let Err(error) = result {
            return self.save_failed(saving, &error);
        }
        if self.shared.store_healed() {
            info!("the store takes changes again");
        }
        self.pace.save_ended(true);
        self.ceiling = saving.ceiling;
        if saving.overtaken {
            self.apply_anew(&mut saving);
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

    /// Makes the draft anew from the table as it is now. What the store has of either draft is then in doubt.
    fn apply_anew(&mut self, saving: &mut Saving) {
        self.dirty.extend(saved_ids(&saving.journal));
        saving.draft = self.table.clone();
        saving.journal = Journal::default();
        saving.answers = self.apply(&saving.calls, &mut saving.draft, &mut saving.journal);
        saving.zone = self.shared.zone().with(&saving.journal.changes);
        self.dirty.extend(saved_ids(&saving.journal));
    }

    /// Nothing has happened but that callers are told so. Leases that the calls renewed stay renewed: a full disk
    /// takes nobody out of DNS.
    fn save_failed(&mut self, saving: Saving, error: &SaveError) {
        if self.shared.store_failed(error.to_string()) {
            error!(%error, "the store takes no changes; answers and expiry go on, and it is tried again every second");
        }
        self.pace.save_ended(false);
        self.dirty.extend(saving.dirty);
        let now = self.shared.clock.now();
        let refuse = |operation: &Operation| {
            renew_in_place(self.table.slots(), operation, now).ok_or_else(|| Refusal::Store(error.to_string()))
        };
        let answers = saving.calls.iter().map(|call| call.operations.iter().map(refuse).collect()).collect();
        answer(saving.calls, answers);
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
