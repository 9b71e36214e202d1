//! What a name is, whatever type is asked for: for people who wonder about an answer.

use std::fmt;

use super::lookup::Found;
use super::snapshot::Snapshot;
use super::{Question, rtype};
use crate::service::{DomainName, NAME_MAX};

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// In no zone of ours.
    Foreign,
    /// In a zone, where nothing is at or below it.
    Missing,
    /// The zone itself.
    Apex,
    /// A name that only has names below it, or in a reverse zone, may have them.
    Empty,
    /// A host that instances run on, or the name server.
    Host,
    /// A service, for programs that know no SRV.
    Addresses,
    /// Where browsing begins.
    Browse,
    /// The list of service types.
    Services,
    /// A service type.
    Service,
    /// A subtype of one.
    Subtype,
    /// An instance.
    Instance,
    /// A pattern.
    Glob,
    /// An address in a reverse zone, which a host has.
    Address,
}

impl Snapshot {
    /// What the name of a question is, and the zone that it is in.
    pub fn subject(&self, question: &Question<'_>) -> (Subject, Option<&DomainName>) {
        let mut folded = [0; NAME_MAX];
        let Some(folded) = folded.get_mut(..question.name.len()) else { return (Subject::Foreign, None) };
        folded.copy_from_slice(question.name);
        folded.make_ascii_lowercase();
        if let Some((zone, labels)) = self.fixed.enclosing(folded) {
            let is_subtype = labels.as_slice().len() == 4;
            let subject = match self.find(&labels, question.globs) {
                Some(Found::Group(..)) if is_subtype => Subject::Subtype,
                found => Subject::of(found.as_ref()),
            };
            return (subject, Some(&zone.name));
        }
        match self.find_backwards(folded) {
            Some((zone, found)) => (Subject::of(found.as_ref()), Some(&zone.name)),
            None => (Subject::Foreign, None),
        }
    }
}

impl Subject {
    /// Of a name in a zone; of a group that it is a type's.
    fn of(found: Option<&Found<'_>>) -> Self {
        match found {
            None => Self::Missing,
            Some(Found::Apex) => Self::Apex,
            Some(Found::Empty) => Self::Empty,
            Some(Found::Host(_)) => Self::Host,
            Some(Found::Pool(_)) => Self::Addresses,
            Some(Found::Browse) => Self::Browse,
            Some(Found::Services) => Self::Services,
            Some(Found::Group(..)) => Self::Service,
            Some(Found::Instance(..)) => Self::Instance,
            Some(Found::Glob(_)) => Self::Glob,
            Some(Found::Address(..)) => Self::Address,
        }
    }

    /// The type that one would ask for first, see [`rtype`].
    pub fn usual_type(self) -> u16 {
        match self {
            Self::Apex => rtype::SOA,
            Self::Browse | Self::Services | Self::Glob | Self::Address => rtype::PTR,
            Self::Service | Self::Subtype | Self::Instance => rtype::SRV,
            Self::Foreign | Self::Missing | Self::Empty | Self::Host | Self::Addresses => rtype::A,
        }
    }
}

impl fmt::Display for Subject {
    /// The rule by which it is answered.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "in no zone of ours",
            Self::Missing => "nothing is at this name or below it",
            Self::Apex => "the zone itself: SOA and NS",
            Self::Empty => "names are below it, records are not at it",
            Self::Host => "a host: the addresses of all instances on it that are up",
            Self::Addresses => {
                "a service: the addresses of all its instances that are up, for programs that know no SRV"
            }
            Self::Browse => "where browsing begins: PTR to the zone to browse",
            Self::Services => "the list of service types: PTR to each that has an instance up",
            Self::Service => "a service type: SRV and PTR of every instance that is up",
            Self::Subtype => "a subtype: SRV and PTR of the instances in it that are up",
            Self::Instance => "an instance: its SRV and TXT",
            Self::Glob => "a pattern: SRV and PTR of every instance that matches and is up, up to dns.glob_limit",
            Self::Address => "an address in a reverse zone: PTR to the hosts that have it",
        })
    }
}
