//! Service types, subtypes and tags: the labels that say what an instance offers.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use ecow::EcoString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::name::{LABEL_MAX, cmp_folded, hash_folded};

/// Octets of a service name, at most: a label less its underscore. RFC 6335 §5.1 allows 15, which people exceed;
/// only the mDNS side holds them to it.
const SERVICE_MAX: usize = LABEL_MAX - 1;

/// The service name that a zone needs for its own names, over UDP.
const BROWSING: &str = "dns-sd";

/// The transport label of a service type: anything that is not TCP is `_udp` (RFC 6763 §7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// `_tcp`
    #[default]
    Tcp,
    /// `_udp`
    Udp,
}

impl Transport {
    /// `_tcp` or `_udp`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tcp => "_tcp",
            Self::Udp => "_udp",
        }
    }

    /// The transport whose label this is, ASCII case ignored.
    pub fn from_label(label: &[u8]) -> Option<Self> {
        [Self::Tcp, Self::Udp].into_iter().find(|t| label.eq_ignore_ascii_case(t.label().as_bytes()))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label()[1..])
    }
}

/// What is offered and over which transport: `_auth._tcp` (RFC 6763 §4.1.2).
///
/// The case of ASCII letters is kept and ignored by `==`, `Hash` and `Ord`.
#[derive(Debug, Clone)]
pub struct ServiceType {
    service: EcoString,
    transport: Transport,
}

/// Why a text is no service type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServiceTypeError {
    /// RFC 6335 §5.1.
    #[error("is empty; give 1 to 62 of A-Z, a-z, 0-9 and hyphen")]
    Empty,
    /// Octets without the underscore.
    #[error("is {0} octets long; at most 62 are allowed")]
    TooLong(usize),
    /// RFC 6335 §5.1.
    #[error("has {0:?}; only A-Z, a-z, 0-9 and hyphen are allowed")]
    Character(char),
    /// RFC 6335 §5.1.
    #[error("begins or ends with a hyphen or has two in a row")]
    Hyphen,
    /// RFC 6335 §5.1.
    #[error("has no letter; at least one is needed")]
    NoLetter,
    /// RFC 6763 §4.1.2.
    #[error("has the transport {0:?}; only _tcp and _udp are allowed")]
    Transport(String),
    /// No name is as long.
    #[error("is too long for a glob: at most 63 characters besides * are allowed")]
    LongGlob,
    /// `_dns-sd._udp` has the names by which a zone is browsed (RFC 6763 §9, §11).
    #[error("is _dns-sd._udp, which DNS-SD keeps for itself; choose another")]
    Reserved,
    /// `{"service": "_auth._udp", "transport": "tcp"}`
    #[error("says {said} but the transport is {given}")]
    Disagree {
        /// Within the service text.
        said: Transport,
        /// Beside it.
        given: Transport,
    },
}

impl ServiceType {
    /// Reads `auth`, `_auth` or `_auth._tcp`; `transport` fills in or confirms the second label.
    pub fn new(text: &str, transport: Option<Transport>) -> Result<Self, ServiceTypeError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let (service, said) = match text.split_once('.') {
            None => (text, None),
            Some((service, label)) => {
                let said = Transport::from_label(label.as_bytes());
                (service, Some(said.ok_or_else(|| ServiceTypeError::Transport(shorten(label)))?))
            }
        };
        if let (Some(said), Some(given)) = (said, transport)
            && said != given
        {
            return Err(ServiceTypeError::Disagree { said, given });
        }
        let service = service.strip_prefix('_').unwrap_or(service);
        check_service(service)?;
        let transport = said.or(transport).unwrap_or_default();
        let said = Self { service: service.into(), transport };
        if said.is_reserved() { Err(ServiceTypeError::Reserved) } else { Ok(said) }
    }

    /// The same service over TCP and over UDP, in their order, as far as there may be such types.
    pub fn over_any_transport(&self) -> impl Iterator<Item = Self> + use<> {
        let over = [Transport::Tcp, Transport::Udp].map(|transport| Self { service: self.service.clone(), transport });
        over.into_iter().filter(|over| !over.is_reserved())
    }

    /// The service name without its underscore, as registered.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The transport.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    fn is_reserved(&self) -> bool {
        self.transport == Transport::Udp && self.service.eq_ignore_ascii_case(BROWSING)
    }
}

/// What an error may repeat of a stranger's text.
fn shorten(text: &str) -> String {
    text.chars().take(LABEL_MAX).collect()
}

fn check_service(service: &str) -> Result<(), ServiceTypeError> {
    if service.is_empty() {
        return Err(ServiceTypeError::Empty);
    }
    if let Some(c) = service.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(ServiceTypeError::Character(c));
    }
    if service.len() > SERVICE_MAX {
        return Err(ServiceTypeError::TooLong(service.len()));
    }
    if service.starts_with('-') || service.ends_with('-') || service.contains("--") {
        return Err(ServiceTypeError::Hyphen);
    }
    if !service.bytes().any(|b| b.is_ascii_alphabetic()) {
        return Err(ServiceTypeError::NoLetter);
    }
    Ok(())
}

impl FromStr for ServiceType {
    type Err = ServiceTypeError;

    fn from_str(text: &str) -> Result<Self, ServiceTypeError> {
        Self::new(text, None)
    }
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_{}.{}", self.service, self.transport.label())
    }
}

impl PartialEq for ServiceType {
    fn eq(&self, other: &Self) -> bool {
        self.transport == other.transport && self.service.eq_ignore_ascii_case(&other.service)
    }
}

impl Eq for ServiceType {}

impl Hash for ServiceType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_folded(self.service.as_bytes(), state);
        self.transport.hash(state);
    }
}

impl Ord for ServiceType {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        cmp_folded(self.service.as_bytes(), other.service.as_bytes()).then(self.transport.cmp(&other.transport))
    }
}

impl PartialOrd for ServiceType {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A subtype label such as `_printer` (RFC 6763 §7.1); the underscore is added where it is missing.
///
/// The case of ASCII letters is kept and ignored by `==`.
#[derive(Debug, Clone)]
pub struct Subtype(Box<str>);

/// A tag: text that people filter by; `blue` is also the subtype `_blue`.
#[derive(Debug, Clone)]
pub struct Tag(Box<str>);

/// Why a text is no subtype or tag.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubtypeError {
    /// Nothing, or an underscore alone.
    #[error("is empty")]
    Empty,
    /// Octets with the underscore.
    #[error("is {0} octets long with its underscore; at most 63 are allowed")]
    TooLong(usize),
    /// Spaces, dots and the like would not survive zone files and URLs.
    #[error("has {0:?}; only A-Z, a-z, 0-9, hyphen and underscore are allowed")]
    Character(char),
}

impl Subtype {
    /// Reads `_printer` or `printer`.
    pub fn new(text: &str) -> Result<Self, SubtypeError> {
        let bare = text.strip_prefix('_').unwrap_or(text);
        check_subtype(bare)?;
        Ok(Self(format!("_{bare}").into()))
    }

    /// The label with its underscore.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// Reads a tag, which is kept as given.
    pub fn new(text: &str) -> Result<Self, SubtypeError> {
        check_subtype(text)?;
        Ok(Self(text.into()))
    }

    /// The tag as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `_blue` for `blue`.
    pub fn subtype(&self) -> Subtype {
        Subtype(format!("_{}", self.0).into())
    }
}

fn check_subtype(bare: &str) -> Result<(), SubtypeError> {
    if bare.is_empty() {
        return Err(SubtypeError::Empty);
    }
    if let Some(c) = bare.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        return Err(SubtypeError::Character(c));
    }
    if bare.len() >= LABEL_MAX {
        return Err(SubtypeError::TooLong(bare.len() + 1));
    }
    Ok(())
}

impl PartialEq for Subtype {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Subtype {}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Tag {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_a_service_type_are_one() {
        let plain = ServiceType::new("auth", None).unwrap();
        for text in ["_auth", "_auth._tcp", "_AUTH._TCP.", "auth._tcp"] {
            assert_eq!(text.parse(), Ok(plain.clone()), "{text}");
        }
        assert_eq!(ServiceType::new("auth", Some(Transport::Udp)).unwrap().to_string(), "_auth._udp");
    }

    #[test]
    fn what_rfc_6335_forbids_is_refused() {
        let error = |text: &str| text.parse::<ServiceType>().unwrap_err();
        assert_eq!(error(""), ServiceTypeError::Empty);
        assert_eq!(error("a_b"), ServiceTypeError::Character('_'));
        assert_eq!(error("-a"), ServiceTypeError::Hyphen);
        assert_eq!(error("a--b"), ServiceTypeError::Hyphen);
        assert_eq!(error("80"), ServiceTypeError::NoLetter);
        assert_eq!(error("a._sctp"), ServiceTypeError::Transport("_sctp".into()));
        assert_eq!(error(&"a".repeat(63)), ServiceTypeError::TooLong(63));
        assert!("a".repeat(62).parse::<ServiceType>().is_ok());
        assert_eq!(error("_DNS-SD._udp"), ServiceTypeError::Reserved);
        assert!("_dns-sd._tcp".parse::<ServiceType>().is_ok());
        let disagree = ServiceType::new("_a._udp", Some(Transport::Tcp)).unwrap_err();
        assert_eq!(disagree.to_string(), "says udp but the transport is tcp");
    }

    #[test]
    fn a_tag_is_also_a_subtype() {
        assert_eq!(Tag::new("blue").unwrap().subtype(), Subtype::new("_Blue").unwrap());
        assert_eq!(Subtype::new("a.b"), Err(SubtypeError::Character('.')));
        assert_eq!(Subtype::new("_"), Err(SubtypeError::Empty));
        assert_eq!(Tag::new(&"t".repeat(63)), Err(SubtypeError::TooLong(64)));
    }
}
