//! Hosts: where an instance can be reached.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use ecow::EcoString;
use thiserror::Error;

use super::address::Address;
use super::name::{DomainName, LABEL_MAX, NameError, cmp_folded, hash_folded};

/// The label that the zone keeps for its own name server.
const RESERVED: &str = "ns";

/// A host of our zone: one label of letters, digits and hyphens (RFC 1123 §2.1), so that any resolver takes it.
///
/// The case of ASCII letters is kept and ignored by `==`, `Hash` and `Ord`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HostLabel(EcoString);

/// The target of an instance (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A host of our zones, whose addresses we serve.
    Label(HostLabel),
    /// A host elsewhere, whose addresses others serve.
    Foreign(DomainName),
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// `""`
    #[error("is empty; leave it out and it is derived from the address")]
    Empty,
    /// RFC 1035 §2.3.4.
    #[error("has a label of {0} octets; at most 63 are allowed")]
    LabelTooLong(usize),
    /// RFC 1123 §2.1.
    #[error("has {0:?}; only A-Z, a-z, 0-9 and hyphen are allowed")]
    Character(char),
    /// RFC 1123 §2.1.
    #[error("has a label that begins or ends with a hyphen")]
    Hyphen,
    /// `ns` is the zone's own name server.
    #[error("is `ns`, which is the zone's own name server; choose another")]
    Reserved,
    /// `a.b.registry.local`
    #[error("has several labels below the zone {0}; a host of a zone of ours is one label")]
    Deep(DomainName),
    /// `registry.local`
    #[error("is the zone itself; name a host below it")]
    Apex,
    /// Of a foreign name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl HostLabel {
    /// Reads one label.
    pub fn new(text: &str) -> Result<Self, HostError> {
        check_label(text)?;
        if text.eq_ignore_ascii_case(RESERVED) {
            return Err(HostError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// A label derived from an address: `ip-10-0-0-7`, `ip-2001-db8-0-0-0-0-0-1`.
    pub fn of_address(address: Address) -> Self {
        let text = match address.get() {
            IpAddr::V4(v4) => v4.octets().map(|n| n.to_string()).join("-"),
            IpAddr::V6(v6) => v6.segments().map(|n| format!("{n:x}")).join("-"),
        };
        Self(format!("ip-{text}").into())
    }

    /// The label that the `number`th claimant of this one gets (`printer-2`), cut where it would grow too long.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Self {
        let suffix = format!("-{number}");
        let kept = self.0.len().min(LABEL_MAX - suffix.len());
        Self(format!("{}{suffix}", &self.0[..kept]).into())
    }

    /// The text as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_label(text: &str) -> Result<(), HostError> {
    if text.is_empty() {
        return Err(HostError::Empty);
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(HostError::Character(c));
    }
    if text.len() > LABEL_MAX {
        return Err(HostError::LabelTooLong(text.len()));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(HostError::Hyphen);
    }
    Ok(())
}

impl Host {
    /// Reads a host: without a dot a label of ours; with one an absolute name, which is a label of ours where it
    /// is one label below one of `zones`. (A host that is an IP address is for the caller to notice first.)
    pub fn new(text: &str, zones: &[DomainName]) -> Result<Self, HostError> {
        if !text.contains('.') {
            return HostLabel::new(text).map(Self::Label);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        // Lengths first, so that an error speaks of what is wrong and is cheap.
        let name: DomainName = text.parse()?;
        text.split('.').try_for_each(check_label)?;
        for zone in zones {
            match name.labels_below(zone).as_deref() {
                None => {}
                Some([]) => return Err(HostError::Apex),
                Some([label]) => {
                    return HostLabel::new(&String::from_utf8_lossy(label)).map(Self::Label);
                }
                Some(_) => return Err(HostError::Deep(zone.clone())),
            }
        }
        Ok(Self::Foreign(name))
    }

    /// Whether both are written alike; `==` ignores the case of ASCII letters.
    pub fn is_spelled_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Label(a), Self::Label(b)) => a.as_str() == b.as_str(),
            (Self::Foreign(a), Self::Foreign(b)) => a.as_wire() == b.as_wire(),
            _ => false,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => f.write_str(label.as_str()),
            Self::Foreign(name) => name.fmt(f),
        }
    }
}

impl PartialEq for HostLabel {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for HostLabel {}

impl Hash for HostLabel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_folded(self.0.as_bytes(), state);
    }
}

impl Ord for HostLabel {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        cmp_folded(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl PartialOrd for HostLabel {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Vec<DomainName> {
        vec!["registry.local".parse().unwrap()]
    }

    #[test]
    fn a_host_is_a_label_of_ours_or_foreign() {
        let label = Host::Label(HostLabel::new("web1").unwrap());
        assert_eq!(Host::new("web1", &zones()), Ok(label.clone()));
        assert_eq!(Host::new("WEB1.registry.local.", &zones()), Ok(label));
        assert_eq!(Host::new("a.example.org", &zones()), Ok(Host::Foreign("a.example.org".parse().unwrap())));
    }

    #[test]
    fn hosts_that_no_resolver_takes_are_refused() {
        let error = |text: &str| Host::new(text, &zones()).unwrap_err();
        assert_eq!(error(""), HostError::Empty);
        assert_eq!(error("."), HostError::Empty);
        assert_eq!(error("a_b"), HostError::Character('_'));
        assert_eq!(error("-a.org"), HostError::Hyphen);
        assert_eq!(error("NS"), HostError::Reserved);
        assert_eq!(error("ns.registry.local"), HostError::Reserved);
        assert_eq!(error("registry.local"), HostError::Apex);
        assert_eq!(error("a.b.registry.local"), HostError::Deep(zones().remove(0)));
        assert_eq!(error("a..org"), HostError::Name(NameError::EmptyLabel));
        assert_eq!(error(&"a".repeat(64)), HostError::LabelTooLong(64));
    }

    #[test]
    fn labels_derived_from_addresses_are_valid_and_unlike() {
        let label = |text: &str| HostLabel::of_address(Address::new(text.parse().unwrap()).unwrap());
        assert_eq!(label("10.0.0.7").as_str(), "ip-10-0-0-7");
        for text in ["2001:db8::", "::1", "1.2.3.4"] {
            assert_eq!(HostLabel::new(label(text).as_str()), Ok(label(text)), "{text}");
        }
    }

    #[test]
    fn a_numbered_label_stays_within_63_octets() {
        assert_eq!(HostLabel::new("printer").unwrap().numbered(2).as_str(), "printer-2");
        assert_eq!(HostLabel::new(&"p".repeat(63)).unwrap().numbered(10).as_str().len(), 63);
    }
}
