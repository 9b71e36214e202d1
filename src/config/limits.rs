//! What values must be, beyond their kind. Each refusal names the key, the limit and the remedy.

use std::time::Duration;

use crate::mdns::Mdns;
use crate::service::{Address, AddressError, DomainName};
use crate::zone::DOMAIN_MAX;

use super::{Config, ConfigError, log};

/// A TTL is 31 bits (RFC 2181 §8), but one of more than a week defeats a registry.
const LONGEST_TTL: Duration = Duration::from_hours(7 * 24);

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
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
    if ttl > LONGEST_TTL {
        return refuse(key, format!("is {text}; at most {} is allowed", humantime::format_duration(LONGEST_TTL)));
    }
    Ok(())
}

fn check_leases(config: &Config) -> Result<(), ConfigError> {
    let lease = &config.lease;
    let text = humantime::format_duration;
    if lease.shortest.is_zero() {
        return refuse("lease.shortest", "is 0; a lease of 0 has no end, so give at least 1ms");
    }
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

/// What would serve nobody when it is nothing.
fn check_bounds(config: &Config) -> Result<(), ConfigError> {
    if config.http.listen.is_empty() {
        return refuse("http.listen", "is empty; give at least one address, such as \"127.0.0.1:8420\"");
    }
    if config.dns.listen.is_empty() {
        return refuse("dns.listen", "is empty; give at least one address, such as \"127.0.0.1:5300\"");
    }
    let counts = [
        ("lease.max_instances", config.lease.max_instances),
        ("http.body_limit", config.http.body_limit),
        ("dns.glob_limit", config.dns.glob_limit),
        ("dns.tcp_connections", config.dns.tcp_connections),
        ("dns.tcp_connections_per_client", config.dns.tcp_connections_per_client),
    ];
    let times = [
        ("http.request_timeout", config.http.request_timeout),
        ("http.idle_timeout", config.http.idle_timeout),
        ("dns.tcp_idle", config.dns.tcp_idle),
    ];
    if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
        return refuse(key, "is 0; give at least 1");
    }
    if let Some((key, _)) = times.into_iter().find(|(_, time)| time.is_zero()) {
        return refuse(key, "is 0; give a time such as \"10s\"");
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
