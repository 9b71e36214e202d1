//! Which one of several instances is to be used, where a client wants one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How one instance is picked among those of the lowest priority (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// The first by service type and name, as long as it is there.
    First,
    /// Any, all alike.
    Random,
    /// One after the other, for all who ask the same of this server.
    RoundRobin,
    /// The same one for the same key, for as long as it is there; while others come and go, few keys move.
    Hash(String),
    /// Any, by weight (RFC 2782).
    Weighted,
}

/// A text that says no way to pick.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("is {0:?}; expected one of first, random, round-robin, weighted, hash:KEY")]
pub struct BadPick(String);

impl FromStr for Pick {
    type Err = BadPick;

    fn from_str(text: &str) -> Result<Self, BadPick> {
        match text {
            "first" => Ok(Self::First),
            "random" => Ok(Self::Random),
            "round-robin" => Ok(Self::RoundRobin),
            "weighted" => Ok(Self::Weighted),
            _ => match text.strip_prefix("hash:") {
                Some(key) if !key.is_empty() => Ok(Self::Hash(key.to_owned())),
                _ => Err(BadPick(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Random => f.write_str("random"),
            Self::RoundRobin => f.write_str("round-robin"),
            Self::Hash(key) => write!(f, "hash:{key}"),
            Self::Weighted => f.write_str("weighted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_pick_survives_its_text() {
        let hash = Pick::Hash("user:7".into());
        for pick in [Pick::First, Pick::Random, Pick::RoundRobin, Pick::Weighted, hash] {
            assert_eq!(pick.to_string().parse(), Ok(pick));
        }
        for text in ["", "First", "hash", "hash:", "last"] {
            assert_eq!(text.parse::<Pick>(), Err(BadPick(text.into())));
        }
    }
}
