//! Names of registries that take any text for one, and the labels that stand in for them in DNS.
//!
//! A service name that DNS has room for stays as it is. Any other, such as `service.1`, `@scope/name` or
//! `somata:registry`, becomes what is readable of it and a digest of the whole: `service-1-` and 20 hexadecimal
//! digits. The name itself goes along as the attribute `name`, and is believed only where its digest is that of the
//! label. A name that looks like a stand-in gets one of its own, so that no two names share a label.
//!
//! Who asks for a service by a text that is a service type means that, and else a service of that name.

use ring::digest::{SHA256, digest};
use thiserror::Error;

use super::name::{InstanceName, InstanceNameError, LABEL_MAX};
use super::registration::Registration;
use super::service_type::{ServiceType, ServiceTypeError, Transport};

/// The attribute that has the name of a service, where a label stands in for it.
pub const NAME: &str = "name";
/// The attribute that has the name of an instance, where another stands in for it.
pub const ID: &str = "id";

/// Octets of the digest: 80 bits, so that names which share one are not found by trying.
const DIGEST: usize = 10;
/// Octets of a name, at most: with its key it has to fit one TXT string.
const NAME_MAX: usize = 250;

/// Why a text is no name, by whatever rules.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ForeignNameError {
    /// `""`
    #[error("is empty")]
    Empty,
    /// Octets.
    #[error("is {0} octets long; at most {NAME_MAX} are allowed")]
    TooLong(usize),
    /// Nobody could tell two such names apart.
    #[error("has the control character U+{:04X}; control characters are not allowed", u32::from(*.0))]
    Control(char),
}

impl ServiceType {
    /// The service type over TCP of a service of any name.
    pub fn of_name(name: &str) -> Result<Self, ForeignNameError> {
        check(name)?;
        let plain = Self::new(name, None).ok();
        // What is more than a label says something else to us than to others: `_auth`, `auth._udp`.
        let plain = plain.filter(|plain| plain.service() == name && !is_stand_in(name));
        Ok(plain.unwrap_or_else(|| Self::standing_in(name)))
    }

    /// The service type that a text means to who looks for one: its own, else that of a service of such a name.
    pub fn meant(text: &str, transport: Option<Transport>) -> Result<Self, ServiceTypeError> {
        let error = match Self::new(text, transport) {
            Err(error) if !is_like_a_type(text) => error,
            known => return known,
        };
        let over_tcp = Self::of_name(text).map_err(|_| error)?;
        Self::new(over_tcp.service(), transport)
    }

    fn standing_in(name: &str) -> Self {
        Self::new(&stand_in(name, LABEL_MAX - 1), None).expect("made of letters, digits and single hyphens")
    }
}

impl InstanceName {
    /// The name of an instance of any name.
    pub fn of_name(name: &str) -> Result<Self, ForeignNameError> {
        check(name)?;
        let plain = Self::new(name).ok().filter(|_| !is_stand_in(name));
        Ok(plain.unwrap_or_else(|| Self::standing_in(name)))
    }

    /// The name of an instance that a text means to who looks for one: itself, else what stands in for it.
    pub fn meant(text: &str) -> Result<Self, InstanceNameError> {
        Self::new(text).or_else(|error| Self::of_name(text).map_err(|_| error))
    }

    fn standing_in(name: &str) -> Self {
        Self::new(&stand_in(name, LABEL_MAX)).expect("made of letters, digits and hyphens")
    }
}

impl Registration {
    /// The name of the service: its label, or what that stands in for.
    pub fn service_name(&self) -> &str {
        self.named(NAME, self.id.service_type().service(), LABEL_MAX - 1)
    }

    /// The name of the instance: as it is, or what it stands in for.
    pub fn instance_name(&self) -> &str {
        self.named(ID, self.id.instance().as_str(), LABEL_MAX)
    }

    fn named<'a>(&'a self, key: &str, label: &'a str, longest: usize) -> &'a str {
        let told = || std::str::from_utf8(self.txt.get(key)??).ok();
        let belongs = |name: &&str| stand_in(name, longest).eq_ignore_ascii_case(label);
        if is_stand_in(label) { told().filter(belongs).unwrap_or(label) } else { label }
    }
}

fn check(name: &str) -> Result<(), ForeignNameError> {
    if name.is_empty() {
        return Err(ForeignNameError::Empty);
    }
    if name.len() > NAME_MAX {
        return Err(ForeignNameError::TooLong(name.len()));
    }
    name.chars().find(|c| c.is_control()).map_or(Ok(()), |control| Err(ForeignNameError::Control(control)))
}

/// A label of at most so many octets. ASCII case is ignored in names, and so in their digests.
fn stand_in(name: &str, longest: usize) -> String {
    let digest = digest(&SHA256, name.to_ascii_lowercase().as_bytes());
    let suffix =
        digest.as_ref().iter().take(DIGEST).fold(String::new(), |suffix, octet| format!("{suffix}{octet:02x}"));
    let mut readable = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            readable.push(c);
        } else if !readable.is_empty() && !readable.ends_with('-') {
            readable.push('-');
        }
        if readable.len() + suffix.len() + 1 >= longest {
            break;
        }
    }
    // A service name needs a letter (RFC 6335 §5.1), and the digest may have none.
    if !readable.bytes().any(|octet| octet.is_ascii_alphabetic()) {
        readable = String::from("name");
    }
    format!("{}-{suffix}", readable.trim_end_matches('-'))
}

/// Whether who wrote it had a service type in mind, and is to be told what is wrong with it.
fn is_like_a_type(text: &str) -> bool {
    let last = text.strip_suffix('.').unwrap_or(text).rsplit_once('.').map(|(_, last)| last);
    let is_transport = |last: &str| ["tcp", "udp"].iter().any(|transport| last.eq_ignore_ascii_case(transport));
    text.is_empty() || text.starts_with('_') || text.contains("._") || last.is_some_and(is_transport)
}

fn is_stand_in(label: &str) -> bool {
    let suffix = label.rsplit_once('-').map_or("", |(_, suffix)| suffix);
    suffix.len() == 2 * DIGEST && suffix.bytes().all(|octet| octet.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::super::Txt;
    use super::super::registration::tests::registration;
    use super::*;

    fn label(name: &str) -> String {
        ServiceType::of_name(name).unwrap().service().to_owned()
    }

    #[test]
    fn a_name_that_is_a_label_stays_and_any_other_has_one_that_leads_back_to_it() {
        for name in ["auth", "My-Service", "a1", &"x".repeat(62)] {
            assert_eq!(label(name), name);
        }
        for name in [
            "service.1",
            "@scope/name",
            "somata:registry",
            "_auth",
            "auth._udp",
            "a_b",
            "80",
            "-",
            "Küche",
            "a--b",
            &"x".repeat(63),
            &"é.".repeat(80),
        ] {
            let label = label(name);
            assert!(label.len() <= 62 && label != name, "{label}");
            let mut registration = registration(&label, "i", "h");
            registration.txt = Txt::new([(NAME, Some(name.as_bytes()))]).unwrap();
            assert_eq!(registration.service_name(), name);
        }
        assert_eq!(label("service.1"), format!("service-1-{}", &label("service.1")[10..]));
    }

    #[test]
    fn no_two_names_share_a_label_but_for_the_case_of_their_letters() {
        assert!(label("Service.1").eq_ignore_ascii_case(&label("service.1")));
        assert_ne!(label("service.1"), label("service_1"));
        let label_of_another = label("service.1");
        assert_ne!(label(&label_of_another), label_of_another, "a name that looks like a stand-in has one of its own");
    }

    #[test]
    fn a_name_that_does_not_belong_to_the_label_is_not_believed() {
        let mut printer = registration("printer", "i", "h");
        printer.txt = Txt::new([(NAME, Some(&b"Main printer"[..]))]).unwrap();
        assert_eq!(printer.service_name(), "printer");
        let mut forged = registration(&label("service.1"), "i", "h");
        forged.txt = Txt::new([(NAME, Some(&b"service.2"[..]))]).unwrap();
        assert_eq!(forged.service_name(), label("service.1"));
    }

    #[test]
    fn who_looks_for_a_service_means_a_type_or_else_a_name() {
        let meant = |text: &str| ServiceType::meant(text, None).map(|found| found.to_string());
        for text in ["auth", "_auth", "auth._tcp", "_AUTH._tcp."] {
            assert_eq!(ServiceType::meant(text, None), "_auth._tcp".parse(), "{text}");
        }
        for name in ["service.1", "@scope/name", "somata:registry", "a b", "80", ".", &"x".repeat(250)] {
            assert_eq!(ServiceType::meant(name, None).ok(), ServiceType::of_name(name).ok(), "{name}");
        }
        let over_udp = ServiceType::meant("service.1", Some(Transport::Udp)).unwrap();
        assert_eq!((over_udp.service(), over_udp.transport()), (label("service.1").as_str(), Transport::Udp));
        for (text, says) in [
            ("", "is empty"),
            ("_a b._tcp", "has ' '"),
            ("_http._tpc", "has the transport \"_tpc\""),
            ("auth.tcp", "has the transport \"tcp\""),
            ("@scope/auth.UDP.", "has the transport \"UDP\""),
            ("auth._tcp.registry.local", "has the transport"),
            ("_dns-sd._udp", "keeps for itself"),
            ("a\nb", "has '\\n'"),
            (&"x".repeat(251), "is 251 octets long"),
        ] {
            let error = meant(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let long = "i".repeat(64);
        assert_eq!(InstanceName::meant(&long).ok(), InstanceName::of_name(&long).ok());
        assert!(InstanceName::meant("").is_err());
    }

    #[test]
    fn an_instance_may_have_any_name_too() {
        for name in ["10.0.0.1:80", "Main Auth", &"i".repeat(63)] {
            assert_eq!(InstanceName::of_name(name).unwrap().as_str(), name);
        }
        let long = "0123456789abcdef".repeat(4);
        assert!(InstanceName::of_name(&long).unwrap().as_str().len() <= 63);
        assert_eq!(InstanceName::of_name("a\n"), Err(ForeignNameError::Control('\n')));
        assert_eq!(InstanceName::of_name(""), Err(ForeignNameError::Empty));
        assert_eq!(ServiceType::of_name(&"x".repeat(251)), Err(ForeignNameError::TooLong(251)));
    }
}
