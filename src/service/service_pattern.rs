//! Which service types are meant: by name, or by a glob.

use super::glob::Glob;
use super::registration::Registration;
use super::service_type::{ServiceType, ServiceTypeError};

/// `auth`, which is any transport, `_auth._tcp`, any other name, such as `@scope/name`, or a glob such as `au*` or
/// `*._udp`.
#[derive(Debug, Clone)]
pub enum ServicePattern {
    /// In their order.
    These(Vec<ServiceType>),
    /// By a glob over each label, that of the service without its underscore.
    Matching {
        /// `au*`
        service: Glob,
        /// `_udp`
        transport: Glob,
        /// The whole of it, over a name that a label stands in for: `@scope/*`.
        name: Glob,
    },
}

impl ServicePattern {
    /// Reads a pattern; fails on what no service can match.
    pub fn new(text: &str) -> Result<Self, ServiceTypeError> {
        if Glob::is_pattern(text) {
            let name = Glob::new(text);
            let text = text.strip_suffix('.').unwrap_or(text);
            let (service, transport) = text.split_once('.').unwrap_or((text, "*"));
            let service = service.strip_prefix('_').unwrap_or(service);
            if [service, transport].into_iter().any(Glob::is_too_long) {
                return Err(ServiceTypeError::LongGlob);
            }
            return Ok(Self::Matching { service: Glob::new(service), transport: Glob::new(transport), name });
        }
        let named = ServiceType::meant(text, None)?;
        if ServiceType::new(text, None).is_ok() && text.contains('.') {
            return Ok(Self::These(vec![named]));
        }
        Ok(Self::These(named.over_any_transport().collect()))
    }

    /// Whether it is meant.
    pub fn matches(&self, service_type: &ServiceType) -> bool {
        match self {
            Self::These(types) => types.contains(service_type),
            Self::Matching { service, transport, .. } => {
                service.matches(service_type.service()) && transport.matches(service_type.transport().label())
            }
        }
    }

    /// Whether what is registered is meant, by its service type or by the name that its label stands in for.
    pub fn means(&self, registration: &Registration) -> bool {
        let service_type = registration.id.service_type();
        let by_name = || match self {
            Self::These(_) => false,
            Self::Matching { name, .. } => {
                let own = registration.service_name();
                own != service_type.service() && name.matches(own)
            }
        };
        self.matches(service_type) || by_name()
    }
}

#[cfg(test)]
mod tests {
    use super::super::registration::tests::registration;
    use super::super::{NAME, Transport, Txt};
    use super::*;

    #[test]
    fn a_name_is_any_transport_and_a_glob_whatever_matches() {
        let matches = |pattern: &str, of: &str| ServicePattern::new(pattern).unwrap().matches(&of.parse().unwrap());
        for pattern in ["auth", "_auth", "_AUTH._udp", "au*", "_a?th._udp", "*", "*._udp."] {
            assert!(matches(pattern, "_auth._udp"), "{pattern}");
        }
        for pattern in ["auth2", "_auth._tcp", "b*", "*._tcp"] {
            assert!(!matches(pattern, "_auth._udp"), "{pattern}");
        }
        for text in ["_not a service", "_http._tpc", &"?".repeat(64), &format!("_{}*._tcp", "a".repeat(64))] {
            assert!(ServicePattern::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_dns_has_no_label_for_is_a_pattern_too() {
        let service_type = ServiceType::of_name("service.1").unwrap();
        let over_udp = ServiceType::new(service_type.service(), Some(Transport::Udp)).unwrap();
        let pattern = ServicePattern::new("service.1").unwrap();
        assert!(pattern.matches(&service_type) && pattern.matches(&over_udp));
        assert!(!pattern.matches(&ServiceType::of_name("service.2").unwrap()));

        let mut named = registration(service_type.service(), "i", "h");
        named.txt = Txt::new([(NAME, Some(&b"service.1"[..]))]).unwrap();
        let means = |pattern: &str| ServicePattern::new(pattern).unwrap().means(&named);
        for pattern in ["service.1", "service.?", "*.1", "service-1-*", "*"] {
            assert!(means(pattern), "{pattern}");
        }
        assert!(!means("service.2") && !means("service?2"));
    }
}
