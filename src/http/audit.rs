//! Who changed what, and who was not let: lines in the log, at `portolan::audit`.
//!
//! What somebody does who has shown a token is told at `info`, as is who was turned away; what nobody in particular does,
//! where that is allowed, at `debug`. A renewal changes nothing and is not told. Strangers may be turned away as often as
//! they like: of that some lines a second are written, and the others counted.
//!
//! Road not taken: a file of its own. Whoever wants one has the log filtered by the target.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, debug, enabled, info};

use crate::api::{Kind, Problem};
use crate::registry::{Applied, Operation, Refusal};
use crate::service::{Cause, InstanceId};

use super::principal::Principal;
use super::respond::problem_of;

const TARGET: &str = "portolan::audit";
/// Who is nobody in particular.
const NOBODY: &str = "-";
/// Strangers that are told of in a second, at most.
const TOLD_MAX: u32 = 10;

/// Who writes it.
#[derive(Debug, Default)]
pub(super) struct Audit(Mutex<Second>);

/// What was told in the second that is running.
#[derive(Debug, Default)]
struct Second {
    begun: Option<Instant>,
    told: u32,
    /// Since the last line.
    untold: u64,
}

/// What is going to be done.
pub(super) struct Deed {
    what: &'static str,
    id: InstanceId,
}

impl Audit {
    /// What to tell of later; nothing where nobody would read it.
    pub(super) fn deeds(principal: &Principal, operations: &[Operation]) -> Vec<Deed> {
        let is_read = match principal.grant.name() {
            Some(_) => enabled!(target: TARGET, Level::INFO),
            None => enabled!(target: TARGET, Level::DEBUG),
        };
        let deed = |operation: &Operation| Deed { what: word(operation), id: operation.id().clone() };
        if is_read { operations.iter().map(deed).collect() } else { Vec::new() }
    }

    /// What came of them.
    pub(super) fn tell(&self, principal: &Principal, deeds: &[Deed], results: &[Result<Applied, Refusal>]) {
        let from = principal.sender;
        let tell = |what: &str, instance: &InstanceId, result: &str| {
            if let Some(who) = principal.grant.name() {
                info!(target: TARGET, who = &**who, %from, what, %instance, result);
            } else {
                debug!(target: TARGET, who = NOBODY, %from, what, %instance, result);
            }
        };
        for (Deed { what, id }, result) in deeds.iter().zip(results) {
            match result {
                Ok(Applied { cause, left, .. }) => {
                    if let Some(cause) = cause {
                        tell(what, id, cause.as_str());
                    }
                    for id in left {
                        tell(what, id, Cause::Deregistered.as_str());
                    }
                }
                Err(refusal) => tell(what, id, problem_of(refusal).known().map_or("refused", Kind::name)),
            }
        }
        if principal.grant.name().is_none() && deeds.is_empty() {
            self.tell_of_strangers(principal, results);
        }
    }

    /// Somebody has the files of services and the settings read again, or may not: then there is a `problem`.
    pub(super) fn reloads(&self, principal: &Principal, problem: Option<&Problem>) {
        let (from, what) = (principal.sender, "reload");
        match (principal.grant.name(), problem) {
            (Some(who), _) => {
                let result = problem.and_then(Problem::known).map(Kind::name);
                info!(target: TARGET, who = &**who, %from, what, result);
            }
            (None, Some(problem)) => self.turned_away(from, what, problem),
            (None, None) => debug!(target: TARGET, who = NOBODY, %from, what),
        }
    }

    /// Whoever has no token and would change what belongs to one.
    fn tell_of_strangers(&self, principal: &Principal, results: &[Result<Applied, Refusal>]) {
        let from = principal.sender;
        for refusal in results.iter().filter_map(|result| result.as_ref().err()) {
            if let Refusal::NotYours(existing) = refusal {
                let Some(others) = self.count() else { continue };
                let (instance, result) = (existing.id(), Kind::NotYours.name());
                info!(target: TARGET, who = NOBODY, %from, what = "change", %instance, result, others);
            }
        }
    }

    /// Somebody was turned away for want of a token, or with one that nobody knows, at the door or later.
    pub(super) fn turned_away(&self, from: IpAddr, what: &str, problem: &Problem) {
        let Some(kind @ (Kind::TokenNeeded | Kind::InvalidToken | Kind::AnonymousWrite)) = problem.known() else {
            return;
        };
        if let Some(others) = self.count() {
            // What they asked for is their own text.
            info!(target: TARGET, who = NOBODY, %from, ?what, result = kind.name(), others);
        }
    }

    /// `None` where this one is only counted, else how many were since the last that was told.
    fn count(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now())
    }
}

impl Second {
    fn count(&mut self, now: Instant) -> Option<u64> {
        if self.begun.is_none_or(|begun| now.duration_since(begun) >= Duration::from_secs(1)) {
            (self.begun, self.told) = (Some(now), 0);
        }
        if self.told >= TOLD_MAX {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

fn word(operation: &Operation) -> &'static str {
    match operation {
        Operation::Register { .. } => "register",
        Operation::Move(_) => "move",
        Operation::Renew(_) => "renew",
        Operation::Deregister { .. } => "deregister",
        Operation::SetStatus { .. } => "set-status",
        Operation::Checked { .. } => "check",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_some_are_told_and_the_others_counted() {
        let (mut second, start) = (Second::default(), Instant::now());
        let told: Vec<_> = (0..100).filter_map(|_| second.count(start)).collect();
        assert_eq!(told, [0; 10]);
        let later = start + Duration::from_secs(1);
        assert_eq!((second.count(later), second.count(later)), (Some(90), Some(0)));
    }
}
