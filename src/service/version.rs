//! Exact versions and the subtypes that make them browsable.

use std::fmt;

use thiserror::Error;

use super::service_type::Subtype;

/// Octets of a version, at most: it is also a TXT value beside its key.
const VERSION_MAX: usize = 64;

/// An exact semantic version, such as `3.2.2` or `1.0.0-rc.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Box<semver::Version>);

/// Why a text is no exact version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionError {
    /// Octets.
    #[error("is {0} octets long; at most 64 are allowed")]
    TooLong(usize),
    /// With the parser's reason.
    #[error("is no exact semantic version such as 3.2.2: {0}")]
    Syntax(String),
}

impl Version {
    /// Reads an exact version.
    pub fn new(text: &str) -> Result<Self, VersionError> {
        if text.len() > VERSION_MAX {
            return Err(VersionError::TooLong(text.len()));
        }
        semver::Version::parse(text).map(|v| Self(v.into())).map_err(|e| VersionError::Syntax(e.to_string()))
    }

    pub(super) fn semver(&self) -> &semver::Version {
        &self.0
    }

    /// `_v3`, `_v3-2` and `_v3-2-2` for `3.2.2`. A prerelease is found under its own name alone: who asks for
    /// `_v3` does not want `3.0.0-rc.1`.
    pub fn subtypes(&self) -> Vec<Subtype> {
        let semver::Version { major, minor, patch, pre, .. } = &*self.0;
        let texts = if pre.is_empty() {
            vec![format!("v{major}"), format!("v{major}-{minor}"), format!("v{major}-{minor}-{patch}")]
        } else {
            vec![format!("v{major}-{minor}-{patch}-{}", pre.replace('.', "-"))]
        };
        // A label holds 63 octets; a version whose label is longer is found by its TXT alone.
        texts.iter().filter_map(|text| Subtype::new(text).ok()).collect()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subtypes(text: &str) -> Vec<String> {
        Version::new(text).unwrap().subtypes().iter().map(|s| s.as_str().to_owned()).collect()
    }

    #[test]
    fn a_version_is_browsable_by_its_prefixes() {
        assert_eq!(subtypes("3.2.2+build"), ["_v3", "_v3-2", "_v3-2-2"]);
        assert_eq!(subtypes("1.0.0-rc.1"), ["_v1-0-0-rc-1"]);
    }

    #[test]
    fn a_range_is_no_version() {
        assert!(matches!(Version::new("3.x"), Err(VersionError::Syntax(_))));
        assert_eq!(Version::new(&"1".repeat(65)), Err(VersionError::TooLong(65)));
    }
}
