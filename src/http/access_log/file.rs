//! The file of an access log, and the thread that writes it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::metrics::Counter;

/// Octets that are written at once, about.
const AT_ONCE: usize = 64 << 10;

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Job {
    Line(String),
    /// Something else has changed.
    Look,
    /// To be told when all before it is written.
    Flush(oneshot::Sender<()>),
}

/// What the thread has.
pub(super) struct File {
    path: PathBuf,
    opened: std::fs::File,
    reopen: Arc<AtomicBool>,
    lost: Counter,
    /// The last write failed, perhaps in the midst of a line.
    is_torn: bool,
}

impl File {
    pub(super) fn open(path: &Path, reopen: &Arc<AtomicBool>, lost: &Counter) -> io::Result<Self> {
        let opened = append(path)?;
        let (reopen, lost) = (Arc::clone(reopen), lost.clone());
        Ok(Self { path: path.to_owned(), opened, reopen, lost, is_torn: false })
    }

    /// Until nobody has the log any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            let (mut octets, mut lines, mut waiting) = (Vec::new(), 0, Vec::new());
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    Job::Line(line) => {
                        octets.extend_from_slice(line.as_bytes());
                        lines += 1;
                    }
                    Job::Look => {}
                    Job::Flush(done) => waiting.push(done),
                }
                next = if octets.len() < AT_ONCE { jobs.try_recv().ok() } else { None };
            }
            if self.reopen.swap(false, Ordering::Relaxed) {
                self.open_again();
            }
            self.write(octets, lines);
            for done in waiting {
                // Who waited may have given up.
                let _ = done.send(());
            }
        }
    }

    fn open_again(&mut self) {
        match append(&self.path) {
            Ok(opened) => (self.opened, self.is_torn) = (opened, false),
            Err(error) => warn!("the access log {} goes on in its old file: {error}", self.path.display()),
        }
    }

    fn write(&mut self, mut octets: Vec<u8>, lines: u64) {
        if octets.is_empty() {
            return;
        }
        if self.is_torn {
            octets.insert(0, b'\n');
        }
        match self.opened.write_all(&octets) {
            Ok(()) if self.is_torn => {
                self.is_torn = false;
                info!("the access log {} is written again", self.path.display());
            }
            Ok(()) => {}
            Err(error) => {
                self.lost.inc_by(lines);
                if !std::mem::replace(&mut self.is_torn, true) {
                    warn!("the access log {} is not written: {error}; requests go on", self.path.display());
                }
            }
        }
    }
}

/// To be written behind what is there; not for everybody to read. A pipe that nobody reads is an error, and no wait.
fn append(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(libc::O_NONBLOCK).open(path)
}
