//! What the store's thread tells of a database while it opens it.

use std::sync::mpsc;

use crate::service::Instance;
use crate::store::contents::Part;
use crate::store::{Contents, Instances, OpenError};

/// Parts that may wait to be taken in: enough that neither side waits for the other's hiccups.
const PARTS: usize = 4;
/// Instances of a part: some hundred kilobytes, and thousands of parts to a million would cost nothing.
const PART: usize = 1024;

/// To whoever opens the store: first what all hangs on, then the instances, and either an error or an end.
#[derive(Debug)]
pub(super) struct Report {
    begun: mpsc::SyncSender<Result<Contents, OpenError>>,
    parts: Option<mpsc::SyncSender<Part>>,
    next: Vec<Instance>,
}

impl Report {
    /// The report, and where it begins.
    pub(super) fn new() -> (Self, mpsc::Receiver<Result<Contents, OpenError>>) {
        let (begun, beginning) = mpsc::sync_channel(1);
        (Self { begun, parts: None, next: Vec::new() }, beginning)
    }

    /// Tells what comes of `open`, after all of it is done: whoever hears of an error finds the database closed.
    pub(super) fn of<T>(mut self, open: impl FnOnce(&mut Self) -> Result<T, OpenError>) -> Option<T> {
        let opened = open(&mut self);
        self.flush();
        // Who asked may be gone, which the store notices when it is asked to save.
        match (opened, self.parts) {
            (Ok(opened), parts) => {
                drop(parts.map(|parts| parts.send(Ok(None))));
                Some(opened)
            }
            (Err(error), Some(parts)) => {
                let _ = parts.send(Err(error));
                None
            }
            (Err(error), None) => {
                let _ = self.begun.send(Err(error));
                None
            }
        }
    }

    /// The instances follow.
    pub(super) fn begin(&mut self, contents: impl FnOnce(Instances) -> Contents) {
        let (parts, instances) = mpsc::sync_channel(PARTS);
        self.parts = Some(parts);
        let _ = self.begun.send(Ok(contents(Instances::read(instances))));
    }

    /// One was read.
    pub(super) fn instance(&mut self, instance: Instance) {
        self.next.push(instance);
        if self.next.len() == PART {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(parts) = self.parts.as_ref().filter(|_| !self.next.is_empty()) {
            let _ = parts.send(Ok(Some(std::mem::replace(&mut self.next, Vec::with_capacity(PART)))));
        }
    }
}
