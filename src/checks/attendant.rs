//! Who looks after one instance: waits, checks it, and tells the registry what came of it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::registry::{Operation, Registry};
use crate::service::{Check, Instance, Lease, Origin, Probe, ProbeError, Reach, Source};
use crate::zone::Chance;

use super::crew::Subject;
use super::look::look;
use super::metrics::Counts;
use super::places::Places;
use super::verdict::Verdict;

/// How much earlier than its interval a check may be, in parts of it: what was registered together is checked apart
/// before long.
const JITTER: u32 = 4;

/// What every attendant has.
#[derive(Debug, Clone)]
pub(super) struct Kit {
    pub(super) registry: Registry,
    pub(super) reach: Reach,
    pub(super) places: Arc<Places>,
    pub(super) counts: Arc<Counts>,
}

impl Kit {
    /// The instance as it is now, if it is to be checked.
    pub(super) fn current(&self, (id, origin): &Subject) -> Option<Arc<Instance>> {
        let state = self.registry.state();
        state.get(id)?.of_origin(origin).filter(|instance| instance.is_checked()).cloned()
    }
}

/// Who looks after one instance.
#[derive(Debug)]
pub(super) struct Attendant {
    kit: Kit,
    subject: Subject,
    stir: Arc<Notify>,
}

impl Attendant {
    pub(super) fn new(kit: Kit, subject: Subject, stir: Arc<Notify>) -> Self {
        Self { kit, subject, stir }
    }

    /// Runs until there is nothing to check any more; gives what that was.
    pub(super) async fn run(self) -> Subject {
        while let Some(instance) = self.kit.current(&self.subject) {
            self.follow(instance).await;
        }
        self.subject
    }

    /// Checks the instance over and over, until it is gone or to be checked in another way.
    async fn follow(&self, first: Arc<Instance>) {
        let probe = probe(&first);
        let mut verdict = Verdict::new(probe.failures());
        let mut instance = Arc::clone(&first);
        let is_awaited = instance.facts.check == Check::Awaited;
        // After a restart all are known: they are checked over the interval, not all at once.
        let mut pause = if is_awaited { Duration::ZERO } else { earlier(probe.interval(), 1) };
        loop {
            let (checking, due) = (Arc::clone(&instance), sleep(pause));
            let mut check = pin!(async {
                due.await;
                // On the heap, and only while it is under way: most of the time of most is a pause.
                Box::pin(self.check(&checking)).await
            });
            let result = loop {
                tokio::select! {
                    result = &mut check => break result,
                    () = self.stir.notified() => if self.as_it_is(&first).is_none() { return },
                }
            };
            let Some(now) = self.as_it_is(&first) else { return };
            instance = now;
            let is_passed = result.is_ok();
            if let Some(check) = verdict.after(result)
                && instance.facts.check != check
            {
                let checked = Operation::Checked { instance: Arc::clone(&instance), check };
                // Where it is not taken, the next check says it again.
                let _ = self.kit.registry.apply(vec![checked]).await;
            }
            if is_passed && self.subject.1 == Origin::api() && instance.registration.lease != Lease::UntilDeregistered {
                let renewal = self.kit.registry.apply(vec![Operation::Renew(self.subject.0.clone())]);
                // A store that hangs is not waited for: the lease has moved.
                let _ = timeout(probe.interval(), renewal).await;
            }
            pause = earlier(probe.interval(), JITTER);
        }
    }

    /// The instance as it is now, if it is still to be checked as `first` was.
    fn as_it_is(&self, first: &Instance) -> Option<Arc<Instance>> {
        let now = self.kit.current(&self.subject)?;
        (now.registration.is_checked_as(&first.registration) && probe(&now) == probe(first)).then_some(now)
    }

    /// Looks at one address after the other; each has its share of the time.
    async fn check(&self, instance: &Instance) -> Result<(), String> {
        let (registration, probe) = (&instance.registration, probe(instance));
        let addresses = &registration.addresses;
        let share = probe.timeout() / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut result = Err("has no address".to_owned());
        for address in addresses.iter().map(|address| address.get()) {
            if instance.origin.source() == Source::Api && !self.kit.reach.has(address) {
                return Err(format!("a check {}", ProbeError::Network(address)));
            }
            let _place = self.kit.places.take(address).await;
            let began = Instant::now();
            let looked = look(probe.inquiry(), SocketAddr::new(address, registration.port.get()), share).await;
            self.kit.counts.note(&looked, began.elapsed());
            result = looked.map_err(|failure| failure.reason);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

fn probe(instance: &Instance) -> &Probe {
    instance.registration.details.probe.as_ref().expect("what is not checked is not attended to")
}

/// `time`, or by chance something less: up to one part of so many.
fn earlier(time: Duration, parts: u32) -> Duration {
    let most = u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / u64::from(parts);
    time.saturating_sub(Duration::from_millis(Chance::anywhere().below(most + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use crate::service::registration;
    use crate::store::Opened;
    use crate::zone;

    #[tokio::test]
    async fn an_attendant_takes_a_kilobyte_or_two() {
        let zone = zone::Snapshot::new(&zone::Config::default(), &[]);
        let (registry, _writer) = Registry::open(&registry::Config::default(), Opened::memory(), &zone).unwrap();
        let (places, counts) = (Arc::new(Places::new(1, 1)), Arc::default());
        let kit = Kit { registry, reach: Reach::Anywhere, places, counts };
        let subject = (registration("auth", "a1", "web1").id, Origin::api());
        let run = Attendant::new(kit, subject, Arc::default()).run();
        assert!(size_of_val(&run) <= 2048, "{}", size_of_val(&run));
    }

    #[test]
    fn pauses_differ_within_their_bounds() {
        let second = Duration::from_secs(1);
        let pauses: std::collections::HashSet<_> = (0..50).map(|_| earlier(second, JITTER)).collect();
        assert!(
            pauses.len() > 10 && pauses.iter().all(|pause| (second * 3 / 4..=second).contains(pause)),
            "{pauses:?}"
        );
        assert!((0..50).any(|_| earlier(second, 1) < second / 2));
    }
}
