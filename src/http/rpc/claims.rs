//! What sessions own: instances whose lease is `"session"`, which go when their WebSocket closes.
//!
//! In the table such an instance has the usual lease, which its session renews. So a registry that is killed, and
//! one that restarts, leaves it for one lease more, within which its client is back; only a session that ends
//! while the registry runs takes it away at once.
//!
//! An instance belongs to who registered it last: a client that lost its connection and is back before the old
//! session was missed keeps what it registered anew, and so does one that goes on with plain heartbeats.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::api::{BATCH_MAX, Kind, Problem};
use crate::http::Edge;
use crate::http::principal::Principal;
use crate::registry::{Condition, Operation, Refusal};
use crate::service::{InstanceId, Origin};

/// Who owns what, over all sessions.
#[derive(Debug, Default)]
pub(in crate::http) struct Claims {
    held: Mutex<HashMap<InstanceId, u64>>,
    /// Of `held`: mostly there are none, and every heartbeat asks.
    count: AtomicUsize,
    sessions: AtomicU64,
}

/// A session as the owner of instances.
#[derive(Debug)]
pub(super) struct Owner {
    claims: Arc<Claims>,
    number: u64,
    /// What it claimed; others may have claimed it since.
    claimed: Mutex<HashSet<InstanceId>>,
}

impl Claims {
    /// Somebody without a session registers `id`: it is theirs.
    pub(in crate::http) fn forget(&self, id: &InstanceId) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.change(|held| held.remove(id));
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<InstanceId, u64>) -> T) -> T {
        let mut held = lock(&self.held);
        let result = change(&mut held);
        self.count.store(held.len(), Ordering::Relaxed);
        result
    }
}

impl Owner {
    pub(super) fn new(claims: &Arc<Claims>) -> Self {
        let number = claims.sessions.fetch_add(1, Ordering::Relaxed);
        Self { claims: Arc::clone(claims), number, claimed: Mutex::default() }
    }

    /// Whether `id` may go with this session, too.
    pub(super) fn check_room(&self, id: &InstanceId) -> Result<(), Problem> {
        let claimed = lock(&self.claimed);
        if claimed.len() >= BATCH_MAX && !claimed.contains(id) {
            let detail = format!("the session owns {BATCH_MAX} instances, which is the limit; open another");
            return Err(Problem::new(Kind::TooMany, detail));
        }
        Ok(())
    }

    /// From now on `id`, which was registered, goes with this session.
    pub(super) fn claim(&self, id: &InstanceId) {
        lock(&self.claimed).insert(id.clone());
        self.claims.change(|held| held.insert(id.clone(), self.number));
    }

    /// `id` is gone.
    fn release(&self, id: &InstanceId) {
        lock(&self.claimed).remove(id);
        self.claims.change(|held| {
            if held.get(id) == Some(&self.number) {
                held.remove(id);
            }
        });
    }

    /// Goes on with what it owns.
    pub(super) async fn renew(&self, edge: &Edge, principal: &Principal) {
        let own = self.own();
        if own.is_empty() {
            return;
        }
        let results = edge.change(principal, own.iter().cloned().map(Operation::Renew).collect()).await;
        for (id, result) in own.iter().zip(results) {
            if matches!(result, Err(Refusal::Unknown(_) | Refusal::NotYours(_) | Refusal::OutOfScope(_))) {
                self.release(id);
            }
        }
    }

    /// Takes away what it owns.
    pub(super) async fn end(&self, edge: &Edge, principal: &Principal) {
        let own = self.own();
        if own.is_empty() {
            return;
        }
        for id in &own {
            self.release(id);
        }
        let (origin, condition) = (Origin::api(), Condition::Always);
        let gone = own.into_iter().map(|id| Operation::Deregister { id, origin: origin.clone(), condition });
        // What is refused is gone already, or lapses.
        edge.change(principal, gone.collect()).await;
    }

    fn own(&self) -> Vec<InstanceId> {
        let mut claimed = lock(&self.claimed);
        let held = lock(&self.claims.held);
        claimed.retain(|id| held.get(id) == Some(&self.number));
        claimed.iter().cloned().collect()
    }
}

impl Drop for Owner {
    /// Where it was cut off, what it owned lapses; nobody claims it any more.
    fn drop(&mut self) {
        for id in self.own() {
            self.release(&id);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
