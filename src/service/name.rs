//! Names: a domain name in wire form, an instance name in Net-Unicode, and the text form of both.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use ecow::EcoString;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use super::strings;

/// Octets of a label, at most (RFC 1035 §2.3.4).
pub(crate) const LABEL_MAX: usize = 63;
/// Octets of a name in wire form with its root label, at most (RFC 1035 §2.3.4).
pub(crate) const NAME_MAX: usize = 255;

/// An absolute domain name in uncompressed wire form: length-prefixed labels and the root label.
///
/// The case of ASCII letters is kept (RFC 4343 §4.1) and ignored by `==` and `Hash` (RFC 4343 §3). In JSON and TOML
/// it is a text in presentation form.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(Box<[u8]>);

/// Why a text is no domain name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Two dots in a row, or a dot in front.
    #[error("has an empty label")]
    EmptyLabel,
    /// RFC 1035 §2.3.4.
    #[error("has a label of {0} octets; at most 63 are allowed")]
    LabelTooLong(usize),
    /// RFC 1035 §2.3.4.
    #[error("is {0} octets long in wire form; at most 255 are allowed")]
    TooLong(usize),
    /// A backslash is followed by another character or by three digits up to 255 (RFC 4343 §2.1).
    #[error(r"has a broken escape: write \. for a dot, \\ for a backslash, \032 for a space")]
    BadEscape,
}

impl DomainName {
    /// The root.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Builds a name from its labels, the root label left out.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(32);
        for label in labels {
            push_label(&mut wire, label)?;
        }
        wire.push(0);
        if wire.len() > NAME_MAX {
            return Err(NameError::TooLong(wire.len()));
        }
        Ok(Self(wire.into()))
    }

    /// Wire form with the root label.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels from left to right, the root label left out.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        strings(&self.0).take_while(|label| !label.is_empty())
    }

    /// The labels in front of `zone`, or `None` when the name is not at or below it.
    pub fn labels_below(&self, zone: &Self) -> Option<Vec<&[u8]>> {
        let mine: Vec<_> = self.labels().collect();
        let theirs: Vec<_> = zone.labels().collect();
        let cut = mine.len().checked_sub(theirs.len())?;
        let same = mine[cut..].iter().zip(&theirs).all(|(a, b)| a.eq_ignore_ascii_case(b));
        same.then(|| mine[..cut].to_vec())
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    /// Reads the presentation form with or without the final dot; `\.`, `\\` and `\DDD` are understood.
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        let mut labels = vec![Vec::new()];
        let mut octets = text.bytes().peekable();
        while let Some(octet) = octets.next() {
            match octet {
                b'.' if octets.peek().is_none() => break,
                b'.' => labels.push(Vec::new()),
                b'\\' => labels.last_mut().expect("starts with one").push(unescape(&mut octets)?),
                _ => labels.last_mut().expect("starts with one").push(octet),
            }
        }
        Self::from_labels(labels.iter().map(Vec::as_slice))
    }
}

impl TryFrom<String> for DomainName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> Self {
        name.to_string()
    }
}

fn unescape(octets: &mut impl Iterator<Item = u8>) -> Result<u8, NameError> {
    let first = octets.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

fn push_label(wire: &mut Vec<u8>, label: &[u8]) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    let length = u8::try_from(label.len()).ok().filter(|&n| usize::from(n) <= LABEL_MAX);
    wire.push(length.ok_or(NameError::LabelTooLong(label.len()))?);
    wire.extend_from_slice(label);
    Ok(())
}

impl fmt::Display for DomainName {
    /// Presentation form with the final dot; see [`escape_label`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == 1 {
            return f.write_str(".");
        }
        self.labels().try_for_each(|label| write!(f, "{}.", escape_label(label)))
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainName({self})")
    }
}

// Length octets are at most 63 and so below `A`: folding the whole wire form touches letters of labels only.
impl PartialEq for DomainName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for DomainName {}

impl Hash for DomainName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_folded(&self.0, state);
    }
}

/// The label as people write it: dots and backslashes behind a backslash (RFC 6763 §4.3), spaces, controls,
/// invisible direction marks and octets that are no UTF-8 as `\DDD` (RFC 4343 §2.1), the rest as it is.
pub fn escape_label(label: &[u8]) -> String {
    // Most need no escape.
    if label.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        && let Ok(plain) = std::str::from_utf8(label)
    {
        return plain.to_owned();
    }
    let mut text = String::with_capacity(label.len());
    for chunk in label.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '.' | '\\' => text.extend(['\\', c]),
                _ if c.is_whitespace() || c.is_control() || is_direction_mark(c) => {
                    push_octets(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => text.push(c),
            }
        }
        push_octets(&mut text, chunk.invalid());
    }
    text
}

fn push_octets(text: &mut String, octets: &[u8]) {
    for octet in octets {
        write!(text, "\\{octet:03}").expect("a String takes all");
    }
}

/// Bidirectional controls, which make a terminal show a name that is not there (Unicode TR 36 §2.5).
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first label of a service instance: 1–63 octets of Net-Unicode (RFC 6763 §4.1.1).
///
/// Kept in Normalization Form C (RFC 5198 §3). The case of ASCII letters is kept and ignored by `==`, `Hash`
/// and `Ord`.
#[derive(Clone, Debug)]
pub struct InstanceName(EcoString);

/// Why a text is no instance name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InstanceNameError {
    /// RFC 6763 §4.1.1 wants something to show to people.
    #[error("is empty; give 1 to 63 octets of text")]
    Empty,
    /// Octets of UTF-8 after normalization.
    #[error("is {0} octets long in UTF-8; at most 63 are allowed")]
    TooLong(usize),
    /// ASCII controls (RFC 6763 §4.1.1) and C1 controls (RFC 5198 §2).
    #[error("has the control character U+{:04X}; control characters are not allowed", u32::from(*.0))]
    Control(char),
    /// See [`InstanceName::is_of_declaration`].
    #[error("is (declared), which the registry keeps for itself; choose another")]
    Reserved,
}

impl InstanceName {
    /// Normalizes and checks `text`.
    pub fn new(text: &str) -> Result<Self, InstanceNameError> {
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(InstanceNameError::Control(control));
        }
        // Normalizing may make a text longer, but hardly by more than threefold (Unicode TR 15 §9.1 bounds NFC):
        // a megabyte is refused before it is worked on.
        if text.len() > LABEL_MAX * 4 {
            return Err(InstanceNameError::TooLong(text.len()));
        }
        // ASCII is in NFC as it is.
        let text: EcoString = if text.is_ascii() { text.into() } else { text.nfc().collect() };
        match text.len() {
            0 => Err(InstanceNameError::Empty),
            1..=LABEL_MAX => Ok(Self(text)),
            length => Err(InstanceNameError::TooLong(length)),
        }
    }

    /// The text as registered, in NFC.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for InstanceName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for InstanceName {}

impl Hash for InstanceName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_folded(self.0.as_bytes(), state);
    }
}

impl Ord for InstanceName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        cmp_folded(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl PartialOrd for InstanceName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares octets with ASCII letters folded to lower case (RFC 4343 §3).
pub(crate) fn cmp_folded(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    // Names that are neighbours begin alike, and what is the same eight octets at a time needs no folding.
    let same = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count() * 8;
    let (a, b) = (&a[same..], &b[same..]);
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

/// Hashes octets with ASCII letters folded to lower case, so that equal names hash alike.
pub(crate) fn hash_folded<H: Hasher>(octets: &[u8], state: &mut H) {
    // Folded through a stack buffer: one `write` per name, not one per octet.
    let mut buffer = [0; NAME_MAX];
    for chunk in octets.chunks(NAME_MAX) {
        let folded = &mut buffer[..chunk.len()];
        folded.copy_from_slice(chunk);
        folded.make_ascii_lowercase();
        state.write(folded);
    }
    state.write_u8(0xff);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_name_survives_its_text_form() {
        let name = DomainName::from_labels([&b"Joe\\.s Lab"[..], b"_http", b"_tcp", "Küche".as_bytes()]).unwrap();
        assert_eq!(name.to_string(), r"Joe\\\.s\032Lab._http._tcp.Küche.");
        assert_eq!(name.to_string().parse::<DomainName>().unwrap(), name);
    }

    #[test]
    fn names_compare_without_ascii_case_and_with_other_case() {
        assert_eq!("A.B.".parse::<DomainName>(), "a.b".parse());
        assert_ne!(InstanceName::new("É"), InstanceName::new("é"));
        assert_eq!(InstanceName::new("Main"), InstanceName::new("mAIN"));
    }

    #[test]
    fn order_is_that_of_the_folded_octets_however_long_the_names_are_alike() {
        let texts =
            ["", "a", "B", "node-0000001", "NODE-0000001", "node-0000002", "node-00000010", "Node-000", "node-0000_"];
        let folded = |text: &str| text.to_ascii_lowercase().into_bytes();
        for (a, b) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            assert_eq!(cmp_folded(a.as_bytes(), b.as_bytes()), folded(a).cmp(&folded(b)), "{a} {b}");
        }
    }

    #[test]
    fn limits_of_labels_and_names_are_exact() {
        let label = "x".repeat(63);
        assert!(label.parse::<DomainName>().is_ok());
        assert_eq!("x".repeat(64).parse::<DomainName>(), Err(NameError::LabelTooLong(64)));
        // Three labels of 63 and one of 61 make 255 octets; one octet more is too long.
        let name = format!("{label}.{label}.{label}.{}", "y".repeat(61));
        assert!(name.parse::<DomainName>().is_ok());
        assert_eq!(format!("{name}y").parse::<DomainName>(), Err(NameError::TooLong(256)));
    }

    #[test]
    fn broken_escapes_and_empty_labels_are_refused() {
        for text in [r"a\", r"a\12", r"a\256", r"a\1x2"] {
            assert_eq!(text.parse::<DomainName>(), Err(NameError::BadEscape), "{text}");
        }
        for text in ["", "a..b", ".a", "a.."] {
            assert_eq!(text.parse::<DomainName>(), Err(NameError::EmptyLabel), "{text}");
        }
    }

    #[test]
    fn an_instance_name_is_normalized_and_counted_in_octets() {
        assert_eq!(InstanceName::new("e\u{301}").unwrap().as_str(), "\u{e9}");
        assert!(InstanceName::new(&"é".repeat(31)).is_ok());
        assert_eq!(InstanceName::new(&"é".repeat(32)), Err(InstanceNameError::TooLong(64)));
        assert_eq!(InstanceName::new(""), Err(InstanceNameError::Empty));
        assert_eq!(InstanceName::new("a\tb"), Err(InstanceNameError::Control('\t')));
        assert_eq!(InstanceName::new("a\u{85}"), Err(InstanceNameError::Control('\u{85}')));
    }

    #[test]
    fn a_name_below_a_zone_gives_its_labels() {
        let zone: DomainName = "registry.local".parse().unwrap();
        let name: DomainName = "web.Registry.LOCAL.".parse().unwrap();
        assert_eq!(name.labels_below(&zone), Some(vec![&b"web"[..]]));
        assert_eq!(zone.labels_below(&zone), Some(vec![]));
        assert_eq!("xregistry.local".parse::<DomainName>().unwrap().labels_below(&zone), None);
    }

    #[test]
    fn invisible_direction_marks_show_as_octets() {
        assert_eq!(escape_label("a\u{202e}b".as_bytes()), r"a\226\128\174b");
        assert_eq!(escape_label(&[0xff, b'a', 0]), r"\255a\000");
    }
}
