//! SQLite, the default: one file, one thread, one connection that owns it.
//!
//! A save is one transaction in the write-ahead log, synced before it is answered (`synchronous=FULL`): the price
//! of a sync is paid once for all callers that share it. Notes of the lease clock are written the same way without
//! the sync: they survive the process, and that is what they are for.
//!
//! The connection holds the file's lock for as long as it lives (`locking_mode=EXCLUSIVE`), so two registries
//! cannot share a database by mistake, and no shared memory is needed. The kernel drops the lock with the process.
//!
//! Road not taken: an async driver. SQLite blocks either way, and a pool would only hide that there is one writer.

mod open;
mod report;
mod row;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use rusqlite::{Connection, ErrorCode, params, params_from_iter};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use self::report::Report;
use super::{Contents, OpenError, Row, Save, SaveAnswer, SaveError};
use crate::service::Moment;

/// Jobs that may wait for the thread, at most: the writer saves one at a time, one note waits at a time, and one
/// close comes last.
const JOBS: usize = 3;

/// An open database and the thread that owns it. When it is dropped, the thread finishes what it has and ends.
#[derive(Debug)]
pub struct Sqlite {
    jobs: mpsc::SyncSender<Job>,
    note_waits: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Job {
    Save(Save, SaveAnswer),
    Note(Moment),
    Close(oneshot::Sender<()>),
}

/// What the thread has.
struct Database {
    connection: Connection,
    path: PathBuf,
    note_waits: Arc<AtomicBool>,
    /// The number of this run.
    boot: i64,
    upsert: String,
}

impl Sqlite {
    /// Opens or makes the database at `path` and begins a new run in it. What it holds is read on the way.
    pub(super) fn open(path: &Path) -> Result<(Self, Contents), OpenError> {
        let note_waits: Arc<AtomicBool> = Arc::default();
        let (jobs, queue) = mpsc::sync_channel(JOBS);
        let (report, reported) = Report::new();
        let (owned, waits) = (path.to_owned(), Arc::clone(&note_waits));
        let run = move || {
            let opened = report.of(|report| open::open(&owned, report));
            if let Some((connection, boot)) = opened {
                Database { connection, path: owned, note_waits: waits, boot, upsert: upsert() }.run(&queue);
            }
        };
        // Ends when nothing was opened, or when `jobs` is dropped or a close arrives.
        let spawned = thread::Builder::new().name("store".into()).spawn(run);
        spawned.map_err(|source| OpenError::Inaccessible { path: path.to_owned(), source })?;
        let contents = reported.recv().unwrap_or(Err(OpenError::Stopped))?;
        Ok((Self { jobs, note_waits }, contents))
    }

    /// Answers once the save is on the disk.
    pub(super) fn save(&self, save: Save, answer: SaveAnswer) {
        // An undelivered save drops its answer, which the receiver notices.
        let _ = self.jobs.try_send(Job::Save(save, answer));
    }

    pub(super) fn note(&self, clock: Moment) {
        // While one waits the disk is slow; the save that it waits behind carries the clock as well.
        if !self.note_waits.swap(true, Ordering::Relaxed) {
            let _ = self.jobs.try_send(Job::Note(clock));
        }
    }

    pub(super) async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.jobs.try_send(Job::Close(closed)).is_ok() {
            let _ = done.await;
        }
    }
}

impl Database {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        if let Err(error) = self.forget_runs() {
            debug!(%error, "old runs stay in the database for now");
        }
        let mut closing = None;
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Save(save, answer) => {
                    let saved = self.save(&save).map_err(|e| self.explain(&e));
                    // The writer may have been dropped, with the whole registry.
                    let _ = answer.send(saved);
                }
                Job::Note(clock) => {
                    self.note_waits.store(false, Ordering::Relaxed);
                    // The next save tells the writer what is wrong; here nobody waits.
                    let _ = self.note(clock);
                }
                Job::Close(closed) => {
                    closing = Some(closed);
                    break;
                }
            }
        }
        // Moves the log into the file and removes it.
        if let Err((_, error)) = self.connection.close() {
            warn!(%error, path = %self.path.display(), "the database was not closed; its log is read next time");
        }
        if let Some(closed) = closing {
            let _ = closed.send(());
        }
    }

    fn save(&mut self, save: &Save) -> rusqlite::Result<()> {
        // Dropped without a commit, it rolls back.
        let transaction = self.connection.transaction()?;
        {
            set_clock(&transaction, self.boot, save.clock)?;
            let mut upsert = transaction.prepare_cached(&self.upsert)?;
            let mut delete = transaction.prepare_cached(DELETE)?;
            for (id, row) in &save.rows {
                match row {
                    Some(Row { instance, renewed }) => {
                        let values = row::values(instance);
                        upsert.execute(params_from_iter(row::bind(&values, &self.boot, renewed)))?;
                    }
                    None => drop(delete.execute(params_from_iter(row::key(id)))?),
                }
            }
            let ceiling = i64::try_from(save.ceiling.0).unwrap_or(i64::MAX);
            transaction.prepare_cached("UPDATE registry SET revision = ?1")?.execute(params![ceiling])?;
        }
        transaction.commit()
    }

    /// Runs that no instance refers to; the last one stays for its clock.
    fn forget_runs(&self) -> rusqlite::Result<()> {
        let unused = "boot < (SELECT max(boot) FROM boot) AND boot NOT IN (SELECT boot FROM instance)";
        self.connection.execute(&format!("DELETE FROM boot WHERE {unused}"), []).map(drop)
    }

    fn note(&self, clock: Moment) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let noted = set_clock(&self.connection, self.boot, clock);
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        noted
    }

    fn explain(&self, error: &rusqlite::Error) -> SaveError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => SaveError::Full(self.path.clone()),
            _ => SaveError::Failed { path: self.path.clone(), what: error.to_string() },
        }
    }
}

/// Where the clock stands in this run, whose row is made by the first that writes anything in it.
fn set_clock(connection: &Connection, boot: i64, clock: Moment) -> rusqlite::Result<()> {
    let clock = i64::try_from(clock.0).unwrap_or(i64::MAX);
    let mut set = connection.prepare_cached(
        "INSERT INTO boot VALUES (?1, ?2) ON CONFLICT DO UPDATE SET ended = max(ended, excluded.ended)",
    )?;
    set.execute(params![boot, clock]).map(drop)
}

const DELETE: &str = "DELETE FROM instance WHERE service = ?1 AND transport = ?2 AND instance = ?3";

/// Writes a row; an existing one keeps its `boot` unless the last parameter says otherwise.
fn upsert() -> String {
    let columns = row::COLUMNS.join(", ");
    let places = (1..=row::COLUMNS.len() + 1).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
    let updates = row::COLUMNS.map(|column| format!("{column} = excluded.{column}")).join(", ");
    let renewed = row::COLUMNS.len() + 2;
    format!(
        "INSERT INTO instance ({columns}, boot) VALUES ({places})
         ON CONFLICT DO UPDATE SET {updates}, boot = CASE WHEN ?{renewed} THEN excluded.boot ELSE boot END"
    )
}

#[cfg(test)]
mod tests;
