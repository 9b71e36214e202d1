//! Questions whose name has `*` or `?` in the service label, the instance label or both.
//!
//! They are answered with what matches now, owned by the name as asked: no wildcard of RFC 4592, whose `*` stands
//! in the zone and not in the question. What the pattern begins with narrows the search, and both what is
//! examined and what is returned is bounded. For a datagram, which anybody can send in another's name, the bound is
//! much lower: who needs more shows over a stream that he is there, and pays for it with a connection.

use super::group::Group;
use super::member::Member;
use super::set::{Keyed, Set};
use super::snapshot::Snapshot;
use crate::service::{Glob, split_string};

/// Names examined, at most, for each that may be returned: of the usual thousand, ten thousand, which take a
/// millisecond or two, whatever the pattern is.
const EXAMINED_PER_RETURNED: usize = 10;
/// Names examined, at most, where the answer is for a datagram: nearly thrice what the fullest has records, and
/// at some 0.1 µs each, most of it the wait for memory, a few times what a plain question costs with its system calls.
const EXAMINED_FOR_DATAGRAM: usize = 200;

/// How far a glob is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Globs {
    /// Instances returned, at most.
    pub limit: usize,
    /// Whether the answer is for a datagram: then few names are examined, and beyond them it is unfinished.
    pub in_datagram: bool,
}

/// What ends a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// As many were found or examined as may be.
    Limit,
    /// As many were examined as may be for a datagram.
    Datagram,
}

/// Instances that match.
pub(super) struct Matches<'a> {
    /// Each with its service type; none only where the search was cut.
    pub(super) found: Vec<(&'a Member, &'a Group)>,
    /// What ended the search before its end.
    pub(super) cut: Option<Cut>,
}

impl<'a> Matches<'a> {
    /// Every instance of the services whose label matches; labels in wire form, lower case.
    pub(super) fn of_services(zone: &'a Snapshot, service: &[u8], transport: &[u8], globs: Globs) -> Option<Self> {
        let service = Pattern::new(service).filter(|pattern| pattern.is_glob)?;
        Search::new(globs).run(zone, &service, transport, None)
    }

    /// The instances whose label matches, of the services whose label matches.
    pub(super) fn of_instances(
        zone: &'a Snapshot,
        instance: &[u8],
        service: &[u8],
        transport: &[u8],
        globs: Globs,
    ) -> Option<Self> {
        let (instance, service) = (Pattern::new(instance)?, Pattern::new(service)?);
        if !instance.is_glob && !service.is_glob {
            return None;
        }
        Search::new(globs).run(zone, &service, transport, Some(&instance))
    }

    /// The shortest of the members', in seconds; `None` where there are none.
    pub(super) fn ttl(&self) -> Option<u32> {
        self.found.iter().map(|(member, _)| member.ttl()).min()
    }
}

/// A label of the question; without `*` and `?` it matches itself.
struct Pattern<'q> {
    glob: Glob,
    is_glob: bool,
    /// What stands before the first `*` or `?`.
    literal: &'q [u8],
}

impl<'q> Pattern<'q> {
    fn new(label: &'q [u8]) -> Option<Self> {
        let text = std::str::from_utf8(&label[1..]).ok()?;
        let literal = text.find(['*', '?']).map_or(text, |at| &text[..at]);
        Some(Self { glob: Glob::new(text), is_glob: Glob::is_pattern(text), literal: literal.as_bytes() })
    }

    /// Members of a sorted set that begin like the pattern.
    fn candidates<'a, T: Keyed>(&self, set: &'a Set<T>) -> impl Iterator<Item = &'a T> {
        let begins = |key: &[u8]| key.get(..self.literal.len()).is_some_and(|k| k.eq_ignore_ascii_case(self.literal));
        set.iter_at(self.literal).take_while(move |member| begins(member.key()))
    }

    fn matches(&self, label: &[u8]) -> bool {
        std::str::from_utf8(label).is_ok_and(|text| self.glob.matches(text))
    }
}

struct Search<'a> {
    found: Vec<(&'a Member, &'a Group)>,
    limit: usize,
    to_examine: usize,
    /// What it is where nothing is left of that.
    at_end: Cut,
    cut: Option<Cut>,
}

impl<'a> Search<'a> {
    fn new(Globs { limit, in_datagram }: Globs) -> Self {
        let most = limit.saturating_mul(EXAMINED_PER_RETURNED);
        let (to_examine, at_end) = match most {
            _ if in_datagram && most > EXAMINED_FOR_DATAGRAM => (EXAMINED_FOR_DATAGRAM, Cut::Datagram),
            _ => (most, Cut::Limit),
        };
        Self { found: Vec::new(), limit, to_examine, at_end, cut: None }
    }

    fn run(
        mut self,
        zone: &'a Snapshot,
        service: &Pattern<'_>,
        transport: &[u8],
        instance: Option<&Pattern<'_>>,
    ) -> Option<Matches<'a>> {
        for served in service.candidates(&zone.served) {
            if !self.may_examine() {
                break;
            }
            let Some((label, rest)) = split_string(served.labels()) else { continue };
            if rest != transport || !service.matches(&label[1..]) {
                continue;
            }
            if let Some(service) = zone.service(&served.labels().to_ascii_lowercase()) {
                self.members(&service.all, instance);
            }
        }
        (!self.found.is_empty() || self.cut.is_some()).then_some(Matches { found: self.found, cut: self.cut })
    }

    fn members(&mut self, service: &'a Group, instance: Option<&Pattern<'_>>) {
        let Some(instance) = instance else {
            for member in service.members.iter() {
                if !self.may_examine() {
                    return;
                }
                self.found.push((member, service));
            }
            return;
        };
        for member in instance.candidates(&service.members) {
            if !self.may_examine() {
                return;
            }
            if instance.matches(member.key()) {
                self.found.push((member, service));
            }
        }
    }

    /// Whether one more may be; counts it.
    fn may_examine(&mut self) -> bool {
        self.cut = match (self.found.len() < self.limit, self.to_examine.checked_sub(1)) {
            (false, _) => Some(Cut::Limit),
            (true, None) => Some(self.at_end),
            (true, Some(left)) => {
                self.to_examine = left;
                None
            }
        };
        self.cut.is_none()
    }
}
