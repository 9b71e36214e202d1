//! Which service types are meant: by name, or by a glob.

use super::glob::Glob;
use super::service_type::{ServiceType, ServiceTypeError, Transport};

/// `auth`, which is any transport, `_auth._tcp`, or a glob such as `au*` or `*._udp`.
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
    },
}

impl ServicePattern {
    /// Reads a pattern; fails on what is neither a glob nor a service type.
    pub fn new(text: &str) -> Result<Self, ServiceTypeError> {
        if Glob::is_pattern(text) {
            let text = text.strip_suffix('.').unwrap_or(text);
            let (service, transport) = text.split_once('.').unwrap_or((text, "*"));
            let service = service.strip_prefix('_').unwrap_or(service);
            return Ok(Self::Matching { service: Glob::new(service), transport: Glob::new(transport) });
        }
        let named = ServiceType::new(text, None)?;
        if text.contains('.') {
            return Ok(Self::These(vec![named]));
        }
        // The two are in the order of the list.
        Ok(Self::These(vec![named, ServiceType::new(text, Some(Transport::Udp))?]))
    }

    /// Whether it is meant.
    pub fn matches(&self, service_type: &ServiceType) -> bool {
        match self {
            Self::These(types) => types.contains(service_type),
            Self::Matching { service, transport } => {
                service.matches(service_type.service()) && transport.matches(service_type.transport().label())
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert!(ServicePattern::new("not a service").is_err());
    }
}
