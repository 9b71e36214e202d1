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
        if ending.ids.is_empty() {
            return;
        }
        let (origin, condition) = (Origin::api(), Condition::Always);
        let gone = ending.ids.iter().cloned().map(|id| Operation::Deregister { id, origin: origin.clone(), condition });
        // What is refused is gone already, or lapses.
        edge.change(principal, gone.collect()).await;
    }

    /// Owns nothing any more; gives what nobody else is about to.
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
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

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

    #[tokio::test]
    async fn what_is_being_registered_is_left_alone_by_a_session_that_ends() {
        let claims = Arc::<Claims>::default();
        let owner = owner_of(&claims, &["a1", "a2"]);
        let back = claims.registering(&[register("a1")]).await;
        let ending = owner.leave();
        assert_eq!(ending.ids, [register("a2").id().clone()]);
        drop((ending, back));
        assert!(owner.leave().ids.is_empty());
        assert!(claims.registering(&[register("a1")]).await.is_none(), "nobody owns anything");
    }

    #[tokio::test]
    async fn who_registers_what_a_session_takes_away_waits_until_it_has() {
        let claims = Arc::<Claims>::default();
        let owner = owner_of(&claims, &["a1"]);
        let ending = owner.leave();
        assert!(claims.registering(&[register("a2")]).await.is_some(), "another need not wait");
        let operations = [register("a1")];
        let mut back = pin!(claims.registering(&operations));
        assert!(matches!(back.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
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
