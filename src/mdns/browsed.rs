//! Which names are browsed, and until when. Pure; time is passed in.
//!
//! A stranger can make up any number of types, so there is room for so many, and who asks for one that is not there
//! any more gives its room back: a flood is over some minutes after it ended. Subtypes have a room of their own, since
//! devices make them up for each instance or even each boot, and a type that is not asked for hides all of its instances.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// What is asked in order to learn which service types there are (RFC 6763 §9). It takes no room.
pub(super) const TYPES: &str = "_services._dns-sd._udp";
/// Browsed types, and as many subtypes: a home has tens, and a stranger could make up any number.
pub(super) const NAMES_MAX: usize = 256;
/// How long a name is browsed that nobody speaks of and that has no instance. Announcements are heard without it.
const IDLE: Duration = Duration::from_mins(10);

/// The names, each with when it was last of use.
#[derive(Debug)]
pub(super) struct Browsed {
    types: HashMap<String, Instant>,
    subtypes: HashMap<String, Instant>,
    turned_away: bool,
}

/// What becomes of a name that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is browsed from now on.
    New,
    /// It is browsed already.
    Known,
    /// There is no room.
    TooMany,
}

/// What is to be browsed no more, and whether one that found no room may find it now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// These names.
    pub(super) names: Vec<String>,
    /// Then the types are to be asked for anew: a responder does not repeat what the asker knows (RFC 6762 §7.1).
    pub(super) room_again: bool,
}

impl Browsed {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { types: HashMap::new(), subtypes: HashMap::new(), turned_away: false }
    }

    /// Notes that someone speaks of `name`.
    pub(super) fn heard(&mut self, name: &str, now: Instant) -> Verdict {
        let names = if name.contains("._sub.") { &mut self.subtypes } else { &mut self.types };
        if let Some(used) = names.get_mut(name) {
            *used = now;
            return Verdict::Known;
        }
        if names.len() >= NAMES_MAX {
            self.turned_away = true;
            return Verdict::TooMany;
        }
        names.insert(name.to_owned(), now);
        Verdict::New
    }

    /// Forgets the names that were of no use for a while; those in `held` have instances.
    pub(super) fn forget(&mut self, held: &HashSet<String>, now: Instant) -> Forgotten {
        let mut names = Vec::new();
        for browsed in [&mut self.types, &mut self.subtypes] {
            browsed.retain(|name, used| {
                if held.contains(name) {
                    *used = now;
                }
                let idle = now >= *used + IDLE;
                if idle {
                    names.push(name.clone());
                }
                !idle
            });
        }
        let room_again = !names.is_empty() && std::mem::take(&mut self.turned_away);
        Forgotten { names, room_again }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flooded(now: Instant) -> Browsed {
        let mut browsed = Browsed::new();
        for n in 0..1_000 {
            browsed.heard(&format!("_t{n}._tcp"), now);
        }
        browsed
    }

    #[test]
    fn after_a_flood_of_types_a_real_one_finds_room_again() {
        let start = Instant::now();
        let mut browsed = flooded(start);
        assert_eq!(browsed.heard("_http._tcp", start), Verdict::TooMany);
        assert_eq!(browsed.forget(&HashSet::new(), start + IDLE / 2), Forgotten::default());
        let forgotten = browsed.forget(&HashSet::new(), start + IDLE);
        assert_eq!((forgotten.names.len(), forgotten.room_again), (NAMES_MAX, true));
        assert_eq!(browsed.heard("_http._tcp", start + IDLE), Verdict::New);
    }

    #[test]
    fn subtypes_do_not_take_the_room_of_types() {
        let start = Instant::now();
        let mut browsed = Browsed::new();
        for n in 0..NAMES_MAX {
            assert_eq!(browsed.heard(&format!("_s{n}._sub._http._tcp"), start), Verdict::New);
        }
        assert_eq!(browsed.heard("_more._sub._http._tcp", start), Verdict::TooMany);
        assert_eq!(browsed.heard("_http._tcp", start), Verdict::New);
    }

    #[test]
    fn a_name_with_an_instance_or_that_is_spoken_of_stays() {
        let start = Instant::now();
        let mut browsed = flooded(start);
        browsed.heard("_t1._tcp", start + IDLE / 2);
        let forgotten = browsed.forget(&HashSet::from(["_t2._tcp".to_owned()]), start + IDLE).names;
        assert_eq!(forgotten.len(), NAMES_MAX - 2);
        assert!(!forgotten.iter().any(|name| name == "_t1._tcp" || name == "_t2._tcp"));
    }
}
