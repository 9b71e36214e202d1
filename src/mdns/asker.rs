//! Keeps mdns-sd asking: it browses every service type, asks for what an announcement lacks, and asks again before
//! a record ends. Its answers are not read here; the listener hears them.
//!
//! A subscription of the library closes silently when its channel is full, or with the library's thread. Then
//! nothing is asked any more, so it is noticed and opened again.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mdns_sd::{Error, IfKind, IfPredicate, ServiceDaemon};
use tokio::task::JoinSet;

/// What is asked in order to learn which service types there are (RFC 6763 §9).
const TYPES: &str = "_services._dns-sd._udp";
/// Browsed names, at most: a home has tens, and a stranger could make up any number.
const NAMES_MAX: usize = 256;
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
    wanted: HashSet<String>,
    waiting: Vec<String>,
    open: JoinSet<String>,
    failed: bool,
}

impl Asker {
    /// Asks nothing until [`Asker::open`].
    pub(super) fn new() -> Self {
        Self {
            daemon: None,
            listened: Arc::default(),
            wanted: HashSet::from([TYPES.to_owned()]),
            waiting: vec![TYPES.to_owned()],
            open: JoinSet::new(),
            failed: false,
        }
    }

    /// Asks on these interfaces from now on.
    pub(super) fn listened(&mut self, links: impl Iterator<Item = Arc<str>>) {
        *self.listened.lock().unwrap_or_else(PoisonError::into_inner) = links.collect();
    }

    /// Browses `name`, given without `local`, from now on. `false` where that is one too many.
    pub(super) fn want(&mut self, name: String) -> bool {
        if self.wanted.contains(&name) {
            return true;
        }
        if self.wanted.len() >= NAMES_MAX {
            return false;
        }
        self.wanted.insert(name.clone());
        self.waiting.push(name);
        self.open();
        true
    }

    /// Opens what waits for it; what cannot be opened now waits on.
    pub(super) fn open(&mut self) {
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
        match self.open.join_next().await {
            Some(name) => {
                let name = name.expect("reading a channel does not panic");
                tracing::debug!(name, "subscription closed; opening it again");
                self.waiting.push(name);
            }
            None => std::future::pending().await,
        }
    }

    fn subscribe(&mut self, name: &str) -> Result<(), Error> {
        let daemon = match self.daemon.take() {
            Some(daemon) => daemon,
            None => self.start()?,
        };
        let events = daemon.browse(&format!("{name}.local."));
        if !matches!(events, Err(Error::DaemonShutdown)) {
            self.daemon = Some(daemon);
        }
        let events = events?;
        self.failed = false;
        let name = name.to_owned();
        self.open.spawn(async move {
            while events.recv_async().await.is_ok() {}
            name
        });
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
        f.debug_struct("Asker").field("wanted", &self.wanted).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
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
        let mut asker = Asker::new();
        assert!((1..NAMES_MAX).all(|n| asker.want(format!("_t{n}._tcp"))));
        assert!(!asker.want("_one-more._tcp".to_owned()));
        assert!(asker.want("_t1._tcp".to_owned()));
        while !asker.waiting.is_empty() {
            tokio::task::yield_now().await;
            asker.open();
        }
        assert_eq!(asker.open.len(), NAMES_MAX);
    }
}
