//! Says in a few words why an answer is what it is (RFC 8914), to whoever asks with EDNS.
//!
//! | answer | code | text |
//! |---|---|---|
//! | REFUSED: the name is in no zone of ours | 20 Not Authoritative | |
//! | REFUSED: AXFR, IXFR | 21 Not Supported | `no zone transfers` |
//! | REFUSED: another class | 21 Not Supported | `class IN only` |
//! | NOTIMP | 21 Not Supported | `opcode QUERY only` |
//! | NXDOMAIN: a glob from a network that may not ask it | 18 Prohibited | `dns.glob_from has not your network` |
//! | a glob that a limit cut | 0 Other | `more may match: dns.glob_limit` |
//! | NODATA: a service with nothing up | 0 Other | `instances up: 0 of 3` |
//!
//! It goes with what was asked for where there is room, and never instead of it: see [`Opt`](super::edns::Opt).

use std::fmt;

use super::context::{Context, Question};
use crate::zone::{Answer, Remark};

/// Codes of RFC 8914 §4.
const OTHER: u16 = 0;
const PROHIBITED: u16 = 18;
const NOT_AUTHORITATIVE: u16 = 20;
const NOT_SUPPORTED: u16 = 21;

/// Octets of a text, at most: the longest is `instances up: 0 of 4294967295`, or a constant.
pub(super) const TEXT_MAX: usize = 40;

/// Why an answer is what it is. What it displays as is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExtendedError {
    NotAuthoritative,
    Transfer,
    Class,
    Opcode,
    Glob,
    Cut,
    NothingUp { known: u32 },
}

impl ExtendedError {
    /// What there is to say of an answer.
    pub(super) fn of(question: &Question<'_>, answer: &Answer<'_>, context: &Context<'_>) -> Option<Self> {
        match answer {
            Answer::Refused if !question.is_of_class_in() => Some(Self::Class),
            Answer::Refused if question.is_transfer() => Some(Self::Transfer),
            Answer::Refused => Some(Self::NotAuthoritative),
            Answer::NxDomain(_) => {
                let is_glob = question.name.iter().any(|octet| matches!(octet, b'*' | b'?'));
                (is_glob && context.access.prohibits_globs(context.client.ip())).then_some(Self::Glob)
            }
            // TC says what there is to say.
            Answer::Unfinished => None,
            Answer::NoData(..) | Answer::Records(_) => answer.remark().map(|remark| match remark {
                Remark::NothingUp { known } => Self::NothingUp { known },
                Remark::Cut => Self::Cut,
            }),
        }
    }

    /// INFO-CODE (RFC 8914 §2).
    pub(super) fn code(self) -> u16 {
        match self {
            Self::NotAuthoritative => NOT_AUTHORITATIVE,
            Self::Transfer | Self::Class | Self::Opcode => NOT_SUPPORTED,
            Self::Glob => PROHIBITED,
            Self::Cut | Self::NothingUp { .. } => OTHER,
        }
    }
}

/// EXTRA-TEXT (RFC 8914 §2).
impl fmt::Display for ExtendedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Says all in its name.
            Self::NotAuthoritative => Ok(()),
            Self::Transfer => f.write_str("no zone transfers"),
            Self::Class => f.write_str("class IN only"),
            Self::Opcode => f.write_str("opcode QUERY only"),
            Self::Glob => f.write_str("dns.glob_from has not your network"),
            Self::Cut => f.write_str("more may match: dns.glob_limit"),
            Self::NothingUp { known } => write!(f, "instances up: 0 of {known}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_its_room() {
        use ExtendedError::{Class, Cut, Glob, NotAuthoritative, NothingUp, Opcode, Transfer};
        for error in [NotAuthoritative, Transfer, Class, Opcode, Glob, Cut, NothingUp { known: u32::MAX }] {
            assert!(error.to_string().len() <= TEXT_MAX, "{error}");
        }
    }
}
