//! One instance for who wants one, not a list: `pick=`.
//!
//! Only those of the lowest priority are picked among, as RFC 2782 has clients do it. All of them are looked at: of a
//! large service, one request at a time, and on a thread of its own.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use siphasher::sip::SipHasher13;

use crate::api::{Filter, Page, Pick, Problem};
use crate::registry::{Slot, State};
use crate::service::InstanceId;
use crate::zone::Chance;

use super::Edge;
use super::select::Selection;
use super::watch;

/// Candidates that are looked at while others wait: some hundred microseconds. For more, a request takes its turn.
pub(super) const AT_ONCE: usize = 1_000;
/// Counts of rounds. Where two queries meet in one, each skips what the other takes: seldom, and then both still go
/// around.
const ROUNDS: usize = 1_024;

/// Whose turn it is, for each query: a fixed number of counts, however many queries strangers make up.
#[derive(Debug)]
pub(super) struct Rounds {
    counts: Box<[AtomicUsize]>,
    hash: RandomState,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { counts: (0..ROUNDS).map(|_| AtomicUsize::default()).collect(), hash: RandomState::new() }
    }
}

impl Rounds {
    /// The next number of this query.
    fn next(&self, filter: &Filter) -> usize {
        let which = self.hash.hash_one(filter.to_query());
        let which = usize::try_from(which % ROUNDS as u64).expect("below a usize");
        self.counts[which].fetch_add(1, Ordering::Relaxed)
    }
}

/// A page of the one instance that is picked, or of none.
pub(super) async fn one(
    edge: &Arc<Edge>,
    selection: &Arc<Selection>,
    pick: &Pick,
    filter: &Filter,
    sender: IpAddr,
) -> Result<Page, Problem> {
    let pick = pick.clone();
    let round = if pick == Pick::RoundRobin { edge.rounds.next(filter) } else { 0 };
    look(edge, selection, sender, move |edge, state, selection| {
        let picked = choose(&candidates(state, selection), &pick, round).map(|slot| edge.show(slot));
        let (instances, position) = (picked.into_iter().collect(), watch::position(state.history, state.revision));
        Page { instances, revision: state.revision.0, position, cursor: None }
    })
    .await
}

/// What `look` makes of the state: at once where the selection has few candidates, else when its turn has come.
pub(super) async fn look<T: Send + 'static>(
    edge: &Arc<Edge>,
    selection: &Arc<Selection>,
    sender: IpAddr,
    look: impl FnOnce(&Edge, &State, &Selection) -> T + Send + 'static,
) -> Result<T, Problem> {
    let state = edge.registry.state();
    if selection.candidates(&state, None).nth(AT_ONCE).is_none() {
        return Ok(look(edge, &state, selection));
    }
    drop(state);
    let (looking, selection) = (Arc::clone(edge), Arc::clone(selection));
    // What is published when the turn comes, not before: a state that waits in a queue is kept for nothing.
    edge.looking.take(sender, move || look(&looking, &looking.registry.state(), &selection)).await
}

/// What is meant and has the lowest priority, in order.
fn candidates<'a>(state: &'a State, selection: &'a Selection) -> Vec<&'a Slot> {
    let mut lowest = u16::MAX;
    let mut found = Vec::new();
    for (_, slot) in selection.candidates(state, None).filter(|(_, slot)| selection.matches(slot.effective())) {
        let priority = priority(slot);
        if priority < lowest {
            found.clear();
            lowest = priority;
        }
        if priority == lowest {
            found.push(slot);
        }
    }
    found
}

fn priority(slot: &Slot) -> u16 {
    slot.effective().priority()
}

fn choose<'a>(among: &[&'a Slot], pick: &Pick, round: usize) -> Option<&'a Slot> {
    if among.is_empty() {
        return None;
    }
    let index = match pick {
        Pick::First => 0,
        Pick::Random => Chance::anywhere().index(among.len()),
        Pick::RoundRobin => round % among.len(),
        // The highest wins (rendezvous hashing): when one goes, only its keys move.
        Pick::Hash(key) => return among.iter().copied().max_by_key(|slot| score(key, slot.id())),
        Pick::Weighted => by_weight(among, &mut Chance::anywhere()),
    };
    among.get(index).copied()
}

/// How well an instance suits a key: the same on every server and after every start.
fn score(key: &str, id: &InstanceId) -> u64 {
    let mut hasher = SipHasher13::new();
    key.hash(&mut hasher);
    // Whatever the case that it was last registered in.
    id.to_string().to_ascii_lowercase().hash(&mut hasher);
    hasher.finish()
}

/// Those of weight 0 beside others that have some weigh 1 together, as in DNS (RFC 2782).
fn by_weight(among: &[&Slot], chance: &mut Chance) -> usize {
    let weight = |slot: &Slot| u64::from(slot.effective().registration.weight);
    let total: u64 = among.iter().map(|slot| weight(slot)).sum();
    let weightless = || among.iter().enumerate().filter(|(_, slot)| weight(slot) == 0).map(|(index, _)| index);
    let count = weightless().count();
    let mut at = chance.below(total + u64::from(count > 0));
    if at == total {
        return weightless().nth(chance.index(count)).expect("it was counted");
    }
    let chosen = among.iter().position(|slot| {
        let is_it = at < weight(slot);
        at = at.saturating_sub(weight(slot));
        is_it
    });
    chosen.expect("below the sum of the weights")
}
