//! What the registry was told of the links, and what it has yet to be told. Pure but for the log.
//!
//! Only identities wait, each once, and what is said of one is looked up when its turn comes: however fast a link
//! changes its mind, the registry hears the last word, and nothing queues up.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::registry::{Applied, Condition, Operation, Refusal};
use crate::service::{InstanceId, Origin, Registration, Source};

/// Operations of one call: enough to share a commit among, few enough that others have their turn.
const BATCH: usize = 256;

/// An instance on a link.
pub(super) type Key = (Arc<str>, InstanceId);

/// What is to be said of an instance: its registration, or that it is gone.
pub(super) type Word = (Key, Option<Registration>);

/// The books.
#[derive(Debug)]
pub(super) struct Ledger {
    limit: usize,
    told: HashMap<Key, Registration>,
    waiting: BTreeSet<Key>,
    refused: BTreeSet<Key>,
    overflowed: bool,
}

impl Ledger {
    /// Empty books that take `limit` instances.
    pub(super) fn new(limit: usize) -> Self {
        let (told, waiting, refused) = (HashMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { limit, told, waiting, refused, overflowed: false }
    }

    /// These may have changed.
    pub(super) fn changed(&mut self, link: &Arc<str>, ids: impl IntoIterator<Item = InstanceId>) {
        self.waiting.extend(ids.into_iter().map(|id| (Arc::clone(link), id)));
    }

    /// Everything that was told of a link may have changed.
    pub(super) fn moved(&mut self, link: &Arc<str>) {
        let of_link = self.told.keys().filter(|(known, _)| known == link).cloned();
        self.waiting.extend(of_link);
    }

    /// What was refused waits for its next turn.
    pub(super) fn retry(&mut self) {
        self.waiting.append(&mut self.refused);
    }

    /// The next words to say, looked up by `now_is`; empty when the registry knows all. One call's answers come
    /// before the next call.
    pub(super) fn next(&mut self, now_is: impl Fn(&Key) -> Option<Registration>) -> Vec<Word> {
        let mut words = Vec::new();
        let mut room = self.limit.saturating_sub(self.told.len());
        while words.len() < BATCH
            && let Some(key) = self.waiting.pop_first()
        {
            let before = self.told.get(&key);
            let now = now_is(&key);
            if before == now.as_ref() {
                continue;
            }
            if before.is_none() {
                if room == 0 {
                    self.overflow(key);
                    continue;
                }
                room -= 1;
            }
            words.push((key, now));
        }
        words
    }

    /// Notes the registry's answers to the words of [`Ledger::next`].
    pub(super) fn answered(&mut self, words: Vec<Word>, answers: Vec<Result<Applied, Refusal>>) {
        for ((key, word), answer) in words.into_iter().zip(answers) {
            match (word, answer) {
                (Some(registration), Ok(_)) => drop(self.told.insert(key, registration)),
                // Gone is gone, whoever took it away.
                (None, Ok(_) | Err(Refusal::Unknown(_))) => drop(self.told.remove(&key)),
                (_, Err(refusal)) => {
                    if self.refused.is_empty() {
                        tracing::warn!(%refusal, "the registry does not take what a link says; trying again");
                    }
                    self.refused.insert(key);
                }
            }
        }
    }

    fn overflow(&mut self, key: Key) {
        if !std::mem::replace(&mut self.overflowed, true) {
            tracing::warn!(limit = self.limit, "more instances are announced than mdns.limit; the rest is passed over");
        }
        self.refused.insert(key);
    }
}

/// The operation that a word is.
pub(super) fn operation((key, word): &Word) -> Operation {
    let origin = Origin::new(Source::Mdns, &key.0);
    match word.clone() {
        Some(registration) => Operation::Register { registration, origin, condition: Condition::Always },
        None => Operation::Deregister { id: key.1.clone(), origin, condition: Condition::Always },
    }
}

#[cfg(test)]
mod tests {
    use super::super::announcement;
    use super::super::message::Target;
    use super::super::message::tests::an_instance;
    use super::*;
    use crate::service::{Instance, Moment, Revision, Txt, UnixMillis};

    fn link() -> Arc<str> {
        "eth0".into()
    }

    fn id(label: &str) -> InstanceId {
        an_instance(label, "http").id
    }

    fn registration(id: &InstanceId) -> Registration {
        let target = Target { host: "web.local".parse().unwrap(), port: 80, priority: 0, weight: 0 };
        announcement::registration(id.clone(), &target, [], Txt::default(), Vec::new()).unwrap()
    }

    /// Looks up a link on which everything is.
    const IS_THERE: fn(&Key) -> Option<Registration> = |key| Some(registration(&key.1));

    fn applied() -> Applied {
        let origin = Origin::new(Source::Mdns, &link());
        let instance = Instance::new(registration(&id("x")), origin, UnixMillis(0), Moment(0), Revision(0));
        Applied { instance: Arc::new(instance), created: true, cause: None, left: Vec::new() }
    }

    #[test]
    fn what_the_registry_knows_is_not_said_again() {
        let mut ledger = Ledger::new(9);
        ledger.changed(&link(), [id("x")]);
        let words = ledger.next(IS_THERE);
        assert_eq!(words.len(), 1);
        ledger.answered(words, vec![Ok(applied())]);
        ledger.changed(&link(), [id("x"), id("never-there")]);
        assert_eq!(ledger.next(|key| IS_THERE(key).filter(|_| key.1 == id("x"))), []);
    }

    #[test]
    fn what_is_refused_is_said_again_and_a_goodbye_too() {
        let mut ledger = Ledger::new(9);
        ledger.changed(&link(), [id("x")]);
        let words = ledger.next(IS_THERE);
        ledger.answered(words, vec![Err(Refusal::Busy)]);
        assert_eq!(ledger.next(IS_THERE), []);
        ledger.retry();
        let words = ledger.next(IS_THERE);
        ledger.answered(words, vec![Ok(applied())]);
        ledger.moved(&link());
        let words = ledger.next(|_| None);
        ledger.answered(words, vec![Err(Refusal::Busy)]);
        ledger.retry();
        let words = ledger.next(|_| None);
        assert_eq!(words, [((link(), id("x")), None)]);
        ledger.answered(words, vec![Err(Refusal::Unknown(id("x")))]);
        ledger.moved(&link());
        assert_eq!(ledger.next(|_| None), []);
    }

    #[test]
    fn beyond_the_limit_they_wait_for_room() {
        let mut ledger = Ledger::new(2);
        ledger.changed(&link(), [id("a"), id("b"), id("c")]);
        let words = ledger.next(IS_THERE);
        assert_eq!(words.len(), 2);
        ledger.answered(words, vec![Ok(applied()), Ok(applied())]);
        ledger.changed(&link(), [id("a")]);
        let words = ledger.next(|_| None);
        ledger.answered(words, vec![Ok(applied())]);
        ledger.retry();
        assert_eq!(ledger.next(IS_THERE), [((link(), id("c")), Some(registration(&id("c"))))]);
    }

    #[test]
    fn thousands_of_changes_of_one_instance_are_one_word() {
        let mut ledger = Ledger::new(9);
        for _ in 0..5_000 {
            ledger.changed(&link(), [id("x")]);
        }
        assert_eq!(ledger.next(IS_THERE).len(), 1);
        assert_eq!(ledger.next(IS_THERE).len(), 0);
    }
}
