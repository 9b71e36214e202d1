//! TXT attributes, kept as the bytes that go on the wire (RFC 6763 §6).

use thiserror::Error;

use super::{split_string, strings};

/// Octets of one `key=value` string, at most (RFC 1035 §3.3.14).
const STRING_MAX: usize = 255;
/// Octets of a whole TXT record, at most: what fits an Ethernet frame (RFC 6763 §6.2).
const TOTAL_MAX: usize = 1300;

/// The attributes of an instance as TXT RDATA: length-prefixed `key=value` strings, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txt(Box<[u8]>);

/// The value of an attribute: `k` and `k=` differ (RFC 6763 §6.4).
pub type TxtValue<'a> = Option<&'a [u8]>;

/// Why attributes are refused. Each names the key, as far as it can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TxtError {
    /// RFC 6763 §6.4.
    #[error("has an empty key")]
    EmptyKey,
    /// RFC 6763 §6.4.
    #[error("has the key {0:?}; a key is printable ASCII without `=`")]
    Key(String),
    /// RFC 6763 §6.4.
    #[error("has the key {0:?} twice (case is ignored)")]
    Repeated(String),
    /// RFC 1035 §3.3.14.
    #[error("has {length} octets in {key:?} with its value; at most 255 are allowed")]
    StringTooLong {
        /// The attribute.
        key: String,
        /// Octets of `key=value`.
        length: usize,
    },
    /// RFC 6763 §6.2.
    #[error("takes {0} octets on the wire; at most 1300 are allowed")]
    TooLong(usize),
}

impl Default for Txt {
    /// No attributes: one empty string, since RDATA must not be empty (RFC 6763 §6.1).
    fn default() -> Self {
        Self(Box::new([0]))
    }
}

impl Txt {
    /// Builds the record from attributes in their order.
    pub fn new<'a>(attributes: impl IntoIterator<Item = (&'a str, TxtValue<'a>)>) -> Result<Self, TxtError> {
        let mut wire = Vec::new();
        for (key, value) in attributes {
            check_key(key)?;
            if find(&wire, key).is_some() {
                return Err(TxtError::Repeated(shorten(key)));
            }
            let length = key.len() + value.map_or(0, |v| v.len() + 1);
            let Some(octet) = u8::try_from(length).ok().filter(|_| length <= STRING_MAX) else {
                return Err(TxtError::StringTooLong { key: shorten(key), length });
            };
            wire.push(octet);
            wire.extend_from_slice(key.as_bytes());
            if let Some(value) = value {
                wire.push(b'=');
                wire.extend_from_slice(value);
            }
            if wire.len() > TOTAL_MAX {
                return Err(TxtError::TooLong(wire.len()));
            }
        }
        if wire.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(wire.into()))
    }

    /// Takes RDATA from the wire as it is, whatever its strings hold; `None` if the strings do not add up or are
    /// longer than we serve.
    pub fn from_wire(rdata: &[u8]) -> Option<Self> {
        if rdata.is_empty() {
            return Some(Self::default());
        }
        if rdata.len() > TOTAL_MAX {
            return None;
        }
        let mut rest = rdata;
        while !rest.is_empty() {
            (_, rest) = split_string(rest)?;
        }
        Some(Self(rdata.into()))
    }

    /// The RDATA.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The attributes in order. Strings without a key are passed over, and of a repeated key the first counts
    /// (RFC 6763 §6.4).
    pub fn attributes(&self) -> impl Iterator<Item = (&str, TxtValue<'_>)> {
        let strings = || strings(&self.0).filter_map(attribute);
        strings().enumerate().filter_map(move |(index, (key, value))| {
            let repeated = strings().take(index).any(|(earlier, _)| earlier.eq_ignore_ascii_case(key));
            (!repeated).then_some((key, value))
        })
    }

    /// The value of `key`, ASCII case ignored; `None` where there is no such attribute.
    pub fn get(&self, key: &str) -> Option<TxtValue<'_>> {
        find(&self.0, key)
    }
}

fn find<'a>(wire: &'a [u8], key: &str) -> Option<TxtValue<'a>> {
    strings(wire).filter_map(attribute).find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v)
}

fn attribute(string: &[u8]) -> Option<(&str, TxtValue<'_>)> {
    let equals = string.iter().position(|&b| b == b'=');
    let (key, value) = equals.map_or((string, None), |at| (&string[..at], Some(&string[at + 1..])));
    let key = std::str::from_utf8(key).ok()?;
    check_key(key).is_ok().then_some((key, value))
}

fn check_key(key: &str) -> Result<(), TxtError> {
    if key.is_empty() {
        return Err(TxtError::EmptyKey);
    }
    if !key.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'=') {
        return Err(TxtError::Key(shorten(key)));
    }
    Ok(())
}

/// What an error may repeat of a stranger's text.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_of_value_differ_on_the_wire() {
        let txt = Txt::new([("a", None), ("b", Some(&b""[..])), ("c", Some(b"\xff=1"))]).unwrap();
        assert_eq!(txt.as_wire(), b"\x01a\x02b=\x05c=\xff=1");
        assert_eq!(txt.get("A"), Some(None));
        assert_eq!(txt.get("b"), Some(Some(&b""[..])));
        assert_eq!(txt.get("c"), Some(Some(&b"\xff=1"[..])));
        assert_eq!(txt.get("d"), None);
    }

    #[test]
    fn no_attributes_make_one_empty_string() {
        assert_eq!(Txt::new([]).unwrap().as_wire(), [0]);
        assert_eq!(Txt::from_wire(&[]), Some(Txt::default()));
        assert_eq!(Txt::default().attributes().count(), 0);
    }

    #[test]
    fn keys_and_lengths_are_checked() {
        let long = vec![b'x'; 300];
        let value = Some(&long[..253]);
        assert_eq!(Txt::new([("", None)]), Err(TxtError::EmptyKey));
        assert_eq!(Txt::new([("a=b", None)]), Err(TxtError::Key("a=b".into())));
        assert_eq!(Txt::new([("é", None)]), Err(TxtError::Key("é".into())));
        assert_eq!(Txt::new([("a", None), ("A", None)]), Err(TxtError::Repeated("A".into())));
        assert!(Txt::new([("k", value)]).is_ok());
        let too_long = TxtError::StringTooLong { key: "kk".into(), length: 256 };
        assert_eq!(Txt::new([("kk", value)]), Err(too_long));
        let keys: Vec<String> = (0..6).map(|n| n.to_string()).collect();
        assert_eq!(Txt::new(keys.iter().map(|k| (k.as_str(), value))), Err(TxtError::TooLong(1536)));
    }

    #[test]
    fn wire_bytes_are_kept_and_read_with_the_first_of_a_repeated_key() {
        let wire = b"\x03a=1\x03A=2\x02=x\x00\x01\xff";
        let txt = Txt::from_wire(wire).unwrap();
        assert_eq!(txt.as_wire(), wire);
        assert_eq!(txt.attributes().collect::<Vec<_>>(), [("a", Some(&b"1"[..]))]);
        assert_eq!(Txt::from_wire(b"\x05ab"), None);
    }
}
