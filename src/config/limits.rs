//! What values must be, beyond their kind. Each refusal names the key, the limit and the remedy.

use std::net::SocketAddr;
use std::time::Duration;

use crate::mdns::Mdns;
use crate::service::{Address, AddressError, DomainName};
use crate::zone::DOMAIN_MAX;

use super::{Config, ConfigError, log};

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

/// A TTL is 31 bits (RFC 2181 §8), but one of more than a week defeats a registry.
const LONGEST_TTL: Duration = Duration::from_hours(7 * 24);

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    check_counts(config)?;
    check_data_dir(config)?;
    check_domains(config)?;
    check_ttl("zone.ttl", config.zone.ttl)?;
    check_ttl("zone.negative_ttl", config.zone.negative_ttl)?;
    check_leases(config)?;
    check_advertised(config)?;
    check_hosts(config)?;
    check_bounds(config)?;
    check_log(config)?;
    config.store.check().map_err(|error| ConfigError::Room(error.to_string()))?;
    // Opens nothing yet.
    Mdns::bind(&config.mdns).map_err(|error| ConfigError::Room(error.to_string()))?;
    Ok(())
}

fn refuse(key: &'static str, reason: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Limit { key, reason: reason.into() })
}

fn check_domains(config: &Config) -> Result<(), ConfigError> {
    const KEY: &str = "zone.domains";
    let domains = &config.zone.domains;
    if domains.is_empty() {
        return refuse(KEY, "is empty; name at least one zone, such as registry.local");
    }
    for (index, domain) in domains.iter().enumerate() {
        if domain.labels().next().is_none() {
            return refuse(KEY, "has the root; name a zone below it, such as registry.local");
        }
        let octets = domain.as_wire().len();
        if octets > DOMAIN_MAX {
            let reason = format!(
                "has {domain}, which is {octets} octets long in wire form; at most {DOMAIN_MAX} are allowed, \
                 so that the names of instances fit below it"
            );
            return refuse(KEY, reason);
        }
        for other in &domains[index + 1..] {
            if domain.labels_below(other).is_some() || other.labels_below(domain).is_some() {
                return refuse(KEY, format!("has {domain} and {other}, one within the other; keep one of them"));
            }
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

fn check_advertised(config: &Config) -> Result<(), ConfigError> {
    for address in &config.dns.advertise {
        let reason = match Address::new(*address) {
            Ok(_) => continue,
            // Its own text has the remedy of a registration, whose sender has an address.
            Err(AddressError::Unspecified) => "is unspecified; give the address that others ask, or none".to_owned(),
            Err(error) => error.to_string(),
        };
        return refuse("dns.advertise", format!("has {address}, which {reason}"));
    }
    Ok(())
}

/// What no request can be addressed to would be waited for in vain.
fn check_hosts(config: &Config) -> Result<(), ConfigError> {
    for host in &config.http.hosts {
        // Underscores are in no host name (RFC 1123 §2.1) but in many that containers have.
        let is_plain = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
        if !is_plain || host.ends_with('.') || host.parse::<DomainName>().is_err() {
            let reason = format!(
                "has {host:?}, which is no host name; write it without scheme, port, path and final dot, \
                 such as registry.example.org"
            );
            return refuse("http.hosts", reason);
        }
    }
    Ok(())
}

/// What would serve nobody when it is nothing, and what is taken once.
fn check_bounds(config: &Config) -> Result<(), ConfigError> {
    check_listen("http.listen", &config.http.listen, 8420)?;
    check_listen("dns.listen", &config.dns.listen, 5300)?;
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

fn check_listen(key: &'static str, listen: &[SocketAddr], port: u16) -> Result<(), ConfigError> {
    if listen.is_empty() {
        return refuse(key, format!("is empty; give at least one address, such as \"127.0.0.1:{port}\""));
    }
    for (index, address) in listen.iter().enumerate() {
        // Port 0 is another port each time.
        if address.port() != 0 && listen[..index].contains(address) {
            return refuse(key, format!("has {address} twice; keep it once"));
        }
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

/// Also before other sources are laid over the file: the largest numbers of a file are beyond what a TOML value holds.
pub(super) fn check_counts(config: &Config) -> Result<(), ConfigError> {
    let (http, dns, mdns) = (&config.http, &config.dns, &config.mdns);
    let counts = [
        ("lease.max_instances", config.lease.max_instances, 1, MOST_INSTANCES),
        ("http.body_limit", http.body_limit, 1, MOST_OCTETS),
        ("http.connections", http.connections, 1, MOST_CONNECTIONS),
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

fn check_data_dir(config: &Config) -> Result<(), ConfigError> {
    const KEY: &str = "data_dir";
    let path = config.data_dir.as_os_str().as_encoded_bytes();
    if path.is_empty() {
        return refuse(KEY, "is empty; name a directory (--data-dir), \".\" for the current one");
    }
    if path.contains(&0) {
        return refuse(KEY, "has a NUL, which no path can have; name a directory (--data-dir)");
    }
    Ok(())
}

fn check_log(config: &Config) -> Result<(), ConfigError> {
    match log::check(&config.log) {
        Ok(()) => Ok(()),
        Err(error) => refuse("log", format!("is {:?}: {error}; write info, or warn,portolan::dns=debug", config.log)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense() {
        Config::default().check().unwrap();
    }

    #[test]
    fn a_ttl_is_whole_seconds_and_not_for_ever() {
        let check = |ttl| check_ttl("zone.ttl", ttl).map_err(|error| error.to_string());
        assert_eq!(check(Duration::ZERO), Ok(()));
        assert!(check(Duration::from_millis(1500)).unwrap_err().starts_with("zone.ttl is 1s 500ms; DNS counts"));
        assert!(check(Duration::from_hours(200)).unwrap_err().contains("at most 7days"));
    }

    #[test]
    fn zones_are_named_and_apart() {
        let check = |domains: &[&str]| {
            let mut config = Config::default();
            config.zone.domains = domains.iter().map(|text| text.parse().unwrap()).collect();
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(&["registry.local", "registry.internal"]), Ok(()));
        assert!(check(&[]).unwrap_err().contains("is empty"));
        assert!(check(&["."]).unwrap_err().contains("the root"));
        for pair in [["a.test", "A.test"], ["a.test", "b.a.test"], ["b.a.test", "a.test"]] {
            assert!(check(&pair).unwrap_err().contains("one within the other"), "{pair:?}");
        }
    }

    #[test]
    fn a_zone_leaves_room_for_the_names_below_it() {
        let check = |last: usize| {
            let mut config = Config::default();
            config.zone.domains = vec![format!("{}.{}", "z".repeat(63), "z".repeat(last)).parse().unwrap()];
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(51), Ok(()));
        let refusal = check(52).unwrap_err();
        assert!(refusal.starts_with("zone.domains has zzz"), "{refusal}");
        assert!(refusal.contains("is 118 octets long in wire form; at most 117 are allowed"), "{refusal}");
    }

    #[test]
    fn an_address_that_leads_nowhere_is_not_advertised() {
        let check = |address: &str| {
            let mut config = Config::default();
            config.dns.advertise = vec!["192.0.2.1".parse().unwrap(), address.parse().unwrap()];
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!(check("2001:db8::1"), Ok(()));
        assert!(check("0.0.0.0").unwrap_err().starts_with("dns.advertise has 0.0.0.0, which is unspecified; give"));
        assert!(check("fe80::1").unwrap_err().starts_with("dns.advertise has fe80::1, which is link-local"));
    }

    #[test]
    fn a_host_is_one_that_a_request_can_be_addressed_to() {
        let check = |host: &str| {
            let mut config = Config::default();
            config.http.hosts = vec!["registry.example.org".into(), host.into()];
            config.check().map_err(|error| error.to_string())
        };
        for host in ["registry", "Registry.Example.org", "my_registry", "xn--kche-0ra.example"] {
            assert_eq!(check(host), Ok(()), "{host}");
        }
        for host in ["http://x/", "x:8420", "x/", "*.example.org", "x.", "a..b", "", "küche.example"] {
            let refusal = check(host).unwrap_err();
            assert!(refusal.starts_with(&format!("http.hosts has {host:?}, which is no host name; ")), "{refusal}");
        }
    }
}
