//! Leases, and the two clocks that they are told by.

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

/// How long a registration holds without being renewed (RFC 9664).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// Written `0`.
    UntilDeregistered,
    /// Milliseconds.
    For(NonZeroU64),
}

/// Which leases are granted, and which is given to whoever asks for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseLimits {
    /// Without a wish.
    pub default: Duration,
    /// The shortest granted.
    pub shortest: Duration,
    /// The longest granted, apart from [`Lease::UntilDeregistered`].
    pub longest: Duration,
}

/// Why a lease is not granted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LeaseError {
    /// Neither a number nor a duration with a unit.
    #[error("is no duration; give seconds (90, 2.5) or a text such as \"90s\", or 0 for until deregistered")]
    Syntax,
    /// Outside the limits.
    #[error("is {}; from {} to {} are allowed, or 0 for until deregistered", text(*.given), text(.limits.shortest), text(.limits.longest))]
    OutOfRange {
        /// What was asked for.
        given: Duration,
        /// What is allowed.
        limits: LeaseLimits,
    },
}

fn text(duration: Duration) -> impl fmt::Display {
    humantime::format_duration(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

impl Lease {
    /// A lease of so many seconds; 0 is until deregistered.
    pub fn from_seconds(seconds: f64) -> Result<Self, LeaseError> {
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| LeaseError::Syntax)?;
        Ok(duration.into())
    }

    /// Reads `90s`, `1m 30s` or `0`.
    pub fn from_text(text: &str) -> Result<Self, LeaseError> {
        let duration = match text.parse::<f64>() {
            Ok(seconds) => return Self::from_seconds(seconds),
            Err(_) => humantime::parse_duration(text).map_err(|_| LeaseError::Syntax)?,
        };
        Ok(duration.into())
    }

    /// The lease as a duration, `None` where it does not end.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::UntilDeregistered => None,
            Self::For(millis) => Some(Duration::from_millis(millis.get())),
        }
    }

    /// Milliseconds, 0 for until deregistered: the form in which stores keep it.
    pub fn as_millis(self) -> u64 {
        match self {
            Self::UntilDeregistered => 0,
            Self::For(millis) => millis.get(),
        }
    }

    /// The reverse of [`Lease::as_millis`].
    pub fn from_millis(millis: u64) -> Self {
        NonZeroU64::new(millis).map_or(Self::UntilDeregistered, Self::For)
    }
}

impl From<Duration> for Lease {
    /// In whole milliseconds, one at least; zero is until deregistered.
    fn from(duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(if duration.is_zero() { 0 } else { millis.max(1) })
    }
}

impl LeaseLimits {
    /// The lease that is granted for a wish.
    pub fn grant(self, wish: Option<Lease>) -> Result<Lease, LeaseError> {
        let Some(lease) = wish else { return Ok(Lease::from(self.default)) };
        match lease.duration() {
            Some(given) if given < self.shortest || given > self.longest => {
                Err(LeaseError::OutOfRange { given, limits: self })
            }
            _ => Ok(lease),
        }
    }

    /// The lease that is granted to who cannot ask for one and expects this.
    pub fn nearest(self, expected: Duration) -> Lease {
        Lease::from(expected.clamp(self.shortest, self.longest))
    }
}

/// A point on the lease clock: milliseconds that the registry has been running, over all its restarts.
///
/// It is monotonic, knows nothing of the wall clock, and stands still while the registry is down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// This moment and so much more running time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Running time since `earlier`, zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The wall clock, for people only: milliseconds since 1970-01-01 00:00 UTC. No lease is measured by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// What the wall clock says.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LeaseLimits = LeaseLimits {
        default: Duration::from_mins(1),
        shortest: Duration::from_secs(5),
        longest: Duration::from_hours(24),
    };

    #[test]
    fn a_lease_is_seconds_or_text_with_a_unit() {
        let ninety = Lease::from(Duration::from_secs(90));
        assert_eq!(Lease::from_seconds(90.0), Ok(ninety));
        for text in ["90s", "1m 30s", "90", "90.0"] {
            assert_eq!(Lease::from_text(text), Ok(ninety), "{text}");
        }
        assert_eq!(Lease::from_text("0s"), Ok(Lease::UntilDeregistered));
        for seconds in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Lease::from_seconds(seconds), Err(LeaseError::Syntax));
        }
        assert_eq!(Lease::from_text("soon"), Err(LeaseError::Syntax));
    }

    #[test]
    fn a_lease_out_of_range_names_the_range() {
        assert_eq!(LIMITS.grant(None), Ok(LIMITS.default.into()));
        assert_eq!(LIMITS.grant(Some(Lease::UntilDeregistered)), Ok(Lease::UntilDeregistered));
        let error = LIMITS.grant(Some(Lease::from_seconds(4.5).unwrap())).unwrap_err();
        assert_eq!(error.to_string(), "is 4s 500ms; from 5s to 1day are allowed, or 0 for until deregistered");
    }
}
