//! The naive model: plain vectors that are searched from end to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::steps::Who;
use super::{MAX, MAX_CHECKED, REAP};
use crate::registry::operation::{Condition, Operation, StatusWish};
use crate::service::{Check, Facts, Host, InstanceId, Moment, Origin, Registration, Reported, Source, Status};

/// One instance in one layer, as the model has it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
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
pub(super) struct Model {
    pub(super) entries: Vec<Entry>,
}

/// What is compared of an instance.
pub(super) type Seen = (Origin, Status, String, Option<u64>, Option<u64>, u64);

impl Model {
    fn find(&mut self, id: &InstanceId, origin: &Origin) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.registration.id == *id && e.origin == *origin)
    }

    fn changeable(&mut self, id: &InstanceId, origin: &Origin, who: Who) -> Result<&mut Entry, &'static str> {
        let entry = self.find(id, origin).ok_or("unknown")?;
        if entry.is_for(who) { Ok(entry) } else { Err("not yours") }
    }

    pub(super) fn apply(&mut self, operation: &Operation, who: Who, now: u64) -> Result<bool, &'static str> {
        match operation {
            Operation::Register { registration, origin, condition } => {
                self.register(registration, origin, who, *condition, now)
            }
            Operation::Move(registration) => {
                let created = self.register(registration, &Origin::api(), who, Condition::Always, now)?;
                let id = &registration.id;
                self.entries.retain(|e| !e.is_elsewhere(id) || !e.is_for(who));
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
        let makes_room = |e: &Entry| registration.moves && e.is_elsewhere(&registration.id) && e.is_for(who);
        if existing.is_none() && self.entries.len() >= MAX && !self.entries.iter().any(makes_room) {
            return Err("full");
        }
        let own = (who != Who::Program && who != Who::Anonymous).then(|| Arc::from(who.name()));
        let owner = match &existing {
            Some(e) if !e.is_for(who) => return Err("not yours"),
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

    pub(super) fn expire(&mut self, now: u64) {
        for entry in &mut self.entries {
            if entry.facts.lapsed.is_none() && entry.expires.is_some_and(|e| e <= now) {
                entry.facts.lapsed = entry.expires.map(Moment);
            }
        }
        self.entries.retain(|e| e.facts.lapsed.is_none_or(|lapsed| lapsed.after(REAP).0 > now));
    }

    pub(super) fn seen(&self) -> BTreeMap<InstanceId, Vec<Seen>> {
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

    pub(super) fn is_placed(&self) -> bool {
        self.origin == Origin::api() && self.registration.moves
    }

    /// Whether somebody may change it.
    fn is_for(&self, who: Who) -> bool {
        matches!(who, Who::Program | Who::Admin) || self.owner.as_deref().is_none_or(|owner| owner == who.name())
    }

    /// Whether it was moved to another service, of what has the name and transport of `id`.
    fn is_elsewhere(&self, id: &InstanceId) -> bool {
        let own = &self.registration.id;
        let (service, transport) = (own.service_type().service(), own.service_type().transport());
        self.is_placed()
            && own.instance() == id.instance()
            && transport == id.service_type().transport()
            && !service.eq_ignore_ascii_case(id.service_type().service())
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
