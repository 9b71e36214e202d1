//! Who attends to what: an attendant for each checked instance of each source, as they come and go.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{JoinSet, yield_now};
use tracing::Instrument as _;

use crate::registry::Registry;
use crate::service::{Change, Instance, InstanceId, Origin, Reach};

use super::attendant::{Attendant, Kit};
use super::metrics::Counts;
use super::places::Places;

/// Identities that are looked at before others have their turn.
const PORTION: usize = 10_000;

/// What is attended to: what one source says of one identity.
pub(super) type Subject = (InstanceId, Origin);

/// All attendants.
#[derive(Debug)]
pub(super) struct Crew {
    kit: Kit,
    /// How each is told that its instance may be another.
    stirs: HashMap<Subject, Arc<Notify>>,
    attendants: JoinSet<Subject>,
}

impl Crew {
    pub(super) fn new(registry: Registry, reach: Reach, places: Arc<Places>, counts: Arc<Counts>) -> Self {
        let kit = Kit { registry, reach, places, counts };
        Self { kit, stirs: HashMap::new(), attendants: JoinSet::new() }
    }

    /// Follows the registry for ever.
    pub(super) async fn work(mut self) -> Option<Infallible> {
        // Before the look at what there is, so that nothing comes in between.
        let mut changes = self.kit.registry.subscribe();
        self.look_around().await;
        loop {
            tokio::select! {
                heard = changes.recv() => match heard {
                    Ok(changes) => changes.iter().for_each(|change| self.hear(change)),
                    Err(RecvError::Lagged(_)) => self.look_around().await,
                    Err(RecvError::Closed) => return None,
                },
                Some(left) = self.attendants.join_next() => match left {
                    Ok(subject) => self.left(&subject),
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
            }
        }
    }

    /// Of what another source hides nothing is heard. It is checked once it comes to the surface, and from then on.
    fn hear(&mut self, change: &Change) {
        for instance in [&change.before, &change.after].into_iter().flatten().filter(|instance| instance.is_checked()) {
            self.attend(instance);
        }
    }

    /// Looks at all that there is, since it is not known what became of it.
    async fn look_around(&mut self) {
        self.stirs.values().for_each(|stir| stir.notify_one());
        let state = self.kit.registry.state();
        if state.census.checked() == 0 {
            return;
        }
        for (n, (_, slot)) in state.after(None).enumerate() {
            for instance in slot.instances().filter(|instance| instance.is_checked()) {
                self.attend(instance);
            }
            if n % PORTION == PORTION - 1 {
                yield_now().await;
            }
        }
    }

    /// Has somebody look at what becomes of `instance`, now.
    fn attend(&mut self, instance: &Instance) {
        let subject = (instance.id().clone(), instance.origin.clone());
        if let Some(stir) = self.stirs.get(&subject) {
            return stir.notify_one();
        }
        let stir = Arc::new(Notify::new());
        let attendant = Attendant::new(self.kit.clone(), subject.clone(), Arc::clone(&stir));
        self.stirs.insert(subject, stir);
        self.attendants.spawn(attendant.run().in_current_span());
    }

    /// Its instance was gone; there may be one again, of which it was told too late.
    fn left(&mut self, subject: &Subject) {
        self.stirs.remove(subject);
        if let Some(instance) = self.kit.current(subject) {
            self.attend(&instance);
        }
    }
}
