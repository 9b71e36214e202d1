//! What sessions own: instances whose lease is `"session"`, which go when their WebSocket closes.
//!
//! In the table such an instance has the usual lease, which its session renews. So a registry that is killed, and
//! one that restarts, leaves it for one lease more, within which its client is back; only a session that ends
//! while the registry runs takes it away at once.
//!
//! An instance belongs to who registered it last: a client that lost its connection and is back before the old
//! session was missed keeps what it registered anew, and so does one that goes on with plain heartbeats.
//!
//! Nor does a session that ends take what somebody registers in that moment: it waits for those who are about to, leaves
//! what one of them has registered, and takes what all of them were refused. Who comes later waits until that is done.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::registry::Operation;
use crate::service::InstanceId;

/// Who owns what, over all sessions.
#[derive(Debug, Default)]
pub(in crate::http) struct Claims {
    book: Mutex<Book>,
    /// Of what is held or ends: mostly there is nothing, and every heartbeat asks.
    count: AtomicUsize,
    /// Something that ended has, or nobody registers it any more.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Book {
    /// Under which claim.
    held: HashMap<InstanceId, u64>,
    /// The last one.
    claim: u64,
    registering: Several,
    ending: Several,
}

/// Instances, and by how many.
#[derive(Debug, Default)]
struct Several(HashMap<InstanceId, usize>);

/// Some instances are being registered, until this is dropped.
#[derive(Debug)]
pub(in crate::http) struct Registering {
    claims: Arc<Claims>,
    ids: Vec<InstanceId>,
}

/// The claims on some instances are ending, until this is dropped.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    claims: &'a Claims,
    own: Vec<(InstanceId, u64)>,
}

impl Claims {
    /// To be held from before `operations` are applied until whose what they register is has been said.
    pub(in crate::http) async fn registering(self: &Arc<Self>, operations: &[Operation]) -> Option<Registering> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let registers = operations.iter().filter(|operation| operation.registers());
        let ids = registers.map(|operation| operation.id().clone()).collect();
        // Elsewhere: most callers need the room for it seldom.
        Some(Box::pin(self.begin(ids)).await)
    }

    async fn begin(self: &Arc<Self>, ids: Vec<InstanceId>) -> Registering {
        loop {
            let mut settled = pin!(self.settled.notified());
            // From now on, so that no end falls between.
            settled.as_mut().enable();
            let begun = self.change(|book| {
                let may_begin = !ids.iter().any(|id| book.ending.has(id));
                ids.iter().filter(|_| may_begin).for_each(|id| book.registering.add(id));
                may_begin
            });
            if begun {
                return Registering { claims: Arc::clone(self), ids };
            }
            settled.await;
        }
    }

    /// Somebody without a session registered `id`: it is theirs.
    pub(in crate::http) fn forget(&self, id: &InstanceId) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.change(|book| book.held.remove(id));
        }
    }

    /// `id` is another's from now on: who holds this claim.
    pub(super) fn claim(&self, id: &InstanceId) -> u64 {
        self.change(|book| {
            book.claim += 1;
            book.held.insert(id.clone(), book.claim);
            book.claim
        })
    }

    /// `id` is nobody's, unless it was claimed anew since.
    pub(super) fn release(&self, id: &InstanceId, claim: u64) {
        self.change(|book| book.release(id, claim));
    }

    /// Leaves in `claimed` what others have not claimed since, and what has no claim yet.
    pub(super) fn retain(&self, claimed: &mut HashMap<InstanceId, Option<u64>>) {
        let book = lock(&self.book);
        claimed.retain(|id, claim| claim.is_none_or(|claim| book.held.get(id) == Some(&claim)));
    }

    /// All of these claims end: nobody begins to register what is held under them until that is done.
    pub(super) fn end(&self, own: Vec<(InstanceId, u64)>) -> Ending<'_> {
        self.change(|book| own.iter().for_each(|(id, _)| book.ending.add(id)));
        Ending { claims: self, own }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = lock(&self.book);
        let result = change(&mut book);
        self.count.store(book.held.len() + book.ending.0.len(), Ordering::Relaxed);
        result
    }
}

impl Book {
    /// Whether it was held under this claim.
    fn release(&mut self, id: &InstanceId, claim: u64) -> bool {
        self.held.get(id) == Some(&claim) && self.held.remove(id).is_some()
    }
}

impl Several {
    fn has(&self, id: &InstanceId) -> bool {
        self.0.contains_key(id)
    }

    fn add(&mut self, id: &InstanceId) {
        *self.0.entry(id.clone()).or_default() += 1;
    }

    fn take_off(&mut self, id: &InstanceId) {
        match self.0.get_mut(id) {
            Some(others) if *others > 1 => *others -= 1,
            _ => drop(self.0.remove(id)),
        }
    }
}

impl Ending<'_> {
    /// Waits for those who are registering some of it; gives what none of them has registered, and is to be taken away.
    pub(super) async fn settle(&self) -> Vec<InstanceId> {
        loop {
            let mut settled = pin!(self.claims.settled.notified());
            settled.as_mut().enable();
            let left = self.claims.change(|book| {
                let is_settled = !self.own.iter().any(|(id, _)| book.registering.has(id));
                let left = self.own.iter().filter(|_| is_settled).filter(|(id, claim)| book.release(id, *claim));
                let left: Vec<_> = left.map(|(id, _)| id.clone()).collect();
                is_settled.then_some(left)
            });
            if let Some(left) = left {
                return left;
            }
            settled.await;
        }
    }
}

impl Drop for Registering {
    fn drop(&mut self) {
        let ends = self.claims.change(|book| {
            self.ids.iter().for_each(|id| book.registering.take_off(id));
            self.ids.iter().any(|id| book.ending.has(id))
        });
        if ends {
            self.claims.settled.notify_waiters();
        }
    }
}

impl Drop for Ending<'_> {
    /// Where it did not settle, what it was about lapses.
    fn drop(&mut self) {
        self.claims.change(|book| {
            for (id, claim) in &self.own {
                book.release(id, *claim);
                book.ending.take_off(id);
            }
        });
        self.claims.settled.notify_waiters();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
