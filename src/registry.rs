//! The heart: one writer, many readers.
//!
//! Edges hold a [`Registry`]. They ask for changes with [`Registry::apply`] and read what is published with
//! [`Registry::state`] or a [`Reader`]; the [`Writer`] alone changes anything. Who is answered finds its change in
//! the store, in the state and in DNS.
//!
//! What stays out: how anything is parsed or worded (the edges), how it is kept (`store`), what a record is
//! (`zone`), and which leases are granted (the edges ask [`LeaseLimits`]; the table takes what it is given).

mod authority;
mod backlog;
mod census;
mod clock;
mod flips;
mod guard;
mod metrics;
mod operation;
mod places;
mod renewal;
mod shared;
mod slot;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod totals;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot};

pub use self::backlog::{Announced, Missed, Watch};
pub use self::census::Census;
pub use self::flips::Flip;
pub use self::guard::Config as GuardConfig;
pub use self::operation::{Applied, Condition, Operation, Refusal, StatusWish};
pub use self::slot::Slot;
pub use self::state::{History, Reader, State};
pub use self::totals::Totals;
pub use self::writer::Writer;

use self::authority::By;
use self::clock::Clock;
use self::guard::Guard;
use self::renewal::renew_in_place;
use self::shared::Shared;
use self::table::{Limits, Table};
use self::writer::Call;
use crate::metrics::Metrics;
use crate::service::{Cause, Change, Instance, InstanceId, LeaseLimits, Revision, UnixMillis};
use crate::store::{Contents, OpenError, Opened};
use crate::tokens::Grant;
use crate::zone;

/// Calls that may wait for the writer; the next ones wait for a place.
const QUEUE: usize = 1024;
/// How long a call waits for a place in the queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// `[lease]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The lease of a registration that asks for none.
    #[serde(with = "humantime_serde")]
    pub default: Duration,
    /// The shortest lease that is granted.
    #[serde(with = "humantime_serde")]
    pub shortest: Duration,
    /// The longest lease that is granted, apart from one until deregistered.
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
    /// How long a lapsed instance stays listed.
    #[serde(with = "humantime_serde")]
    pub reap: Duration,
    /// Instances that may be listed, of all sources together.
    pub max_instances: usize,
    /// Of them those that the registry may have to check: what a stranger registers once is checked over and over.
    pub max_checked: usize,
    /// `[lease.guard]`
    pub guard: GuardConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default: Duration::from_mins(1),
            shortest: Duration::from_secs(5),
            longest: Duration::from_hours(24),
            reap: Duration::from_mins(10),
            // A bit more than a GB of memory: enough for any fleet, and an end for a flood.
            max_instances: 2_000_000,
            // At the usual interval a thousand checks a second.
            max_checked: 10_000,
            guard: GuardConfig::default(),
        }
    }
}

impl Config {
    /// Which leases are granted.
    pub fn limits(&self) -> LeaseLimits {
        LeaseLimits { default: self.default, shortest: self.shortest, longest: self.longest }
    }
}

/// A handle on the registry: cheap to clone, used by every edge.
#[derive(Debug, Clone)]
pub struct Registry {
    shared: Arc<Shared>,
    /// To the writer: what waits for the store.
    durable: mpsc::Sender<Call>,
    /// To the writer: what does not.
    volatile: mpsc::Sender<Call>,
}

impl Registry {
    /// A registry that begins with what the store remembers, served in `zone`. Nothing happens until the writer
    /// runs. Blocks while the store reads.
    pub fn open(config: &Config, opened: Opened, zone: &zone::Snapshot) -> Result<(Self, Writer), OpenError> {
        let Opened { store, contents: Contents { instances, clock, revision, history } } = opened;
        // What was not saved is gone, so what is listed now is something new.
        let revision = Revision(revision.0 + 1);
        let mut table = Table::new(revision, Limits::of(config), config.reap).guarding(Guard::new(&config.guard));
        let mut zone = zone.clone().at(revision);
        for part in instances {
            let listed = part?.into_iter().map(|instance| {
                let instance = table.restore(instance);
                let (id, cause) = (instance.id().clone(), Cause::Registered);
                Change { revision, id, cause, before: None, after: Some(instance) }
            });
            zone.extend(&listed.filter(|change| !change.id.is_declaration()).collect::<Vec<_>>());
        }
        let shared = Arc::new(Shared::new(Clock::resume(clock), History(history), &table, zone));
        let (durable, durable_calls) = mpsc::channel(QUEUE);
        let (volatile, volatile_calls) = mpsc::channel(QUEUE);
        let writer = Writer::new(Arc::clone(&shared), table, store, durable_calls, volatile_calls);
        Ok((Self { shared, durable, volatile }, writer))
    }

    /// Applies operations; each has its own result, in order. Answered when durable, visible and announced; what
    /// comes from other sources than the API is not saved, and never waits for the store.
    pub async fn apply(&self, operations: Vec<Operation>) -> Vec<Result<Applied, Refusal>> {
        self.apply_by(By::Program, operations).await
    }

    /// The same for somebody who may do what `grant` says, and no more.
    pub async fn apply_for(&self, grant: &Grant, operations: Vec<Operation>) -> Vec<Result<Applied, Refusal>> {
        self.apply_by(By::Somebody(grant.clone()), operations).await
    }

    async fn apply_by(&self, by: By, operations: Vec<Operation>) -> Vec<Result<Applied, Refusal>> {
        let now = self.shared.clock.now();
        let state = self.state();
        // All of them are tried, so that each lease moves now, whatever the writer is busy with.
        let renewed: Vec<_> =
            operations.iter().map(|o| renew_in_place(&state.slots, &state.places, o, &by, now)).collect();
        self.shared.counts.renewals.inc_by(renewed.iter().flatten().count() as u64);
        if renewed.iter().all(Option::is_some) {
            return renewed.into_iter().flatten().map(Ok).collect();
        }
        drop(state);
        // Elsewhere: most callers need the room for it seldom.
        Box::pin(self.ask(by, operations)).await
    }

    /// Asks the writer, and waits for its answer.
    async fn ask(&self, by: By, operations: Vec<Operation>) -> Vec<Result<Applied, Refusal>> {
        let refuse = |refusal: Refusal, times: usize| vec![Err(refusal); times];
        let count = operations.len();
        let waits = operations.iter().any(Operation::is_saved);
        let queue = if waits { &self.durable } else { &self.volatile };
        let (answer, answered) = oneshot::channel();
        match queue.send_timeout(Call { by, operations, answer }, PATIENCE).await {
            Ok(()) => answered.await.unwrap_or_else(|_| refuse(Refusal::Stopped, count)),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => refuse(Refusal::Busy, count),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => refuse(Refusal::Stopped, count),
        }
    }

    /// What is published now.
    pub fn state(&self) -> Arc<State> {
        self.shared.state.load_full()
    }

    /// Which database revisions belong to.
    pub fn history(&self) -> History {
        self.shared.state.load().history
    }

    /// For a thread that reads the state over and over.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared.state))
    }

    /// Every batch of changes from now on; lagging is told.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Change]>> {
        self.shared.announcements.subscribe()
    }

    /// Every change after `since`, which is all that the given `history` had when it was known; without it, from now
    /// on. Who lists first and watches from the list's revision misses none.
    pub fn watch(&self, history: Option<History>, since: Option<Revision>) -> Watch {
        let state = self.state();
        let since = match since {
            _ if history.is_some_and(|history| history != state.history) => Err(Missed::OtherHistory),
            // What is published is announced a moment later.
            Some(since) if since > state.revision => Err(Missed::Unknown),
            since => Ok(since),
        };
        self.shared.backlog.watch(since)
    }

    /// The last changes of status of all, newest first, apart from first registrations.
    pub fn last_flips(&self, most: usize) -> Vec<(InstanceId, Flip)> {
        self.shared.flips.last(most)
    }

    /// The last changes of status of an identity, oldest first; that it was registered and has been up since is none.
    pub fn flips(&self, id: &InstanceId) -> Vec<Flip> {
        self.shared.flips.of(id)
    }

    /// How many flips there were since the start.
    pub fn totals(&self) -> Totals {
        self.shared.flips.totals()
    }

    /// How long it has been running.
    pub fn uptime(&self) -> Duration {
        self.shared.clock.uptime()
    }

    /// When the lease of `instance` ends or ended by the wall clock, if the registry runs until then; for people.
    pub fn expires_at(&self, instance: &Instance) -> Option<UnixMillis> {
        let end = instance.expires_at()?.0;
        let now = self.shared.clock.now();
        Some(UnixMillis((now.wall.0 + end).saturating_sub(now.clock.0)))
    }

    /// Names its metrics.
    pub fn name_metrics(&self, metrics: &mut Metrics) {
        metrics::name(metrics, self.clone());
    }

    /// Why the last save failed, `None` while the store takes changes: for `/readyz`.
    pub fn store_error(&self) -> Option<String> {
        self.shared.store_error.load().as_ref().map(|error| String::clone(error))
    }
}
