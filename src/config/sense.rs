//! Whether names, addresses and paths make sense, beyond being of the right kind. Each refusal names the key, what
//! is wrong and the remedy. How large a number or a time may be is told by its bounds.

use std::net::SocketAddr;

use crate::mdns::Mdns;
use crate::own::{Own, Whereabouts};
use crate::service::{Address, AddressError, DomainName};
use crate::tokens;
use crate::zone::{DOMAIN_MAX, reverse_name};

use super::{Config, ConfigError, log, refuse};

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    check_data_dir(config)?;
    check_domains(config)?;
    check_reverse(config)?;
    check_advertised(config)?;
    check_hosts(config)?;
    check_not_empty("http.listen", &config.http.listen, 8420)?;
    check_not_empty("dns.listen", &config.dns.listen, 5300)?;
    check_apart(config)?;
    check_certificate(config)?;
    check_guard(config)?;
    check_log(config)?;
    tokens::check(&config.token).map_err(|error| ConfigError::Room(error.to_string()))?;
    config.store.check().map_err(|error| ConfigError::Room(error.to_string()))?;
    Own::bind(&config.own, &config.terms(), &Whereabouts::default())
        .map_err(|error| ConfigError::Room(error.to_string()))?;
    // Opens nothing yet.
    Mdns::bind(&config.mdns).map_err(|error| ConfigError::Room(error.to_string()))?;
    Ok(())
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

fn check_reverse(config: &Config) -> Result<(), ConfigError> {
    const KEY: &str = "zone.reverse";
    let mut names: Vec<DomainName> = Vec::new();
    for net in &config.zone.reverse {
        let Some(name) = reverse_name(net) else {
            let reason = format!(
                "has {net}, which is no reverse zone; give the first address of the prefix, with a length of 8, 16 or \
                 24 for IPv4, or a multiple of 4 below 128 for IPv6, such as 10.0.0.0/8 or 2001:db8::/32"
            );
            return refuse(KEY, reason);
        };
        for other in config.zone.domains.iter().chain(&names) {
            if name.labels_below(other).is_some() || other.labels_below(&name).is_some() {
                return refuse(
                    KEY,
                    format!("has {net}, whose zone {name} and {other} are one within the other; keep one"),
                );
            }
        }
        names.push(name);
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

/// What no service is called would be guarded in vain.
fn check_guard(config: &Config) -> Result<(), ConfigError> {
    let check = config.lease.guard.check();
    check.or_else(|(text, error)| refuse("lease.guard.services", format!("has {text:?}, which {error}")))
}

fn check_not_empty(key: &'static str, listen: &[SocketAddr], port: u16) -> Result<(), ConfigError> {
    if listen.is_empty() {
        return refuse(key, format!("is empty; give at least one address, such as \"127.0.0.1:{port}\""));
    }
    Ok(())
}

/// Whether no address is listened on twice.
fn check_apart(config: &Config) -> Result<(), ConfigError> {
    let (dns, http) = (&config.dns, &config.http);
    let tcp = [
        ("http.listen", &http.listen),
        ("http.tls_listen", &http.tls_listen),
        ("rpc.listen", &config.rpc.listen),
        ("dns.listen", &dns.listen),
        ("dns.tls_listen", &dns.tls_listen),
    ];
    let udp = [("dns.listen", &dns.listen), ("dns.quic_listen", &dns.quic_listen)];
    for transport in [&tcp[..], &udp] {
        let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
        for &(key, listen) in transport {
            // Port 0 is another port each time.
            for &address in listen.iter().filter(|address| address.port() != 0) {
                match taken.iter().find(|(_, other)| *other == address) {
                    Some((other, _)) if *other == key => {
                        return refuse(key, format!("has {address} twice; keep it once"));
                    }
                    Some((other, _)) => {
                        return refuse(key, format!("has {address}, which {other} has, too; choose another port"));
                    }
                    None => taken.push((key, address)),
                }
            }
        }
    }
    Ok(())
}

fn check_certificate(config: &Config) -> Result<(), ConfigError> {
    let tls = &config.tls;
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    let (has_certificate, has_key) = (!tls.certificate.as_os_str().is_empty(), !tls.key.as_os_str().is_empty());
    if has_certificate && !has_key {
        return refuse("tls.key", format!("is empty; give the PEM file of the key of {certificate} (tls.certificate)"));
    }
    if has_key && !has_certificate {
        return refuse("tls.certificate", format!("is empty; give the PEM file of the certificate of {key} (tls.key)"));
    }
    if has_certificate && tls.self_signed {
        return refuse("tls.self_signed", format!("is true beside {certificate} (tls.certificate); keep one of them"));
    }
    let listeners = [
        ("http.tls_listen", &config.http.tls_listen),
        ("dns.tls_listen", &config.dns.tls_listen),
        ("dns.quic_listen", &config.dns.quic_listen),
    ];
    match listeners.iter().find(|(_, listen)| !listen.is_empty() && !tls.has_certificate()) {
        None => Ok(()),
        Some((key, _)) => refuse(
            key,
            "needs a certificate: give tls.certificate and tls.key, or for a trial set tls.self_signed = true",
        ),
    }
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
    fn a_reverse_zone_is_a_prefix_that_has_a_name_and_lies_apart() {
        let check = |prefixes: &[&str]| {
            let mut config = Config::default();
            config.zone.domains.push("9.in-addr.arpa".parse().unwrap());
            config.zone.reverse = prefixes.iter().map(|text| text.parse().unwrap()).collect();
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(&["10.0.0.0/8", "192.168.1.0/24", "2001:db8::/32", "fd00::/12"]), Ok(()));
        for prefix in ["10.0.0.0/12", "10.1.0.0/8", "0.0.0.0/0", "2001:db8::/33", "2001:db8::1/64", "192.0.2.1/32"] {
            let refusal = check(&[prefix]).unwrap_err();
            assert!(
                refusal.starts_with(&format!("zone.reverse has {prefix}, which is no reverse zone; give")),
                "{refusal}"
            );
        }
        for pair in [["10.0.0.0/8", "10.1.0.0/16"], ["10.1.0.0/16", "10.0.0.0/8"], ["9.1.0.0/16", "10.0.0.0/8"]] {
            assert!(check(&pair).unwrap_err().contains("one within the other"), "{pair:?}");
        }
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
