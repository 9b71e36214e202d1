//! The zones at one revision, and how a change makes the next one.

use std::sync::Arc;

use foldhash::fast::RandomState;
use imbl::shared_ptr::DefaultSharedPtr;

use super::Config;
use super::addresses::{Addresses, Claim};
use super::apex::Zones;
use super::member::{Member, prefixed, ttl_of};
use super::place::{Place, Places};
use super::set::{Keyed, Set};
use super::ttl::Ttls;
use crate::service::{Address, Change, Host, Instance, Revision, Subtype};

/// A persistent map by labels in wire form and lower case: strangers choose them, so the hash is seeded at random.
type Map<V> = imbl::GenericHashMap<Arc<[u8]>, V, RandomState, DefaultSharedPtr>;

/// The zones at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) fixed: Arc<Zones>,
    pub(super) serial: u32,
    /// By `_auth._tcp`.
    types: Map<Arc<Service>>,
    /// What the types have for as long as they are known.
    places: Places,
    /// By `web1` or `auth`.
    names: Map<Claimed>,
    /// The types that have a served instance.
    pub(super) served: Set<Served>,
    pub(super) served_ttls: Ttls,
}

/// What is found under a service type.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) place: Place,
    pub(super) all: Group,
    /// By `_blue`.
    pub(super) subtypes: Set<Arc<Group>>,
}

/// The instances of a service type, or of a subtype of it.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// `_auth._tcp` or `_blue`, as first registered.
    pub(super) labels: Arc<[u8]>,
    /// How many are listed: a name whose instances are all drained still exists (NODATA, not NXDOMAIN).
    pub(super) known: u32,
    /// Those that are served.
    pub(super) members: Set<Member>,
    pub(super) ttls: Ttls,
}

/// A service type that has a served instance, with the TTL of its records.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) labels: Arc<[u8]>,
    ttl: u32,
}

/// The two that may want a label: hosts, and the service of that name for programs that know no SRV.
#[derive(Debug, Clone, Default)]
struct Claimed {
    host: Option<Arc<Addresses>>,
    service: Option<Arc<Addresses>>,
}

/// All records of one instance, to be put in or taken out.
#[derive(PartialEq, Eq)]
struct Contribution {
    member: Member,
    subtypes: Vec<Subtype>,
    /// What it says of its host and of its service's name. None where its host is elsewhere.
    host: Option<(Vec<u8>, Claim)>,
}

impl Snapshot {
    /// Zones without instances. `name_server` are the addresses of `ns` in each.
    pub fn new(config: &Config, name_server: &[Address]) -> Self {
        Self {
            fixed: Arc::new(Zones::new(config, name_server)),
            serial: 0,
            types: Map::default(),
            places: Places::default(),
            names: Map::default(),
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
        let contribution = |instance: &Option<Arc<Instance>>| {
            instance.as_deref().filter(|i| i.is_served()).map(|i| Contribution::of(i, zone_ttl))
        };
        let (before, after) = (contribution(&change.before), contribution(&change.after));
        self.count_known(change);
        if before == after {
            return;
        }
        self.serial = serial(change.revision);
        self.change_groups(change, before.as_ref(), after.as_ref());
        let service = prefixed(change.id.service_type().service());
        for (contribution, comes) in [(before, false), (after, true)] {
            if let Some((label, claim)) = contribution.and_then(|c| c.host) {
                self.claim(&label, &claim, |claimed| &mut claimed.host, comes);
                self.claim(&service, &claim, |claimed| &mut claimed.service, comes);
            }
        }
    }

    /// Counts listed instances: of the type, and of the subtypes that they are listed under.
    fn count_known(&mut self, change: &Change) {
        let service = self.known(change);
        // In first: a group that stays must not be forgotten in between.
        for (instance, comes) in [(&change.after, true), (&change.before, false)] {
            let Some(instance) = instance else { continue };
            service.all.count(comes);
            for subtype in instance.registration.served_subtypes() {
                service.change_subtype(&subtype, |group| group.count(comes));
            }
        }
        if service.all.is_forgotten() {
            self.forget(change);
        }
    }

    /// The type of a change, which is known from now on.
    fn known(&mut self, change: &Change) -> &mut Service {
        let (labels, places) = (type_labels(change), &mut self.places);
        let service = self.types.entry(folded(&labels));
        Arc::make_mut(service.or_insert_with(|| Arc::new(Service::new(labels, places.take()))))
    }

    fn forget(&mut self, change: &Change) {
        if let Some(service) = self.types.remove(&*folded(&type_labels(change))) {
            self.places.give_back(service.place);
        }
    }

    fn change_groups(&mut self, change: &Change, before: Option<&Contribution>, after: Option<&Contribution>) {
        let zone_ttl = self.fixed.ttl;
        let service = self.known(change);
        let member = |c: Option<&Contribution>| c.map(|c| c.member.clone());
        let (old, new) = (member(before), member(after));
        service.all.replace(old.as_ref(), new.as_ref(), zone_ttl);
        let subtypes = |c: Option<&Contribution>| c.map_or(Vec::new(), |c| c.subtypes.clone());
        let (old_subtypes, new_subtypes) = (subtypes(before), subtypes(after));
        for subtype in &new_subtypes {
            let old = old.as_ref().filter(|_| old_subtypes.contains(subtype));
            service.change_subtype(subtype, |group| group.replace(old, new.as_ref(), zone_ttl));
        }
        for subtype in old_subtypes.iter().filter(|subtype| !new_subtypes.contains(subtype)) {
            service.change_subtype(subtype, |group| group.replace(old.as_ref(), None, zone_ttl));
        }
        let (labels, ttl) = (service.all.labels.clone(), service.all.ttls.shortest(zone_ttl));
        let is_served = !service.all.members.is_empty();
        if service.all.is_forgotten() {
            self.forget(change);
        }
        self.serve(Served { labels, ttl }, is_served);
    }

    /// Keeps the list of served types.
    fn serve(&mut self, service: Served, is_served: bool) {
        let old = self.served.get(service.key()).map(|old| old.ttl);
        if old == is_served.then_some(service.ttl) {
            return;
        }
        if let Some(ttl) = old {
            self.served_ttls.remove(ttl);
        }
        if is_served {
            self.served_ttls.add(service.ttl, self.fixed.ttl);
            self.served.insert(service);
        } else {
            self.served.remove(service.key());
        }
    }

    fn claim(
        &mut self,
        label: &[u8],
        claim: &Claim,
        of: impl Fn(&mut Claimed) -> &mut Option<Arc<Addresses>>,
        comes: bool,
    ) {
        let label = folded(label);
        let claimed = self.names.entry(label.clone()).or_default();
        let addresses = of(claimed).get_or_insert_with(|| Arc::new(Addresses::new()));
        if comes {
            Arc::make_mut(addresses).add(claim, self.fixed.ttl);
        } else {
            Arc::make_mut(addresses).remove(claim);
        }
        if addresses.rank().is_none() {
            *of(claimed) = None;
        }
        if claimed.host.is_none() && claimed.service.is_none() {
            self.names.remove(&*label);
        }
    }

    /// The service types that are known, each with its place and as labels in wire form (`_auth._tcp`).
    pub fn service_types(&self) -> impl Iterator<Item = (Place, &[u8])> {
        self.types.values().map(|service| (service.place, &*service.all.labels))
    }

    /// What is known of `_auth._tcp`, given in lower case.
    pub(super) fn service(&self, labels: &[u8]) -> Option<&Service> {
        self.types.get(labels).map(|service| &**service)
    }

    /// The addresses of a label: a host's, unless the service of that name comes from a higher layer.
    pub(super) fn addresses(&self, label: &[u8]) -> Option<&Addresses> {
        let mut buffer = [0; 64];
        let label = lowered(label, &mut buffer);
        let Claimed { host, service } = self.names.get(label)?;
        let higher = |addresses: &Option<Arc<Addresses>>| addresses.as_ref().and_then(|a| a.rank());
        let service_wins = host.is_none() || (service.is_some() && higher(service) > higher(host));
        (if service_wins { service } else { host }).as_deref()
    }
}

impl Contribution {
    fn of(instance: &Instance, zone_ttl: u32) -> Self {
        let Instance { registration, origin, .. } = instance;
        let claim = |label: &str| {
            let ttl = ttl_of(instance, zone_ttl);
            (prefixed(label), Claim { addresses: registration.addresses.to_vec(), source: origin.source(), ttl })
        };
        let host = match instance.host() {
            Host::Label(label) => Some(claim(label.as_str())),
            Host::Foreign(_) => None,
        };
        Self { member: Member::of(instance, zone_ttl), subtypes: registration.served_subtypes(), host }
    }
}

impl Service {
    fn new(labels: Vec<u8>, place: Place) -> Self {
        Self { place, all: Group::new(labels), subtypes: Set::new() }
    }

    fn change_subtype(&mut self, subtype: &Subtype, change: impl FnOnce(&mut Group)) {
        let key = subtype.as_str().as_bytes();
        let old = self.subtypes.get(key).cloned();
        let mut group = old.unwrap_or_else(|| Arc::new(Group::new(prefixed(subtype.as_str()))));
        change(Arc::make_mut(&mut group));
        if group.is_forgotten() {
            self.subtypes.remove(key);
        } else {
            self.subtypes.insert(group);
        }
    }
}

impl Group {
    fn new(labels: Vec<u8>) -> Self {
        Self { labels: labels.into(), known: 0, members: Set::new(), ttls: Ttls::default() }
    }

    fn count(&mut self, comes: bool) {
        self.known = if comes { self.known + 1 } else { self.known.saturating_sub(1) };
    }

    fn is_forgotten(&self) -> bool {
        self.known == 0 && self.members.is_empty()
    }

    /// Puts one member in the place of another of the same name; either may be none.
    fn replace(&mut self, old: Option<&Member>, new: Option<&Member>, zone_ttl: u32) {
        if let Some(old) = old {
            self.ttls.remove(old.ttl());
        }
        match (old, new) {
            (_, Some(new)) => {
                self.ttls.add(new.ttl(), zone_ttl);
                self.members.insert(new.clone());
            }
            (Some(old), None) => self.members.remove(old.key()),
            (None, None) => {}
        }
    }
}

/// Without the length of the first label, so that the order is that of the text.
impl Keyed for Arc<Group> {
    fn key(&self) -> &[u8] {
        &self.labels[1..]
    }
}

impl Keyed for Served {
    fn key(&self) -> &[u8] {
        &self.labels[1..]
    }
}

fn serial(revision: Revision) -> u32 {
    u32::try_from(revision.0 & u64::from(u32::MAX)).expect("the low 32 bits")
}

/// `_auth._tcp` in wire form.
fn type_labels(change: &Change) -> Vec<u8> {
    let service_type = change.id.service_type();
    let mut labels = prefixed(&format!("_{}", service_type.service()));
    labels.extend(prefixed(service_type.transport().label()));
    labels
}

// Length octets are at most 63 and so below `A`: folding touches letters only.
fn folded(labels: &[u8]) -> Arc<[u8]> {
    labels.to_ascii_lowercase().into()
}

fn lowered<'b>(label: &[u8], buffer: &'b mut [u8; 64]) -> &'b [u8] {
    let lowered = &mut buffer[..label.len()];
    lowered.copy_from_slice(label);
    lowered.make_ascii_lowercase();
    lowered
}
