//! TXT attributes in JSON: an object that keeps its order, with three kinds of value.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::service::{self, ID, InstanceId, NAME};

/// TXT attributes: an object whose order is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txt(pub Vec<(String, TxtValue)>);

/// A value of a TXT attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxtValue {
    /// `null`: the key alone, `k`.
    Flag,
    /// A text, also the empty one: `k=…`.
    Text(String),
    /// `{"base64": "…"}`: octets that are no text (RFC 4648 §4).
    Base64(String),
}

impl TxtValue {
    /// The form that shows `octets` best.
    pub fn of(octets: &[u8]) -> Self {
        std::str::from_utf8(octets)
            .map_or_else(|_| Self::Base64(STANDARD.encode(octets)), |text| Self::Text(text.to_owned()))
    }

    /// The octets behind the equals sign, `None` where there is none; fails on what is no base64.
    pub fn octets(&self) -> Result<Option<Vec<u8>>, base64::DecodeError> {
        match self {
            Self::Flag => Ok(None),
            Self::Text(text) => Ok(Some(text.clone().into_bytes())),
            Self::Base64(text) => STANDARD.decode(text).map(Some),
        }
    }
}

impl Txt {
    /// The attributes of `txt`.
    pub fn of(txt: &service::Txt) -> Self {
        Self(
            txt.attributes().map(|(key, value)| (key.to_owned(), value.map_or(TxtValue::Flag, TxtValue::of))).collect(),
        )
    }

    /// The names of a service and of an instance that the labels of `id` stand in for.
    pub fn of_names(id: &InstanceId, service: &str, instance: &str) -> Self {
        let names = [(NAME, service, id.service_type().service()), (ID, instance, id.instance().as_str())];
        let hidden = names.into_iter().filter(|(_, name, label)| name != label);
        Self(hidden.map(|(key, name, _)| (key.to_owned(), TxtValue::Text(name.to_owned()))).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Txt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Txt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TxtVisitor)
    }
}

struct TxtVisitor;

impl<'de> Visitor<'de> for TxtVisitor {
    type Value = Txt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Txt, A::Error> {
        // Keys that are there twice are kept, for `accept` to refuse by name.
        let mut attributes = Vec::new();
        while let Some(attribute) = members.next_entry()? {
            attributes.push(attribute);
        }
        Ok(Txt(attributes))
    }
}

impl Serialize for TxtValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Base64(text) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", text)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for TxtValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TxtValueVisitor)
    }
}

struct TxtValueVisitor;

impl<'de> Visitor<'de> for TxtValueVisitor {
    type Value = TxtValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, {\"base64\": \"…\"} or null")
    }

    fn visit_unit<E>(self) -> Result<TxtValue, E> {
        Ok(TxtValue::Flag)
    }

    fn visit_str<E>(self, text: &str) -> Result<TxtValue, E> {
        Ok(TxtValue::Text(text.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<TxtValue, A::Error> {
        let mut octets = None;
        while let Some(key) = members.next_key::<String>()? {
            if key != "base64" {
                return Err(A::Error::unknown_field(&key, &["base64"]));
            }
            if octets.replace(members.next_value()?).is_some() {
                return Err(A::Error::duplicate_field("base64"));
            }
        }
        octets.map(TxtValue::Base64).ok_or_else(|| A::Error::missing_field("base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn txt_keeps_its_order_and_its_kinds_of_value() {
        let written = r#"{"z":"1","a":null,"e":"","b":{"base64":"/w=="}}"#;
        let txt: Txt = serde_json::from_str(written).unwrap();
        assert_eq!(txt.0[3].1.octets().unwrap(), Some(vec![0xff]));
        assert_eq!(serde_json::to_string(&txt).unwrap(), written);
    }
}
