//! A JSON document as it was written, and serde types read from it with errors that name the field.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};
use serde_json::Number;
use thiserror::Error;

use super::invalid::Invalid;

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
#[error("the body is no JSON: {reason} (line {line}, column {column})")]
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
    pub fn merge(&mut self, patch: Self) {
        let Self::Object(changes) = patch else {
            *self = patch;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { unreachable!("made an object above") };
        for (key, change) in changes {
            let at = members.iter().position(|(k, _)| *k == key);
            match (at, change) {
                (Some(at), Self::Null) => drop(members.remove(at)),
                (None, Self::Null) => {}
                (Some(at), change) => members[at].1.merge(change),
                (None, change) => {
                    // What is new is merged into nothing, so that its own nulls go.
                    let mut value = Self::Null;
                    value.merge(change);
                    members.push((key, value));
                }
            }
        }
    }
}

impl Json {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Number(number) => match (number.as_u64(), number.as_f64()) {
                (Some(value), _) => Unexpected::Unsigned(value),
                (_, Some(value)) => Unexpected::Float(value),
                _ => Unexpected::Other("a number out of range"),
            },
            Self::Text(text) => Unexpected::Str(text),
            Self::Array(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        }
    }
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

impl<'de> Deserializer<'de> for Json {
    type Error = Invalid;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), ..) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (.., Some(value)) => visitor.visit_f64(value),
                _ => Err(de::Error::invalid_value(Unexpected::Other("a number out of range"), &visitor)),
            },
            Self::Text(text) => visitor.visit_string(text),
            Self::Array(items) => visitor.visit_seq(Items { items: items.into_iter(), next: 0 }),
            Self::Object(members) => visitor.visit_map(Members { members: members.into_iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        match self {
            Self::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        match self {
            Self::Text(text) => visitor.visit_enum(StrDeserializer::<Invalid>::new(&text)),
            other => Err(de::Error::invalid_type(other.unexpected(), &Invalid::one_of(variants).as_str())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        match self {
            Self::Object(_) => self.deserialize_any(visitor),
            // Left to itself, serde reads an array as the fields in the order of the struct.
            other => Err(de::Error::invalid_type(other.unexpected(), &visitor)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

impl IntoDeserializer<'_, Invalid> for Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Items {
    items: std::vec::IntoIter<Json>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Invalid;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Invalid> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(item).map(Some).map_err(|error| error.at_index(index))
    }
}

struct Members {
    members: std::vec::IntoIter<(String, Json)>,
    value: Option<(String, Json)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Invalid;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Invalid> {
        self.value = self.members.next();
        let Some((key, _)) = &self.value else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Invalid> {
        let (key, value) = self.value.take().expect("serde asks for the key first");
        seed.deserialize(value).map_err(|error| error.within(&key))
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
        assert!(Json::parse(b" \n").unwrap_err().to_string().contains("it is empty"));
        assert!(Json::parse("[".repeat(200).as_bytes()).is_err());
    }

    #[test]
    fn order_and_repeated_keys_are_kept() {
        let Json::Object(members) = json(r#"{"b": 1, "a": 2, "b": 3}"#) else { panic!("an object") };
        assert_eq!(members.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["b", "a", "b"]);
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
            value.merge(json(patch));
            assert_eq!(value, json(result), "{original} with {patch}");
        }
    }
}
