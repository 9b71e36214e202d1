//! The zones at one revision, and how a change makes the next one.

use std::sync::Arc;

use super::Config;
use super::apex::Zones;
use super::group::{Group, Served, Service};
use super::host::Host;
use super::index::Index;
use super::member::{Member, prefixed};
use super::place::{Place, Places};
use super::reverse::Backwards;
use super::set::{Keyed, Set};
use super::ttl::Ttls;
use crate::service::{Address, Change, Instance, InstanceId, Revision, Subtype};

/// The zones at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) fixed: Arc<Zones>,
    pub(super) serial: u32,
    /// By `_auth._tcp`.
    pub(super) types: Index<Arc<Service>>,
    /// What the types have for as long as they are known.
    places: Places,
    /// By `web1`.
    pub(super) hosts: Index<Host>,
    pub(super) backwards: Backwards,
    /// The types that have a served instance.
    pub(super) served: Set<Served>,
    pub(super) served_ttls: Ttls,
}

/// How much there is in the zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Service types with an instance of any status.
    pub types: usize,
    /// Service types with one that is served.
    pub served: usize,
    /// Host names with addresses.
    pub hosts: usize,
}

impl Snapshot {
    /// Zones without instances. `name_server` are the addresses of `ns` in each.
    pub fn new(config: &Config, name_server: &[Address]) -> Self {
        Self {
            fixed: Arc::new(Zones::new(config, name_server)),
            serial: 0,
            types: Index::new(),
            places: Places::default(),
            hosts: Index::new(),
            backwards: Backwards::new(),
            served: Set::new(),
            served_ttls: Ttls::default(),
        }
    }

    /// The same with the serial of this revision: a registry that starts again must not serve a lower one than
    /// before (RFC 1982).
    #[must_use]
    pub fn at(mut self, revision: Revision) -> Self {
        self.serial = serial(revision);
        self
    }

    /// The zones after `changes`, in their order; shares all that they leave alone. The serial becomes the
    /// revision of the last change that altered a record.
    #[must_use]
    pub fn with(&self, changes: &[Change]) -> Self {
        let mut next = self.clone();
        next.extend(changes);
        next
    }

    /// As [`Snapshot::with`], in place: nothing is copied where nobody else holds these zones, as while a registry
    /// starts and takes in what its store remembers piece by piece.
    pub fn extend(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply(change);
        }
    }

    fn apply(&mut self, change: &Change) {
        let zone_ttl = self.fixed.ttl;
        let (was, is) = (Listed::of(change.before.as_deref()), Listed::of(change.after.as_deref()));
        let (labels, places) = (type_labels(&change.id), &mut self.places);
        let service = self.types.get_or_insert_with(&labels, || Arc::new(Service::new(&labels, places.take())));
        let service = Arc::make_mut(service);

        let name = change.id.instance().as_str().as_bytes();
        let old = was.served().and_then(|_| service.all.members.get(name)).cloned();
        let new = is.served().map(|instance| Member::of(instance, zone_ttl));
        let alters_records = old != new || (old.is_some() && was.subtypes != is.subtypes);
        // The same records are left where they are: others have them by the hand.
        let new = if old == new { old.clone() } else { new };

        let served_before = service.served(zone_ttl);
        let alter = |group: &mut Group, was: Option<&Listed<'_>>, is: Option<&Listed<'_>>| {
            group.count(was.is_some_and(Listed::is_listed), is.is_some_and(Listed::is_listed));
            if alters_records {
                group.replace(was.and(old.as_ref()), is.and(new.as_ref()), zone_ttl);
            }
        };
        alter(&mut service.all, Some(&was), Some(&is));
        for subtype in is.subtypes.iter().chain(was.subtypes.iter().filter(|subtype| !is.has(subtype))) {
            let (was, is) = (Some(&was).filter(|was| was.has(subtype)), Some(&is).filter(|is| is.has(subtype)));
            service.change_subtype(subtype, |group| alter(group, was, is));
        }
        let served_after = service.served(zone_ttl);
        if service.all.is_forgotten() {
            self.places.give_back(service.place);
            self.types.remove(&labels);
        }
        if alters_records {
            self.serial = serial(change.revision);
            self.list(served_before, served_after);
            self.move_host(old.as_ref(), new.as_ref());
            if let Some(old) = &old {
                self.backwards.remove(&self.fixed.reverse, old);
            }
            if let Some(new) = &new {
                self.backwards.add(&self.fixed.reverse, new, zone_ttl);
            }
        }
    }

    /// Keeps the list of served types.
    fn list(&mut self, old: Option<Served>, new: Option<Served>) {
        if old.as_ref().map(Served::ttl) == new.as_ref().map(Served::ttl) {
            return;
        }
        if let Some(old) = &old {
            self.served_ttls.remove(old.ttl());
        }
        match (old, new) {
            (_, Some(new)) => {
                self.served_ttls.add(new.ttl(), self.fixed.ttl);
                self.served.insert(new);
            }
            (Some(old), None) => self.served.remove(old.key()),
            (None, None) => {}
        }
    }

    /// Takes the addresses of one member from its host, and gives those of another to its own.
    fn move_host(&mut self, old: Option<&Member>, new: Option<&Member>) {
        if let Some((old, label)) = old.and_then(|old| Some((old, old.host()?)))
            && let Some(host) = self.hosts.get_mut(label)
            && !host.leave(old)
        {
            self.hosts.remove(label);
        }
        if let Some((new, label)) = new.and_then(|new| Some((new, new.host()?))) {
            match self.hosts.get_mut(label) {
                Some(host) => host.join(label, new, self.fixed.ttl),
                None => self.hosts.insert(Host::Sole(new.clone())),
            }
        }
    }

    /// How much there is.
    pub fn sizes(&self) -> Sizes {
        Sizes { types: self.types.len(), served: self.served.len(), hosts: self.hosts.len() }
    }

    /// The SOA serial of the zones.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The TTL of records that nothing makes shorter, in seconds.
    pub fn ttl(&self) -> u32 {
        self.fixed.ttl
    }

    /// The service types that are known, each with its place and as labels in wire form (`_auth._tcp`).
    pub fn service_types(&self) -> impl Iterator<Item = (Place, &[u8])> {
        self.types.values().map(|service| (service.place, service.all.labels()))
    }

    /// What is known of `_auth._tcp`, given in lower case.
    pub(super) fn service(&self, labels: &[u8]) -> Option<&Service> {
        self.types.get(labels).map(|service| &**service)
    }

    /// The host of a label, given in lower case.
    pub(super) fn host(&self, label: &[u8]) -> Option<&Host> {
        self.hosts.get(label)
    }

    /// The host of a label in any case.
    pub(super) fn host_of(&self, label: &[u8]) -> Option<&Host> {
        self.hosts.get_folded(label)
    }
}

/// An instance as a change has it.
struct Listed<'a> {
    instance: Option<&'a Instance>,
    subtypes: Vec<Subtype>,
}

impl<'a> Listed<'a> {
    fn of(instance: Option<&'a Instance>) -> Self {
        Self { instance, subtypes: instance.map_or(Vec::new(), |instance| instance.registration.served_subtypes()) }
    }

    fn is_listed(&self) -> bool {
        self.instance.is_some()
    }

    fn served(&self) -> Option<&'a Instance> {
        self.instance.filter(|instance| instance.is_served())
    }

    fn has(&self, subtype: &Subtype) -> bool {
        self.subtypes.contains(subtype)
    }
}

fn serial(revision: Revision) -> u32 {
    u32::try_from(revision.0 & u64::from(u32::MAX)).expect("the low 32 bits")
}

/// `_auth._tcp` in wire form.
fn type_labels(id: &InstanceId) -> Vec<u8> {
    let service_type = id.service_type();
    let mut labels = prefixed(&format!("_{}", service_type.service()));
    labels.extend(prefixed(service_type.transport().label()));
    labels
}
