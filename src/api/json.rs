//! A JSON document as it was written.

mod read;
mod strict;

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;
use thiserror::Error;

use super::invalid::{Fault, Invalid};

pub(super) use strict::{Strictly, optional};

/// Keys of one object in a merge patch, at most. TXT attributes of 1,300 octets are the most keys that mean
/// anything; merging costs the square of their number.
const MERGED_MAX: usize = 1000;

/// A JSON value whose objects keep their order and their repeated keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Any number.
    Number(Number),
    /// `"…"`
    Text(String),
    /// `[…]`
    Array(Vec<Self>),
    /// `{…}`
    Object(Vec<(String, Self)>),
}

/// Why octets are no JSON document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the body is no JSON: {reason}{}", if *.line > 0 { format!(" (line {line}, column {column})") } else { String::new() })]
pub struct Malformed {
    /// The parser's words.
    pub reason: String,
    /// From 1; 0 where the document is empty.
    pub line: usize,
    /// In octets, from 1.
    pub column: usize,
}

impl Json {
    /// Parses one document; nesting is limited to 128 levels.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        if octets.trim_ascii().is_empty() {
            return Err(Malformed { reason: "it is empty".into(), line: 0, column: 0 });
        }
        serde_json::from_slice(octets).map_err(|error| {
            let text = error.to_string();
            let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
            Malformed { reason: reason.into(), line: error.line(), column: error.column() }
        })
    }

    /// The document that `value` is written as; `Null` for what cannot be written as JSON.
    pub fn of<T: Serialize>(value: &T) -> Self {
        serde_json::to_value(value).and_then(Self::deserialize).unwrap_or(Self::Null)
    }

    /// Reads a value of type `T`; the error names the field.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, Invalid> {
        T::deserialize(self)
    }

    /// Applies a merge patch: `null` takes a key away, objects are merged, all else replaces (RFC 7396 §2).
    ///
    /// Fails where the patch says a key twice or has more of them than any document of ours; what was merged by
    /// then is of no use.
    pub fn merge(&mut self, patch: Self) -> Result<(), Invalid> {
        let Self::Object(changes) = patch else {
            *self = patch;
            return Ok(());
        };
        if changes.len() > MERGED_MAX {
            return Err(Invalid::new("", Fault::TooMany { given: changes.len(), limit: MERGED_MAX }));
        }
        if let Some(key) = repeated(&changes) {
            return Err(Invalid::new(key, Fault::Repeated));
        }
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { unreachable!("made an object above") };
        for (key, change) in changes {
            let at = members.iter().position(|(k, _)| *k == key);
            match (at, change) {
                (Some(at), Self::Null) => drop(members.remove(at)),
                (None, Self::Null) => {}
                (Some(at), change) => members[at].1.merge(change).map_err(|invalid| invalid.within(&key))?,
                (None, change) => {
                    // What is new is merged into nothing, so that its own nulls go.
                    let mut value = Self::Null;
                    value.merge(change).map_err(|invalid| invalid.within(&key))?;
                    members.push((key, value));
                }
            }
        }
        Ok(())
    }
}

fn repeated(members: &[(String, Json)]) -> Option<&str> {
    let mut seen = HashSet::new();
    members.iter().map(|(key, _)| key.as_str()).find(|key| !seen.insert(*key))
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Document)
    }
}

struct Document;

impl<'de> Visitor<'de> for Document {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_malformed_document_tells_where() {
        let error = Json::parse(b"{\n  \"port\": 80,,\n}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 14));
        assert_eq!(error.to_string(), "the body is no JSON: key must be a string (line 2, column 14)");
        assert_eq!(Json::parse(b" \n").unwrap_err().to_string(), "the body is no JSON: it is empty");
        assert!(Json::parse("[".repeat(200).as_bytes()).is_err());
    }

    #[test]
    fn order_and_repeated_keys_are_kept() {
        let Json::Object(members) = json(r#"{"b": 1, "a": 2, "b": 3}"#) else { panic!("an object") };
        assert_eq!(members.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["b", "a", "b"]);
    }

    #[test]
    fn a_patch_that_says_a_key_twice_or_too_many_keys_is_refused() {
        let refused = |patch: &str| json(r#"{"txt": {"k": "1"}}"#).merge(json(patch)).unwrap_err();
        assert_eq!(refused(r#"{"port": 1, "port": 2}"#), Invalid::new("port", Fault::Repeated));
        assert_eq!(refused(r#"{"txt": {"a": "1", "a": "2"}}"#), Invalid::new("txt.a", Fault::Repeated));
        let keys: Vec<_> = (0..=MERGED_MAX).map(|n| format!("\"{n}\": 1")).collect();
        let fault = Fault::TooMany { given: MERGED_MAX + 1, limit: MERGED_MAX };
        assert_eq!(refused(&format!("{{\"txt\": {{{}}}}}", keys.join(","))), Invalid::new("txt", fault));
    }

    #[test]
    fn a_merge_patch_follows_the_examples_of_rfc_7396() {
        // Appendix A: original, patch, result.
        for (original, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let mut value = json(original);
            value.merge(json(patch)).unwrap();
            assert_eq!(value, json(result), "{original} with {patch}");
        }
    }
}
