//! The loop that owns the links: it hears, sweeps, looks at the interfaces, and tells the registry.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::registry::{Applied, Refusal, Registry};

use super::Config;
use super::asker::Asker;
use super::ledger::{self, Ledger, Word};
use super::link::Link;
use super::listener::{Datagram, Listener};
use super::message::{self, Refused};
use super::metrics::Counts;

/// Between looks at the interfaces, and before what failed is tried again.
const LOOK: Duration = Duration::from_secs(1);
/// Between looks for names that are browsed for nothing.
const TIDY: Duration = Duration::from_mins(1);
/// Between sweeps, at least: TTLs are whole seconds, and a stranger chooses how many end one by one.
const SWEEP: Duration = Duration::from_millis(100);
/// What the registry may take for the last deregistrations when the program ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// Refused names that are told of in the log, each once: a stranger can make up any number.
const COMPLAINTS: usize = 32;

/// What the registry answered to some words.
type Told = (Vec<Word>, Vec<Result<Applied, Refusal>>);

/// The loop and what it owns.
#[derive(Debug)]
pub(super) struct Ingest {
    listener: Listener,
    asker: Asker,
    links: BTreeMap<Arc<str>, Link>,
    ledger: Ledger,
    link_limit: usize,
    complaints: HashSet<String>,
    counts: Arc<Counts>,
    looked: bool,
    tidied: Instant,
}

impl Ingest {
    /// Idle until it runs.
    pub(super) fn new(config: &Config, counts: Arc<Counts>) -> Self {
        Self {
            listener: Listener::new(config.interfaces.clone(), Arc::clone(&counts)),
            asker: Asker::new(),
            links: BTreeMap::new(),
            ledger: Ledger::new(config.limit),
            link_limit: config.link_limit,
            complaints: HashSet::new(),
            counts,
            looked: false,
            tidied: Instant::now(),
        }
    }

    /// Runs until `stop`, then takes back what was told.
    pub(super) async fn run(mut self, registry: Registry, stop: CancellationToken) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept = Instant::now();
        // One call at a time, so that the registry hears of an instance in order.
        let mut telling: JoinSet<Told> = JoinSet::new();
        loop {
            let next = self.links.values().filter_map(Link::next).min();
            let sweep = async {
                match next {
                    Some(next) => sleep_until(next.max(swept + SWEEP).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                datagram = self.listener.next() => self.hear(&datagram),
                () = self.asker.closed() => {}
                () = sweep => {
                    swept = Instant::now();
                    self.sweep(swept);
                }
                _ = look.tick() => self.look(),
                Some(told) = telling.join_next() => self.answered(told),
            }
            for (name, link) in &mut self.links {
                self.ledger.changed(name, link.take_changed());
            }
            let seen = self.links.values().map(Link::instances).sum();
            self.counts.seen.store(seen, Ordering::Relaxed);
            if telling.is_empty() {
                self.tell(&registry, &mut telling);
            }
        }
        if timeout(FAREWELL, self.leave(&registry, telling)).await.is_err() {
            tracing::debug!("the registry was too busy to take back what the links said");
        }
    }

    fn hear(&mut self, datagram: &Datagram) {
        let now = Instant::now();
        // None where its interface went while it waited.
        let Some(link) = self.links.get_mut(&datagram.link) else { return };
        let facts = match message::read(&datagram.bytes) {
            Ok(facts) => facts,
            Err(why) => return self.counts.ignored(why),
        };
        let beyond = link.beyond();
        for heard in facts {
            match heard {
                Ok(heard) => {
                    let browse = heard.fact.browse().filter(|_| !heard.ttl.is_zero());
                    if browse.is_some_and(|name| !self.asker.want(name, now)) {
                        self.counts.beyond.inc();
                        complain(&mut self.complaints, &datagram.link, Refused::types());
                    }
                    if let Some(refused) = heard.fact.unfit() {
                        self.counts.unfit.inc();
                        complain(&mut self.complaints, &datagram.link, refused);
                    }
                    link.hear(heard, now);
                }
                Err(refused) => {
                    self.counts.unfit.inc();
                    complain(&mut self.complaints, &datagram.link, refused);
                }
            }
        }
        self.counts.beyond.inc_by(link.beyond() - beyond);
        if link.beyond() > 0 && beyond == 0 {
            let (link, limit) = (&datagram.link, self.link_limit);
            tracing::warn!(%link, limit, "more instances are announced than mdns.link_limit; the rest is passed over");
        }
    }

    fn sweep(&mut self, now: Instant) {
        for (name, link) in &mut self.links {
            for question in link.sweep(now).iter().filter_map(message::question) {
                self.listener.ask(name, &question);
            }
        }
    }

    /// Follows the interfaces, and tries again what failed.
    fn look(&mut self) {
        let moved = self.listener.look();
        for name in &moved.went {
            tracing::info!(link = %name, "link is gone");
            self.links.remove(name);
            self.ledger.moved(name);
        }
        for name in &moved.came {
            tracing::info!(link = %name, "listening");
            self.links.insert(Arc::clone(name), Link::new(self.link_limit));
        }
        if !std::mem::replace(&mut self.looked, true) && self.links.is_empty() {
            tracing::warn!("no interface can multicast: nothing is taken in until one can");
        }
        // Listening first: an answer that only the library hears is one that it asks nobody to repeat.
        self.asker.listened(self.links.keys().cloned());
        if !self.links.is_empty() {
            self.asker.open();
        }
        self.ledger.retry();
        let now = Instant::now();
        if now >= self.tidied + TIDY {
            self.tidied = now;
            self.asker.tidy(self.links.values().flat_map(Link::browsed).collect(), now);
        }
    }

    fn answered(&mut self, told: Result<Told, tokio::task::JoinError>) {
        let (words, answers) = told.expect("the registry does not panic");
        self.ledger.answered(words, answers);
    }

    fn tell(&mut self, registry: &Registry, telling: &mut JoinSet<Told>) {
        let words = self.ledger.next(|(link, id)| self.links.get(link)?.registration(id));
        if words.is_empty() {
            return;
        }
        let registry = registry.clone();
        telling.spawn(async move {
            let answers = registry.apply(words.iter().map(ledger::operation).collect()).await;
            (words, answers)
        });
    }

    /// Takes back everything.
    async fn leave(mut self, registry: &Registry, mut telling: JoinSet<Told>) {
        for name in std::mem::take(&mut self.links).into_keys() {
            self.ledger.moved(&name);
        }
        loop {
            while let Some(told) = telling.join_next().await {
                self.answered(told);
            }
            self.tell(registry, &mut telling);
            if telling.is_empty() {
                break;
            }
        }
    }
}

/// Logs what is refused, each name once, and then that no more is logged.
fn complain(complaints: &mut HashSet<String>, link: &Arc<str>, Refused { name, why }: Refused) {
    if complaints.len() >= COMPLAINTS || !complaints.insert(name.clone()) {
        return;
    }
    tracing::warn!(%link, name, why, "an announcement is passed over");
    if complaints.len() == COMPLAINTS {
        tracing::warn!("further announcements that are passed over are not logged");
    }
}
