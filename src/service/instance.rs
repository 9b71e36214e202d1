//! What the registry knows of one instance from one source.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::facts::{Check, Facts, Status};
use super::host::Host;
use super::lease::{Lease, Moment, UnixMillis};
use super::origin::Origin;
use super::rare::Rare;
use super::registration::{InstanceId, Registration};

/// The number of a change; grows with every change of what is served or listed and never goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an instance that is up is listed, but not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// A target must own an address (RFC 2782), and none of the announced ones is routable.
    NoRoutableAddress,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoutableAddress => f.write_str("no routable address was announced"),
        }
    }
}

/// What is added to the priority of an instance that is kept, so that whatever else there is comes before it, as far as
/// clients order by priority (RFC 2782).
const KEPT_BEHIND: u16 = 1 << 15;

/// The bit of [`Instance::expires_at`] that says: renewals have to go through the writer.
const SEALED: u64 = 1 << 63;
/// The end of a lease that does not end.
const NEVER: u64 = SEALED - 1;

/// One instance from one source, immutable but for the times of its lease.
///
/// Renewing is no change of the instance: it moves `renewed_at` and `expires_at` under everyone's eyes, so that a
/// renewal costs neither a copy nor a new snapshot, and may be done by whoever holds the instance. For that the
/// end of the lease carries a seal: an instance is sealed in the moment it lapses, is replaced or is removed, and
/// while its first renewal since the start has to be written to disk. To renew a sealed instance is to ask the
/// registry's writer. One atomic number holds both, so no renewal can slip in beside a lapse.
#[derive(Debug)]
pub struct Instance {
    /// What the service said.
    pub registration: Registration,
    /// Where that is not the one asked for.
    served_under: Option<Box<Host>>,
    /// Who told us.
    pub origin: Origin,
    /// The name of the token that it was registered with, if any.
    pub owner: Option<Arc<str>>,
    /// Kept facts.
    pub facts: Rare<Facts>,
    /// When it was first registered.
    pub registered_at: UnixMillis,
    /// The change that made it what it is.
    pub revision: Revision,
    renewed_at: AtomicU64,
    /// Milliseconds of the lease clock, and [`SEALED`].
    expires_at: AtomicU64,
}

impl Instance {
    /// An instance that was registered just now; its lease runs from `now`.
    pub fn new(registration: Registration, origin: Origin, wall: UnixMillis, now: Moment, revision: Revision) -> Self {
        let expires_at = end_of(registration.lease, now);
        let is_checked = registration.details.probe.is_some();
        let check = if is_checked { Check::Awaited } else { Check::None };
        let facts = Facts { reported: registration.reported, check, ..Facts::default() };
        Self {
            served_under: None,
            origin,
            owner: None,
            facts: facts.following(&Facts::default(), wall).into(),
            registered_at: wall,
            revision,
            renewed_at: AtomicU64::new(wall.0),
            expires_at: AtomicU64::new(expires_at),
            registration,
        }
    }

    /// An instance out of a store: as `self`, but renewed and ending at these times, and sealed.
    #[must_use]
    pub fn restored(self, renewed_at: UnixMillis, expires_at: Moment) -> Self {
        let expires_at = expires_at.0.min(NEVER) | SEALED;
        Self { renewed_at: AtomicU64::new(renewed_at.0), expires_at: AtomicU64::new(expires_at), ..self }
    }

    /// Its identity.
    pub fn id(&self) -> &InstanceId {
        &self.registration.id
    }

    /// The target as served: the one asked for, or numbered where another claimant has that label.
    pub fn host(&self) -> &Host {
        self.served_under.as_deref().unwrap_or(&self.registration.host)
    }

    /// Serves it under `host`.
    pub fn serve_under(&mut self, host: Host) {
        self.served_under = (!host.is_spelled_as(&self.registration.host)).then(|| Box::new(host));
    }

    /// Starts the lease anew, never shortening it. False when the instance is sealed: the lease moved all the
    /// same (a sign of life is one), but the writer has to hear of it.
    pub fn renew(&self, wall: UnixMillis, now: Moment) -> bool {
        self.renewed_at.store(wall.0, Ordering::Relaxed);
        self.extend(end_of(self.registration.lease, now)) & SEALED == 0
    }

    /// Seals the instance if its lease has ended by `now`; false if it still runs.
    pub fn lapse(&self, now: Moment) -> bool {
        let lapse = |end: u64| (end & !SEALED <= now.0).then_some(end | SEALED);
        self.registration.lease != Lease::UntilDeregistered
            && self.expires_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lapse).is_ok()
    }

    /// Seals the instance, which `successor` is about to replace or which is about to be removed, and hands on
    /// what it was renewed to until now.
    pub fn retire(&self, successor: Option<&Self>) {
        let end = self.expires_at.fetch_or(SEALED, Ordering::Relaxed) & !SEALED;
        if let Some(successor) = successor.filter(|s| s.registration.lease == self.registration.lease)
            && successor.facts.lapsed.is_none()
            && successor.extend(end) & !SEALED < end
        {
            successor.renewed_at.store(self.renewed_at.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// From now on renewals need not go through the writer.
    pub fn unseal(&self) {
        self.expires_at.fetch_and(!SEALED, Ordering::Relaxed);
    }

    /// Whether renewals have to go through the writer.
    pub fn is_sealed(&self) -> bool {
        self.expires_at.load(Ordering::Relaxed) & SEALED != 0
    }

    /// Moves the end of the lease to `end` at least; gives the number as it was.
    fn extend(&self, end: u64) -> u64 {
        let later = |old: u64| Some((old & SEALED) | (old & !SEALED).max(end));
        let updated = self.expires_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        updated.unwrap_or_else(|unchanged| unchanged)
    }

    /// When it was last registered or renewed.
    pub fn renewed_at(&self) -> UnixMillis {
        UnixMillis(self.renewed_at.load(Ordering::Relaxed))
    }

    /// When its lease ends or ended, `None` for never.
    pub fn expires_at(&self) -> Option<Moment> {
        let moment = Moment(self.expires_at.load(Ordering::Relaxed) & !SEALED);
        (self.registration.lease != Lease::UntilDeregistered).then_some(moment)
    }

    /// See [`Facts::status`].
    pub fn status(&self) -> Status {
        self.facts.status()
    }

    /// Why it is not served although it is up.
    pub fn withheld(&self) -> Option<Withheld> {
        let addressless = self.registration.addresses.is_empty() && matches!(self.host(), Host::Label(_));
        addressless.then_some(Withheld::NoRoutableAddress)
    }

    /// Whether the registry checks it.
    pub fn is_checked(&self) -> bool {
        self.registration.details.probe.is_some()
    }

    /// Whether DNS answers with it.
    pub fn is_served(&self) -> bool {
        (self.status() == Status::Up || self.facts.kept.is_some()) && self.withheld().is_none()
    }

    /// The priority as served: the one asked for, or a worse one while it is only kept.
    pub fn priority(&self) -> u16 {
        let behind = if self.facts.kept.is_some() { KEPT_BEHIND } else { 0 };
        self.registration.priority.saturating_add(behind)
    }

    /// Until when DNS has it if it is kept: for one more lease, from the end of the one that lapsed. `None` where it has
    /// not lapsed.
    pub fn kept_until(&self) -> Option<Moment> {
        Some(self.facts.lapsed?.after(self.registration.lease.duration()?))
    }
}

fn end_of(lease: Lease, now: Moment) -> u64 {
    lease.duration().map_or(NEVER, |lease| now.after(lease).0.min(NEVER))
}

impl Clone for Instance {
    fn clone(&self) -> Self {
        Self {
            registration: self.registration.clone(),
            served_under: self.served_under.clone(),
            origin: self.origin.clone(),
            owner: self.owner.clone(),
            facts: self.facts.clone(),
            registered_at: self.registered_at,
            revision: self.revision,
            renewed_at: AtomicU64::new(self.renewed_at.load(Ordering::Relaxed)),
            expires_at: AtomicU64::new(self.expires_at.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::registration::tests::registration;
    use super::*;

    #[test]
    fn a_renewal_never_slips_in_beside_a_lapse() {
        let lease = Duration::from_secs(10);
        let mut registration = registration("auth", "a1", "web1");
        registration.lease = lease.into();
        let instance = Instance::new(registration, Origin::api(), UnixMillis(0), Moment(0), Revision(1));
        assert!(instance.renew(UnixMillis(1), Moment(5_000)));
        assert!(!instance.lapse(Moment(14_999)), "renewed until 15 s");
        assert!(instance.lapse(Moment(15_000)));
        assert!(!instance.renew(UnixMillis(2), Moment(15_000)), "sealed: the writer is to be asked");
    }

    #[test]
    fn of_a_renewal_and_a_lapse_at_once_exactly_one_counts() {
        let mut registration = registration("auth", "a1", "web1");
        registration.lease = Duration::from_secs(10).into();
        let end = Moment(10_000);
        let starts = std::sync::Barrier::new(2);
        let instances = std::iter::repeat_with(|| {
            Instance::new(registration.clone(), Origin::api(), UnixMillis(0), Moment(0), Revision(1))
        });
        let instances: Vec<_> = instances.take(2_000).collect();
        let outcomes = |act: fn(&Instance, Moment) -> bool| {
            starts.wait();
            instances.iter().map(|instance| act(instance, end)).collect::<Vec<bool>>()
        };
        let (renewed, lapsed) = std::thread::scope(|threads| {
            let lapsed = threads.spawn(|| outcomes(Instance::lapse));
            (outcomes(|instance, now| instance.renew(UnixMillis(1), now)), lapsed.join().unwrap())
        });
        assert!(renewed.iter().zip(&lapsed).all(|(renewed, lapsed)| renewed != lapsed));
    }

    /// With the counts of its `Arc` it takes 216 octets, which allocators have a size for; one more would cost 16.
    #[test]
    fn an_instance_stays_small() {
        assert!(size_of::<Instance>() <= 200, "{}", size_of::<Instance>());
    }

    #[test]
    fn a_successor_inherits_what_its_predecessor_was_renewed_to() {
        let old =
            Instance::new(registration("auth", "a1", "web1"), Origin::api(), UnixMillis(0), Moment(0), Revision(1));
        let new = old.clone();
        assert!(old.renew(UnixMillis(7), Moment(7_000)));
        old.retire(Some(&new));
        assert!(old.is_sealed() && !new.is_sealed());
        assert_eq!((new.expires_at(), new.renewed_at()), (old.expires_at(), UnixMillis(7)));
    }
}
