//! From what was written to what is meant: a registration in JSON becomes one of the vocabulary, or an [`Invalid`].

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::service::{
    self, Address, AddressError, Details, DomainName, Host, HostLabel, InstanceId, InstanceName, InstanceNameError,
    Lease, LeaseLimits, Reach, Reported, ServiceType, Subtype, Tag, TxtError, Version,
};

use super::check::Checked;
use super::invalid::{Fault, Invalid, shorten};
use super::registration::{Registration, ReportedStatus};
use super::txt::Txt;

/// Addresses of one instance, at most: an answer with the address records of a few targets fits a datagram.
pub(super) const ADDRESSES_MAX: usize = 16;
/// Subtypes and tags of one instance, at most of each: every one is an owner name of its own in the zone.
pub(super) const LABELS_MAX: usize = 16;
/// Octets of a plain text, at most: with its key it has to fit one TXT string, unless `txt` sets that key.
pub(super) const TEXT_MAX: usize = 255;
/// Octets of an instance name, at most (RFC 6763 §4.1.1); a derived one is cut to it.
const INSTANCE_MAX: usize = 63;

/// What registrations are held to.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Our zones: a host below one of them is ours. The first is the one that views name. Never empty.
    pub zones: Arc<[DomainName]>,
    /// Which leases are granted.
    pub leases: LeaseLimits,
    /// Where checks may go.
    pub checks: Reach,
}

impl Terms {
    /// Those of what an administrator wrote down: checks may go anywhere.
    #[must_use]
    pub fn of_the_administrator(&self) -> Self {
        Self { checks: Reach::Anywhere, ..self.clone() }
    }
}

impl Registration {
    /// Checks every field and fills in what was left out. `sender` is the address that the request came from, and
    /// `path` the identity that it was addressed to, where it was.
    pub fn accept(
        self,
        terms: &Terms,
        sender: IpAddr,
        path: Option<&InstanceId>,
    ) -> Result<service::Registration, Invalid> {
        let service_type = self.service_type(path)?;
        let port = NonZeroU16::new(self.port).ok_or_else(|| Invalid::new("port", Fault::PortZero))?;
        let (host, addresses) = self.target(terms, sender)?;
        let instance = self.instance_name(path, &host, port)?;
        if instance.is_of_declaration() {
            return Err(Invalid::new("instance", InstanceNameError::Reserved));
        }
        let lease = self.lease.as_ref().map(super::LeaseWish::read).transpose();
        // What is checked need not be able to say anything.
        let unasked = self.check.as_ref().map(|_| Lease::UntilDeregistered);
        let lease =
            lease.and_then(|wish| terms.leases.grant(wish.or(unasked))).map_err(|e| Invalid::new("lease", e))?;
        let checked = Checked { addresses: &addresses, port, lease, sender };
        let probe = self.check.as_ref().map(|check| check.accept(&checked, &terms.checks)).transpose();
        let probe = probe.map_err(|invalid| invalid.within("check"))?;
        let txt = self.txt.as_ref().map_or_else(|| Ok(service::Txt::default()), read_txt)?;
        let version = self.version.as_deref().map(Version::new).transpose().map_err(|e| Invalid::new("version", e))?;
        let registration = service::Registration {
            id: InstanceId::new(service_type, instance),
            host,
            addresses: addresses.into(),
            port,
            priority: self.priority.unwrap_or_default(),
            weight: self.weight.unwrap_or_default(),
            txt,
            details: Details {
                subtypes: labels("subtypes", self.subtypes, |text| Subtype::new(text).map_err(Fault::Subtype))?,
                tags: labels("tags", self.tags, |text| Tag::new(text).map_err(Fault::Tag))?,
                version,
                protocol: plain_text("protocol", self.protocol)?,
                path: plain_text("path", self.path)?,
                description: plain_text("description", self.description)?,
                namespace: plain_text("namespace", self.namespace)?,
                probe: probe.map(Box::new),
            }
            .into(),
            lease,
            reported: match self.status.unwrap_or_default() {
                ReportedStatus::Starting => Reported::Starting,
                ReportedStatus::Up => Reported::Up,
            },
            moves: false,
        };
        registration.served_txt().map_err(|error| Invalid::new(txt_field(&registration, &error), error))?;
        Ok(registration)
    }

    fn service_type(&self, path: Option<&InstanceId>) -> Result<ServiceType, Invalid> {
        let addressed = path.map(InstanceId::service_type);
        let Some(text) = &self.service else {
            return match (addressed, self.transport) {
                (None, _) => Err(Invalid::new("service", Fault::Missing)),
                (Some(addressed), Some(transport)) if transport != addressed.transport() => {
                    Err(Invalid::new("transport", Fault::PathDiffers(addressed.to_string())))
                }
                (Some(addressed), _) => Ok(addressed.clone()),
            };
        };
        let transport = match (self.transport, addressed) {
            // Where only the path names a transport, that is the one.
            (None, Some(addressed)) if !text.contains('.') => Some(addressed.transport()),
            (given, _) => given,
        };
        let service_type = ServiceType::new(text, transport).map_err(|e| Invalid::new("service", e))?;
        match addressed {
            Some(addressed) if *addressed != service_type => {
                Err(Invalid::new("service", Fault::PathDiffers(addressed.to_string())))
            }
            _ => Ok(service_type),
        }
    }

    fn instance_name(&self, path: Option<&InstanceId>, host: &Host, port: NonZeroU16) -> Result<InstanceName, Invalid> {
        let addressed = path.map(InstanceId::instance);
        let Some(text) = &self.instance else {
            return Ok(addressed.cloned().unwrap_or_else(|| derived_name(host, port)));
        };
        let instance = InstanceName::new(text).map_err(|e| Invalid::new("instance", e))?;
        match addressed {
            Some(addressed) if *addressed != instance => {
                Err(Invalid::new("instance", Fault::PathDiffers(addressed.as_str().to_owned())))
            }
            _ => Ok(instance),
        }
    }

    /// The host and its addresses, which may each be derived from the other or from the sender.
    fn target(&self, terms: &Terms, sender: IpAddr) -> Result<(Host, Vec<Address>), Invalid> {
        let given = self.addresses.as_deref().map(read_addresses).transpose()?;
        let literal = self.host.as_deref().and_then(|host| host.parse::<IpAddr>().ok());
        let host = match &self.host {
            Some(text) if literal.is_none() => {
                Some(Host::new(text, &terms.zones).map_err(|e| Invalid::new("host", e))?)
            }
            _ => None,
        };
        if let Some(Host::Foreign(name)) = &host {
            return match given {
                Some(_) => Err(Invalid::new("addresses", Fault::ForeignAddresses(name.to_string()))),
                None => Ok((Host::Foreign(name.clone()), Vec::new())),
            };
        }
        let mut addresses = Vec::new();
        if let Some(literal) = literal {
            addresses.push(Address::new(literal).map_err(|e| Invalid::new("host", e))?);
        }
        for address in given.into_iter().flatten() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            let own =
                Address::new(sender).map_err(|e: AddressError| Invalid::new("addresses", Fault::SenderAddress(e)))?;
            addresses.push(own);
        }
        let host = host.unwrap_or_else(|| Host::Label(HostLabel::of_address(addresses[0])));
        Ok((host, addresses))
    }
}

/// `web1-8080`: who runs several instances of a service on a host gives them ports or names.
fn derived_name(host: &Host, port: NonZeroU16) -> InstanceName {
    let host = host.to_string();
    let host = host.trim_end_matches('.');
    let suffix = format!("-{port}");
    let kept = host.len().min(INSTANCE_MAX - suffix.len());
    InstanceName::new(&format!("{}{suffix}", &host[..kept])).expect("hosts are ASCII without controls, and this is cut")
}

fn read_addresses(texts: &[String]) -> Result<Vec<Address>, Invalid> {
    if texts.is_empty() {
        return Err(Invalid::new("addresses", Fault::NoAddresses));
    }
    at_most("addresses", texts.len(), ADDRESSES_MAX)?;
    let read = |(index, text): (usize, &String)| {
        let fault = match text.parse::<IpAddr>() {
            Ok(address) => match Address::new(address) {
                Ok(address) => return Ok(address),
                Err(error) => Fault::from(error),
            },
            Err(_) => Fault::NoAddress(shorten(text)),
        };
        Err(Invalid::new(format!("addresses[{index}]"), fault))
    };
    texts.iter().enumerate().map(read).collect()
}

fn read_txt(txt: &Txt) -> Result<service::Txt, Invalid> {
    let mut attributes = Vec::with_capacity(txt.0.len());
    for (key, value) in &txt.0 {
        let octets = value.octets().map_err(|_| Invalid::new(shorten(key), Fault::Base64).within("txt"))?;
        attributes.push((key.as_str(), octets));
    }
    service::Txt::new(attributes.iter().map(|(key, octets)| (*key, octets.as_deref())))
        .map_err(|e| Invalid::new("txt", e))
}

/// The field to blame for a record that is too long: the plain text that is, else the attributes.
fn txt_field(registration: &service::Registration, error: &TxtError) -> String {
    match error {
        TxtError::StringTooLong { key, .. } if registration.txt.get(key).is_none() => key.clone(),
        _ => "txt".into(),
    }
}

fn plain_text(field: &str, text: Option<String>) -> Result<Option<Box<str>>, Invalid> {
    let Some(text) = text else { return Ok(None) };
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(Invalid::new(field, Fault::Control(control)));
    }
    if text.len() > TEXT_MAX {
        return Err(Invalid::new(field, Fault::TooLong { given: text.len(), limit: TEXT_MAX }));
    }
    Ok(Some(text.into()))
}

fn labels<T: PartialEq>(
    field: &str,
    texts: Option<Vec<String>>,
    read: impl Fn(&str) -> Result<T, Fault>,
) -> Result<Vec<T>, Invalid> {
    let texts = texts.unwrap_or_default();
    at_most(field, texts.len(), LABELS_MAX)?;
    let mut labels = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let label = read(text).map_err(|fault| Invalid::new(format!("{field}[{index}]"), fault))?;
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    Ok(labels)
}

fn at_most(field: &str, given: usize, limit: usize) -> Result<(), Invalid> {
    if given > limit { Err(Invalid::new(field, Fault::TooMany { given, limit })) } else { Ok(()) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::{Json, Kind};
    use super::*;

    pub(in super::super) fn terms() -> Terms {
        let leases = LeaseLimits {
            default: Duration::from_mins(1),
            shortest: Duration::from_secs(5),
            longest: Duration::from_hours(24),
        };
        let checks = Reach::Within(["10.0.0.0/8", "127.0.0.0/8"].map(|network| network.parse().unwrap()).into());
        Terms { zones: ["registry.local".parse().unwrap()].into(), leases, checks }
    }

    fn accept_at(text: &str, path: Option<&InstanceId>) -> Result<service::Registration, Invalid> {
        let read: Registration = Json::parse(text.as_bytes()).unwrap().read()?;
        read.accept(&terms(), "::ffff:10.0.0.7".parse().unwrap(), path)
    }

    fn accept(text: &str) -> Result<service::Registration, Invalid> {
        accept_at(text, None)
    }

    #[test]
    fn service_and_port_are_enough() {
        let r = accept(r#"{"service": "auth", "port": 8080}"#).unwrap();
        assert_eq!(r.id.to_string(), "ip-10-0-0-7-8080._auth._tcp");
        assert_eq!(r.host.to_string(), "ip-10-0-0-7");
        assert_eq!(r.addresses[0].to_string(), "10.0.0.7");
        assert_eq!(r.lease.as_millis(), 60_000);
        assert_eq!((r.priority, r.weight, r.reported), (0, 0, Reported::Up));
    }

    #[test]
    fn what_is_checked_stays_until_it_is_deregistered_unless_it_says_how_long() {
        let lease = |members: &str| {
            let text = format!(r#"{{"service": "a", "port": 80, "check": {{"http": "/health"}}{members}}}"#);
            accept(&text).unwrap().lease
        };
        assert_eq!(lease(""), Lease::UntilDeregistered);
        assert_eq!(lease(r#", "lease": 20"#).as_millis(), 20_000);
    }

    #[test]
    fn a_host_that_is_an_address_is_an_address() {
        let r = accept(r#"{"service": "a", "port": 1, "host": "2001:db8::1", "addresses": ["10.1.1.1"]}"#).unwrap();
        assert_eq!(r.host.to_string(), "ip-2001-db8-0-0-0-0-0-1");
        assert_eq!(r.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2001:db8::1", "10.1.1.1"]);
    }

    #[test]
    fn a_foreign_host_has_no_addresses_not_even_the_senders() {
        let r = accept(r#"{"service": "a", "port": 443, "host": "api.example.org"}"#).unwrap();
        assert_eq!((r.host.to_string().as_str(), r.addresses.len()), ("api.example.org.", 0));
        assert_eq!(r.id.instance().as_str(), "api.example.org-443");
    }

    #[test]
    fn a_derived_name_is_cut_to_63_octets() {
        let host = format!("{}.{}.org", "a".repeat(60), "b".repeat(60));
        let r = accept(&format!(r#"{{"service": "a", "port": 65535, "host": "{host}"}}"#)).unwrap();
        assert_eq!(r.id.instance().as_str(), format!("{}-65535", &host[..57]));
    }

    #[test]
    fn the_path_names_what_the_body_leaves_out_and_must_not_be_contradicted() {
        let path = InstanceId::new("_auth._udp".parse().unwrap(), InstanceName::new("A1").unwrap());
        for body in [r#"{"port": 1}"#, r#"{"port": 1, "service": "Auth", "instance": "a1"}"#] {
            assert_eq!(accept_at(body, Some(&path)).unwrap().id, path, "{body}");
        }
        for (body, field) in [
            (r#"{"port": 1, "service": "other"}"#, "service"),
            (r#"{"port": 1, "service": "_auth._tcp"}"#, "service"),
            (r#"{"port": 1, "transport": "tcp"}"#, "transport"),
            (r#"{"port": 1, "instance": "a2"}"#, "instance"),
        ] {
            let error = accept_at(body, Some(&path)).unwrap_err();
            assert_eq!((error.field.as_str(), error.kind()), (field, Kind::PathDiffers), "{body}");
        }
    }

    #[test]
    fn every_fault_has_its_kind_and_names_field_and_limit() {
        let long = "x".repeat(64);
        let many = |item: &str| vec![item; 17].join(",");
        let text = "t".repeat(250);
        for (member, kind, says) in [
            (r#""colour": 1"#, Kind::UnknownField, "`colour` is not a field; the fields are service, transport"),
            (r#""port": 2"#, Kind::RepeatedField, "`port` is given twice"),
            (r#""host": 7"#, Kind::WrongType, "`host` is 7; expected a text"),
            (
                r#""weight": "7""#,
                Kind::WrongType,
                "`weight` is the text \"7\"; expected a whole number from 0 to 65535",
            ),
            (r#""weight": 7.5"#, Kind::WrongType, "`weight` is 7.5; expected a whole number"),
            (r#""weight": 65536"#, Kind::WrongValue, "`weight` is 65536; expected a whole number from 0 to 65535"),
            (r#""addresses": "10.0.0.1""#, Kind::WrongType, "expected an array"),
            (r#""addresses": [1]"#, Kind::WrongType, "`addresses[0]` is 1; expected a text"),
            (
                r#""transport": "sctp""#,
                Kind::WrongValue,
                "`transport` is the text \"sctp\"; expected \"tcp\" or \"udp\"",
            ),
            (r#""transport": 6"#, Kind::WrongType, "`transport` is 6; expected \"tcp\" or \"udp\""),
            (r#""status": "down""#, Kind::WrongValue, "expected \"starting\" or \"up\""),
            (r#""instance": """#, Kind::InvalidInstance, "`instance` is empty"),
            (&format!(r#""instance": "{long}""#), Kind::InvalidInstance, "63"),
            (r#""instance": "a\u0007b""#, Kind::InvalidInstance, "U+0007"),
            (r#""host": "a_b""#, Kind::InvalidHost, "`host` has '_'"),
            (&format!(r#""host": "{long}""#), Kind::InvalidHost, "at most 63"),
            (r#""host": "0.0.0.0""#, Kind::InvalidAddress, "`host` is unspecified"),
            (r#""addresses": ["0.0.0.0"]"#, Kind::InvalidAddress, "`addresses[0]` is unspecified; give the address"),
            (r#""addresses": ["10.0.0.1", "web"]"#, Kind::InvalidAddress, "`addresses[1]` is \"web\""),
            (r#""addresses": []"#, Kind::InvalidAddress, "leave it out"),
            (&format!(r#""addresses": [{}]"#, many("\"10.0.0.1\"")), Kind::TooMany, "17 items; at most 16"),
            (&format!(r#""subtypes": [{}]"#, many("\"a\"")), Kind::TooMany, "`subtypes` has 17"),
            (&format!(r#""tags": [{}]"#, many("\"a\"")), Kind::TooMany, "`tags` has 17"),
            (r#""host": "a.org", "addresses": ["10.0.0.1"]"#, Kind::ForeignAddresses, "`addresses` cannot be given"),
            (r#""lease": 1"#, Kind::InvalidLease, "`lease` is 1s; from 5s to 1day are allowed"),
            (r#""lease": -1"#, Kind::InvalidLease, "`lease` is no duration"),
            (r#""lease": "soon""#, Kind::InvalidLease, "`lease` is no duration"),
            (r#""lease": true"#, Kind::WrongType, "`lease` is true; expected seconds or a text such as \"90s\""),
            (r#""txt": {"a=b": "c"}"#, Kind::InvalidTxt, "`txt` has the key \"a=b\""),
            (r#""txt": {"k": "1", "K": "2"}"#, Kind::InvalidTxt, "`txt` has the key \"K\" twice"),
            (r#""txt": {"k": "1", "k": "1"}"#, Kind::InvalidTxt, "`txt` has the key \"k\" twice"),
            (r#""txt": {"k": 1}"#, Kind::WrongType, "`txt.k` is 1; expected a text, {\"base64\": \"…\"} or null"),
            (r#""txt": {"k": {"base64": "?"}}"#, Kind::InvalidTxt, "`txt.k` is no base64"),
            (r#""txt": {"k": {"hex": "00"}}"#, Kind::UnknownField, "`txt.k.hex` is not a field"),
            (r#""txt": ["k"]"#, Kind::WrongType, "`txt` is an array; expected an object of attributes"),
            (
                &format!(r#""txt": {{"a":"{text}","b":"{text}","c":"{text}","d":"{text}","e":"{text}","f":"{text}"}}"#),
                Kind::InvalidTxt,
                "at most 1300",
            ),
            (&format!(r#""description": "{text}""#), Kind::InvalidTxt, "`description` has 262 octets"),
            (&format!(r#""path": "{text}{text}""#), Kind::InvalidText, "`path` is 500 octets long; at most 255"),
            (r#""namespace": "a\nb""#, Kind::InvalidText, "`namespace` has the control character U+000A"),
            (r#""subtypes": ["a.b"]"#, Kind::InvalidSubtype, "`subtypes[0]` has '.'"),
            (&format!(r#""tags": ["ok", "{long}"]"#), Kind::InvalidTag, "`tags[1]` is 65 octets long"),
            (r#""check": {}"#, Kind::InvalidCheck, "`check` asks for nothing or for two things"),
            (r#""check": {"tcp": true, "http": "/"}"#, Kind::InvalidCheck, "`check` asks for nothing or for two"),
            (r#""check": {"http": "health"}"#, Kind::InvalidCheck, "`check.http` is no path such as /health"),
            (r#""check": {"http": "http://h:2/"}"#, Kind::InvalidCheck, "`check.http` names port 2; checks go to"),
            (r#""check": {"http": "http://10.0.0.8/"}"#, Kind::InvalidCheck, "`check.http` names 10.0.0.8, which is"),
            (r#""check": {"tcp": true, "interval": 0}"#, Kind::InvalidCheck, "`check.interval` is 0s; from 1s to 1h"),
            (r#""check": {"tcp": true, "timeout": "x"}"#, Kind::InvalidCheck, "`check.timeout` is no duration; give"),
            (r#""check": {"tcp": true, "failures": 0}"#, Kind::InvalidCheck, "`check.failures` is 0; from 1 to 100"),
            (r#""check": {"udp": true}"#, Kind::UnknownField, "`check.udp` is not a field; the fields are http, tcp"),
            (r#""check": {"tcp": true}, "lease": 19"#, Kind::InvalidCheck, "`check.interval` is 10s, too long for"),
            (r#""check": {"tcp": true}, "host": "a.org""#, Kind::InvalidCheck, "`check` cannot be made of a host out"),
            (r#""check": {"tcp": true}, "host": "192.0.2.1""#, Kind::InvalidCheck, "is in none of the networks"),
            (r#""check": {"tcp": true}, "host": "127.0.0.1""#, Kind::InvalidCheck, "is the registry's own machine"),
            (r#""version": "3.x""#, Kind::InvalidVersion, "`version` is no exact semantic version"),
        ] {
            let error = accept(&format!(r#"{{"service": "auth", "port": 1, {member}}}"#)).expect_err(member);
            assert_eq!(error.kind(), kind, "{member}: {error}");
            assert!(error.to_string().contains(says), "{member}: {error}");
        }
    }

    #[test]
    fn what_is_required_is_named() {
        for (body, kind, says) in [
            (r#"{"port": 1}"#, Kind::MissingField, "`service` is missing"),
            (r#"{"service": "a"}"#, Kind::MissingField, "`port` is missing"),
            (r#"{"service": "a", "port": 0}"#, Kind::PortZero, "`port` is 0; give the port"),
            (r#"{"service": "", "port": 1}"#, Kind::InvalidService, "`service` is empty"),
            ("5", Kind::WrongType, "the document is 5; expected an object"),
            (r#"["auth", "tcp"]"#, Kind::WrongType, "the document is an array; expected an object"),
        ] {
            let error = accept(body).expect_err(body);
            assert_eq!(error.kind(), kind, "{body}: {error}");
            assert!(error.to_string().contains(says), "{body}: {error}");
        }
    }

    #[test]
    fn an_error_does_not_echo_a_megabyte() {
        let megabyte = "m".repeat(1 << 20);
        for member in
            [format!(r#""{megabyte}": 1"#), format!(r#""weight": "{megabyte}""#), format!(r#""host": "{megabyte}""#)]
        {
            let error = accept(&format!(r#"{{"service": "auth", "port": 1, {member}}}"#)).unwrap_err();
            assert!(error.to_string().len() < 1000);
        }
    }
}
