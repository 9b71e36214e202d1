//! A session as the owner of instances, which it renews, and which go with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::api::{BATCH_MAX, Kind, Problem};
use crate::http::Edge;
use crate::http::principal::Principal;
use crate::registry::{Condition, Operation, Refusal};
use crate::service::{InstanceId, Origin};

use super::claims::{Claims, Ending, lock};

/// A session as the owner of instances.
#[derive(Debug)]
pub(super) struct Owner {
    claims: Arc<Claims>,
    /// What it claimed, and others may have claimed since; `None` for what it is about to.
    claimed: Mutex<HashMap<InstanceId, Option<u64>>>,
}

impl Owner {
    pub(super) fn new(claims: &Arc<Claims>) -> Self {
        Self { claims: Arc::clone(claims), claimed: Mutex::default() }
    }

    /// Keeps a place for `id`, which is about to be registered and may go with this session, too.
    pub(super) fn keep_place(&self, id: &InstanceId) -> Result<(), Problem> {
        let mut claimed = lock(&self.claimed);
        if claimed.len() >= BATCH_MAX {
            self.claims.retain(&mut claimed);
        }
        if claimed.len() >= BATCH_MAX && !claimed.contains_key(id) {
            let detail = format!("the session owns {BATCH_MAX} instances, which is the limit; open another");
            return Err(Problem::new(Kind::TooMany, detail));
        }
        claimed.entry(id.clone()).or_default();
        Ok(())
    }

    /// `id` was not registered after all.
    pub(super) fn give_up_place(&self, id: &InstanceId) {
        let mut claimed = lock(&self.claimed);
        if claimed.get(id) == Some(&None) {
            claimed.remove(id);
        }
    }

    /// From now on `id`, which was registered, goes with this session.
    pub(super) fn claim(&self, id: &InstanceId) {
        let mut claimed = lock(&self.claimed);
        claimed.insert(id.clone(), Some(self.claims.claim(id)));
    }

    /// Goes on with what it owns.
    pub(super) async fn renew(&self, edge: &Edge, principal: &Principal) {
        let own = self.own();
        if own.is_empty() {
            return;
        }
        let results = edge.change(principal, own.iter().map(|(id, _)| Operation::Renew(id.clone())).collect()).await;
        for ((id, claim), result) in own.iter().zip(results) {
            if matches!(result, Err(Refusal::Unknown(_) | Refusal::NotYours(_) | Refusal::OutOfScope(_))) {
                self.claims.release(id, *claim);
            }
        }
    }

    /// Takes away what it owns.
    pub(super) async fn end(&self, edge: &Edge, principal: &Principal) {
        let ending = self.leave();
        let left = ending.settle().await;
        if left.is_empty() {
            return;
        }
        let (origin, condition) = (Origin::api(), Condition::Always);
        let gone = left.into_iter().map(|id| Operation::Deregister { id, origin: origin.clone(), condition });
        // What is refused is gone already, or lapses.
        edge.change(principal, gone.collect()).await;
    }

    /// Owns nothing any more.
    fn leave(&self) -> Ending<'_> {
        self.claims.end(self.own())
    }

    fn own(&self) -> Vec<(InstanceId, u64)> {
        let mut claimed = lock(&self.claimed);
        self.claims.retain(&mut claimed);
        claimed.iter().filter_map(|(id, claim)| Some((id.clone(), (*claim)?))).collect()
    }
}

impl Drop for Owner {
    /// Where it was cut off, what it owned lapses; nobody claims it any more.
    fn drop(&mut self) {
        drop(self.leave());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;
    use crate::service::registration;

    fn register(instance: &str) -> Operation {
        let (origin, condition) = (Origin::api(), Condition::Always);
        Operation::Register { registration: registration("auth", instance, "web1"), origin, condition }
    }

    fn owner_of(claims: &Arc<Claims>, instances: &[&str]) -> Owner {
        let owner = Owner::new(claims);
        for instance in instances {
            owner.claim(register(instance).id());
        }
        owner
    }

    /// Polls once.
    fn is_pending<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn what_somebody_registers_is_left_alone_by_a_session_that_ends_in_that_moment() {
        let claims = Arc::<Claims>::default();
        let owner = owner_of(&claims, &["a1", "a2"]);
        let back = claims.registering(&[register("a1")]).await;
        let ending = owner.leave();
        {
            let mut settled = pin!(ending.settle());
            assert!(is_pending(settled.as_mut()), "nobody knows yet whose it is");
            claims.forget(register("a1").id());
            drop(back);
            assert_eq!(settled.await, [register("a2").id().clone()]);
        }
        drop(ending);
        assert!(owner.leave().settle().await.is_empty());
        assert!(claims.registering(&[register("a1")]).await.is_none(), "nobody owns anything");
    }

    #[tokio::test]
    async fn who_was_refused_keeps_nothing_from_going_with_its_session() {
        let claims = Arc::<Claims>::default();
        let owner = owner_of(&claims, &["a1"]);
        let refused = [claims.registering(&[register("a1")]).await, claims.registering(&[register("a1")]).await];
        let ending = owner.leave();
        let mut settled = pin!(ending.settle());
        let operations = [register("a1")];
        let mut later = pin!(claims.registering(&operations));
        for one in refused {
            assert!(is_pending(settled.as_mut()) && is_pending(later.as_mut()));
            drop(one);
        }
        assert_eq!(settled.await, [register("a1").id().clone()]);
        assert!(is_pending(later.as_mut()), "it is not gone yet");
    }

    #[tokio::test]
    async fn who_registers_what_a_session_takes_away_waits_until_it_has() {
        let claims = Arc::<Claims>::default();
        let owner = owner_of(&claims, &["a1"]);
        let ending = owner.leave();
        assert!(claims.registering(&[register("a2")]).await.is_some(), "another need not wait");
        let operations = [register("a1")];
        let mut back = pin!(claims.registering(&operations));
        assert!(is_pending(back.as_mut()));
        drop(ending);
        assert!(back.await.is_some());
    }

    #[test]
    fn what_was_claimed_anew_is_not_released_for_an_earlier_claim() {
        let claims = Arc::<Claims>::default();
        let owner = owner_of(&claims, &["a1"]);
        let first = owner.own();
        owner.claim(&first[0].0);
        claims.release(&first[0].0, first[0].1);
        assert_eq!(owner.own().len(), 1);
    }

    #[test]
    fn places_are_counted_before_they_are_claimed() {
        let claims = Arc::<Claims>::default();
        let owner = owner_of(&claims, &[]);
        let id = |n: usize| register(&format!("a{n}")).id().clone();
        for n in 0..BATCH_MAX {
            owner.keep_place(&id(n)).unwrap();
        }
        owner.keep_place(&id(0)).unwrap();
        owner.keep_place(&id(BATCH_MAX)).unwrap_err();
        owner.claim(&id(0));
        owner.give_up_place(&id(0));
        owner.keep_place(&id(BATCH_MAX)).unwrap_err();
        owner.give_up_place(&id(1));
        owner.keep_place(&id(BATCH_MAX)).unwrap();
        // What was lost to others makes room.
        claims.forget(&id(0));
        owner.keep_place(&id(BATCH_MAX + 1)).unwrap();
    }
}
