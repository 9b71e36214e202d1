//! How large counts may be and how long times, and which of them may be nothing. Each refusal names the key, the
//! bound and what to give instead.

use std::time::Duration;

use super::{Config, ConfigError, refuse};

/// Ten years of 365.25 days: a lease that outlives the machine is one until deregistered, which is written 0.
const LONGEST_LEASE: Duration = Duration::from_hours(10 * 8766);
/// A client that takes longer than a day for one request has gone.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);
/// Descriptors of a process, at most, unless its machine is set up otherwise (Linux: `fs.nr_open`).
const MOST_CONNECTIONS: usize = 1 << 20;
/// Instances, at most: about a hundred GB of memory.
const MOST_INSTANCES: usize = 100_000_000;
/// Octets of a body, at most: it is held in memory whole.
const MOST_OCTETS: usize = 1 << 30;
/// Records of a DNS message, at most: each is counted in 16 bits (RFC 1035 §4.1.1).
const MOST_RECORDS: usize = 65_535;
/// Answers held back for each that is sent truncated, at most: a real client tries a few times, not a hundred.
const MOST_SLIP: u32 = 10;
/// A TTL is 31 bits (RFC 2181 §8), but one of more than a week defeats a registry.
const LONGEST_TTL: Duration = Duration::from_hours(7 * 24);

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    check_counts(config)?;
    check_ttl("zone.ttl", config.zone.ttl)?;
    check_ttl("zone.negative_ttl", config.zone.negative_ttl)?;
    check_leases(config)?;
    check_rate_limit(config)?;
    check_timeouts(config)
}

/// Also before other sources are laid over the file: the largest numbers of a file are beyond what a TOML value holds.
pub(super) fn check_counts(config: &Config) -> Result<(), ConfigError> {
    let (http, dns, mdns) = (&config.http, &config.dns, &config.mdns);
    let counts = [
        ("lease.max_instances", config.lease.max_instances, 1, MOST_INSTANCES),
        ("lease.max_checked", config.lease.max_checked, 0, MOST_INSTANCES),
        ("checks.concurrency", config.checks.concurrency, 1, MOST_CONNECTIONS),
        ("lease.guard.share", config.lease.guard.share.into(), 1, 100),
        ("lease.guard.instances", config.lease.guard.instances, 1, MOST_INSTANCES),
        ("http.body_limit", http.body_limit, 1, MOST_OCTETS),
        ("http.connections", http.connections, 1, MOST_CONNECTIONS),
        ("http.watchers", http.watchers, 0, MOST_CONNECTIONS),
        ("http.connections_per_client", http.connections_per_client, 1, MOST_CONNECTIONS),
        ("dns.glob_limit", dns.glob_limit, 1, MOST_RECORDS),
        ("dns.tcp_connections", dns.tcp_connections, 1, MOST_CONNECTIONS),
        ("dns.tcp_connections_per_client", dns.tcp_connections_per_client, 1, MOST_CONNECTIONS),
        // None of these is told in mDNS's own words.
        ("mdns.link_limit", mdns.link_limit, 0, MOST_INSTANCES),
        ("mdns.limit", mdns.limit, 0, MOST_INSTANCES),
    ];
    for (key, count, least, most) in counts {
        if count < least {
            return refuse(key, format!("is {count}; give at least {least}"));
        }
        if count > most {
            return refuse(key, format!("is {count}; at most {most} is allowed"));
        }
    }
    Ok(())
}

fn check_rate_limit(config: &Config) -> Result<(), ConfigError> {
    let rrl = &config.dns.rrl;
    let numbers = [
        ("dns.rrl.slip", rrl.slip, MOST_SLIP),
        ("dns.rrl.prefix4", rrl.prefix4.into(), 32),
        ("dns.rrl.prefix6", rrl.prefix6.into(), 128),
    ];
    for (key, number, most) in numbers {
        if number > most {
            return refuse(key, format!("is {number}; at most {most} is allowed"));
        }
    }
    Ok(())
}

fn check_ttl(key: &'static str, ttl: Duration) -> Result<(), ConfigError> {
    let text = humantime::format_duration(ttl);
    if ttl.subsec_nanos() != 0 {
        return refuse(key, format!("is {text}; DNS counts whole seconds (RFC 1035 §3.2.1)"));
    }
    check_longest(key, ttl, LONGEST_TTL)
}

fn check_leases(config: &Config) -> Result<(), ConfigError> {
    let lease = &config.lease;
    let text = humantime::format_duration;
    if lease.shortest.is_zero() {
        return refuse("lease.shortest", "is 0; a lease of 0 has no end, so give at least 1ms");
    }
    check_longest("lease.longest", lease.longest, LONGEST_LEASE)?;
    check_longest("lease.reap", lease.reap, LONGEST_LEASE)?;
    if lease.longest < lease.shortest {
        let (longest, shortest) = (text(lease.longest), text(lease.shortest));
        return refuse("lease.longest", format!("is {longest}, below lease.shortest, which is {shortest}"));
    }
    if lease.default < lease.shortest || lease.default > lease.longest {
        let (default, shortest, longest) = (text(lease.default), text(lease.shortest), text(lease.longest));
        let reason = format!("is {default}; lease.shortest and lease.longest allow {shortest} to {longest}");
        return refuse("lease.default", reason);
    }
    Ok(())
}

fn check_timeouts(config: &Config) -> Result<(), ConfigError> {
    let times = [
        ("http.request_timeout", config.http.request_timeout),
        ("http.idle_timeout", config.http.idle_timeout),
        ("dns.tcp_idle", config.dns.tcp_idle),
    ];
    for (key, time) in times {
        if time.is_zero() {
            return refuse(key, "is 0; give a time such as \"10s\"");
        }
        check_longest(key, time, LONGEST_TIMEOUT)?;
    }
    Ok(())
}

fn check_longest(key: &'static str, time: Duration, longest: Duration) -> Result<(), ConfigError> {
    if time <= longest {
        return Ok(());
    }
    let (text, longest) = (humantime::format_duration(time), humantime::format_duration(longest));
    refuse(key, format!("is {text}; at most {longest} is allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RrlConfig;

    #[test]
    fn a_rate_limit_lets_clients_know_and_has_networks() {
        let check = |slip: u32, prefix4: u8, prefix6: u8| {
            let mut config = Config::default();
            config.dns.rrl = RrlConfig { slip, prefix4, prefix6, ..RrlConfig::default() };
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!([check(0, 0, 0), check(10, 32, 128)], [Ok(()), Ok(())]);
        assert_eq!(check(11, 24, 56).unwrap_err(), "dns.rrl.slip is 11; at most 10 is allowed");
        assert_eq!(check(2, 33, 56).unwrap_err(), "dns.rrl.prefix4 is 33; at most 32 is allowed");
        assert_eq!(check(2, 24, 129).unwrap_err(), "dns.rrl.prefix6 is 129; at most 128 is allowed");
    }

    #[test]
    fn a_ttl_is_whole_seconds_and_not_for_ever() {
        let check = |ttl| check_ttl("zone.ttl", ttl).map_err(|error| error.to_string());
        assert_eq!(check(Duration::ZERO), Ok(()));
        assert!(check(Duration::from_millis(1500)).unwrap_err().starts_with("zone.ttl is 1s 500ms; DNS counts"));
        assert!(check(Duration::from_hours(200)).unwrap_err().contains("at most 7days"));
    }
}
