//! Follows the files of a certificate: what is new and whole is shown, what is broken is told of once.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::Shown;
use super::files::{Files, pin};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);

/// Tells one state of both files from another without reading them: of each its inode, when it changed, and its
/// length. `None` where one is not there.
type Stamp = Option<[(u64, i64, i64, u64); 2]>;

/// Files, and what was seen of them.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) files: Arc<Files>,
    looks: Looks,
}

impl Watched {
    /// Files that are about to be read for the first time.
    pub(super) fn new(files: Files) -> Self {
        let looks = Looks::since(stamp(&files));
        Self { files: Arc::new(files), looks }
    }

    /// Shows what the files have, whenever they change, for as long as it is polled.
    pub(super) async fn follow(mut self, shown: Arc<Shown>) {
        loop {
            tokio::time::sleep(LOOK).await;
            // Files may lie on a disk that hangs. A panic has been told of by the hook, and has changed nothing.
            let files = self.files.clone();
            let Ok(stamp) = tokio::task::spawn_blocking(move || stamp(&files)).await else { continue };
            if self.looks.is_news(stamp) {
                let (files, shown) = (self.files.clone(), shown.clone());
                let _ = tokio::task::spawn_blocking(move || show(&files, &shown)).await;
            }
        }
    }
}

fn show(files: &Files, shown: &Shown) {
    match files.load() {
        Ok(certificate) => {
            let pin = pin(&certificate).unwrap_or_default();
            shown.0.store(Some(Arc::new(certificate)));
            info!(certificate = %files.certificate.display(), pin, "the TLS certificate was replaced");
        }
        Err(error) => warn!("the TLS certificate was not replaced, and the one before is shown on: {error}"),
    }
}

fn stamp(files: &Files) -> Stamp {
    let of = |path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.len()))
    };
    Some([of(&files.certificate)?, of(&files.key)?])
}

/// What was seen of the files so far.
#[derive(Debug)]
struct Looks {
    /// When they were read last.
    read: Stamp,
    last: Stamp,
}

impl Looks {
    fn since(read: Stamp) -> Self {
        Self { read, last: read }
    }

    /// Whether the files are to be read: they changed, and then were still from one look to the next. Two files are
    /// not replaced at once, and between the one and the other they do not belong together.
    fn is_news(&mut self, stamp: Stamp) -> bool {
        let still = std::mem::replace(&mut self.last, stamp) == stamp;
        let news = still && stamp != self.read;
        if news {
            self.read = stamp;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_once_when_both_are_still() {
        let at = |certificate, key| Some([(certificate, 0, 0, 0), (key, 0, 0, 0)]);
        let mut looks = Looks::since(at(1, 1));
        let seen = [at(1, 1), at(2, 1), at(2, 2), at(2, 2), at(2, 2), None, None, None, at(2, 2), at(2, 2)];
        let news = seen.map(|stamp| looks.is_news(stamp));
        assert_eq!(news, [false, false, false, true, false, false, true, false, false, true]);
    }
}
