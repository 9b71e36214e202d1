//! When to look: soon after something happened in a directory, and every few seconds.

use std::path::Path;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::warn;

/// Between looks where the kernel says nothing.
const LOOK: Duration = Duration::from_secs(5);
/// How long a directory is still before it is looked at: a file is written in several steps.
const STILL: Duration = Duration::from_millis(100);
/// How often that is waited for: a log that grows in the same directory never is still.
const PATIENCE: usize = 10;

/// Directories that are watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// `None` where the kernel gives none: the looks are left.
    watcher: Option<RecommendedWatcher>,
    /// That something happened; not what, since whoever looks sees that.
    stirs: mpsc::Receiver<()>,
}

impl Watch {
    pub(super) fn new() -> Self {
        let (stir, stirs) = mpsc::channel(1);
        let hear = move |event: notify::Result<Event>| {
            // Our own looks are accesses, too.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // One that waits is as good as two.
                let _ = stir.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(hear);
        let watcher = watcher.inspect_err(|error| warn!("changes are seen late, for want of a watch: {error}")).ok();
        Self { watcher, stirs }
    }

    /// Watches these, also those that went and came again meanwhile.
    pub(super) fn follow<'a>(&mut self, folders: impl Iterator<Item = &'a Path>) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in folders {
            // One that is not there is tried again at the next look.
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
    }

    /// Returns when it is time to look.
    pub(super) async fn stirred(&mut self) {
        if self.watcher.is_none() {
            return sleep(LOOK).await;
        }
        if timeout(LOOK, self.stirs.recv()).await.is_err() {
            return;
        }
        for _ in 0..PATIENCE {
            sleep(STILL).await;
            if self.stirs.try_recv().is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Less than the next look is away.
    const SOON: Duration = Duration::from_secs(4);

    #[tokio::test]
    async fn a_change_is_heard_before_the_next_look_and_a_look_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.toml");
        let mut watch = Watch::new();
        watch.follow([folder.path()].into_iter());
        fs::write(&file, "").unwrap();
        timeout(SOON, watch.stirred()).await.expect("the kernel says so");
        assert_eq!((fs::read_dir(folder.path()).unwrap().count(), fs::read(&file).unwrap().len()), (1, 0));
        assert!(timeout(3 * STILL, watch.stirs.recv()).await.is_err());
    }

    #[tokio::test]
    async fn a_directory_that_comes_later_is_watched_then() {
        let folder = tempfile::tempdir().unwrap();
        let later = folder.path().join("services.d");
        let mut watch = Watch::new();
        for _ in 0..2 {
            watch.follow([later.as_path()].into_iter());
            fs::create_dir(&later).unwrap();
            watch.follow([later.as_path()].into_iter());
            fs::write(later.join("web.toml"), "").unwrap();
            timeout(SOON, watch.stirred()).await.expect("the kernel says so");
            fs::remove_dir_all(&later).unwrap();
            timeout(SOON, watch.stirred()).await.expect("the kernel says that it went");
        }
    }
}
