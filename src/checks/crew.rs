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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::super::{Checks, Config};
    use crate::registry;
    use crate::registry::{Condition, Operation, Registry};
    use crate::service::{Address, Cause, Inquiry, Origin, Probe, registration};
    use crate::store::Opened;
    use crate::zone;

    /// Longer than anything takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn what_goes_and_comes_back_at_once_is_attended_to() {
        let zone = zone::Snapshot::new(&zone::Config::default(), &[]);
        let (registry, writer) = Registry::open(&registry::Config::default(), Opened::memory(), &zone).unwrap();
        tokio::spawn(writer.run(CancellationToken::new()));
        tokio::spawn(Checks::bind(&Config::default()).run(registry.clone(), CancellationToken::new()));
        let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listening.local_addr().unwrap();
        let mut registration = registration("auth", "a1", "web1");
        registration.addresses = vec![Address::new(at.ip()).unwrap()].into();
        registration.port = at.port().try_into().unwrap();
        // Were it missed once, it would be for an hour.
        let probe = Probe::new(Inquiry::Tcp, Some(Duration::from_hours(1)), None, None).unwrap();
        registration.details.probe = Some(Box::new(probe));
        let id = registration.id.clone();
        let (origin, condition) = (Origin::api(), Condition::Always);
        for _ in 0..100 {
            let (registration, origin) = (registration.clone(), origin.clone());
            let register = Operation::Register { registration, origin: origin.clone(), condition };
            registry.apply(vec![register]).await.remove(0).unwrap();
            registry.apply(vec![Operation::Deregister { id: id.clone(), origin, condition }]).await.remove(0).unwrap();
        }
        let mut changes = registry.subscribe();
        let register = Operation::Register { registration, origin, condition };
        let registered = registry.apply(vec![register]).await.remove(0).unwrap().instance.revision;
        let passed = timeout(PATIENCE, async {
            loop {
                let changes = changes.recv().await.unwrap();
                if changes.iter().any(|change| change.cause == Cause::CheckPassed && change.revision > registered) {
                    return;
                }
            }
        });
        passed.await.expect("it is checked");
    }
}
