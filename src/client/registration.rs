//! An instance that is kept registered.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Heartbeat, ReportedStatus};
use crate::service::Lease;

use super::{Client, Error};

/// Renewals within a lease: two may fail before it lapses.
const RENEWALS: u32 = 3;
/// What share of the time between renewals a request may take: then the two may also be such as are never answered.
const PATIENCE: u32 = 2;
/// How often a registration without a lease is looked after: only a registry that lost it would need it again.
const UNLEASED: Duration = Duration::from_secs(20);
/// The first pause after a failure; doubled with each further one.
const BACK_OFF_FIRST: Duration = Duration::from_millis(250);
/// The longest pause: a registry that comes back is to know its services soon.
pub(super) const BACK_OFF_LONGEST: Duration = Duration::from_secs(10);
/// How long saying goodbye may take; after that only the lease is left to do it.
const GOODBYE: Duration = Duration::from_secs(5);

/// Keeps an instance registered: renews its lease at a third of it, registers it again where the registry does not
/// know it any more, and deregisters it when dropped.
///
/// Dropping can only start that: a program that ends at once should await [`Registration::deregister`], or the
/// instance stays until its lease lapses.
#[derive(Debug)]
pub struct Registration {
    standing: watch::Receiver<Standing>,
    reports: watch::Sender<Option<ReportedStatus>>,
    stop: CancellationToken,
    keeper: JoinHandle<Result<(), Error>>,
}

/// How the registration stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// The registry knows it; with its last answer.
    Registered(Heartbeat),
    /// The last attempt failed, for this reason; it is tried again.
    Retrying(String),
}

impl Registration {
    pub(super) async fn start(client: Client, mut registration: api::Registration) -> Result<Self, Error> {
        let first = client.heartbeat(&registration).await?;
        // What the registry derived is the name from now on, whatever address later requests come from.
        registration.service = Some(first.service.clone());
        registration.transport = Some(first.transport);
        registration.instance = Some(first.instance.clone());
        let (sender, standing) = watch::channel(Standing::Registered(first.clone()));
        let (reports, reported) = watch::channel(registration.status);
        let stop = CancellationToken::new();
        let keeper =
            Keeper { client, registration, reported, is_told: true, last: first, standing: sender, stop: stop.clone() };
        // Its parent is this handle, whose drop stops it.
        Ok(Self { standing, reports, stop, keeper: tokio::spawn(keeper.run()) })
    }

    /// How it stands now; [`watch::Receiver::changed`] waits for the next news.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Says that the service is ready, or not yet: the registry is told at once, and for as long as it takes.
    pub fn report(&self, status: ReportedStatus) {
        self.reports.send_replace(Some(status));
    }

    /// Deregisters, and tells whether that worked.
    pub async fn deregister(mut self) -> Result<(), Error> {
        self.stop.cancel();
        // The task fails only where its runtime ends: then the lease is what remains.
        (&mut self.keeper).await.unwrap_or(Ok(()))
    }

    /// Stays registered until the process is told to end by SIGINT or SIGTERM, then deregisters.
    ///
    /// The signals are caught from the call on, not only when the future is polled: call it before anything that tells
    /// others that the service is there. Until then they end the process, and the instance stays until its lease lapses.
    /// SIGHUP is left to the service, which may read its files again; else a terminal that closes ends it as they would.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn until_signal(self) -> impl Future<Output = Result<(), Error>> {
        let signals = (caught(SignalKind::terminate()), caught(SignalKind::interrupt()));
        async {
            tokio::select! {
                () = signals.0 => {}
                () = signals.1 => {}
            }
            self.deregister().await
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Keeper {
    client: Client,
    registration: api::Registration,
    /// What the service says of itself.
    reported: watch::Receiver<Option<ReportedStatus>>,
    /// Whether the registry has heard all of the registration, so that to renew it is enough.
    is_told: bool,
    last: Heartbeat,
    standing: watch::Sender<Standing>,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(mut self) -> Result<(), Error> {
        let mut failures = 0;
        let stop = self.stop.clone();
        loop {
            let pause =
                if failures == 0 { renew_after(&self.last) } else { back_off(failures, renew_after(&self.last)) };
            let round = async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    Ok(()) = self.reported.changed() => {}
                }
                self.beat().await
            };
            let Some(result) = stop.run_until_cancelled(round).await else { break };
            match result {
                Ok(heartbeat) => {
                    failures = 0;
                    self.last = heartbeat.clone();
                    self.standing.send_replace(Standing::Registered(heartbeat));
                }
                Err(error) => {
                    failures += 1;
                    if matches!(error, Error::Unreachable { .. }) {
                        // Whatever made the connections fall silent: the next try is not to wait for one of them.
                        self.client.reconnect();
                    }
                    self.standing.send_replace(Standing::Retrying(error.to_string()));
                }
            }
        }
        self.client.reconnect();
        self.client.within(GOODBYE).deregister(&self.service_type(), &self.last.instance).await.map(drop)
    }

    /// Renews, or registers where there is nothing to renew or something new to tell.
    async fn beat(&mut self) -> Result<Heartbeat, Error> {
        let reported = *self.reported.borrow_and_update();
        if reported != self.registration.status {
            self.registration.status = reported;
            self.is_told = false;
        }
        let client = self.client.within(interval(&self.last) / PATIENCE);
        if self.is_told
            && let Some(heartbeat) = client.renew(&self.service_type(), &self.last.instance).await?
        {
            return Ok(heartbeat);
        }
        let heartbeat = client.heartbeat(&self.registration).await?;
        self.is_told = true;
        Ok(heartbeat)
    }

    fn service_type(&self) -> String {
        format!("_{}.{}", self.last.service, self.last.transport.label())
    }
}

fn renew_after(last: &Heartbeat) -> Duration {
    jittered(interval(last))
}

/// From one renewal to the next.
fn interval(last: &Heartbeat) -> Duration {
    let lease = last.lease.read().ok().and_then(Lease::duration);
    lease.map_or(UNLEASED, |lease| lease / RENEWALS)
}

pub(super) fn back_off(failures: u32, at_most: Duration) -> Duration {
    let doubled = BACK_OFF_FIRST.saturating_mul(2_u32.saturating_pow(failures - 1));
    jittered(doubled.min(BACK_OFF_LONGEST)).min(at_most)
}

/// Takes off up to a quarter, so that services that started together do not come back together.
fn jittered(duration: Duration) -> Duration {
    // Every RandomState has keys of its own: chance enough for this, without a generator.
    let chance = RandomState::new().hash_one(()) % 256;
    duration.mul_f64(1.0 - f64::from(u8::try_from(chance).unwrap_or_default()) / 1024.0)
}

/// Caught from the call on.
fn caught(kind: SignalKind) -> impl Future<Output = ()> {
    let caught = signal(kind);
    async {
        match caught {
            Ok(mut signal) => drop(signal.recv().await),
            // It cannot be waited for here; the lease is what remains.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_are_never_equal_for_long() {
        let long = Duration::from_mins(1);
        assert!(back_off(1, long) <= BACK_OFF_FIRST);
        assert!(back_off(40, long) > BACK_OFF_LONGEST / 2);
        assert!(back_off(40, long) <= BACK_OFF_LONGEST);
        assert_eq!(back_off(40, Duration::from_secs(1)), Duration::from_secs(1));
        let pauses: std::collections::HashSet<_> = (0..50).map(|_| jittered(long)).collect();
        assert!(pauses.len() > 10);
        assert!(pauses.iter().all(|pause| *pause <= long && *pause >= long * 3 / 4));
    }
}
