//! How the registry finds out by itself whether an instance serves, for those that cannot send heartbeats.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use super::inquiry::Inquiry;

/// From one check to the next, at least: more often than that a service says it itself.
pub(crate) const INTERVAL_SHORTEST: Duration = Duration::from_secs(1);
/// From one check to the next, at most.
pub(crate) const INTERVAL_LONGEST: Duration = Duration::from_hours(1);
/// The same where nothing is said.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long a check may take, at least: a connection within a site.
pub(crate) const TIMEOUT_SHORTEST: Duration = Duration::from_millis(10);
/// How long a check may take, at most: it keeps one of the places for checks for so long.
pub(crate) const TIMEOUT_LONGEST: Duration = Duration::from_secs(30);
/// The same where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Failures in a row after which an instance is down where nothing is said: one may meet a restart.
const FAILURES: u16 = 3;
/// Failures in a row, at most.
pub(crate) const FAILURES_MOST: u16 = 100;
/// How an instance is checked. What came of it is a [`Check`](super::Check).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    inquiry: Inquiry,
    interval: Duration,
    timeout: Duration,
    failures: u16,
}

/// Why something is no check.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProbeError {
    /// Neither or both.
    #[error("asks for nothing or for two things; give either http, with a path such as \"/health\", or tcp = true")]
    Inquiry,
    /// Of `http`.
    #[error("is no path such as /health, and no URL such as http://web.example/health, of printable ASCII")]
    Target,
    /// Of `http`.
    #[error("is {0} octets long; at most 255 are allowed")]
    TargetLength(usize),
    /// Of `http`.
    #[error("begins with https://, which is not spoken here; check the connection alone (tcp = true)")]
    Tls,
    /// Of `http`.
    #[error("names port {named}; checks go to the port of the instance, which is {port}")]
    OtherPort {
        /// In the URL.
        named: u16,
        /// Of the registration.
        port: u16,
    },
    /// Of `http`.
    #[error("names {0}, which is none of the addresses of the instance; checks go nowhere else")]
    OtherAddress(IpAddr),
    /// Of `interval` and `timeout`.
    #[error("is no duration; give seconds (10, 2.5) or a text such as \"10s\"")]
    Syntax,
    /// Of `interval` and `timeout`.
    #[error("is {}; from {} to {} are allowed", text(*.given), text(*.shortest), text(*.longest))]
    OutOfRange {
        /// What was asked for.
        given: Duration,
        /// What is allowed.
        shortest: Duration,
        /// What is allowed.
        longest: Duration,
    },
    /// Of `timeout`.
    #[error("is {}, longer than the interval, which is {}", text(*.timeout), text(*.interval))]
    TimeoutBeyondInterval {
        /// What was asked for.
        timeout: Duration,
        /// The same.
        interval: Duration,
    },
    /// Of `failures`.
    #[error("is {0}; from 1 to 100 are allowed")]
    Failures(u16),
    /// Of `interval`, beside a lease.
    #[error("is {}, too long for a lease of {}, which has to see two checks; leave the lease out, and it has no end", text(*.interval), text(*.lease))]
    Lease {
        /// What was asked for.
        interval: Duration,
        /// The same.
        lease: Duration,
    },
    /// Of all, where the host is elsewhere.
    #[error("cannot be made of a host outside our zones, whose addresses are not known here")]
    ForeignHost,
    /// Of an address.
    #[error("cannot be made of {0}, which is in none of the networks that are checked (checks.networks)")]
    Network(IpAddr),
    /// Of an address.
    #[error("cannot be made of {0}, which is the registry's own machine, at the word of another machine")]
    Loopback(IpAddr),
}

fn text(duration: Duration) -> impl fmt::Display {
    humantime::format_duration(duration)
}

impl Probe {
    /// Checks the numbers; what is left out is by default.
    pub fn new(
        inquiry: Inquiry,
        interval: Option<Duration>,
        timeout: Option<Duration>,
        failures: Option<u16>,
    ) -> Result<Self, (&'static str, ProbeError)> {
        let within = |field, given: Duration, shortest, longest| match given {
            given if given < shortest || given > longest => {
                Err((field, ProbeError::OutOfRange { given, shortest, longest }))
            }
            given => Ok(given),
        };
        let interval = within("interval", interval.unwrap_or(INTERVAL), INTERVAL_SHORTEST, INTERVAL_LONGEST)?;
        let timeout =
            within("timeout", timeout.unwrap_or_else(|| TIMEOUT.min(interval)), TIMEOUT_SHORTEST, TIMEOUT_LONGEST)?;
        if timeout > interval {
            return Err(("timeout", ProbeError::TimeoutBeyondInterval { timeout, interval }));
        }
        let failures = failures.unwrap_or(FAILURES);
        if !(1..=FAILURES_MOST).contains(&failures) {
            return Err(("failures", ProbeError::Failures(failures)));
        }
        Ok(Self { inquiry, interval, timeout, failures })
    }

    /// What is done.
    pub fn inquiry(&self) -> &Inquiry {
        &self.inquiry
    }

    /// From one check to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long it may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// After so many failures in a row the instance is down.
    pub fn failures(&self) -> u16 {
        self.failures
    }

    /// Octets of memory, about.
    pub(super) fn size(&self) -> usize {
        let octets = match &self.inquiry {
            Inquiry::Tcp => 0,
            Inquiry::Http { host, path } => host.as_ref().map_or(0, |host| host.len()) + path.len(),
        };
        size_of::<Self>() + octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_made_within_bounds() {
        let seconds = |n| Some(Duration::from_secs(n));
        let probe = |interval, timeout, failures| Probe::new(Inquiry::Tcp, interval, timeout, failures);
        let usual = probe(None, None, None).unwrap();
        assert_eq!((usual.interval(), usual.timeout(), usual.failures()), (INTERVAL, TIMEOUT, FAILURES));
        assert_eq!(probe(seconds(1), None, None).unwrap().timeout(), INTERVAL_SHORTEST, "no longer than that");
        for (interval, timeout, failures, field) in [
            (seconds(0), None, None, "interval"),
            (seconds(3601), None, None, "interval"),
            (None, seconds(0), None, "timeout"),
            (seconds(60), seconds(31), None, "timeout"),
            (seconds(5), seconds(6), None, "timeout"),
            (None, None, Some(0), "failures"),
            (None, None, Some(101), "failures"),
        ] {
            assert_eq!(probe(interval, timeout, failures).unwrap_err().0, field);
        }
    }
}
