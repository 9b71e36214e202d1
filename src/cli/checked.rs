//! How the registry is to check what is registered.

use clap::Args;

use crate::api::{Check, LeaseWish};

/// A check, if there is to be one.
#[derive(Debug, Clone, Args)]
pub(super) struct Checked {
    /// What the registry checks over and over, so that no heartbeat is needed: tcp, for a connection to the port, or a
    /// path such as /health, or a URL that names a host, which have to be answered with 2xx. It is in DNS while that is
    /// so.
    #[arg(long, value_name = "tcp|PATH|URL")]
    check: Option<String>,
    /// From one check to the next: 10 or 10s [default: 10s].
    #[arg(long, value_name = "DURATION", requires = "check")]
    check_interval: Option<String>,
    /// How long a check may take [default: 2s].
    #[arg(long, value_name = "DURATION", requires = "check")]
    check_timeout: Option<String>,
    /// After so many failures in a row it is down [default: 3].
    #[arg(long, value_name = "NUMBER", requires = "check")]
    check_failures: Option<u16>,
}

impl Checked {
    pub(super) fn check(self) -> Option<Check> {
        let (http, tcp) = match self.check? {
            tcp if tcp == "tcp" => (None, Some(true)),
            target => (Some(target), None),
        };
        let (interval, timeout) = (self.check_interval.map(LeaseWish::Text), self.check_timeout.map(LeaseWish::Text));
        Some(Check { http, tcp, interval, timeout, failures: self.check_failures })
    }
}
