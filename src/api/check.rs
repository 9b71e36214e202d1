//! A check in JSON: how the registry is to find out by itself whether an instance serves.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{Address, Inquiry, Lease, Probe, ProbeError, Reach};

use super::invalid::{Fault, Invalid};
use super::lease::LeaseWish;
use super::schema;

/// What is checked of an instance, and how often: either `http` or `tcp`, on its own addresses and port.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A path such as `/health`, which has to be answered with 2xx. A URL such as `http://web.example/health` says by
    /// which host to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::check_target")]
    pub http: Option<String>,
    /// `true`: a connection has to come about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<bool>,
    /// From one check to the next: seconds, or a text with a unit. Default: 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::check_interval")]
    pub interval: Option<LeaseWish>,
    /// How long one may take. Default: 2 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::check_timeout")]
    pub timeout: Option<LeaseWish>,
    /// After so many failures in a row the instance is down. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::check_failures")]
    pub failures: Option<u16>,
}

/// Whose check it is to be.
pub(super) struct Checked<'a> {
    /// None of a foreign host.
    pub(super) addresses: &'a [Address],
    pub(super) port: NonZeroU16,
    pub(super) lease: Lease,
    pub(super) sender: IpAddr,
}

impl Check {
    /// What would have to be said to have it checked as it is.
    pub fn of(probe: &Probe) -> Self {
        let (http, tcp) = match probe.inquiry() {
            Inquiry::Tcp => (None, Some(true)),
            http @ Inquiry::Http { .. } => (Some(http.to_string()), None),
        };
        let time = |duration: Duration| Some(LeaseWish::Seconds(duration.as_secs_f64()));
        let (interval, timeout) = (time(probe.interval()), time(probe.timeout()));
        Self { http, tcp, interval, timeout, failures: Some(probe.failures()) }
    }

    /// Checks every field, and whether it may be made of that instance.
    pub(super) fn accept(&self, of: &Checked<'_>, reach: &Reach) -> Result<Probe, Invalid> {
        let inquiry = self.inquiry(of).map_err(|(field, error)| Invalid::new(field, error))?;
        let interval = self.interval.as_ref().map(|time| read("interval", time)).transpose()?;
        let timeout = self.timeout.as_ref().map(|time| read("timeout", time)).transpose()?;
        let probe = Probe::new(inquiry, interval, timeout, self.failures)
            .map_err(|(field, error)| Invalid::new(field, error))?;
        if let (Some(lease), interval) = (of.lease.duration(), probe.interval())
            && lease < 2 * interval
        {
            return Err(Invalid::new("interval", ProbeError::Lease { interval, lease }));
        }
        if of.addresses.is_empty() {
            return Err(Invalid::new("", ProbeError::ForeignHost));
        }
        let forbidden = of.addresses.iter().find_map(|address| reach.allows(*address, of.sender).err());
        forbidden.map_or(Ok(probe), |error| Err(Invalid::new("", error)))
    }

    fn inquiry(&self, of: &Checked<'_>) -> Result<Inquiry, (&'static str, ProbeError)> {
        let target = match (&self.http, self.tcp.unwrap_or_default()) {
            (None, true) => return Ok(Inquiry::Tcp),
            (Some(target), false) => target,
            _ => return Err(("", ProbeError::Inquiry)),
        };
        let (inquiry, port) = Inquiry::http(target).map_err(|error| ("http", error))?;
        if let Some(named) = port.filter(|port| *port != of.port.get()) {
            return Err(("http", ProbeError::OtherPort { named, port: of.port.get() }));
        }
        match inquiry.address() {
            Some(address) if !of.addresses.iter().any(|own| own.get() == address.to_canonical()) => {
                Err(("http", ProbeError::OtherAddress(address)))
            }
            _ => Ok(inquiry),
        }
    }
}

fn read(field: &str, time: &LeaseWish) -> Result<Duration, Invalid> {
    let read = time.read().map_err(|_| Invalid::new(field, Fault::Check(ProbeError::Syntax)))?;
    // A lease of nothing has no end; an interval of nothing is one.
    Ok(read.duration().unwrap_or_default())
}
