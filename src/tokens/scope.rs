//! The services that a token is for.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::service::{Glob, ServicePattern, ServiceType};

/// Patterns of one rule, at most: who lists looks at each for every service.
const PATTERNS_MAX: usize = 64;

/// Services by name or glob; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Scope(Vec<Pattern>);

#[derive(Debug, Clone)]
struct Pattern {
    /// As it was given.
    text: String,
    services: ServicePattern,
}

/// Why a text is no pattern of services.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// No name that a service can have would match.
    #[error("{0:?} is no service; give a name such as auth, _auth._tcp or @scope/name, or a glob such as auth*")]
    Malformed(String),
    /// More than are looked at in no time.
    #[error("there are {0} services; at most {PATTERNS_MAX} are allowed: a glob stands for many")]
    TooMany(usize),
}

impl Scope {
    /// Whether it has nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has a service.
    pub fn has(&self, service_type: &ServiceType) -> bool {
        self.0.iter().any(|pattern| pattern.services.matches(service_type))
    }

    /// As it stands in the settings.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| pattern.text.as_str())
    }
}

impl Pattern {
    fn parse(text: String) -> Result<Self, PatternError> {
        // A glob may be any text; of a rule that no service can match nobody would notice that it is none.
        let is_service =
            |glob: &str| glob.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-*?".contains(&octet));
        let is_sensible = !Glob::is_pattern(&text) || {
            let (service, transport) = text.split_once('.').unwrap_or((&text, "*"));
            let transport = transport.strip_suffix('.').unwrap_or(transport).to_ascii_lowercase();
            is_service(service.strip_prefix('_').unwrap_or(service))
                && ["_tcp", "_udp", "*"].contains(&transport.as_str())
        };
        match ServicePattern::new(&text) {
            Ok(services) if is_sensible => Ok(Self { text, services }),
            _ => Err(PatternError::Malformed(text.chars().take(80).collect())),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl TryFrom<Vec<String>> for Scope {
    type Error = PatternError;

    fn try_from(texts: Vec<String>) -> Result<Self, PatternError> {
        if texts.len() > PATTERNS_MAX {
            return Err(PatternError::TooMany(texts.len()));
        }
        texts.into_iter().map(Pattern::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Scope> for Vec<String> {
    fn from(scope: Scope) -> Self {
        scope.0.into_iter().map(|pattern| pattern.text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_what_it_names_over_the_transport_that_it_names() {
        let has = |pattern: &str, service: &str| {
            let scope = Scope::try_from(vec!["never".to_owned(), pattern.to_owned()]).unwrap();
            scope.has(&service.parse().unwrap())
        };
        for (pattern, service, expected) in [
            ("auth", "_auth._tcp", true),
            ("auth", "_auth._udp", true),
            ("auth", "_Auth._tcp", true),
            ("auth", "_auth2._tcp", false),
            ("_auth._tcp", "_auth._tcp", true),
            ("_auth._tcp.", "_auth._udp", false),
            ("auth*", "_auth2._udp", true),
            ("_web-?._TCP", "_web-1._tcp", true),
            ("_web-?._tcp", "_web-1._udp", false),
            ("*", "_anything._udp", true),
        ] {
            assert_eq!(has(pattern, service), expected, "{pattern} {service}");
        }
        let service_type = ServiceType::of_name("@scope/name").unwrap().to_string();
        assert!(has("@scope/name", &service_type) && has("scope-name-*", &service_type));
        assert!(!has("@scope/other", &service_type));
        assert!(!Scope::default().has(&"_auth._tcp".parse().unwrap()));
    }

    #[test]
    fn what_matches_no_service_is_refused() {
        for text in
            ["", "_", "_a b", "a\nb", "auth._sctp", "*._t*", "é*", "auth._tcp.registry.local", "auth.tcp", "@x/*"]
        {
            let error = Scope::try_from(vec![text.to_owned()]).unwrap_err();
            assert!(error.to_string().contains("or a glob such as auth*"), "{text}: {error}");
        }
        assert_eq!(Scope::try_from(vec!["a".to_owned(); 65]), Err(PatternError::TooMany(65)));
    }
}
