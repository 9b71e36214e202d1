//! Looks ahead of answers, so that many wait for memory together.
//!
//! In a zone of a million instances an answer goes by half a dozen places in memory that are in no cache, and each
//! says where the next one is: most of its time it waits. So before a batch of questions is answered, the ways to all
//! its answers are gone side by side, a step each: every step begins to read what the next one needs, and while that
//! comes, the others take theirs. When the answers are then written, all is at hand.
//!
//! An answer begins where its way has come to, if that has the name which was asked for: else, for odd names and for
//! those that do not exist, it is looked for as ever. So a way decides nothing, and may be wrong.

use std::hint::black_box;
use std::sync::Arc;

use super::answer::Answer;
use super::apex::{NAME_SERVER, Zone};
use super::group::Service;
use super::host::Host;
use super::index::{Named as _, Slot};
use super::lookup::{Found, META, Question, SHORT, TCP, UDP};
use super::member::Member;
use super::rrset::rtype;
use super::snapshot::Snapshot;
use crate::service::{Source, split_string};

/// Ways that are gone side by side, at most: as many as a batch has questions.
const WAYS: usize = 64;
/// Entries of an index in a cache line.
const ENTRIES: usize = 4;
/// Instances that are looked at, at most: those of most services.
const MEMBERS: usize = 4;

/// How far the ways to the answers of a batch were gone.
#[derive(Debug)]
pub struct Ahead<'a>([Way<'a>; WAYS]);

/// How far the way to one answer was gone.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a>(Step<'a>);

/// Where a way has come to, in this zone.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Lost,
    /// To a service type whose labels have this hash.
    Type(u32, Wanted, &'a Zone),
    /// To a host whose label has this hash.
    Host(u32, &'a Zone),
    /// The type is among these, if it is there.
    TypeAmong(u32, Wanted, &'a Zone, &'a [Slot<Arc<Service>>]),
    HostAmong(u32, &'a Zone, &'a [Slot<Host>]),
    /// Here, unless another name has the same hash.
    AtType(&'a Service, Wanted, &'a Zone),
    AtHost(&'a Host, &'a Zone),
}

/// What of a service type's instances is wanted.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// SRV records and addresses, which lie at the beginning.
    Targets,
    All,
}

impl Wanted {
    fn by(rtype: u16) -> Self {
        if rtype == rtype::SRV { Self::Targets } else { Self::All }
    }
}

impl<'a> Ahead<'a> {
    /// How far the way to the answer of this question of the batch was gone.
    pub fn way(&self, n: usize) -> Way<'a> {
        self.0.get(n).copied().unwrap_or(Way::UNKNOWN)
    }
}

impl Snapshot {
    /// Has what these questions find read from memory, of the first 64: names in wire form with their root label, and
    /// types.
    #[inline]
    pub fn look_ahead<'q>(&self, questions: impl Iterator<Item = Option<(&'q [u8], u16)>>) -> Ahead<'_> {
        let mut ahead = Ahead([Way::UNKNOWN; WAYS]);
        let mut count = 0;
        for (way, question) in ahead.0.iter_mut().zip(questions) {
            way.0 = question.and_then(|(name, rtype)| self.first_step(name, rtype)).unwrap_or(Step::Lost);
            count += 1;
        }
        let ways = &mut ahead.0[..count];
        for Way(step) in ways.iter_mut() {
            *step = step.to_entries(self);
        }
        for Way(step) in ways.iter() {
            step.read_entries();
        }
        for Way(step) in ways.iter_mut() {
            *step = step.to_value();
        }
        for Way(step) in ways.iter() {
            step.read_members();
        }
        ahead
    }

    /// As [`Snapshot::answer`], by the way that was gone ahead.
    #[inline]
    pub fn answer_by<'a>(&'a self, way: Way<'a>, question: &Question<'_>) -> Answer<'a> {
        match way.end(question.name) {
            Some((found, zone)) => self.answer_of(found, question, zone),
            None => self.answer(question),
        }
    }

    /// The beginning of the way to what a question for this name finds.
    fn first_step(&self, name: &[u8], rtype: u16) -> Option<Step<'_>> {
        let mut buffer = [0; SHORT];
        let folded = buffer.get_mut(..name.len())?;
        folded.copy_from_slice(name);
        folded.make_ascii_lowercase();
        let (zone, labels) = self.fixed.ends_of(folded).next()?;
        let (first, mut rest) = split_string(labels)?;
        if rest.is_empty() {
            return (first != NAME_SERVER).then(|| Step::Host(self.hosts.hash(labels), zone));
        }
        // Of the last two labels.
        let mut service = labels;
        loop {
            let (label, behind) = split_string(rest)?;
            if behind.is_empty() {
                let is_type = matches!(label, TCP | UDP) && service != META;
                return is_type.then(|| Step::Type(self.types.hash(service), Wanted::by(rtype), zone));
            }
            (service, rest) = (rest, behind);
        }
    }
}

impl<'a> Way<'a> {
    /// Not at all.
    pub const UNKNOWN: Self = Self(Step::Lost);

    /// What is at this name, and its zone, if the way has come to it.
    #[inline]
    fn end(self, name: &[u8]) -> Option<(Found<'a>, &'a Zone)> {
        match self.0 {
            Step::AtType(service, _, zone) => {
                let front = before(before(name, zone.folded())?, service.all.labels())?;
                if front.is_empty() {
                    return Some((Found::Group(&service.all, service), zone));
                }
                let (label, []) = split_string(front)? else { return None };
                Some((Found::Instance(service.all.members.get(&label[1..])?, service), zone))
            }
            Step::AtHost(host, zone) => {
                let is_it = before(name, zone.folded())?.eq_ignore_ascii_case(host.name());
                (is_it && host.source() == Some(Source::ALL[0])).then_some((Found::Host(host), zone))
            }
            _ => None,
        }
    }
}

impl<'a> Step<'a> {
    fn to_entries(self, snapshot: &'a Snapshot) -> Self {
        match self {
            Self::Type(hash, wanted, zone) => Self::TypeAmong(hash, wanted, zone, snapshot.types.near(hash)),
            Self::Host(hash, zone) => Self::HostAmong(hash, zone, snapshot.hosts.near(hash)),
            other => other,
        }
    }

    fn read_entries(&self) {
        match self {
            Self::TypeAmong(.., entries) => read_lines(entries),
            Self::HostAmong(.., entries) => read_lines(entries),
            _ => {}
        }
    }

    fn to_value(self) -> Self {
        match self {
            Self::TypeAmong(hash, wanted, zone, entries) => match with_hash(entries, hash) {
                Some(service) => {
                    black_box((service.place, service.all.members.len()));
                    Self::AtType(service, wanted, zone)
                }
                None => Self::Lost,
            },
            Self::HostAmong(hash, zone, entries) => match with_hash(entries, hash) {
                Some(host) => {
                    if let Host::Sole(member) = host {
                        read(member, Wanted::Targets);
                    }
                    Self::AtHost(host, zone)
                }
                None => Self::Lost,
            },
            other => other,
        }
    }

    fn read_members(&self) {
        if let Self::AtType(service, wanted, _) = self {
            black_box(service.all.labels().first());
            service.all.members.iter().take(MEMBERS).for_each(|member| read(member, *wanted));
        }
    }
}

/// What is in front of this end, in any case.
#[inline]
fn before<'q>(name: &'q [u8], end: &[u8]) -> Option<&'q [u8]> {
    let (front, back) = name.split_at_checked(name.len().checked_sub(end.len())?)?;
    back.eq_ignore_ascii_case(end).then_some(front)
}

fn read_lines<V>(entries: &[Slot<V>]) {
    for entry in entries.iter().step_by(ENTRIES) {
        black_box(entry.as_ref().map(|(hash, _)| *hash));
    }
}

fn with_hash<V>(entries: &[Slot<V>], hash: u32) -> Option<&V> {
    entries.iter().flatten().find(|(other, _)| *other == hash).map(|(_, value)| value)
}

/// The head, and what is wanted that lies behind it furthest.
fn read(member: &Member, wanted: Wanted) {
    match wanted {
        Wanted::Targets => {
            black_box((member.ttl(), member.label().first()));
        }
        Wanted::All => {
            black_box((member.ttl(), member.txt().first()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{DomainName, registration};
    use crate::zone::serving;

    /// How far it is to what a name is asked for.
    fn goes(zone: &Snapshot, name: &str) -> &'static str {
        let name: DomainName = name.parse().unwrap();
        let ahead = zone.look_ahead([None, Some((name.as_wire(), rtype::SRV))].into_iter());
        assert!(matches!(ahead.way(0).0, Step::Lost) && matches!(ahead.way(WAYS).0, Step::Lost));
        match (ahead.way(1).0, ahead.way(1).end(name.as_wire())) {
            (Step::AtType(..), Some((Found::Group(..), _))) => "type",
            (Step::AtType(..), Some((Found::Instance(..), _))) => "instance",
            (Step::AtType(..), None) => "near",
            (Step::AtHost(..), Some((Found::Host(_), _))) => "host",
            (Step::Lost, None) => "nowhere",
            other => panic!("{name}: {:?}", other.0),
        }
    }

    #[test]
    fn the_way_of_a_question_ends_where_its_answer_is() {
        let zone = serving((0..500).map(|n| registration(&format!("s{n}"), &format!("i{n}"), &format!("h{n}"))));
        for n in 0..500 {
            assert_eq!(goes(&zone, &format!("_S{n}._tcp.registry.local")), "type");
            assert_eq!(goes(&zone, &format!("I{n}._s{n}._tcp.Registry.local")), "instance");
            assert_eq!(goes(&zone, &format!("_blue._sub._s{n}._tcp.registry.local")), "near");
            assert_eq!(goes(&zone, &format!("other._s{n}._tcp.registry.local")), "near");
            assert_eq!(goes(&zone, &format!("H{n}.registry.local")), "host");
        }
        for name in ["_s500._tcp.registry.local", "h500.registry.local", "registry.local", "example.org", "."] {
            assert_eq!(goes(&zone, name), "nowhere", "{name}");
        }
    }

    #[test]
    fn any_number_of_any_names_does_no_harm() {
        let zone = serving([registration("auth", "a1", "web1")]);
        let long = [&[63; 64][..], &[63; 64], &[63; 64], &[62; 63]].concat();
        let names = [&b""[..], b"\0", b"\x01", b"\xff", b"\x08registry\x05local\0", &long];
        zone.look_ahead(names.into_iter().map(|n| Some((n, 1))).cycle().take(10 * WAYS));
        zone.look_ahead(std::iter::empty());
    }
}
