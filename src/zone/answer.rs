//! What the zone says to a question, as values: outcome, RRsets, records. Encoders turn them into octets.

use super::place::Place;
use super::rrset::Rrset;
use super::snapshot::Snapshot;

/// What the zone says.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The name is in no zone of ours.
    Refused,
    /// Nothing is at the name or below it (RFC 8020 §2); with the SOA record that bounds how long this holds.
    NxDomain(Rrset<'a>),
    /// The name exists without such records (RFC 2308 §2.2); with the SOA record, and see [`Answer::place`] and
    /// [`Answer::remark`].
    NoData(Rrset<'a>, Option<Place>, Option<Remark>),
    /// What a glob may match is too much to look at for a datagram: what there is, a stream can have.
    Unfinished,
    /// These.
    Records(Records<'a>),
}

impl Answer<'_> {
    /// The service type whose instances were asked for, or one of them, or a subtype: `None` where the question was
    /// for no single type, or for nothing that there is.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Refused | Self::NxDomain(_) | Self::Unfinished => None,
            Self::NoData(_, place, _) => *place,
            Self::Records(records) => records.place,
        }
    }

    /// What a person would want to know besides.
    pub fn remark(&self) -> Option<Remark> {
        match self {
            Self::Refused | Self::NxDomain(_) | Self::Unfinished => None,
            Self::NoData(.., remark) => *remark,
            Self::Records(records) => records.remark,
        }
    }
}

/// Why an answer has less than its reader may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// None of the instances of a service type or subtype is up.
    NothingUp {
        /// How many there are.
        known: u32,
    },
    /// More may match a glob than were looked at or are returned.
    Cut,
}

/// The RRset asked for, and the way to what belongs with it.
#[derive(Debug)]
pub struct Records<'a> {
    /// What was asked for.
    pub answer: Rrset<'a>,
    pub(super) place: Option<Place>,
    pub(super) remark: Option<Remark>,
    pub(super) snapshot: &'a Snapshot,
}
