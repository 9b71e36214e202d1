//! What one link says at the moment: the records that were heard and have not ended. Pure; time is passed in.
//!
//! A record ends with its TTL, one second after its goodbye (RFC 6762 §10.1), and one second after a record that
//! replaces its set (§10.2). An instance is there while its PTR and its SRV record are. Everything that a link can
//! make grow is bounded by the number of instances that are taken from it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::service::{DomainName, InstanceId, Registration, Subtype};

use super::announced::{Announced, Held};
use super::message::{Fact, Heard, Named, Target, subtype_name};

/// How long a record lives on after a goodbye (RFC 6762 §10.1), so that one who restarts is not gone in between;
/// also the age from which on another's record is flushed (§10.2).
const GRACE: Duration = Duration::from_secs(1);
/// Questions of one sweep; what else is due has its turn with the next. A stranger can name instances that are not
/// there, and a link is not to be filled with questions for them.
const QUESTIONS_MAX: usize = 16;
/// Addresses of a host that are remembered, routable or not.
const ADDRESSES_MAX: usize = 64;

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    limit: usize,
    instances: HashMap<InstanceId, Announced>,
    hosts: HashMap<DomainName, Addresses>,
    changed: HashSet<InstanceId>,
    /// Not after the first moment at which something ends or is due.
    next: Option<Instant>,
    overflowed: bool,
}

/// A host: what it is reached at, and which instances it is the target of.
#[derive(Debug, Default)]
struct Addresses {
    held: Vec<Held<IpAddr>>,
    users: HashSet<InstanceId>,
}

impl Link {
    /// A link of which nothing is known; at most `limit` instances are taken from it.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            instances: HashMap::new(),
            hosts: HashMap::new(),
            changed: HashSet::new(),
            next: None,
            overflowed: false,
        }
    }

    /// Takes in what was heard.
    pub(super) fn hear(&mut self, heard: Heard, now: Instant) {
        let Heard { fact, ttl, flush } = heard;
        match fact {
            Fact::Type(_) => {}
            Fact::Pointer(named) => self.pointer(named, ttl, now),
            Fact::Subtype(named, subtype) => self.subtype(named, subtype, ttl, now),
            Fact::Target(named, target) => self.target(named, target, ttl, now),
            Fact::Attributes(named, txt) => self.alter(named, ttl, now, |announced| {
                set(&mut announced.txt, txt, ttl, now, |_, _| true);
                announced.plan();
            }),
            Fact::Address(host, address) => self.address(host, address, ttl, flush, now),
        }
    }

    /// When [`Link::sweep`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Lets end what has ended. Returns instances whose SRV and TXT records should be asked for.
    pub(super) fn sweep(&mut self, now: Instant) -> Vec<Named> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let mut questions = Vec::new();
        let mut left = Vec::new();
        self.instances.retain(|id, announced| {
            let target = announced.target.as_ref().map(|held| held.value.host.clone());
            if announced.sweep(now) {
                self.changed.insert(id.clone());
            }
            if announced.target.is_none() {
                left.extend(target.map(|host| (host, id.clone())));
            }
            let host = announced.target.as_ref().and_then(|held| self.hosts.get(&held.value.host));
            let reachable = host.is_some_and(|addresses| !addresses.held.is_empty());
            if questions.len() < QUESTIONS_MAX && announced.is_due(reachable, now) {
                questions.push(Named { id: id.clone(), label: announced.label.clone() });
            }
            announced.pointer.is_some() || announced.target.is_some()
        });
        for (host, id) in left {
            self.unuse(&host, &id);
        }
        self.sweep_hosts(now);
        let ends = self.hosts.values().filter_map(Addresses::next);
        self.next = self.instances.values().filter_map(Announced::next).chain(ends).min();
        questions
    }

    /// Takes the instances that may have changed.
    pub(super) fn take_changed(&mut self) -> HashSet<InstanceId> {
        std::mem::take(&mut self.changed)
    }

    /// Whether the limit made it pass something over.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// What the link says of an instance, if it is there and its records are complete or have had their time.
    pub(super) fn registration(&self, id: &InstanceId) -> Option<Registration> {
        // The identity as this link spells it.
        let (id, announced) = self.instances.get_key_value(id)?;
        let host = &announced.target.as_ref()?.value.host;
        let addresses = self.hosts.get(host).map_or(&[][..], |addresses| &addresses.held);
        announced.registration(id, addresses.iter().map(|held| held.value))
    }

    /// What to browse in order to hear more of the instances that are there, subtypes included; may repeat itself.
    pub(super) fn browsed(&self) -> impl Iterator<Item = String> {
        let there = self.instances.iter().filter(|(_, announced)| announced.is_there());
        there.flat_map(|(id, announced)| {
            let service_type = id.service_type();
            let subtypes = announced.subtypes().map(move |subtype| subtype_name(subtype, service_type));
            subtypes.chain([service_type.to_string()])
        })
    }

    fn pointer(&mut self, named: Named, ttl: Duration, now: Instant) {
        self.alter(named, ttl, now, |announced| set(&mut announced.pointer, (), ttl, now, |(), ()| true));
    }

    fn subtype(&mut self, named: Named, subtype: Subtype, ttl: Duration, now: Instant) {
        let ends = ttl.is_zero().then(|| now + GRACE);
        self.alter(named, ttl, now, |announced| announced.subtype(subtype, ends));
    }

    fn target(&mut self, named: Named, target: Target, ttl: Duration, now: Instant) {
        let id = named.id.clone();
        let host = target.host.clone();
        let mut before = None;
        let mut after = None;
        self.alter(named, ttl, now, |announced| {
            before = announced.target.as_ref().map(|held| held.value.host.clone());
            set(&mut announced.target, target, ttl, now, PartialEq::eq);
            announced.plan();
            after = announced.target.as_ref().map(|held| held.value.host.clone());
        });
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.unuse(&before, &id);
        }
        if after.is_some() {
            self.hosts.entry(host).or_default().users.insert(id);
        }
    }

    fn address(&mut self, host: DomainName, address: IpAddr, ttl: Duration, flush: bool, now: Instant) {
        // Hosts without a service are remembered in case that their services are told next, up to a bound.
        if !self.hosts.contains_key(&host) && (ttl.is_zero() || self.hosts.len() >= 2 * self.limit) {
            return;
        }
        let addresses = self.hosts.entry(host).or_default();
        // A host may have thousands of instances, and says its addresses with each of them.
        if addresses.hear(address, ttl, flush, now) {
            self.changed.extend(addresses.users.iter().cloned());
        }
        self.next = self.next.into_iter().chain(addresses.next()).min();
    }

    /// Alters an instance, which is new where it was not known. A goodbye makes none, nor does one over the limit.
    fn alter(&mut self, named: Named, ttl: Duration, now: Instant, alter: impl FnOnce(&mut Announced)) {
        let Named { id, label } = named;
        if !self.instances.contains_key(&id) {
            if ttl.is_zero() {
                return;
            }
            if self.instances.len() >= self.limit {
                self.overflowed = true;
                return;
            }
        }
        let announced = self.instances.entry(id.clone()).or_insert_with(|| Announced::new(label, now));
        alter(announced);
        self.next = self.next.into_iter().chain(announced.next()).min();
        self.changed.insert(id);
    }

    fn sweep_hosts(&mut self, now: Instant) {
        self.hosts.retain(|_, Addresses { held, users }| {
            let before = held.len();
            held.retain(|held| held.ends > now);
            if held.len() != before {
                self.changed.extend(users.iter().cloned());
            }
            !held.is_empty() || !users.is_empty()
        });
    }

    fn unuse(&mut self, host: &DomainName, id: &InstanceId) {
        if let Some(addresses) = self.hosts.get_mut(host) {
            addresses.users.remove(id);
        }
    }
}

impl Addresses {
    /// Takes in an address. Tells whether it is a new one.
    fn hear(&mut self, address: IpAddr, ttl: Duration, flush: bool, now: Instant) -> bool {
        if flush {
            let set = self.held.iter_mut().filter(|held| held.value.is_ipv4() == address.is_ipv4());
            for old in set.filter(|held| held.value != address && now > held.heard + GRACE) {
                old.ends = old.ends.min(now + GRACE);
            }
        }
        let full = self.held.len() >= ADDRESSES_MAX;
        let known = self.held.iter_mut().find(|held| held.value == address);
        let new = known.is_none() && !ttl.is_zero() && !full;
        match known {
            Some(known) if ttl.is_zero() => known.ends = known.ends.min(now + GRACE),
            Some(known) => *known = Held::new(address, ttl, now),
            None if new => self.held.push(Held::new(address, ttl, now)),
            None => {}
        }
        new
    }

    fn next(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.ends).min()
    }
}

/// Sets a record of which an instance has one: the last word counts. A goodbye is for the record that it repeats,
/// as `same` judges.
fn set<T>(slot: &mut Option<Held<T>>, value: T, ttl: Duration, now: Instant, same: impl Fn(&T, &T) -> bool) {
    if !ttl.is_zero() {
        *slot = Some(Held::new(value, ttl, now));
    } else if let Some(held) = slot.as_mut().filter(|held| same(&held.value, &value)) {
        held.ends = held.ends.min(now + GRACE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::an_instance;
    use super::*;
    use crate::service::Txt;

    const TTL: Duration = Duration::from_mins(2);

    fn seconds(n: f64) -> Duration {
        Duration::from_secs_f64(n)
    }

    fn hear(link: &mut Link, fact: Fact, ttl: Duration, now: Instant) {
        link.hear(Heard { fact, ttl, flush: true }, now);
    }

    fn target(host: &str) -> Target {
        Target { host: host.parse().unwrap(), port: 80, priority: 0, weight: 0 }
    }

    fn address(host: &str, address: [u8; 4]) -> Fact {
        Fact::Address(host.parse().unwrap(), address.into())
    }

    /// All that is said of the instance `label` on `host`.
    fn whole(label: &str, host: &str) -> [Fact; 4] {
        let named = an_instance(label, "http");
        let txt = Txt::from_wire(b"\x03a=1").unwrap();
        [
            Fact::Pointer(named.clone()),
            Fact::Target(named.clone(), target(host)),
            Fact::Attributes(named, Some(txt)),
            address(host, [10, 0, 0, 1]),
        ]
    }

    fn announce(link: &mut Link, label: &str, now: Instant) {
        for fact in whole(label, "web.local") {
            hear(link, fact, TTL, now);
        }
    }

    fn is_there(link: &mut Link, label: &str, now: Instant) -> bool {
        link.sweep(now);
        link.registration(&an_instance(label, "http").id).is_some()
    }

    #[test]
    fn an_instance_is_there_until_its_ttl_ends() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        assert!(is_there(&mut link, "x", start));
        assert!(is_there(&mut link, "x", start + seconds(119.9)));
        link.take_changed();
        assert!(!is_there(&mut link, "x", start + TTL));
        assert_eq!(link.take_changed().len(), 1);
        assert!(link.instances.is_empty() && link.hosts.is_empty());
        assert_eq!(link.next(), None);
    }

    #[test]
    fn a_goodbye_takes_it_away_after_one_second_unless_it_comes_back() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        let goodbye = || Fact::Pointer(an_instance("x", "http"));
        hear(&mut link, goodbye(), Duration::ZERO, start + seconds(5.0));
        assert!(is_there(&mut link, "x", start + seconds(5.9)));
        announce(&mut link, "x", start + seconds(5.9));
        assert!(is_there(&mut link, "x", start + seconds(7.0)));
        hear(&mut link, goodbye(), Duration::ZERO, start + seconds(8.0));
        assert_eq!(link.next(), Some(start + seconds(9.0)));
        assert!(!is_there(&mut link, "x", start + seconds(9.0)));
    }

    #[test]
    fn a_goodbye_for_another_target_leaves_the_present_one() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        hear(&mut link, Fact::Target(an_instance("x", "http"), target("old.local")), Duration::ZERO, start);
        assert!(is_there(&mut link, "x", start + seconds(3.0)));
    }

    #[test]
    fn a_flushing_address_replaces_those_that_are_older_than_a_second() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        hear(&mut link, address("web.local", [10, 0, 0, 2]), TTL, start + seconds(0.5));
        hear(&mut link, address("web.local", [10, 0, 0, 3]), TTL, start + seconds(1.2));
        link.sweep(start + seconds(2.2));
        let addresses = link.registration(&an_instance("x", "http").id).unwrap().addresses;
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.2", "10.0.0.3"]);
    }

    #[test]
    fn an_instance_that_moves_takes_the_addresses_of_its_new_host() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        hear(&mut link, address("new.local", [10, 0, 0, 9]), TTL, start);
        hear(&mut link, Fact::Target(an_instance("x", "http"), target("new.local")), TTL, start);
        let moved = link.registration(&an_instance("x", "http").id).unwrap();
        assert_eq!((moved.host.to_string(), moved.addresses[0].to_string()), ("new".into(), "10.0.0.9".into()));
        hear(&mut link, address("new.local", [10, 0, 0, 8]), TTL, start);
        assert_eq!(link.registration(&an_instance("x", "http").id).unwrap().addresses.len(), 2);
    }

    #[test]
    fn without_addresses_it_waits_two_seconds_and_is_told_then() {
        let (mut link, start) = (Link::new(9), Instant::now());
        for fact in whole("x", "web.local").into_iter().take(3) {
            hear(&mut link, fact, TTL, start);
        }
        assert!(!is_there(&mut link, "x", start + seconds(1.9)));
        link.take_changed();
        assert!(is_there(&mut link, "x", start + seconds(2.0)));
        assert_eq!(link.take_changed().len(), 1);
        assert!(link.registration(&an_instance("x", "http").id).unwrap().addresses.is_empty());
    }

    #[test]
    fn what_has_too_long_a_txt_record_is_not_there_until_it_has_a_shorter_one() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        hear(&mut link, Fact::Attributes(an_instance("x", "http"), None), TTL, start);
        assert!(!is_there(&mut link, "x", start) && !is_there(&mut link, "x", start + seconds(3.0)));
        hear(&mut link, Fact::Attributes(an_instance("x", "http"), Some(Txt::default())), TTL, start + seconds(4.0));
        assert!(is_there(&mut link, "x", start + seconds(4.0)));
    }

    #[test]
    fn no_more_instances_are_taken_than_the_limit() {
        let (mut link, start) = (Link::new(2), Instant::now());
        for label in ["a", "b", "c"] {
            announce(&mut link, label, start);
        }
        assert!(link.overflowed());
        assert!(is_there(&mut link, "b", start) && !is_there(&mut link, "c", start));
        for n in 0..100 {
            hear(&mut link, address(&format!("h{n}.local"), [10, 0, 0, 1]), TTL, start);
        }
        assert!(link.hosts.len() <= 4, "{}", link.hosts.len());
    }

    #[test]
    fn a_dotted_name_is_asked_for_by_us_when_its_records_run_out() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "a.b", start);
        announce(&mut link, "plain", start);
        assert_eq!(link.sweep(start + seconds(95.9)), []);
        let questions = link.sweep(start + seconds(96.0));
        assert_eq!(questions, [an_instance("a.b", "http")]);
        assert_eq!(link.sweep(start + seconds(97.0)), []);
        assert_eq!(link.sweep(start + seconds(102.0)).len(), 1);
    }

    #[test]
    fn what_was_lost_of_an_announcement_is_asked_for_by_us_a_few_times() {
        let start = Instant::now();
        for lost in 1..4 {
            let mut link = Link::new(9);
            for (index, fact) in whole("x", "web.local").into_iter().enumerate() {
                if index != lost {
                    hear(&mut link, fact, TTL, start);
                }
            }
            let asked: Vec<u32> =
                (0..100).filter(|n| !link.sweep(start + Duration::from_secs((*n).into())).is_empty()).collect();
            assert_eq!(asked, [1, 2, 4, 8, 16], "fact {lost} lacks");
            // Another announcement brings it.
            announce(&mut link, "x", start + seconds(100.0));
            assert_eq!(link.sweep(start + seconds(102.0)), []);
        }
    }

    #[test]
    fn invented_instances_do_not_fill_the_link_with_questions() {
        let (mut link, start) = (Link::new(5_000), Instant::now());
        for n in 0..5_000 {
            hear(&mut link, Fact::Pointer(an_instance(&format!("invented {n}"), "http")), TTL, start);
        }
        assert_eq!(link.sweep(start + seconds(1.0)).len(), QUESTIONS_MAX);
        assert_eq!(link.sweep(start + seconds(1.1)).len(), QUESTIONS_MAX);
    }

    #[test]
    fn what_has_an_instance_is_browsed_on() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        hear(&mut link, Fact::Subtype(an_instance("x", "http"), Subtype::new("_blue").unwrap()), TTL, start);
        hear(&mut link, Fact::Pointer(an_instance("invented", "ipp")), TTL, start);
        assert_eq!(link.browsed().collect::<Vec<_>>(), ["_blue._sub._http._tcp", "_http._tcp"]);
        link.sweep(start + TTL);
        assert_eq!(link.browsed().count(), 0);
    }

    #[test]
    fn a_subtype_lasts_until_it_is_taken_back() {
        let (mut link, start) = (Link::new(9), Instant::now());
        announce(&mut link, "x", start);
        let blue = || Fact::Subtype(an_instance("x", "http"), Subtype::new("_blue").unwrap());
        hear(&mut link, blue(), TTL, start);
        hear(&mut link, blue(), TTL, start);
        assert_eq!(link.registration(&an_instance("x", "http").id).unwrap().subtypes.len(), 1);
        hear(&mut link, blue(), Duration::ZERO, start);
        link.sweep(start + GRACE);
        assert_eq!(link.registration(&an_instance("x", "http").id).unwrap().subtypes.len(), 0);
    }
}
