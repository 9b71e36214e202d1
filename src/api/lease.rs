//! A lease in JSON: a number of seconds, or a text with a unit.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::service::{Lease, LeaseError};

/// A lease as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseWish {
    /// 0 is until deregistered.
    Seconds(f64),
    /// `90s`, `1m 30s`.
    Text(String),
}

impl LeaseWish {
    /// The lease as a number of seconds.
    pub fn of(lease: Lease) -> Self {
        Self::Seconds(lease.duration().map_or(0.0, |d| d.as_secs_f64()))
    }

    /// The lease that it means, granted or not.
    pub fn read(&self) -> Result<Lease, LeaseError> {
        match self {
            Self::Seconds(seconds) => Lease::from_seconds(*seconds),
            Self::Text(text) => Lease::from_text(text),
        }
    }
}

impl Serialize for LeaseWish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // `60`, not `60.0`: for people, and for readers that know whole numbers only.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within u32")]
            Self::Seconds(seconds) if is_whole(*seconds) => serializer.serialize_u32(*seconds as u32),
            Self::Seconds(seconds) => serializer.serialize_f64(*seconds),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

fn is_whole(seconds: f64) -> bool {
    seconds.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&seconds)
}

impl<'de> Deserialize<'de> for LeaseWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeaseVisitor)
    }
}

struct LeaseVisitor;

impl Visitor<'_> for LeaseVisitor {
    type Value = LeaseWish;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds or a text such as \"90s\"")
    }

    #[expect(clippy::cast_precision_loss, reason = "exact to 2^53 seconds, far beyond any lease")]
    fn visit_u64<E>(self, seconds: u64) -> Result<LeaseWish, E> {
        Ok(LeaseWish::Seconds(seconds as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "negative, and refused as such later")]
    fn visit_i64<E>(self, seconds: i64) -> Result<LeaseWish, E> {
        Ok(LeaseWish::Seconds(seconds as f64))
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<LeaseWish, E> {
        Ok(LeaseWish::Seconds(seconds))
    }

    fn visit_str<E>(self, text: &str) -> Result<LeaseWish, E> {
        Ok(LeaseWish::Text(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_lease_is_written_as_a_whole_number() {
        let written = |seconds| serde_json::to_string(&LeaseWish::Seconds(seconds)).unwrap();
        assert_eq!((written(60.0), written(2.5)), ("60".into(), "2.5".into()));
    }
}
