//! The mass-expiry guard: when most of a service goes silent at once, it is more likely that nobody was heard than that
//! all died.
//!
//! It is asked for by service. When so many of a service's instances lapsed within one lease that they are the share
//! that was set, DNS has them for one more lease from the end of the one that lapsed, behind whatever else there is
//! ([`Instance::priority`]). They are down all the same, and nothing lapses later for it. What was kept goes on being
//! kept when some come back: its own time ends it, or its own return. Only what lapsed is kept: not what is drained,
//! starting, failing or has left, and what is deregistered is gone.
//!
//! It is pure, a part of the table: told of every change, it counts for each service what is up and what lapsed, so that
//! a lapse costs no look at the others; and asked after lapses, it says which to keep, portion by portion.
//!
//! Road not taken: to let all leases of the service run longer. Whoever died alone before would be served with them, and
//! a registry that starts again would have to know for how long.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::service::{Instance, InstanceId, Moment, ServicePattern, ServiceType, ServiceTypeError, Status};

/// `[lease.guard]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Services that are guarded: `auth`, `_auth._tcp`, or globs. Empty: none.
    pub services: Vec<String>,
    /// Per cent of a service's instances that lapse within one lease, at least, to be kept.
    pub share: u8,
    /// Instances that a service has, at least, those that lapsed included.
    pub instances: usize,
}

impl Default for Config {
    fn default() -> Self {
        // Where some are still heard the registry can be reached, and two may well die together.
        Self { services: Vec::new(), share: 100, instances: 3 }
    }
}

impl Config {
    /// The patterns; fails with the first that is none.
    pub(super) fn patterns(&self) -> Result<Vec<ServicePattern>, (&str, ServiceTypeError)> {
        self.services.iter().map(|text| ServicePattern::new(text).map_err(|error| (text.as_str(), error))).collect()
    }

    /// Whether all patterns are such; else the first that is none, and why.
    pub fn check(&self) -> Result<(), (&str, ServiceTypeError)> {
        self.patterns().map(drop)
    }
}

/// What is guarded, and how it does. A clone shares all with the original until either changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    rules: Arc<Rules>,
    services: OrdMap<ServiceType, Counts>,
    /// Services of which something lapsed that was not judged yet.
    pending: OrdSet<ServiceType>,
}

#[derive(Debug, Default)]
struct Rules {
    patterns: Vec<ServicePattern>,
    share: usize,
    instances: usize,
}

/// One service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counts {
    up: usize,
    /// Lapsed and not kept, by the moment at which one more lease ends.
    lapsed: OrdSet<(Moment, InstanceId)>,
    /// Lapsed and kept.
    kept: OrdSet<(Moment, InstanceId)>,
}

/// Instances of a service to be kept.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) service: ServiceType,
    pub(super) instances: Vec<InstanceId>,
    pub(super) why: Arc<str>,
    /// Whether none of the service was kept before.
    pub(super) is_first: bool,
}

/// How an instance counts.
enum Part {
    Up,
    Lapsed(Moment),
    Kept(Moment),
}

impl Guard {
    /// Of what `config` asks for; patterns that are none were refused with the settings.
    pub(super) fn new(config: &Config) -> Self {
        let patterns = config.patterns().unwrap_or_default();
        let rules = Rules { patterns, share: config.share.into(), instances: config.instances };
        Self { rules: Arc::new(rules), ..Self::default() }
    }

    /// Whether it looks after a service.
    pub(super) fn covers(&self, service_type: &ServiceType) -> bool {
        self.rules.patterns.iter().any(|pattern| pattern.matches(service_type))
    }

    /// Takes note that one instance is listed in the place of another of the same identity; either may be none.
    pub(super) fn replace(&mut self, before: Option<&Instance>, after: Option<&Instance>) {
        let Some(service) = after.or(before).map(|instance| instance.id().service_type()) else { return };
        if !self.covers(service) {
            return;
        }
        let mut counts = self.services.remove(service).unwrap_or_default();
        for (instance, comes) in [(before, false), (after, true)] {
            let Some(instance) = instance else { continue };
            let key = |until| (until, instance.id().clone());
            let set = match part(instance) {
                None => continue,
                Some(Part::Up) => {
                    counts.up = if comes { counts.up + 1 } else { counts.up - 1 };
                    continue;
                }
                Some(Part::Lapsed(until)) => (&mut counts.lapsed, key(until)),
                Some(Part::Kept(until)) => (&mut counts.kept, key(until)),
            };
            let (set, key) = set;
            drop(if comes { set.insert(key) } else { set.remove(&key) });
        }
        if counts != Counts::default() {
            self.services.insert(service.clone(), counts);
        }
    }

    /// Something of a service lapsed.
    pub(super) fn lapsed(&mut self, service: &ServiceType) {
        if self.covers(service) {
            self.pending.insert(service.clone());
        }
    }

    /// Whether there is something to judge.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What is to be kept of the next service of which something lapsed, `at_most` so many instances; the others of it
    /// are told of the next time. `None` where nothing is.
    pub(super) fn judge(&mut self, now: Moment, at_most: usize) -> Option<Verdict> {
        while let Some(service) = self.pending.get_min().cloned() {
            let judged = self.services.get(&service).and_then(|counts| {
                let is_past = |entry: &&(Moment, InstanceId)| entry.0 <= now;
                let lapsed = counts.lapsed.iter().skip_while(is_past);
                let past = |set: &OrdSet<_>| set.iter().take_while(is_past).count();
                let silent = counts.lapsed.len() + counts.kept.len() - past(&counts.lapsed) - past(&counts.kept);
                let all = counts.up + silent;
                let is_most = all >= self.rules.instances && silent * 100 >= self.rules.share * all;
                is_most.then(|| Verdict {
                    service: service.clone(),
                    instances: lapsed.take(at_most).map(|(_, id)| id.clone()).collect(),
                    why: format!("{silent} of {all} instances lapsed within one lease").into(),
                    is_first: counts.kept.is_empty(),
                })
            });
            let Some(verdict) = judged.filter(|verdict| !verdict.instances.is_empty()) else {
                self.pending.remove(&service);
                continue;
            };
            return Some(verdict);
        }
        None
    }
}

fn part(instance: &Instance) -> Option<Part> {
    if instance.withheld().is_some() {
        return None;
    }
    match instance.kept_until().filter(|_| instance.facts.is_up_but_for_its_lease()) {
        Some(until) if instance.facts.kept.is_some() => Some(Part::Kept(until)),
        Some(until) => Some(Part::Lapsed(until)),
        None => (instance.status() == Status::Up).then_some(Part::Up),
    }
}

#[cfg(test)]
impl Guard {
    /// Whether it counts as one that is told of all of these at once.
    pub(super) fn agrees_with<'a>(&self, effective: impl Iterator<Item = &'a Instance>) -> bool {
        let mut anew = Self { rules: Arc::clone(&self.rules), ..Self::default() };
        effective.for_each(|instance| anew.replace(None, Some(instance)));
        anew.services == self.services
    }
}
