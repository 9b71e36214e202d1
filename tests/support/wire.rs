//! DNS in octets, with nothing of portolan's in it: questions to send, and replies read more strictly than a resolver
//! would, since a reply that only a lenient reader takes is wrong.

mod client;
mod reply;

use std::fmt;

pub use client::{Client, exchange, framed, receive};
pub use reply::{Record, Reply};

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const PTR: u16 = 12;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const OPT: u16 = 41;
pub const ANY: u16 = 255;

/// A name in uncompressed wire form with its root label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub Vec<u8>);

impl Name {
    /// Labels of ASCII text without dots in them; the empty text is the root.
    pub fn of(text: &str) -> Self {
        Self::root().below(text)
    }

    pub fn root() -> Self {
        Self(vec![0])
    }

    /// These labels, parted by dots, in front of it.
    pub fn below(&self, labels: &str) -> Self {
        let labels = labels.split('.').filter(|label| !label.is_empty());
        labels.rev().fold(self.clone(), |name, label| name.child(label.as_bytes()))
    }

    /// One label in front of it, whatever its octets.
    pub fn child(&self, label: &[u8]) -> Self {
        Self([&[u8::try_from(label.len()).unwrap()], label, &self.0].concat())
    }

    /// Without its first label; of the root itself `None`.
    pub fn parent(&self) -> Option<Self> {
        let length = usize::from(self.0[0]);
        (length > 0).then(|| Self(self.0[length + 1..].to_vec()))
    }

    pub fn labels(&self) -> Vec<&[u8]> {
        let (mut rest, mut labels) = (&self.0[..], Vec::new());
        while rest[0] > 0 {
            let (label, tail) = rest[1..].split_at(usize::from(rest[0]));
            labels.push(label);
            rest = tail;
        }
        labels
    }

    /// Letters in lower case. Lengths are below those of letters.
    pub fn folded(&self) -> Self {
        Self(self.0.to_ascii_lowercase())
    }
}

/// As a zone file has it, every octet that is no letter, digit, hyphen or underscore escaped (RFC 4343 §2.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in self.labels() {
            for octet in label {
                match octet {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => write!(f, "{}", char::from(*octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        if self.0 == [0] { f.write_str(".") } else { Ok(()) }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A query: class IN, no flags and no EDNS unless set.
#[derive(Debug, Clone)]
pub struct Query {
    pub name: Name,
    pub rtype: u16,
    pub class: u16,
    /// Third and fourth octet of the header.
    pub flags: [u8; 2],
    pub edns: Option<Edns>,
}

/// An OPT record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edns {
    pub size: u16,
    pub extended_code: u8,
    pub version: u8,
    pub flags: u16,
    /// Codes and data.
    pub options: Vec<(u16, Vec<u8>)>,
}

impl Query {
    pub fn new(name: &Name, rtype: u16) -> Self {
        Self { name: name.clone(), rtype, class: 1, flags: [0, 0], edns: None }
    }

    /// With an OPT record that offers datagrams of this size.
    pub fn edns(self, size: u16) -> Self {
        Self { edns: Some(Edns { size, ..Edns::default() }), ..self }
    }

    /// Name, type and class.
    pub fn question(&self) -> Vec<u8> {
        [&self.name.0[..], &self.rtype.to_be_bytes(), &self.class.to_be_bytes()].concat()
    }

    pub fn octets(&self, id: u16) -> Vec<u8> {
        let [id0, id1] = id.to_be_bytes();
        let [flags0, flags1] = self.flags;
        let opt = self.edns.as_ref().map_or(Vec::new(), Edns::octets);
        let header = [id0, id1, flags0, flags1, 0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())];
        [&header[..], &self.question(), &opt].concat()
    }
}

impl Edns {
    pub fn octets(&self) -> Vec<u8> {
        let number = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
        let option = |(code, data): &(u16, Vec<u8>)| [&code.to_be_bytes()[..], &number(data.len()), data].concat();
        let options = self.options.iter().map(option).collect::<Vec<_>>().concat();
        let [size, flags] = [self.size, self.flags].map(u16::to_be_bytes);
        let head = [&[0, 0, 41], &size[..], &[self.extended_code, self.version], &flags].concat();
        [&head[..], &number(options.len()), &options].concat()
    }
}
