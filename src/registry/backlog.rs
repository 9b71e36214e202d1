//! The last changes, for those who watch: they may be slow, or come back after a while, and go on where they were.
//!
//! All watchers read the same changes, each from where it is, and none has a queue of its own: a thousand that sleep
//! cost the writer one call, and one that reads nothing costs no memory. What is kept is bounded, in changes and in
//! octets; whoever needs what is gone is told to list again.
//!
//! Road not taken: a channel for each watcher. The writer would copy every change a thousand times, and who was away
//! could not go on.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio::sync::watch;

use crate::service::{Change, Revision, UnixMillis};

/// Changes that are kept, at most: a fleet of 10,000 may register anew ten times.
const CHANGES_MAX: usize = 100_000;
/// Octets that they may take, about: instances of the usual size come to less.
const OCTETS_MAX: usize = 64 << 20;
/// Changes that a watcher is given at once, at most, so that none holds the lock for long.
const AT_ONCE: usize = 256;

/// The last changes.
#[derive(Debug)]
pub(super) struct Backlog {
    kept: RwLock<Kept>,
    /// The last one's number, for those who wait for the next.
    last: watch::Sender<Revision>,
    /// In changes and octets.
    bounds: (usize, usize),
}

#[derive(Debug)]
struct Kept {
    changes: VecDeque<Announced>,
    octets: usize,
    /// What was changed up to here is not here, or not any more.
    floor: Revision,
}

/// A change that watchers are told of.
#[derive(Debug, Clone)]
pub struct Announced {
    /// Those that were announced together.
    batch: Arc<[Change]>,
    index: usize,
    /// When.
    pub at: UnixMillis,
}

/// Reads change after change.
#[derive(Debug)]
pub struct Watch {
    backlog: Arc<Backlog>,
    news: watch::Receiver<Revision>,
    /// All changes up to here were given.
    position: Revision,
    missed: Option<Missed>,
}

/// Why there are changes that cannot be given: to know what is there, one has to list it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Missed {
    /// The position is of a database that was lost or replaced.
    #[error("the position is of another history: the registry has lost its database since, or is another one")]
    OtherHistory,
    /// No change has that number yet.
    #[error("the position is of no change that this registry has made")]
    Unknown,
    /// The position is too old.
    #[error("changes since the position are no longer kept, as after a restart of the registry")]
    Forgotten,
    /// The watcher is too slow.
    #[error("changes came faster than they were taken, and are no longer kept")]
    Overtaken,
}

impl Backlog {
    /// Of nothing: what was changed up to `floor` is not known.
    pub(super) fn new(floor: Revision) -> Self {
        Self::bounded(floor, (CHANGES_MAX, OCTETS_MAX))
    }

    fn bounded(floor: Revision, bounds: (usize, usize)) -> Self {
        let kept = RwLock::new(Kept { changes: VecDeque::new(), octets: 0, floor });
        Self { kept, last: watch::Sender::new(floor), bounds }
    }

    /// Takes in what was announced, in order.
    pub(super) fn add(&self, batch: &Arc<[Change]>, at: UnixMillis) {
        let Some(last) = batch.last().map(|change| change.revision) else { return };
        let mut forgotten = Vec::new();
        {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            kept.octets += batch.iter().map(Change::size).sum::<usize>();
            let announced = |index| Announced { batch: Arc::clone(batch), index, at };
            kept.changes.extend((0..batch.len()).map(announced));
            while (kept.changes.len() > self.bounds.0 || kept.octets > self.bounds.1)
                && let Some(oldest) = kept.changes.pop_front()
            {
                kept.octets -= oldest.size();
                kept.floor = oldest.revision;
                forgotten.push(oldest);
            }
        }
        // What was replaced may be held here alone: to take it down is work, and no reader waits for it.
        drop(forgotten);
        self.last.send_replace(last);
    }

    /// How many changes are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).changes.len()
    }

    /// Watches from `position` on; without one, from now on.
    pub(super) fn watch(self: &Arc<Self>, position: Result<Option<Revision>, Missed>) -> Watch {
        let (position, missed) = match position {
            Ok(position) => (position, None),
            Err(missed) => (None, Some(missed)),
        };
        let (floor, last) = self.ends();
        let missed = missed.or_else(|| position.filter(|p| *p < floor).map(|_| Missed::Forgotten));
        let position = position.filter(|_| missed.is_none()).unwrap_or(last);
        Watch { backlog: Arc::clone(self), news: self.last.subscribe(), position, missed }
    }

    /// What follows `position`, part by part; `None` where some of that is gone.
    fn after(&self, position: Revision) -> Option<Vec<Announced>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let from = kept.changes.partition_point(|change| change.revision <= position);
        (position >= kept.floor).then(|| kept.changes.range(from..).take(AT_ONCE).cloned().collect())
    }

    /// What is kept is above the first, up to the second.
    fn ends(&self) -> (Revision, Revision) {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        (kept.floor, kept.changes.back().map_or(kept.floor, |change| change.revision))
    }
}

impl Watch {
    /// Waits for the next changes, some of which may be waiting. After an error it goes on with what is changed from
    /// then on: a list that is made after it lacks nothing. May be dropped while it waits, and loses none.
    pub async fn next(&mut self) -> Result<Vec<Announced>, Missed> {
        if let Some(missed) = self.missed.take() {
            return Err(missed);
        }
        loop {
            // Before the look: what comes after it is news.
            self.news.mark_unchanged();
            match self.backlog.after(self.position) {
                None => {
                    self.position = self.backlog.ends().1;
                    return Err(Missed::Overtaken);
                }
                Some(changes) => {
                    if let Some(last) = changes.last() {
                        self.position = last.revision;
                        return Ok(changes);
                    }
                }
            }
            // The sender is in the backlog: it is there.
            let _ = self.news.changed().await;
        }
    }

    /// Every change up to here was given, or told to be missed. `None` until it is told that some are missed.
    pub fn position(&self) -> Option<Revision> {
        self.missed.is_none().then_some(self.position)
    }
}

impl Deref for Announced {
    type Target = Change;

    fn deref(&self) -> &Change {
        &self.batch[self.index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Cause, Instance, Moment, Origin, registration};

    /// Changes with every other number, as there are where some are hidden.
    fn announce(backlog: &Backlog, numbers: std::ops::Range<u64>) {
        let change = |number| {
            let registration = registration("auth", &format!("a{number}"), "web1");
            let (id, revision) = (registration.id.clone(), Revision(number * 2));
            let instance = Instance::new(registration, Origin::api(), UnixMillis(0), Moment(0), revision);
            Change { revision, id, cause: Cause::Registered, before: None, after: Some(Arc::new(instance)) }
        };
        backlog.add(&numbers.map(change).collect(), UnixMillis(7));
    }

    async fn read(watch: &mut Watch) -> Result<Vec<u64>, Missed> {
        Ok(watch.next().await?.iter().map(|change| change.revision.0).collect())
    }

    #[tokio::test]
    async fn who_comes_back_goes_on_where_it_was() {
        let backlog = Arc::new(Backlog::new(Revision(0)));
        let mut watch = backlog.watch(Ok(None));
        announce(&backlog, 1..3);
        announce(&backlog, 3..4);
        assert_eq!(read(&mut watch).await, Ok(vec![2, 4, 6]));
        assert_eq!(watch.position(), Some(Revision(6)));
        // A number between two changes is a position, too.
        for (position, rest) in [(0, vec![2, 4, 6]), (3, vec![4, 6]), (4, vec![6]), (5, vec![6])] {
            assert_eq!(read(&mut backlog.watch(Ok(Some(Revision(position))))).await, Ok(rest), "{position}");
        }
        let mut late = backlog.watch(Ok(None));
        announce(&backlog, 4..5);
        assert_eq!(read(&mut late).await, Ok(vec![8]));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let backlog = Arc::new(Backlog::new(Revision(0)));
        let mut watch = backlog.watch(Ok(None));
        let waiting = tokio::spawn(async move { read(&mut watch).await });
        tokio::task::yield_now().await;
        announce(&backlog, 1..2);
        assert_eq!(waiting.await.unwrap(), Ok(vec![2]));
    }

    #[tokio::test]
    async fn many_changes_are_given_part_by_part() {
        let backlog = Arc::new(Backlog::new(Revision(0)));
        let mut watch = backlog.watch(Ok(None));
        announce(&backlog, 1..1001);
        let mut all = Vec::new();
        while all.len() < 1000 {
            let part = read(&mut watch).await.unwrap();
            assert!(part.len() <= AT_ONCE);
            all.extend(part);
        }
        assert!(all.iter().copied().eq((1..1001).map(|number| number * 2)));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_who_needs_more_is_told_once() {
        let one = {
            let backlog = Backlog::new(Revision(0));
            announce(&backlog, 1..2);
            backlog.ends();
            backlog.kept.read().unwrap().octets
        };
        for bounds in [(3, usize::MAX), (usize::MAX, one * 3)] {
            let backlog = Arc::new(Backlog::bounded(Revision(0), bounds));
            let mut slow = backlog.watch(Ok(None));
            announce(&backlog, 1..6);
            assert_eq!(backlog.len(), 3);
            assert_eq!(read(&mut slow).await, Err(Missed::Overtaken));
            assert_eq!(read(&mut backlog.watch(Ok(Some(Revision(3))))).await, Err(Missed::Forgotten));
            assert_eq!(read(&mut backlog.watch(Ok(Some(Revision(4))))).await, Ok(vec![6, 8, 10]));
            announce(&backlog, 6..7);
            assert_eq!(read(&mut slow).await, Ok(vec![12]), "from then on");
        }
    }
}
