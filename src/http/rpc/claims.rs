//! What sessions own: instances whose lease is `"session"`, which go when their WebSocket closes.
//!
//! In the table such an instance has the usual lease, which its session renews. So a registry that is killed, and
//! one that restarts, leaves it for one lease more, within which its client is back; only a session that ends
//! while the registry runs takes it away at once.
//!
//! An instance belongs to who registered it last: a client that lost its connection and is back before the old
//! session was missed keeps what it registered anew, and so does one that goes on with plain heartbeats.
//!
//! Nor does a session that ends take what somebody registers in that moment: what is being registered it leaves alone, and
//! who registers what it takes away waits until that is done.

use std::collections::{HashMap, HashSet};
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
    /// Something that ended has.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Book {
    /// Under which claim.
    held: HashMap<InstanceId, u64>,
    /// The last one.
    claim: u64,
    /// By how many.
    registering: HashMap<InstanceId, usize>,
    ending: HashSet<InstanceId>,
}

/// Some instances are being registered, until this is dropped.
#[derive(Debug)]
pub(in crate::http) struct Registering {
    claims: Arc<Claims>,
    ids: Vec<InstanceId>,
}

/// Some instances are being taken away, until this is dropped.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    claims: &'a Claims,
    pub(super) ids: Vec<InstanceId>,
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
            let mut ended = pin!(self.ended.notified());
            // From now on, so that no end falls between.
            ended.as_mut().enable();
            let begun = self.change(|book| {
                let may_begin = !ids.iter().any(|id| book.ending.contains(id));
                for id in ids.iter().filter(|_| may_begin) {
                    *book.registering.entry(id.clone()).or_default() += 1;
                }
                may_begin
            });
            if begun {
                return Registering { claims: Arc::clone(self), ids };
            }
            ended.await;
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

    /// All of these claims are over; gives what is to be taken away.
    pub(super) fn end(&self, own: Vec<(InstanceId, u64)>) -> Ending<'_> {
        let ids = self.change(|book| {
            let mut ids = Vec::new();
            for (id, claim) in own {
                if book.release(&id, claim) && !book.registering.contains_key(&id) {
                    book.ending.insert(id.clone());
                    ids.push(id);
                }
            }
            ids
        });
        Ending { claims: self, ids }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = lock(&self.book);
        let result = change(&mut book);
        self.count.store(book.held.len() + book.ending.len(), Ordering::Relaxed);
        result
    }
}

impl Book {
    /// Whether it was held under this claim.
    fn release(&mut self, id: &InstanceId, claim: u64) -> bool {
        self.held.get(id) == Some(&claim) && self.held.remove(id).is_some()
    }
}

impl Drop for Registering {
    fn drop(&mut self) {
        self.claims.change(|book| {
            for id in &self.ids {
                match book.registering.get_mut(id) {
                    Some(others) if *others > 1 => *others -= 1,
                    _ => drop(book.registering.remove(id)),
                }
            }
        });
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.claims.change(|book| {
            for id in &self.ids {
                book.ending.remove(id);
            }
        });
        self.claims.ended.notify_waiters();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
