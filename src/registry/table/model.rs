//! The table against a naive model: plain vectors that are searched from end to end, no index, no sharing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::registry::authority::By;
use crate::registry::guard;
use crate::registry::operation::{Applied, Condition, Operation, Refusal, StatusWish};
use crate::service::{
    Address, Check, Facts, Host, HostLabel, Inquiry, InstanceName, Lease, Probe, Registration, Reported, Source,
    Status, UnixMillis, registration,
};
use crate::tokens::{Hash, Keyring};

const REAP: Duration = Duration::from_secs(20);
const MAX: usize = 9;
const MAX_CHECKED: usize = 3;
/// The name of an instance that is there, unless it is at another port.
const PLACE: &str = "10.0.0.1:80";

/// One instance in one layer, as the model has it.
#[derive(Debug, Clone)]
struct Entry {
    registration: Registration,
    origin: Origin,
    owner: Option<Arc<str>>,
    facts: Facts,
    /// In lower case, since case is ignored where labels are compared.
    host: String,
    expires: Option<u64>,
    registered: u64,
}

#[derive(Debug, Default)]
struct Model {
    entries: Vec<Entry>,
}

/// What is compared of an instance.
type Seen = (Origin, Status, String, Option<u64>, Option<u64>, u64);

impl Model {
    fn find(&mut self, id: &InstanceId, origin: &Origin) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.registration.id == *id && e.origin == *origin)
    }

    fn changeable(&mut self, id: &InstanceId, origin: &Origin, who: Who) -> Result<&mut Entry, &'static str> {
        let entry = self.find(id, origin).ok_or("unknown")?;
        if who.may_change(entry) { Ok(entry) } else { Err("not yours") }
    }

    fn apply(&mut self, operation: &Operation, who: Who, now: u64) -> Result<bool, &'static str> {
        match operation {
            Operation::Register { registration, origin, condition } => {
                self.register(registration, origin, who, *condition, now)
            }
            Operation::Move(registration) => {
                let created = self.register(registration, &Origin::api(), who, Condition::Always, now)?;
                let id = &registration.id;
                let is_moved = |e: &Entry| e.is_placed() && e.is_named(id.instance()) && e.registration.id != *id;
                self.entries.retain(|e| !is_moved(e) || !who.may_change(e));
                Ok(created)
            }
            Operation::Renew(id) => {
                let entry = self.changeable(id, &Origin::api(), who)?;
                entry.facts.lapsed = None;
                entry.expires = entry.registration.lease.duration().map(|lease| Moment(now).after(lease).0);
                Ok(false)
            }
            Operation::Deregister { id, origin, .. } => {
                self.changeable(id, origin, who)?;
                self.entries.retain(|e| e.registration.id != *id || e.origin != *origin);
                Ok(false)
            }
            Operation::Checked { instance, check } => {
                let entry = self.find(instance.id(), &instance.origin).ok_or("unknown")?;
                if !entry.is_checked() || entry.registration.port != instance.registration.port {
                    return Err("unknown");
                }
                entry.facts.check = check.clone();
                Ok(false)
            }
            Operation::SetStatus { id, status, .. } => {
                let entry = self.changeable(id, &Origin::api(), who)?;
                let passing = if entry.is_checked() { Check::Passing } else { Check::None };
                let facts = &mut entry.facts;
                match status {
                    StatusWish::Starting => facts.reported = Reported::Starting,
                    StatusWish::OutOfService => facts.drained = true,
                    StatusWish::Down(why) => facts.check = Check::Failing(Arc::clone(why)),
                    StatusWish::Up => {
                        *facts = Facts { lapsed: facts.lapsed, check: passing, ..Facts::default() };
                    }
                }
                Ok(false)
            }
        }
    }

    fn register(
        &mut self,
        registration: &Registration,
        origin: &Origin,
        who: Who,
        condition: Condition,
        now: u64,
    ) -> Result<bool, &'static str> {
        let existing = self.find(&registration.id, origin).cloned();
        match (condition, &existing) {
            (Condition::Absent, Some(e)) if e.facts.lapsed.is_none() => return Err("exists"),
            (Condition::Present, None) => return Err("unknown"),
            _ => {}
        }
        if existing.is_none() && self.entries.len() >= MAX {
            return Err("full");
        }
        let own = (who != Who::Program && who != Who::Anonymous).then(|| Arc::from(who.name()));
        let owner = match &existing {
            Some(e) if !who.may_change(e) => return Err("not yours"),
            Some(e) if e.owner.is_some() || matches!(who, Who::Admin | Who::Program) => e.owner.clone(),
            _ => own,
        };
        let owner = owner.as_ref();
        let checked = self.entries.iter().filter(|e| e.is_checked()).count();
        if registration.details.probe.is_some()
            && !existing.as_ref().is_some_and(Entry::is_checked)
            && checked >= MAX_CHECKED
        {
            return Err("full");
        }
        let mut others = self.entries.clone();
        others.retain(|e| e.registration.id != registration.id || e.origin != *origin);
        let kept = existing.as_ref().filter(|e| {
            let (was, is) = (is_exact(&e.registration), is_exact(registration));
            let same = e.registration.host == registration.host && e.owner.as_ref() == owner;
            same && (was == is || origin.source() != Source::Api)
        });
        let host = match kept {
            Some(e) => e.host.clone(),
            None => claim(&mut others, registration, origin, owner)?,
        };
        let mut facts = existing.as_ref().map(|e| e.facts.clone()).unwrap_or_default();
        facts.lapsed = None;
        facts.reported = registration.reported;
        let probed = |registration: &Registration| registration.details.probe.is_some();
        let asked = |said: &Registration| (said.port, said.addresses.clone(), said.details.probe.clone());
        match existing.as_ref().map(|e| &e.registration) {
            Some(before) if !probed(before) && !probed(registration) => {}
            Some(before) if asked(before) == asked(registration) => {}
            _ => facts.check = if probed(registration) { Check::Awaited } else { Check::None },
        }
        others.push(Entry {
            registration: registration.clone(),
            origin: origin.clone(),
            owner: owner.cloned(),
            facts,
            host,
            expires: registration.lease.duration().map(|lease| Moment(now).after(lease).0),
            registered: existing.as_ref().map_or(now, |e| e.registered),
        });
        self.entries = others;
        Ok(existing.is_none())
    }

    fn expire(&mut self, now: u64) {
        for entry in &mut self.entries {
            if entry.facts.lapsed.is_none() && entry.expires.is_some_and(|e| e <= now) {
                entry.facts.lapsed = entry.expires.map(Moment);
            }
        }
        self.entries.retain(|e| e.facts.lapsed.is_none_or(|lapsed| lapsed.after(REAP).0 > now));
    }

    fn seen(&self) -> BTreeMap<InstanceId, Vec<Seen>> {
        let mut all: BTreeMap<InstanceId, Vec<Seen>> = BTreeMap::new();
        let mut entries = self.entries.clone();
        entries.sort_by(|a, b| b.origin.source().cmp(&a.origin.source()).then(a.origin.name().cmp(b.origin.name())));
        for e in entries {
            let lapsed = e.facts.lapsed.map(|moment| moment.0);
            let seen = (e.origin, e.facts.status(), e.host, e.expires, lapsed, e.registered);
            all.entry(e.registration.id).or_default().push(seen);
        }
        for layers in all.values_mut() {
            if let Some(effective) = layers.iter().position(|layer| layer.1 != Status::Down) {
                let layer = layers.remove(effective);
                layers.insert(0, layer);
            }
        }
        all
    }
}

impl Entry {
    fn is_checked(&self) -> bool {
        self.registration.details.probe.is_some()
    }

    fn is_placed(&self) -> bool {
        let name = self.registration.id.instance().as_str();
        self.origin == Origin::api() && name.ends_with(&format!(":{}", self.registration.port))
    }

    fn is_named(&self, name: &InstanceName) -> bool {
        self.registration.id.instance() == name
    }
}

/// Whether the host says the one address that it has.
fn is_exact(asked: &Registration) -> bool {
    let addresses: Vec<_> = asked.addresses.iter().map(|a| format!("ip-{}", a.to_string().replace('.', "-"))).collect();
    addresses == [asked.host.to_string().to_lowercase()]
}

fn same_claim(e: &Entry, asked: &Registration, origin: &Origin, owner: Option<&Arc<str>>) -> bool {
    let theirs = e.owner.as_ref().filter(|_| !is_exact(&e.registration));
    e.registration.host == asked.host && e.origin == *origin && theirs == owner.filter(|_| !is_exact(asked))
}

/// Of those who share a label by what they ask for: whether they do not after all.
fn is_apart(e: &Entry, asked: &Registration, owner: Option<&Arc<str>>) -> bool {
    let shares = |owner: Option<&Arc<str>>, said: &Registration| owner.is_some() && is_exact(said);
    let injects = |owner: Option<&Arc<str>>, said: &Registration| owner.is_none() && !is_exact(said);
    let theirs = e.owner.as_ref();
    (shares(owner, asked) && injects(theirs, &e.registration))
        || (injects(owner, asked) && shares(theirs, &e.registration))
}

/// The host label for a new claim; lower claims in the way move.
fn claim(
    others: &mut [Entry],
    asked: &Registration,
    origin: &Origin,
    owner: Option<&Arc<str>>,
) -> Result<String, &'static str> {
    if others.iter().any(|e| same_claim(e, asked, origin, owner) && is_apart(e, asked, owner)) {
        return Err("not yours");
    }
    if let Some(fellow) = others.iter().find(|e| same_claim(e, asked, origin, owner)) {
        return Ok(fellow.host.clone());
    }
    let wanted = asked.host.to_string().to_lowercase();
    let Some(holder) = others.iter().find(|e| e.host == wanted).cloned() else { return Ok(wanted) };
    if holder.origin.source() < origin.source() {
        let free = free_label(others, &holder.registration.host);
        for e in others.iter_mut().filter(|e| e.host == wanted) {
            e.host.clone_from(&free);
        }
        return Ok(wanted);
    }
    if origin.source() == Source::Api { Err("not yours") } else { Ok(free_label(others, &asked.host)) }
}

fn free_label(others: &[Entry], host: &Host) -> String {
    let mut free =
        (2..).map(|n| format!("{host}-{n}").to_lowercase()).filter(|label| others.iter().all(|e| e.host != *label));
    free.next().unwrap()
}

fn seen(table: &Table) -> BTreeMap<InstanceId, Vec<Seen>> {
    let one = |i: &Arc<Instance>| {
        let (lapsed, expires) = (i.facts.lapsed.map(|moment| moment.0), i.expires_at().map(|moment| moment.0));
        (i.origin.clone(), i.status(), i.host().to_string().to_lowercase(), expires, lapsed, i.registered_at.0)
    };
    table.slots().iter().map(|slot| (slot.id().clone(), slot.instances().map(one).collect())).collect()
}

fn outcome(result: &Result<Applied, Refusal>) -> Result<bool, &'static str> {
    match result {
        Ok(applied) => Ok(applied.created),
        Err(Refusal::Unknown(_)) => Err("unknown"),
        Err(Refusal::Exists(_)) => Err("exists"),
        Err(Refusal::NotYours(_) | Refusal::HostTaken(_)) => Err("not yours"),
        Err(Refusal::Full(MAX) | Refusal::ChecksFull(MAX_CHECKED)) => Err("full"),
        Err(other) => panic!("{other}"),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Do(Box<Operation>, Who),
    /// Of one of those that are there, by its place, and whether something else was registered since.
    Check(usize, bool, Check),
    Wait(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Program,
    Anonymous,
    Team,
    Others,
    Admin,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Program | Self::Anonymous => "",
            Self::Team => "team",
            Self::Others => "others",
            Self::Admin => "admin",
        }
    }

    fn may_change(self, entry: &Entry) -> bool {
        let owner = entry.owner.as_deref();
        matches!(self, Self::Program | Self::Admin) || owner.is_none_or(|owner| owner == self.name())
    }

    fn by(self, keyring: &Keyring) -> By {
        match self {
            Self::Program => By::Program,
            Self::Anonymous => By::Somebody(keyring.anonymous()),
            named => By::Somebody(keyring.grant(named.name()).unwrap()),
        }
    }
}

/// Tokens that are their own names.
fn keyring() -> Keyring {
    let rules = [("team", "write = [\"*\"]"), ("others", "write = [\"*\"]"), ("admin", "admin = true")];
    let token = |(name, rule): (&str, &str)| {
        toml::from_str(&format!("name = {name:?}\nhash = \"{}\"\n{rule}", Hash::of(name))).unwrap()
    };
    Keyring::new(rules.map(token).into())
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = prop_oneof![
        4 => (0..4_u8).prop_map(|n| registration("auth", &format!("a{n}"), "h").id),
        1 => Just(registration("auth", PLACE, "h").id),
        1 => Just(registration("web", PLACE, "h").id),
    ];
    let origin = prop_oneof![
        4 => Just(Origin::api()),
        2 => Just(Origin::new(Source::Mdns, "eth0")),
        1 => Just(Origin::new(Source::Mdns, "eth1")),
        1 => Just(Origin::new(Source::File, "services.toml")),
    ];
    let lease = prop_oneof![4 => 1..30_u64, 1 => Just(0)];
    let host =
        prop_oneof![3 => Just("h"), 1 => Just("h-2"), 2 => Just("other"), 1 => Just("H"), 4 => Just("ip-10-0-0-1")];
    let addresses = prop_oneof![2 => Just(vec![1]), 1 => Just(vec![1, 2]), 1 => Just(vec![2])];
    let reported = prop_oneof![4 => Just(Reported::Up), 1 => Just(Reported::Starting)];
    let condition =
        prop_oneof![6 => Just(Condition::Always), 1 => Just(Condition::Absent), 1 => Just(Condition::Present)];
    let probe = prop_oneof![3 => Just(None), 1 => Just(Some(80)), 1 => Just(Some(81))];
    let register = (id.clone(), origin.clone(), host, addresses, lease, reported, condition, probe).prop_map(
        |(id, origin, host, addresses, lease, reported, condition, probe)| {
            let mut registration = registration("auth", "x", "h");
            registration.id = id;
            registration.host = Host::Label(HostLabel::new(host).unwrap());
            registration.lease = Lease::from_millis(lease * 1000);
            registration.reported = reported;
            if let Some(port) = probe {
                registration.port = port.try_into().unwrap();
                registration.details.probe = Some(Box::new(Probe::new(Inquiry::Tcp, None, None, None).unwrap()));
            }
            let address = |last: u8| Address::new([10, 0, 0, last].into()).unwrap();
            registration.addresses = addresses.into_iter().map(address).collect();
            Operation::Register { registration, origin, condition }
        },
    );
    let condition = Condition::Always;
    let wish = prop_oneof![
        Just(StatusWish::Starting),
        Just(StatusWish::Up),
        Just(StatusWish::Down("why".into())),
        Just(StatusWish::OutOfService)
    ];
    let moved = register.clone().prop_map(|operation| match operation {
        Operation::Register { registration, .. } => Operation::Move(registration),
        other => other,
    });
    prop_oneof![
        6 => register,
        2 => moved,
        1 => id.clone().prop_map(Operation::Renew),
        1 => (id.clone(), origin).prop_map(move |(id, origin)| Operation::Deregister { id, origin, condition }),
        2 => (id, wish).prop_map(move |(id, status)| Operation::SetStatus { id, status, condition }),
    ]
}

/// What a check says of what has this place, or had before something else was registered.
fn checked(table: &Table, place: usize, stale: bool, check: Check) -> Option<Operation> {
    let there: Vec<_> = table.slots().iter().flat_map(Slot::instances).collect();
    let mut instance = Arc::clone(there.get(place % there.len().max(1))?);
    if stale {
        Arc::make_mut(&mut instance).registration.port = 79.try_into().unwrap();
    }
    Some(Operation::Checked { instance, check })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let check =
        prop_oneof![Just(Check::Passing), Just(Check::Failing("why".into())), Just(Check::Failing("no".into()))];
    let who = prop_oneof![
        1 => Just(Who::Program),
        3 => Just(Who::Anonymous),
        3 => Just(Who::Team),
        2 => Just(Who::Others),
        1 => Just(Who::Admin)
    ];
    let done = (operation(), who).prop_map(|(operation, who)| {
        // Only the doors know tokens.
        let is_told = |origin: &Origin| origin.source() != Source::Api;
        let by_program = match &operation {
            Operation::Register { origin, .. } | Operation::Deregister { origin, .. } => is_told(origin),
            Operation::Move(_) | Operation::Renew(_) | Operation::SetStatus { .. } => false,
            Operation::Checked { .. } => true,
        };
        Step::Do(Box::new(operation), if by_program { Who::Program } else { who })
    });
    let step = prop_oneof![
        6 => done,
        2 => (0..12_000_u64).prop_map(Step::Wait),
        1 => (0..MAX, proptest::bool::weighted(0.1), check).prop_map(|(n, stale, check)| Step::Check(n, stale, check)),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn the_table_does_what_the_naive_model_does(steps in steps()) {
        let limits = Limits { instances: MAX, checked: MAX_CHECKED };
        let mut table = Table::new(Revision(100), limits, REAP);
        let mut model = Model::default();
        let mut effective: BTreeMap<InstanceId, Arc<Instance>> = BTreeMap::new();
        let (keyring, mut clock) = (keyring(), 0);
        for step in steps {
            let (mut journal, before) = (Journal::default(), table.clone());
            let listed_before: Vec<_> = before.slots().iter().map(|slot| Arc::as_ptr(slot.effective())).collect();
            match step {
                Step::Do(operation, who) => {
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    let result = table.apply(&operation, &who.by(&keyring), now, &mut journal);
                    prop_assert_eq!(outcome(&result), model.apply(&operation, who, clock), "{:?} {:?}", who, operation);
                }
                Step::Check(n, stale, check) => {
                    let Some(operation) = checked(&table, n, stale, check) else { continue };
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    let result = table.apply(&operation, &By::Program, now, &mut journal);
                    prop_assert_eq!(outcome(&result), model.apply(&operation, Who::Program, clock), "{:?}", operation);
                }
                Step::Wait(millis) => {
                    clock += millis;
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    // In small portions, as the writer does it.
                    while table.expire(now, 3, &mut journal) {}
                    model.expire(clock);
                }
            }
            let (is, should_be) = (seen(&table), model.seen());
            prop_assert_eq!(is, should_be);

            let mut census = Census::default();
            for instance in table.slots().iter().flat_map(Slot::instances) {
                census.replace(None, Some(instance));
            }
            prop_assert_eq!(table.census(), census);
            prop_assert_eq!(table.places().len(), model.entries.iter().filter(|entry| entry.is_placed()).count());

            // One number for every change of a layer, none without one.
            prop_assert_eq!(table.revision().0, before.revision().0 + journal.replaced.len() as u64);
            let mut last = before.revision();
            for change in &journal.changes {
                prop_assert!(change.revision > last && change.revision <= table.revision());
                last = change.revision;
                let known = match &change.after {
                    Some(after) => effective.insert(change.id.clone(), Arc::clone(after)),
                    None => effective.remove(&change.id),
                };
                prop_assert_eq!(known.as_ref().map(Arc::as_ptr), change.before.as_ref().map(Arc::as_ptr));
            }
            let replayed: Vec<_> = effective.values().map(Arc::as_ptr).collect();
            let listed: Vec<_> = table.slots().iter().map(|slot| Arc::as_ptr(slot.effective())).collect();
            prop_assert_eq!(replayed, listed);

            // Whoever holds the table as it was sees nothing of it.
            let still: Vec<_> = before.slots().iter().map(|slot| Arc::as_ptr(slot.effective())).collect();
            prop_assert_eq!(listed_before, still);

            // Nothing in the index is late, nothing in it is without an instance.
            let deadlines = || table.slots().iter().flat_map(Slot::instances).map(|i| table.deadline(i));
            let first = deadlines().min().filter(|first| *first != NEVER);
            prop_assert!(first.is_none_or(|first| table.next_due().is_some_and(|due| due <= first)));
            prop_assert!(table.due.len() <= deadlines().count());
        }
    }

    #[test]
    fn the_guard_counts_what_is_listed_and_keeps_nothing_for_longer_than_a_lease(steps in steps()) {
        let config = guard::Config { services: vec!["*".into()], share: 60, instances: 2 };
        let limits = Limits { instances: MAX, checked: MAX_CHECKED };
        let mut table = Table::new(Revision(100), limits, REAP).guarding(Guard::new(&config));
        let mut clock = 0;
        for step in steps {
            let mut journal = Journal::default();
            match step {
                Step::Do(operation, who) => {
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    drop(table.apply(&operation, &who.by(&keyring()), now, &mut journal));
                }
                Step::Check(n, stale, check) => {
                    let Some(operation) = checked(&table, n, stale, check) else { continue };
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    drop(table.apply(&operation, &By::Program, now, &mut journal));
                }
                Step::Wait(millis) => {
                    clock += millis;
                    let now = Now { clock: Moment(clock), wall: UnixMillis(clock) };
                    while table.expire(now, 3, &mut journal) {}
                    prop_assert!(!table.guard.is_pending());
                }
            }
            prop_assert!(table.guard.agrees_with(table.slots().iter().map(|slot| &**slot.effective())));
            for kept in table.slots().iter().flat_map(Slot::instances).filter(|i| i.facts.kept.is_some()) {
                prop_assert!(kept.facts.lapsed.is_some() && kept.facts.is_up_but_for_its_lease());
                prop_assert!(kept.kept_until() > Some(Moment(clock)), "{kept:?} at {clock}");
            }
            let deadlines = || table.slots().iter().flat_map(Slot::instances).map(|i| table.deadline(i));
            let first = deadlines().min().filter(|first| *first != NEVER);
            prop_assert!(first.is_none_or(|first| table.next_due().is_some_and(|due| due <= first)));
            prop_assert!(table.due.len() <= deadlines().count());
        }
    }
}
