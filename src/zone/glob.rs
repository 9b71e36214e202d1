//! Questions whose name has `*` or `?` in the service label, the instance label or both.
//!
//! They are answered with what matches now, owned by the name as asked: no wildcard of RFC 4592, whose `*` stands
//! in the zone and not in the question. What the pattern begins with narrows the search, and both what is
//! examined and what is returned is bounded: a glob costs its asker more than us.

use super::group::Group;
use super::member::Member;
use super::set::{Keyed, Set};
use super::snapshot::Snapshot;
use crate::service::{Glob, split_string};

/// Names examined, at most, for each that may be returned.
const EXAMINED_PER_RETURNED: usize = 10;

/// Instances that match.
pub(super) struct Matches<'a> {
    /// Each with its service type; never empty.
    pub(super) found: Vec<(&'a Member, &'a Group)>,
    /// Whether a limit ended the search.
    pub(super) is_cut: bool,
}

impl<'a> Matches<'a> {
    /// Every instance of the services whose label matches; labels in wire form, lower case.
    pub(super) fn of_services(zone: &'a Snapshot, service: &[u8], transport: &[u8], limit: usize) -> Option<Self> {
        let service = Pattern::new(service).filter(|pattern| pattern.is_glob)?;
        Search::new(limit).run(zone, &service, transport, None)
    }

    /// The instances whose label matches, of the services whose label matches.
    pub(super) fn of_instances(
        zone: &'a Snapshot,
        instance: &[u8],
        service: &[u8],
        transport: &[u8],
        limit: usize,
    ) -> Option<Self> {
        let (instance, service) = (Pattern::new(instance)?, Pattern::new(service)?);
        if !instance.is_glob && !service.is_glob {
            return None;
        }
        Search::new(limit).run(zone, &service, transport, Some(&instance))
    }

    /// The shortest of the members', in seconds.
    pub(super) fn ttl(&self) -> u32 {
        self.found.iter().map(|(member, _)| member.ttl()).min().expect("never empty")
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
    is_cut: bool,
}

impl<'a> Search<'a> {
    fn new(limit: usize) -> Self {
        Self { found: Vec::new(), limit, to_examine: limit.saturating_mul(EXAMINED_PER_RETURNED), is_cut: false }
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
        (!self.found.is_empty()).then_some(Matches { found: self.found, is_cut: self.is_cut })
    }

    fn members(&mut self, service: &'a Group, instance: Option<&Pattern<'_>>) {
        let Some(instance) = instance else {
            let room = self.limit - self.found.len();
            self.found.extend(service.members.iter().take(room).map(|member| (member, service)));
            self.is_cut |= service.members.len() > room;
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

    /// Whether there is room for one more; counts it.
    fn may_examine(&mut self) -> bool {
        let may = self.to_examine > 0 && self.found.len() < self.limit;
        self.to_examine = self.to_examine.saturating_sub(1);
        self.is_cut |= !may;
        may
    }
}
