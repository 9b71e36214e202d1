//! What a service says of itself.

use std::fmt;
use std::num::NonZeroU16;

use super::address::Addresses;
use super::facts::Reported;
use super::host::Host;
use super::inquiry::Inquiry;
use super::lease::Lease;
use super::name::InstanceName;
use super::probe::Probe;
use super::rare::{Rare, Usual};
use super::service_type::{ServiceType, Subtype, Tag};
use super::txt::{Txt, TxtError};
use super::version::Version;

/// The identity of an instance: service, transport and instance name, ASCII case ignored. Cheap to clone.
///
/// In the order of the type, then of the instance: the instances of a type are neighbours.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    service_type: ServiceType,
    instance: InstanceName,
}

impl InstanceId {
    /// Joins the two names.
    pub fn new(service_type: ServiceType, instance: InstanceName) -> Self {
        Self { service_type, instance }
    }

    /// The service type.
    pub fn service_type(&self) -> &ServiceType {
        &self.service_type
    }

    /// The instance name.
    pub fn instance(&self) -> &InstanceName {
        &self.instance
    }
}

impl fmt::Display for InstanceId {
    /// Presentation form without the domain: `Main\032Auth._auth._tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", super::escape_label(self.instance().as_str().as_bytes()), self.service_type())
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({self})")
    }
}

/// One registration, whole: a later one of the same identity replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Service, transport and instance.
    pub id: InstanceId,
    /// The target as asked for; what is served may be numbered, see [`super::Instance::host`].
    pub host: Host,
    /// Addresses of the target. Empty for a foreign host, and for an announcement without a routable address.
    pub addresses: Addresses,
    /// Port of the service.
    pub port: NonZeroU16,
    /// Lower is tried first (RFC 2782).
    pub priority: u16,
    /// Share among equal priorities (RFC 2782).
    pub weight: u16,
    /// Attributes as given.
    pub txt: Txt,
    /// What most leave out.
    pub details: Rare<Details>,
    /// How long it holds.
    pub lease: Lease,
    /// What the service says of its own state.
    pub reported: Reported,
    /// Whether it is in one service at a time: moved to another one, it leaves this.
    pub moves: bool,
}

/// What a registration may say beside where the service is. The version and the plain texts are TXT attributes of
/// these names unless `txt` sets the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Subtypes as given (RFC 6763 §7.1).
    pub subtypes: Vec<Subtype>,
    /// Tags; each is a subtype, too.
    pub tags: Vec<Tag>,
    /// Exact version; its prefixes are subtypes, too.
    pub version: Option<Version>,
    /// What is spoken on the port, such as `wss`.
    pub protocol: Option<Box<str>>,
    /// Where on the port, such as `/login`.
    pub path: Option<Box<str>>,
    /// For people.
    pub description: Option<Box<str>>,
    /// For programs that group instances.
    pub namespace: Option<Box<str>>,
    /// How the registry checks it.
    pub probe: Option<Box<Probe>>,
}

impl Usual for Details {
    /// Nothing.
    fn usual() -> &'static Self {
        static USUAL: Details = Details {
            subtypes: Vec::new(),
            tags: Vec::new(),
            version: None,
            protocol: None,
            path: None,
            description: None,
            namespace: None,
            probe: None,
        };
        &USUAL
    }
}

impl Registration {
    /// Octets of memory that it takes beside itself, about.
    pub fn size(&self) -> usize {
        let Details { subtypes, tags, version: _, protocol, path, description, namespace, probe } = &*self.details;
        let texts = [protocol, path, description, namespace].into_iter().flatten().map(|text| text.len());
        let labels = subtypes.iter().map(Subtype::as_str).chain(tags.iter().map(Tag::as_str)).map(str::len);
        let probe = probe.as_ref().map(|probe| probe.size());
        let names = self.id.instance().as_str().len() + self.txt.as_wire().len();
        // Each part has its own allocation.
        let parts = texts.chain(labels).chain(probe).map(|octets| octets + 32);
        names + size_of_val(&*self.addresses) + parts.sum::<usize>()
    }

    /// Whether what a check says of `other` holds of this as well: the same is asked of the same place, or nothing.
    pub fn is_checked_as(&self, other: &Self) -> bool {
        match (self.inquiry(), other.inquiry()) {
            (None, None) => true,
            (this, that) => this == that && self.addresses == other.addresses && self.port == other.port,
        }
    }

    fn inquiry(&self) -> Option<&Inquiry> {
        self.details.probe.as_ref().map(|probe| probe.inquiry())
    }

    /// The TXT record: `txt` as given, then `version` and [`Details`] where `txt` does not set their keys.
    ///
    /// Fails where the whole breaks a limit; an edge that accepts a registration has asked.
    pub fn served_txt(&self) -> Result<Txt, TxtError> {
        let Details { version, protocol, path, description, namespace, .. } = &*self.details;
        let version = version.as_ref().map(ToString::to_string);
        let fields = [
            ("version", version.as_deref()),
            ("protocol", protocol.as_deref()),
            ("path", path.as_deref()),
            ("description", description.as_deref()),
            ("namespace", namespace.as_deref()),
        ];
        let mut added = fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, Some(value?.as_bytes()))))
            .filter(|(key, _)| self.txt.get(key).is_none())
            .peekable();
        if added.peek().is_none() {
            // Bytes from the wire may hold what `Txt::new` refuses, and are served as they came.
            return Ok(self.txt.clone());
        }
        Txt::new(self.txt.attributes().chain(added))
    }

    /// Every subtype that the instance is found under, each once: given, from tags, from the version.
    pub fn served_subtypes(&self) -> Vec<Subtype> {
        let Details { subtypes, tags, version, .. } = &*self.details;
        let tags = tags.iter().map(Tag::subtype);
        let versions = version.iter().flat_map(Version::subtypes);
        let mut all: Vec<Subtype> = Vec::new();
        for subtype in subtypes.iter().cloned().chain(tags).chain(versions) {
            if !all.contains(&subtype) {
                all.push(subtype);
            }
        }
        all
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{Address, HostLabel, TxtValue};
    use super::*;

    /// A plain registration for tests of any room: `instance` of `_service._tcp` on `host` at 10.0.0.1:80.
    pub(crate) fn registration(service: &str, instance: &str, host: &str) -> Registration {
        Registration {
            id: InstanceId::new(service.parse().unwrap(), InstanceName::new(instance).unwrap()),
            host: Host::Label(HostLabel::new(host).unwrap()),
            addresses: vec![Address::new([10, 0, 0, 1].into()).unwrap()].into(),
            port: NonZeroU16::new(80).unwrap(),
            priority: 0,
            weight: 0,
            txt: Txt::default(),
            details: Rare::default(),
            lease: Lease::from_seconds(60.0).unwrap(),
            reported: Reported::Up,
            moves: false,
        }
    }

    #[test]
    fn fields_join_the_txt_record_unless_it_sets_them() {
        let mut r = registration("auth", "a1", "web1");
        r.txt = Txt::new([("path", Some(&b"/mine"[..]))]).unwrap();
        r.details.version = Some(Version::new("3.2.2").unwrap());
        r.details.path = Some("/login".into());
        r.details.protocol = Some("wss".into());
        let expected: [(&str, TxtValue<'_>); 3] =
            [("path", Some(b"/mine")), ("version", Some(b"3.2.2")), ("protocol", Some(b"wss"))];
        assert_eq!(r.served_txt().unwrap().attributes().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_limit_counts_the_record_as_served() {
        let mut r = registration("auth", "a1", "web1");
        r.details.description = Some("x".repeat(300).into());
        assert!(matches!(r.served_txt(), Err(TxtError::StringTooLong { .. })));
    }

    #[test]
    fn subtypes_come_from_three_places_and_once_each() {
        let mut r = registration("auth", "a1", "web1");
        r.details.subtypes = vec![Subtype::new("_blue").unwrap()];
        r.details.tags = vec![Tag::new("Blue").unwrap(), Tag::new("eu").unwrap()];
        r.details.version = Some(Version::new("1.0.0").unwrap());
        let texts: Vec<_> = r.served_subtypes().iter().map(|s| s.as_str().to_owned()).collect();
        assert_eq!(texts, ["_blue", "_eu", "_v1", "_v1-0", "_v1-0-0"]);
    }

    #[test]
    fn identities_ignore_ascii_case_and_sort_by_type_first() {
        let id = |s: &str, i: &str| registration(s, i, "h").id;
        assert_eq!(id("auth", "a1"), id("AUTH", "A1"));
        assert!(id("a", "z") < id("b", "a"));
        assert_eq!(id("auth", "Main Auth").to_string(), r"Main\032Auth._auth._tcp");
    }
}
