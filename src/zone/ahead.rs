//! Looks ahead of answers, so that many wait for memory together.
//!
//! In a zone of a million instances an answer goes by half a dozen places in memory that are in no cache, and each
//! says where the next one is: most of its time it waits. So before a batch of questions is answered, the ways to all
//! its answers are gone side by side, a step each: every step begins to read what the next one needs, and while that
//! comes, the others take theirs. When the answers are then looked for, all is at hand.
//!
//! What is read ahead decides nothing: it may be too little, for odd names and large services, or in vain.

use std::hint::black_box;
use std::sync::Arc;

use super::group::Service;
use super::host::Host;
use super::index::Slot;
use super::lookup::{SHORT, TCP, UDP};
use super::member::Member;
use super::rrset::rtype;
use super::snapshot::Snapshot;

/// Ways that are gone side by side, at most: as many as a batch has questions.
const WAYS: usize = 64;
/// Entries of an index in a cache line.
const ENTRIES: usize = 4;
/// Instances that are looked at, at most: those of most services.
const MEMBERS: usize = 4;

/// Where the way to an answer has come to.
#[derive(Clone, Copy)]
enum Way<'a> {
    End,
    /// To a service type whose labels have this hash.
    Type(u32, Wanted),
    /// To a host whose label has this hash.
    Host(u32),
    /// The type is among these, if it is there.
    TypeAmong(u32, Wanted, &'a [Slot<Arc<Service>>]),
    HostAmong(u32, &'a [Slot<Host>]),
    Service(&'a Service, Wanted),
}

/// What of a service type's instances is wanted.
#[derive(Clone, Copy)]
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

impl Snapshot {
    /// Has what these questions find read from memory, of the first 64: names in wire form with their root label, and
    /// types.
    pub fn look_ahead<'q>(&self, questions: impl Iterator<Item = (&'q [u8], u16)>) {
        let mut all = [Way::End; WAYS];
        let mut count = 0;
        for (way, (name, rtype)) in all.iter_mut().zip(questions) {
            *way = self.way(name, rtype);
            count += 1;
        }
        let ways = &mut all[..count];
        for way in ways.iter_mut() {
            *way = way.to_entries(self);
        }
        ways.iter().for_each(Way::read_entries);
        for way in ways.iter_mut() {
            *way = way.to_value();
        }
        ways.iter().for_each(Way::read_members);
    }

    /// The beginning of the way to what a question for this name finds.
    fn way(&self, name: &[u8], rtype: u16) -> Way<'_> {
        let mut buffer = [0; SHORT];
        let Some(folded) = buffer.get_mut(..name.len()) else { return Way::End };
        folded.copy_from_slice(name);
        folded.make_ascii_lowercase();
        let Some((_, labels)) = self.fixed.enclosing(folded) else { return Way::End };
        match labels.as_slice() {
            [label] => Way::Host(self.hosts.hash(label)),
            [before @ .., _, TCP | UDP] => Way::Type(self.types.hash(labels.from(before.len())), Wanted::by(rtype)),
            _ => Way::End,
        }
    }
}

impl<'a> Way<'a> {
    fn to_entries(self, zone: &'a Snapshot) -> Self {
        match self {
            Self::Type(hash, wanted) => Self::TypeAmong(hash, wanted, zone.types.near(hash)),
            Self::Host(hash) => Self::HostAmong(hash, zone.hosts.near(hash)),
            other => other,
        }
    }

    fn read_entries(&self) {
        match self {
            Self::TypeAmong(.., entries) => read_lines(entries),
            Self::HostAmong(_, entries) => read_lines(entries),
            _ => {}
        }
    }

    fn to_value(self) -> Self {
        match self {
            Self::TypeAmong(hash, wanted, entries) => match with_hash(entries, hash) {
                Some(service) => {
                    black_box((service.place, service.all.members.len()));
                    Self::Service(service, wanted)
                }
                None => Self::End,
            },
            Self::HostAmong(hash, entries) => {
                if let Some(Host::Sole(member)) = with_hash(entries, hash) {
                    read(member, Wanted::Targets);
                }
                Self::End
            }
            other => other,
        }
    }

    fn read_members(&self) {
        if let Self::Service(service, wanted) = self {
            black_box(service.all.labels().first());
            service.all.members.iter().take(MEMBERS).for_each(|member| read(member, *wanted));
        }
    }
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
        let mut way = zone.way(name.as_wire(), rtype::SRV).to_entries(zone);
        way.read_entries();
        way = match way {
            Way::HostAmong(hash, entries) => return with_hash(entries, hash).map_or("nowhere", |_| "host"),
            other => other.to_value(),
        };
        way.read_members();
        match way {
            Way::Service(..) => "service",
            Way::End => "nowhere",
            _ => "on the way",
        }
    }

    #[test]
    fn the_way_of_a_question_ends_where_its_answer_is() {
        let zone = serving((0..500).map(|n| registration(&format!("s{n}"), &format!("i{n}"), &format!("h{n}"))));
        for n in 0..500 {
            assert_eq!(goes(&zone, &format!("_S{n}._tcp.registry.local")), "service");
            assert_eq!(goes(&zone, &format!("i{n}._s{n}._tcp.Registry.local")), "service");
            assert_eq!(goes(&zone, &format!("_blue._sub._s{n}._tcp.registry.local")), "service");
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
        zone.look_ahead(names.into_iter().map(|n| (n, 1)).cycle().take(10 * WAYS));
        zone.look_ahead(std::iter::empty());
    }
}
