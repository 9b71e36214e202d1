//! What the registry was told of each file, and what it has yet to be told.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{FileFault, Reloaded};
use crate::registry::{Condition, Operation, Refusal, Registry};
use crate::service::{InstanceId, Origin, Registration, Source};

use super::places::Place;
use super::read::Entries;

/// Operations of one call: a reload of most sites is one, so that nobody sees half of it.
const BATCH: usize = 4096;

/// The books.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    files: BTreeMap<Arc<str>, Page>,
    behind: bool,
}

/// One file.
#[derive(Debug, Default)]
struct Page {
    path: String,
    told: BTreeMap<InstanceId, Registration>,
    /// What it holds now, and in which line.
    holds: BTreeMap<InstanceId, (usize, Registration)>,
}

/// What has to be said, with the line of it where it stands in the file.
type Word = (Arc<str>, InstanceId, Option<(usize, Registration)>);

impl Ledger {
    /// A file holds `entries`, and nothing else.
    pub(super) fn holds(&mut self, place: &Place, entries: Entries) {
        let page = self.files.entry(Arc::clone(&place.name)).or_default();
        page.path = place.file();
        page.holds = entries.into_iter().map(|(line, entry)| (entry.id.clone(), (line, entry))).collect();
    }

    /// Files other than these hold nothing.
    pub(super) fn keep(&mut self, names: &[Arc<str>]) {
        for (_, page) in self.files.iter_mut().filter(|(name, _)| !names.contains(name)) {
            page.holds.clear();
        }
    }

    /// Whether the registry refused something, which it may take the next time.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Services of a file that the registry took.
    pub(super) fn services(&self, name: &str) -> usize {
        self.files.get(name).map_or(0, |page| page.told.len())
    }

    /// Tells the registry what it does not know. What it refuses is added to `faults`.
    pub(super) async fn tell(&mut self, registry: &Registry, faults: &mut Vec<FileFault>) -> Reloaded {
        let mut reloaded = Reloaded::default();
        self.behind = false;
        for words in self.words().chunks(BATCH) {
            let answers = registry.apply(words.iter().map(operation).collect()).await;
            for ((name, id, word), answer) in words.iter().cloned().zip(answers) {
                let page = self.files.get_mut(&name).expect("words are about files that are known");
                match (word, answer) {
                    (Some((_, registration)), Ok(_)) => match page.told.insert(id, registration) {
                        None => reloaded.added += 1,
                        Some(_) => reloaded.changed += 1,
                    },
                    // Gone is gone, whoever took it away.
                    (None, Ok(_) | Err(Refusal::Unknown(_))) => {
                        page.told.remove(&id);
                        reloaded.removed += 1;
                    }
                    (word, Err(refusal)) => {
                        self.behind = true;
                        let line = word.map(|(line, _)| line);
                        faults.push(FileFault { file: page.path.clone(), line, reason: refusal.to_string() });
                    }
                }
            }
        }
        self.files.retain(|_, page| !page.holds.is_empty() || !page.told.is_empty());
        reloaded
    }

    /// First what goes: it makes room, and gives up its host to the file that it was moved to.
    fn words(&self) -> Vec<Word> {
        let mut words = Vec::new();
        for (name, page) in &self.files {
            let gone = page.told.keys().filter(|id| !page.holds.contains_key(*id));
            words.extend(gone.map(|id| (Arc::clone(name), id.clone(), None)));
        }
        for (name, page) in &self.files {
            let news = page.holds.iter().filter(|(id, (_, now))| page.told.get(*id) != Some(now));
            words.extend(news.map(|(id, entry)| (Arc::clone(name), id.clone(), Some(entry.clone()))));
        }
        words
    }
}

fn operation((name, id, word): &Word) -> Operation {
    let origin = Origin::new(Source::File, name);
    match word.clone() {
        Some((_, registration)) => Operation::Register { registration, origin, condition: Condition::Always },
        None => Operation::Deregister { id: id.clone(), origin, condition: Condition::Always },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio_util::sync::CancellationToken;

    use super::super::places::Holds;
    use super::*;
    use crate::registry;
    use crate::service::registration;
    use crate::store::{self, Store};
    use crate::zone;

    fn place(name: &str) -> Place {
        Place { path: Path::new("/etc/portolan").join(name), name: name.into(), holds: Holds::Services }
    }

    /// A registry that runs for as long as the test does.
    fn registry(max_instances: usize) -> Registry {
        let opened = Store::open(&store::Config { url: "memory:".into() }, Path::new("/")).unwrap();
        let config = registry::Config { max_instances, ..registry::Config::default() };
        let zone = zone::Snapshot::new(&zone::Config::default(), &[]);
        let (registry, writer) = Registry::open(&config, opened, &zone).unwrap();
        tokio::spawn(writer.run(CancellationToken::new()));
        registry
    }

    fn entries(instances: &[&str]) -> Entries {
        instances.iter().enumerate().map(|(n, name)| (n + 1, registration("web", name, "web1"))).collect()
    }

    fn counts(reloaded: &Reloaded) -> [usize; 3] {
        [reloaded.added, reloaded.changed, reloaded.removed]
    }

    #[tokio::test]
    async fn only_what_differs_is_said() {
        let (registry, mut ledger, mut faults) = (registry(9), Ledger::default(), Vec::new());
        ledger.holds(&place("a.toml"), entries(&["x", "y"]));
        assert_eq!(counts(&ledger.tell(&registry, &mut faults).await), [2, 0, 0]);
        assert_eq!(counts(&ledger.tell(&registry, &mut faults).await), [0, 0, 0]);
        let mut changed = entries(&["y", "z"]);
        changed[0].1.weight = 7;
        ledger.holds(&place("a.toml"), changed);
        assert_eq!(counts(&ledger.tell(&registry, &mut faults).await), [1, 1, 1]);
        ledger.keep(&[]);
        assert_eq!(counts(&ledger.tell(&registry, &mut faults).await), [0, 0, 2]);
        assert!(registry.state().is_empty() && faults.is_empty(), "{faults:?}");
    }

    #[tokio::test]
    async fn what_moves_to_another_file_keeps_its_host() {
        let (registry, mut ledger, mut faults) = (registry(9), Ledger::default(), Vec::new());
        ledger.holds(&place("b.toml"), entries(&["x"]));
        ledger.tell(&registry, &mut faults).await;
        ledger.holds(&place("a.toml"), entries(&["x"]));
        ledger.keep(&["a.toml".into()]);
        ledger.tell(&registry, &mut faults).await;
        let state = registry.state();
        let (_, slot) = state.after(None).next().unwrap();
        assert_eq!((slot.effective().host().to_string(), slot.effective().origin.name()), ("web1".into(), "a.toml"));
    }

    #[tokio::test]
    async fn what_is_refused_is_told_by_line_and_said_again() {
        let (registry, mut ledger, mut faults) = (registry(1), Ledger::default(), Vec::new());
        ledger.holds(&place("a.toml"), entries(&["x", "y"]));
        ledger.tell(&registry, &mut faults).await;
        assert!(ledger.is_behind() && faults.len() == 1, "{faults:?}");
        assert_eq!((faults[0].line, faults[0].file.as_str()), (Some(2), "/etc/portolan/a.toml"));
        ledger.holds(&place("a.toml"), entries(&["y"]));
        faults.clear();
        assert_eq!(counts(&ledger.tell(&registry, &mut faults).await), [1, 0, 1]);
        assert!(!ledger.is_behind() && faults.is_empty(), "{faults:?}");
    }
}
