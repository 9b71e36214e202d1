//! What tokens are called.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::secret::PREFIX;

/// Octets, at most: as many as a label.
const LENGTH_MAX: usize = 63;

/// The name of a token: it stands in the log, in lists and beside what it registered, so it is plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenName(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Spaces, and what is no ASCII, would not survive a log.
    #[error("{0:?} is no name of a token; give 1 to {LENGTH_MAX} of A-Z, a-z, 0-9, hyphen, underscore and dot")]
    Malformed(String),
    /// Somebody mixed up the two. It is not repeated.
    #[error("this is a token, not its name; take it out of here, and make another one with `portolan token new`")]
    Secret,
}

impl TokenName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As owners of instances are kept.
    pub fn as_owner(&self) -> &Arc<str> {
        &self.0
    }
}

impl TryFrom<String> for TokenName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        // A name stands in logs and lists.
        if text.contains(PREFIX) {
            return Err(NameError::Secret);
        }
        let is_plain = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
        let is_short = (1..=LENGTH_MAX).contains(&text.len());
        if is_plain && is_short {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Malformed(text.chars().take(80).collect()))
        }
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.as_str().to_owned()
    }
}
