//! Keeps mdns-sd asking: it browses every service type, asks for what an announcement lacks, and asks again before
//! a record ends. Its answers are not read here; the listener hears them.
//!
//! A subscription of the library closes silently when its channel is full, or with the library's thread. Then
//! nothing is asked any more, so it is noticed and opened again.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mdns_sd::{Error, IfKind, IfPredicate, ServiceDaemon};
use tokio::task::{self, JoinSet};

use super::browsed::{Browsed, TYPES, Verdict};

/// Seconds between the library's looks at the interfaces; we look as often.
const INTERFACE_CHECK: u32 = 1;
/// How often the library is told to end while its queue is full, a millisecond apart.
const FAREWELLS: u32 = 100;

/// The library, and what it is asked to browse.
pub(super) struct Asker {
    daemon: Option<ServiceDaemon>,
    /// Interfaces that are listened to: the library must not ask where nobody hears the answer, since it keeps
    /// others from repeating what it has heard (RFC 6762 §7.1).
    listened: Arc<Mutex<HashSet<Arc<str>>>>,
    browsed: Browsed,
    waiting: Vec<String>,
    /// To be closed, as soon as the library's queue has room.
    leaving: Vec<String>,
    open: JoinSet<String>,
    /// The subscription of each name: one that is given up closes as well, maybe after the next was opened.
    current: HashMap<String, task::Id>,
    failed: bool,
}

impl Asker {
    /// Asks nothing until [`Asker::open`].
    pub(super) fn new() -> Self {
        Self {
            daemon: None,
            listened: Arc::default(),
            browsed: Browsed::new(),
            waiting: vec![TYPES.to_owned()],
            leaving: Vec::new(),
            open: JoinSet::new(),
            current: HashMap::new(),
            failed: false,
        }
    }

    /// Asks on these interfaces from now on.
    pub(super) fn listened(&mut self, links: impl Iterator<Item = Arc<str>>) {
        *self.listened.lock().unwrap_or_else(PoisonError::into_inner) = links.collect();
    }

    /// Browses `name`, given without `local`, from now on. `false` where that is one too many.
    pub(super) fn want(&mut self, name: String, now: Instant) -> bool {
        let verdict = self.browsed.heard(&name, now);
        if verdict == Verdict::New {
            self.leaving.retain(|leaving| *leaving != name);
            self.waiting.push(name);
            self.open();
        }
        verdict != Verdict::TooMany
    }

    /// Gives up the names that were of no use for a while, and browses those in `held`, which have instances.
    pub(super) fn tidy(&mut self, held: HashSet<String>, now: Instant) {
        let forgotten = self.browsed.forget(&held, now);
        for name in forgotten.names {
            self.waiting.retain(|waiting| *waiting != name);
            // With a subtype the library forgets what it knows of its instances, those of the type included.
            if let Some((_, base)) = name.split_once("._sub.")
                && self.current.contains_key(base)
            {
                self.leaving.push(base.to_owned());
            }
            if self.current.remove(&name).is_some() {
                self.leaving.push(name);
            }
        }
        if forgotten.room_again {
            // It closes, is opened again, and the library has forgotten which types it knew.
            self.leaving.push(TYPES.to_owned());
        }
        for name in held {
            self.want(name, now);
        }
        self.open();
    }

    /// Closes and opens what waits for it; what cannot be done now waits on.
    pub(super) fn open(&mut self) {
        if let Some(daemon) = &self.daemon {
            self.leaving.retain(|name| matches!(daemon.stop_browse(&in_local(name)), Err(Error::Again)));
        }
        for name in std::mem::take(&mut self.waiting) {
            if let Err(error) = self.subscribe(&name) {
                self.waiting.push(name);
                // The library's queue is full (`Again`) whenever many types appear at once.
                if !matches!(error, Error::Again) && !std::mem::replace(&mut self.failed, true) {
                    tracing::warn!(%error, "cannot ask by multicast DNS; trying again");
                }
            }
        }
    }

    /// Waits until a subscription closes, and lets it wait for [`Asker::open`].
    pub(super) async fn closed(&mut self) {
        match self.open.join_next_with_id().await {
            Some(closed) => {
                let (id, name) = closed.expect("reading a channel does not panic");
                if self.current.get(&name) == Some(&id) {
                    tracing::debug!(name, "subscription closed; opening it again");
                    self.current.remove(&name);
                    self.waiting.push(name);
                }
            }
            None => std::future::pending().await,
        }
    }

    fn subscribe(&mut self, name: &str) -> Result<(), Error> {
        let daemon = match self.daemon.take() {
            Some(daemon) => daemon,
            None => self.start()?,
        };
        let events = daemon.browse(&in_local(name));
        if !matches!(events, Err(Error::DaemonShutdown)) {
            self.daemon = Some(daemon);
        }
        let events = events?;
        self.failed = false;
        let closes = name.to_owned();
        let subscription = self.open.spawn(async move {
            while events.recv_async().await.is_ok() {}
            closes
        });
        self.current.insert(name.to_owned(), subscription.id());
        Ok(())
    }

    fn start(&self) -> Result<ServiceDaemon, Error> {
        let daemon = ServiceDaemon::new()?;
        let listened = Arc::clone(&self.listened);
        let predicate = IfPredicate::new(move |interface| {
            listened.lock().unwrap_or_else(PoisonError::into_inner).contains(interface.name.as_str())
        });
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::Predicate(predicate))?;
        daemon.set_ip_check_interval(INTERFACE_CHECK)?;
        Ok(daemon)
    }
}

fn in_local(name: &str) -> String {
    format!("{name}.local.")
}

impl Drop for Asker {
    /// Ends the library's thread; nothing was announced, so there is no goodbye to wait for.
    fn drop(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        // A full queue is worked off within milliseconds, unless the thread hangs: then it ends with the process.
        for _ in 0..FAREWELLS {
            if !matches!(daemon.shutdown(), Err(Error::Again)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("browsed", &self.browsed).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::browsed::NAMES_MAX;
    use super::*;

    #[tokio::test]
    async fn a_subscription_that_closes_is_opened_again() {
        let mut asker = Asker::new();
        asker.open();
        assert_eq!((asker.open.len(), asker.waiting.len()), (1, 0));
        // The library's thread ends, and every subscription with it.
        asker.daemon.as_ref().unwrap().shutdown().unwrap().recv_async().await.unwrap();
        asker.closed().await;
        assert_eq!(asker.waiting, [TYPES]);
        while !asker.waiting.is_empty() {
            // First it learns that the thread is gone, then it starts another.
            asker.open();
        }
        assert_eq!(asker.open.len(), 1);
    }

    #[tokio::test]
    async fn more_types_than_the_librarys_queue_takes_wait_and_get_their_turn() {
        let (mut asker, now) = (Asker::new(), Instant::now());
        assert!((0..NAMES_MAX).all(|n| asker.want(format!("_t{n}._tcp"), now)));
        assert!(!asker.want("_one-more._tcp".to_owned(), now));
        assert!(asker.want("_t1._tcp".to_owned(), now));
        while !asker.waiting.is_empty() {
            task::yield_now().await;
            asker.open();
        }
        assert_eq!(asker.open.len(), NAMES_MAX + 1);
    }

    #[tokio::test]
    async fn a_name_that_is_given_up_is_closed_and_stays_closed() {
        let (mut asker, now) = (Asker::new(), Instant::now());
        asker.want("_gone._tcp".to_owned(), now);
        asker.want("_here._tcp".to_owned(), now);
        while !asker.waiting.is_empty() {
            asker.open();
        }
        asker.tidy(HashSet::from(["_here._tcp".to_owned()]), now + Duration::from_hours(1));
        tokio::time::timeout(Duration::from_secs(20), asker.closed()).await.expect("the one given up is closed");
        assert_eq!((asker.open.len(), asker.waiting.len(), asker.leaving.len()), (2, 0, 0));
        assert!(asker.current.contains_key("_here._tcp") && !asker.current.contains_key("_gone._tcp"));
    }
}
