//! How the registry finds out by itself whether an instance serves, for those that cannot send heartbeats.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use thiserror::Error;

use super::address::Address;

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
/// Octets of what is asked for, at most.
pub(crate) const TARGET_MAX: usize = 255;

/// How an instance is checked. What came of it is a [`Check`](super::Check).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    inquiry: Inquiry,
    interval: Duration,
    timeout: Duration,
    failures: u16,
}

/// What is done to the port of the instance. Written `tcp`, `/health` or `http://web.example/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inquiry {
    /// A connection is made.
    Tcp,
    /// It is asked over HTTP, and has to answer with 2xx.
    Http {
        /// The host that it is called by; its address and port without one.
        host: Option<Box<str>>,
        /// Path and query.
        path: Box<str>,
    },
}

/// Where checks may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere: for what an administrator wrote down.
    Anywhere,
    /// To addresses within these networks; to those of this machine alone only at the word of somebody on it.
    Within(Arc<[IpNet]>),
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

impl Inquiry {
    /// Reads a path or a URL, and the port that it names. That its host is only what the instance is called by, and
    /// that its port is the instance's, is for whoever knows the instance to see to.
    pub fn http(target: &str) -> Result<(Self, Option<u16>), ProbeError> {
        if target.len() > TARGET_MAX {
            return Err(ProbeError::TargetLength(target.len()));
        }
        if target.starts_with("https://") {
            return Err(ProbeError::Tls);
        }
        let (host, port, path) = match target.strip_prefix("http://") {
            None => (None, None, target),
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                let (host, port) = split_authority(authority).ok_or(ProbeError::Target)?;
                (Some(host.into()), port, path)
            }
        };
        let path = if path.starts_with('/') || host.is_none() { path.to_owned() } else { format!("/{path}") };
        // What else a URL may not have would be sent as it is, and none of it ends the line that it stands in.
        let is_plain = |octet: u8| octet.is_ascii_graphic() && !br##""#<>\^`{|}"##.contains(&octet);
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            return Err(ProbeError::Target);
        }
        Ok((Self::Http { host, path: path.into() }, port))
    }

    /// The address that the host is, where it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Http { host: Some(host), .. } => host.trim_matches(['[', ']']).parse().ok(),
            _ => None,
        }
    }
}

/// Host and port; `None` where they are none, or where there is more.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let bracketed = authority.starts_with('[');
    let (host, port) = match authority.rsplit_once(':').filter(|(host, _)| !bracketed || host.ends_with(']')) {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (authority, None),
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    let is_host = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    is_host.then_some((host, port))
}

impl FromStr for Inquiry {
    type Err = ProbeError;

    /// Takes no port: what is written has none.
    fn from_str(text: &str) -> Result<Self, ProbeError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            target => match Self::http(target)? {
                (inquiry, None) => Ok(inquiry),
                (_, Some(_)) => Err(ProbeError::Target),
            },
        }
    }
}

impl fmt::Display for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Http { host: None, path } => f.write_str(path),
            Self::Http { host: Some(host), path } => write!(f, "http://{host}{path}"),
        }
    }
}

impl Reach {
    /// Whether a check may go to `address`, at the word of `sender`.
    pub fn allows(&self, address: Address, sender: IpAddr) -> Result<(), ProbeError> {
        let address = address.get();
        if *self != Self::Anywhere && address.is_loopback() && !sender.to_canonical().is_loopback() {
            return Err(ProbeError::Loopback(address));
        }
        if self.has(address) { Ok(()) } else { Err(ProbeError::Network(address)) }
    }

    /// The same without a look at who asks: that was looked at when it was registered.
    pub fn has(&self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Within(networks) => networks.iter().any(|network| network.contains(&address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path_or_a_url_and_is_written_as_it_is_read() {
        for (text, written, port) in [
            ("/", "/", None),
            ("/health?deep=1&x=%20", "/health?deep=1&x=%20", None),
            ("http://web.example", "http://web.example/", None),
            ("http://web.example:8080?x", "http://web.example/?x", Some(8080)),
            ("http://[::1]:80/h", "http://[::1]/h", Some(80)),
            ("http://10.0.0.1/h", "http://10.0.0.1/h", None),
        ] {
            let (inquiry, named) = Inquiry::http(text).unwrap();
            assert_eq!((inquiry.to_string().as_str(), named), (written, port), "{text}");
            assert_eq!(written.parse(), Ok(inquiry), "{text}");
        }
        assert_eq!("tcp".parse(), Ok(Inquiry::Tcp));
    }

    #[test]
    fn a_target_is_no_way_to_say_something_else() {
        for text in [
            "",
            "health",
            "/a b",
            "/a\r\nHost: x",
            "/a\n",
            "/é",
            "/#a",
            "//\u{7f}",
            "http://",
            "http:///x",
            "http://a@b/",
            "http://a:b@c/",
            "http://a:99999/",
            "http://a b/",
            "http://[::1/",
            "http://[a]/",
            "http://a\r\nX: y/",
            "ftp://a/",
            "HTTP://a/",
        ] {
            assert_eq!(Inquiry::http(text), Err(ProbeError::Target), "{text:?}");
        }
        assert_eq!(Inquiry::http("https://a/"), Err(ProbeError::Tls));
        assert_eq!(Inquiry::http(&format!("/{}", "a".repeat(255))), Err(ProbeError::TargetLength(256)));
    }

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

    #[test]
    fn this_machine_is_checked_only_at_the_word_of_somebody_on_it() {
        let address = |text: &str| Address::new(text.parse().unwrap()).unwrap();
        let sender = |text: &str| text.parse().unwrap();
        let reach = Reach::Within(["10.0.0.0/8", "127.0.0.0/8"].map(|text| text.parse().unwrap()).into());
        assert_eq!(reach.allows(address("10.1.1.1"), sender("192.0.2.1")), Ok(()));
        assert_eq!(reach.allows(address("127.0.0.1"), sender("::ffff:127.0.0.1")), Ok(()));
        assert!(matches!(reach.allows(address("127.0.0.1"), sender("10.0.0.1")), Err(ProbeError::Loopback(_))));
        assert!(matches!(reach.allows(address("::1"), sender("::1")), Err(ProbeError::Network(_))));
        assert!(matches!(reach.allows(address("192.0.2.1"), sender("192.0.2.1")), Err(ProbeError::Network(_))));
        assert_eq!(Reach::Anywhere.allows(address("127.0.0.1"), sender("10.0.0.1")), Ok(()));
    }
}
