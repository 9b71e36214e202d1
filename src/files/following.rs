//! The loop that follows the files.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::api::{FileFault, FileServices, Reloaded};
use crate::registry::Registry;

use super::ledger::Ledger;
use super::places::{Holds, Place, Places, Seen, text};
use super::read::{Entries, Wrong, read};
use super::watch::Watch;
use super::written::Written;
use super::{Ground, Reread};

/// The loop and what it owns.
pub(super) struct Following {
    pub(super) places: Arc<Places>,
    pub(super) ground: Arc<Ground>,
    pub(super) reread: Arc<Reread>,
    pub(super) registry: Registry,
    pub(super) ledger: Ledger,
    pub(super) written: Written,
    /// Settings that were told of.
    pub(super) restart: Vec<String>,
    pub(super) faults: Arc<ArcSwap<Vec<FileFault>>>,
}

impl Following {
    /// Takes in what changed, and everything whenever a call says so, for as long as it is polled.
    pub(super) async fn follow(mut self, mut calls: mpsc::Receiver<oneshot::Sender<Reloaded>>) {
        let mut watch = Watch::new();
        let mut seen: Option<Seen> = None;
        let mut asked: Option<oneshot::Sender<Reloaded>> = None;
        loop {
            watch.follow(self.places.folders());
            let is_unsettled = asked.is_some() || self.ledger.is_behind() || self.written.is_awaited();
            let is_due = |now: &Seen| is_unsettled || seen.as_ref() != Some(now);
            if let Some(now) = self.look().await.filter(is_due) {
                let reloaded = self.reload(&now).await;
                seen = Some(now);
                if let Some(answer) = asked.take() {
                    // Who asked may have gone.
                    let _ = answer.send(reloaded);
                }
            }
            tokio::select! {
                () = watch.stirred() => {}
                Some(call) = calls.recv() => asked = Some(call),
            }
        }
    }

    /// Files may lie on a disk that hangs, which is no thread's business that others wait for. `None` after a panic,
    /// which has been told of by the hook: it has seen nothing, not that there is nothing.
    async fn look(&self) -> Option<Seen> {
        let places = Arc::clone(&self.places);
        tokio::task::spawn_blocking(move || places.look()).await.ok()
    }

    /// Reads all that was seen, and has the registry hold it.
    async fn reload(&mut self, seen: &Seen) -> Reloaded {
        let (ground, reread, files) = (Arc::clone(&self.ground), Arc::clone(&self.reread), seen.places());
        let mut written = mem::take(&mut self.written);
        let read = tokio::task::spawn_blocking(move || {
            let mut restart = Vec::new();
            let mut read = Vec::new();
            for place in files {
                let taken = take(&place, &ground, &reread, &mut written, &mut restart);
                read.push((place, taken));
            }
            (read, written, restart)
        });
        // After a panic nothing has changed.
        let Ok((read, written, restart)) = read.await else { return Reloaded::default() };
        self.written = written;
        let mut faults = seen.faults().to_vec();
        let mut files = Vec::new();
        let is_whole = faults.is_empty();
        let kept: Vec<_> = read.iter().map(|(place, _)| place.name.clone()).collect();
        for (place, taken) in read {
            match taken {
                Ok(entries) => self.ledger.holds(&place, entries),
                Err(Wrong { line, reason }) => faults.push(FileFault { file: place.file(), line, reason }),
            }
            files.push(place);
        }
        // Where a directory cannot be read, nobody knows what is gone from it.
        if is_whole {
            self.ledger.keep(&kept);
            self.written.keep(&kept);
        }
        let mut reloaded = self.ledger.tell(&self.registry, &mut faults).await;
        let of = |place: &Place| FileServices { file: place.file(), services: self.ledger.services(&place.name) };
        (reloaded.files, reloaded.faults, reloaded.restart) = (files.iter().map(of).collect(), faults, restart);
        self.say(&reloaded);
        reloaded
    }

    /// Logs what changed, and each mistake once.
    fn say(&mut self, Reloaded { added, changed, removed, faults, restart, .. }: &Reloaded) {
        if added + changed + removed > 0 {
            info!(added, changed, removed, "services in files");
        }
        let before = self.faults.swap(Arc::new(faults.clone()));
        for fault in faults.iter().filter(|fault| !before.contains(fault)) {
            warn!("a file of services is not taken in: {fault}");
        }
        if !restart.is_empty() && *restart != self.restart {
            warn!("settings have changed that take a restart: {}", restart.join(", "));
        }
        self.restart.clone_from(restart);
    }
}

/// What `place` holds. The settings beside its services are looked at, too, since a file is taken in whole.
fn take(
    place: &Place,
    ground: &Ground,
    reread: &Reread,
    written: &mut Written,
    restart: &mut Vec<String>,
) -> Result<Entries, Wrong> {
    let text = text(&place.path)?;
    written.look(&place.name, text.is_empty(), Instant::now())?;
    let entries = read(&text, place.holds, &ground.terms, ground.here);
    if place.holds == Holds::Settings {
        *restart = reread.0(&text).map_err(|FileFault { line, reason, .. }| Wrong { line, reason })?;
    }
    entries
}
