//! What is wrong with a field of a well-formed document.

use std::fmt;

use serde::de::{self, Expected, Unexpected};
use thiserror::Error;

use crate::service::{
    AddressError, HostError, InstanceNameError, LeaseError, ProbeError, ServiceTypeError, SubtypeError, TxtError,
    VersionError,
};

use super::kind::Kind;

/// Characters of a stranger's text that an error repeats, at most.
const REPEATED_MAX: usize = 64;

/// A field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} {fault}", if .field.is_empty() { "the document".to_owned() } else { format!("`{}`", .field) })]
pub struct Invalid {
    /// Where: `port`, `addresses[2]`, `txt.path`; empty for the whole document.
    pub field: String,
    /// What.
    pub fault: Fault,
}

/// What can be wrong. Each reads on from the name of its field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Not one of ours.
    #[error("is not a field; the fields are {0}")]
    UnknownField(String),
    /// Required.
    #[error("is missing")]
    Missing,
    /// RFC 8259 §4 leaves repeated names open; we do not guess which one was meant.
    #[error("is given twice")]
    Repeated,
    /// A text for a number and the like.
    #[error("is {given}; expected {expected}")]
    WrongType {
        /// What it is.
        given: String,
        /// What it should be.
        expected: String,
    },
    /// The right type, but not that value.
    #[error("is {given}; expected {expected}")]
    WrongValue {
        /// What it is.
        given: String,
        /// What it should be.
        expected: String,
    },
    /// RFC 6335 §6 reserves it.
    #[error("is 0; give the port that clients connect to, 1 to 65535")]
    PortZero,
    /// Of `service`.
    #[error(transparent)]
    Service(#[from] ServiceTypeError),
    /// Of `instance`.
    #[error(transparent)]
    Instance(#[from] InstanceNameError),
    /// Of `host`.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Of `addresses`, or of `host` where it is an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Of `addresses`.
    #[error("is {0:?}, which is no IPv4 or IPv6 address")]
    NoAddress(String),
    /// Of `addresses`.
    #[error("is empty; leave it out to use the address that the request comes from")]
    NoAddresses,
    /// Others serve the addresses of a foreign host.
    #[error("cannot be given for a host outside our zones ({0}), whose own DNS serves them; leave one of the two out")]
    ForeignAddresses(String),
    /// None was given, and the sender's own cannot be served.
    #[error("is missing, and the address that this request came from {0}")]
    SenderAddress(AddressError),
    /// Of `lease`.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Of `check`.
    #[error(transparent)]
    Check(#[from] ProbeError),
    /// Of `txt`.
    #[error(transparent)]
    Txt(#[from] TxtError),
    /// Of a value of `txt`.
    #[error("is no base64 (RFC 4648 §4)")]
    Base64,
    /// Of `subtypes`.
    #[error(transparent)]
    Subtype(SubtypeError),
    /// Of `tags`.
    #[error(transparent)]
    Tag(SubtypeError),
    /// Of `version`.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// Of a plain text.
    #[error("has the control character U+{:04X}; control characters are not allowed", u32::from(*.0))]
    Control(char),
    /// Of a plain text.
    #[error("is {given} octets long; at most {limit} are allowed")]
    TooLong {
        /// Octets.
        given: usize,
        /// Octets.
        limit: usize,
    },
    /// Of a list.
    #[error("has {given} items; at most {limit} are allowed")]
    TooMany {
        /// Items.
        given: usize,
        /// Items.
        limit: usize,
    },
    /// The body names another instance than the path.
    #[error("differs from the path, which says {0:?}; leave it out or make them equal")]
    PathDiffers(String),
}

impl Invalid {
    /// `fault` in `field`.
    pub fn new(field: impl Into<String>, fault: impl Into<Fault>) -> Self {
        Self { field: field.into(), fault: fault.into() }
    }

    /// The same, seen from an object that has it under `key`.
    #[must_use]
    pub fn within(mut self, key: &str) -> Self {
        let dot = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{}{dot}{}", shorten(key), self.field);
        self
    }

    /// The same, seen from an array that has it at `index`, from 0.
    #[must_use]
    pub fn at_index(mut self, index: usize) -> Self {
        let dot = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("[{index}]{dot}{}", self.field);
        self
    }

    /// `"tcp" or "udp"`.
    pub(super) fn one_of(words: &[&str]) -> String {
        words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
    }

    /// The problem that it is.
    pub fn kind(&self) -> Kind {
        match self.fault {
            Fault::UnknownField(_) => Kind::UnknownField,
            Fault::Missing => Kind::MissingField,
            Fault::Repeated => Kind::RepeatedField,
            Fault::WrongType { .. } => Kind::WrongType,
            Fault::WrongValue { .. } => Kind::WrongValue,
            Fault::PortZero => Kind::PortZero,
            Fault::Service(_) => Kind::InvalidService,
            Fault::Instance(_) => Kind::InvalidInstance,
            Fault::Host(_) => Kind::InvalidHost,
            Fault::Address(_) | Fault::NoAddress(_) | Fault::NoAddresses | Fault::SenderAddress(_) => {
                Kind::InvalidAddress
            }
            Fault::ForeignAddresses(_) => Kind::ForeignAddresses,
            Fault::Lease(_) => Kind::InvalidLease,
            Fault::Check(_) => Kind::InvalidCheck,
            Fault::Txt(_) | Fault::Base64 => Kind::InvalidTxt,
            Fault::Subtype(_) => Kind::InvalidSubtype,
            Fault::Tag(_) => Kind::InvalidTag,
            Fault::Version(_) => Kind::InvalidVersion,
            Fault::Control(_) | Fault::TooLong { .. } => Kind::InvalidText,
            Fault::TooMany { .. } => Kind::TooMany,
            Fault::PathDiffers(_) => Kind::PathDiffers,
        }
    }
}

impl de::Error for Invalid {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let given = shorten(&message.to_string());
        Self::new("", Fault::WrongValue { given, expected: "what the documentation says".into() })
    }

    fn invalid_type(given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new("", Fault::WrongType { given: describe(given), expected: plain(expected) })
    }

    fn invalid_value(given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new("", Fault::WrongValue { given: describe(given), expected: plain(expected) })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let given = describe(Unexpected::Str(variant));
        Self::new("", Fault::WrongValue { given, expected: Self::one_of(expected) })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(shorten(field), Fault::UnknownField(expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(field, Fault::Missing)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(field, Fault::Repeated)
    }
}

/// What an error may repeat of a stranger's text.
pub(super) fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(REPEATED_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn describe(given: Unexpected<'_>) -> String {
    match given {
        Unexpected::Str(text) => format!("the text {:?}", shorten(text)),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unit | Unexpected::Option => "null".into(),
        Unexpected::Seq => "an array".into(),
        Unexpected::Map => "an object".into(),
        other => other.to_string(),
    }
}

/// What serde expects, in the words of JSON rather than of Rust.
fn plain(expected: &dyn Expected) -> String {
    match expected.to_string() {
        text if text == "u16" => "a whole number from 0 to 65535".into(),
        text if text == "a string" => "a text".into(),
        text if text == "a sequence" => "an array".into(),
        text if text.starts_with("struct ") => "an object".into(),
        text => text,
    }
}
