//! Instances by service type and subtype.

use std::ops::ControlFlow;
use std::sync::Arc;

use triomphe::ThinArc;

use super::draw::draw;
use super::index::Named;
use super::lots::{Lot, Lots};
use super::member::{Member, prefixed};
use super::place::Place;
use super::set::{Keyed, Set};
use super::source::Sources;
use super::ttl::Ttls;
use crate::service::{Source, Subtype};

/// Labels in wire form, which many may hold.
pub(super) type WireLabels = ThinArc<(), u8>;

/// What is found under a service type.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) place: Place,
    pub(super) all: Group,
    /// By `_blue`. Most have none, and then this is no more than a pointer.
    subtypes: Option<Box<Set<Arc<Group>>>>,
}

/// The instances of a service type, or of a subtype of it.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// `_auth._tcp` or `_blue`, as first registered.
    labels: WireLabels,
    /// How many are listed: a name whose instances are all drained still exists (NODATA, not NXDOMAIN).
    known: u32,
    /// Who serves those that have addresses of ours.
    sources: Sources,
    /// Those that are served.
    pub(super) members: Set<Member>,
    pub(super) ttls: Ttls,
    /// The members once more, where they are not all alike in priority, weight and kinds of addresses.
    lots: Option<Box<Lots>>,
}

/// A service type that has a served instance, with the TTL of its records.
#[derive(Debug, Clone)]
pub(super) struct Served {
    labels: WireLabels,
    ttl: u32,
}

impl Service {
    pub(super) fn new(labels: &[u8], place: Place) -> Self {
        Self { place, all: Group::new(labels), subtypes: None }
    }

    pub(super) fn subtype(&self, key: &[u8]) -> Option<&Group> {
        self.subtypes.as_ref()?.get(key).map(|group| &**group)
    }

    pub(super) fn has_subtypes(&self) -> bool {
        self.subtypes.is_some()
    }

    pub(super) fn change_subtype(&mut self, subtype: &Subtype, change: impl FnOnce(&mut Group)) {
        let subtypes = self.subtypes.get_or_insert_with(|| Box::new(Set::new()));
        let key = subtype.as_str().as_bytes();
        let old = subtypes.get(key).cloned();
        let mut group = old.unwrap_or_else(|| Arc::new(Group::new(&prefixed(subtype.as_str()))));
        change(Arc::make_mut(&mut group));
        if group.is_forgotten() {
            subtypes.remove(key);
        } else {
            subtypes.insert(group);
        }
        if subtypes.is_empty() {
            self.subtypes = None;
        }
    }

    /// As it is listed among the service types, if it is.
    pub(super) fn served(&self, zone_ttl: u32) -> Option<Served> {
        let served = || Served { labels: self.all.labels.clone(), ttl: self.all.ttls.shortest(zone_ttl) };
        (!self.all.members.is_empty()).then(served)
    }
}

impl Group {
    fn new(labels: &[u8]) -> Self {
        Self {
            labels: WireLabels::from_header_and_slice((), labels),
            known: 0,
            sources: Sources::default(),
            members: Set::new(),
            ttls: Ttls::default(),
            lots: None,
        }
    }

    /// `_auth._tcp` or `_blue`, as first registered.
    pub(super) fn labels(&self) -> &[u8] {
        &self.labels.slice
    }

    /// How many are listed, served or not.
    pub(super) fn known(&self) -> u32 {
        self.known
    }

    /// The highest source of those that have addresses of ours; `None` when none has.
    pub(super) fn source(&self) -> Option<Source> {
        self.sources.highest()
    }

    /// Counts an instance that was listed, or is, or both.
    pub(super) fn count(&mut self, was: bool, is: bool) {
        self.known = (self.known + u32::from(is)).saturating_sub(u32::from(was));
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.known == 0 && self.members.is_empty()
    }

    /// Puts one member in the place of another of the same name; either may be none.
    pub(super) fn replace(&mut self, old: Option<&Member>, new: Option<&Member>, zone_ttl: u32) {
        if let Some(old) = old {
            self.ttls.remove(old.ttl());
            if old.host().is_some() {
                self.sources.remove(old.source());
            }
        }
        if let Some(new) = new {
            self.ttls.add(new.ttl(), zone_ttl);
            if new.host().is_some() {
                self.sources.add(new.source());
            }
        }
        self.change_lots(old, new);
        match (old, new) {
            (_, Some(new)) => self.members.insert(new.clone()),
            (Some(old), None) => self.members.remove(old.key()),
            (None, None) => {}
        }
    }

    /// Before the members are changed.
    fn change_lots(&mut self, old: Option<&Member>, new: Option<&Member>) {
        if let (None, Some(new), Some(one)) = (&self.lots, new, self.members.first())
            && one.likeness() != new.likeness()
        {
            self.lots = Some(Box::new(Lots::of(&self.members)));
        }
        if let Some(lots) = &mut self.lots {
            if let Some(old) = old {
                lots.remove(old);
            }
            if let Some(new) = new {
                lots.add(new);
            }
        }
        self.lots.take_if(|lots| lots.is_one());
    }

    /// Hands every member to `visit`, until that breaks: in turn from one that `seed` picks, and where priorities or
    /// weights differ, as these want it.
    pub(super) fn each<'a, B>(
        &'a self,
        seed: usize,
        visit: impl FnMut(&'a Member) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match &self.lots {
            Some(lots) if !lots.is_even() => draw(lots.iter(None), seed, visit),
            _ => self.members.iter_from(seed).try_for_each(visit),
        }
    }

    /// The members that have addresses of this kind, by priority; one lot where they are alike.
    pub(super) fn lots_with(&self, family: u8) -> impl Iterator<Item = Lot<'_>> {
        let whole = if self.lots.is_none() { Lot::of(&self.members) } else { None };
        let whole = whole.filter(|lot| lot.families() & family != 0);
        whole.into_iter().chain(self.lots.iter().flat_map(move |lots| lots.iter(Some(family))))
    }

    /// The priority, weight and kinds of addresses that all members have, if they are alike.
    pub(super) fn likeness(&self) -> Option<(u16, u16, u8)> {
        if self.lots.is_some() { None } else { self.members.first().map(Member::likeness) }
    }
}

impl Served {
    pub(super) fn labels(&self) -> &[u8] {
        &self.labels.slice
    }

    /// Seconds.
    pub(super) fn ttl(&self) -> u32 {
        self.ttl
    }
}

impl Named for Arc<Service> {
    fn name(&self) -> &[u8] {
        self.all.labels()
    }
}

/// Without the length of the first label, so that the order is that of the text.
impl Keyed for Arc<Group> {
    fn key(&self) -> &[u8] {
        &self.labels()[1..]
    }
}

impl Keyed for Served {
    fn key(&self) -> &[u8] {
        &self.labels()[1..]
    }
}
