//! A file that has a line for each request: who asked for what, from where, and what came of it (`http.access_log`).
//!
//! A request never waits for the file. Its line goes to a thread (`file`) through a queue that has an end; what the disk
//! is too slow for, or has no room for, is counted. A line is written when the answer has been taken or given up, so it has
//! the octets that were sent; how it looks is `line`'s matter. Requests that are none of HTTP never get here.

mod file;
mod line;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::metrics::Counter;

use super::metered::metered;
use super::request::Sender;

use file::{File, Job};
use line::Entry;

/// Lines that may wait for the file: some hundredths of a second at the highest rate, and a few MB.
const QUEUE: usize = 4096;
/// How long what is queued may take at the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// As most programs read it: the Combined Log Format.
    #[default]
    Combined,
    /// An object.
    Json,
}

/// An open access log. Clones are of the same.
#[derive(Debug, Clone)]
pub struct AccessLog {
    jobs: mpsc::Sender<Job>,
    reopen: Arc<AtomicBool>,
    format: LogFormat,
    lost: Counter,
}

/// Who the guard found out to have asked.
#[derive(Debug, Clone)]
pub(super) struct By(pub(super) Arc<str>);

impl AccessLog {
    /// Opens `path`, or makes it, to write behind what it has.
    pub(super) fn open(path: &Path, format: LogFormat) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (reopen, lost) = (Arc::<AtomicBool>::default(), Counter::default());
        let file = File::open(path, &reopen, &lost)?;
        // Ends when nobody has the log any more.
        std::thread::Builder::new().name("access log".into()).spawn(move || file.run(queue))?;
        Ok(Self { jobs, reopen, format, lost })
    }

    /// Goes on in a new file of the same name: the old one was moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
        // Where the queue is full, the thread is about to look anyway.
        let _ = self.jobs.try_send(Job::Look);
    }

    /// Lines that are not there.
    pub(super) fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// Waits until what was queued is written, though not for ever.
    pub(super) async fn finish(&self) {
        let (written, done) = oneshot::channel();
        let _ = timeout(FAREWELL, async {
            if self.jobs.send(Job::Flush(written)).await.is_ok() {
                let _ = done.await;
            }
        })
        .await;
    }

    fn write(&self, line: String) {
        if self.jobs.try_send(Job::Line(line)).is_err() {
            self.lost.inc();
        }
    }
}

/// Notes a request and its answer.
pub(super) async fn log(
    State(log): State<AccessLog>,
    Sender(sender): Sender,
    request: Request,
    next: Next,
) -> Response {
    let entry = Entry::of(&request, sender);
    let response = next.run(request).await;
    let by = response.extensions().get::<By>().map(|By(name)| Arc::clone(name));
    let status = response.status().as_u16();
    let mut note = Note { log, entry, by, status, octets: 0 };
    response.map(|body| {
        metered(body, move |octets| {
            note.add(octets);
            Ok(())
        })
    })
}

/// A request, and what has been sent of its answer.
struct Note {
    log: AccessLog,
    entry: Entry,
    by: Option<Arc<str>>,
    status: u16,
    octets: u64,
}

impl Note {
    fn add(&mut self, octets: usize) {
        self.octets += octets as u64;
    }
}

/// The answer has been taken, or given up.
impl Drop for Note {
    fn drop(&mut self) {
        self.log.write(self.entry.line(self.log.format, self.by.as_deref(), self.status, self.octets));
    }
}
