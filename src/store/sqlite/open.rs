//! Opening a database without harming one that is not to be opened.
//!
//! Nothing is written before all has been read and understood: the header, the integrity, every row. A database of
//! an older version is migrated and read in one transaction, which is rolled back where anything is wrong, and until
//! then a close leaves the log alone. So a refused database stays as it is to the byte.
//!
//! One of this version is only read: a registry starts, and answers, on a disk that is full.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, params};
use tracing::warn;

use super::report::Report;
use super::row::{self, COLUMNS, Saved};
use super::schema::{self, APPLICATION_ID, Header};
use crate::service::{Instance, Moment, Revision};
use crate::store::{Contents, OpenError};

/// How long to wait for the one before us, which may be closing.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Opens or makes the database at `path` and reports what is remembered; gives the number of the run that begins.
pub(super) fn open(path: &Path, report: &mut Report) -> Result<(Connection, i64), OpenError> {
    let made = make(path).map_err(|source| OpenError::Inaccessible { path: path.to_owned(), source })?;
    let explain = |error| explain(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(explain)?;
    connection.busy_timeout(LOCK_WAIT).map_err(explain)?;
    // A log that a crash left stays as it is; an empty one that only our looking made is removed by the close.
    let logged = log_of(path).exists();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, logged).map_err(explain)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(explain)?;

    if !made && fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        // As a crash leaves one that was just made, which is no reason to refuse it.
        warn!(
            path = %path.display(),
            "the database is an empty file, so nothing is remembered; if it has ever held anything, stop and restore \
             a copy"
        );
    }
    let header = Header::read(&connection).map_err(explain)?;
    check(path, &connection, &header)?;
    if header.blank {
        connection.pragma_update(None, "journal_mode", "WAL").map_err(explain)?;
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(explain)?;

    let transaction = connection.transaction().map_err(explain)?;
    if header.version < schema::version() {
        schema::migrate(&transaction, header.version).map_err(explain)?;
    }
    if header.blank {
        initialize(&transaction).map_err(explain)?;
    }
    let boot = load(path, &transaction, report)?;
    transaction.commit().map_err(explain)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(explain)?;
    Ok((connection, boot))
}

/// Makes the directory and an empty file, for their owner alone: registrations may hold what others should not
/// read. Gives whether the file was not there.
fn make(path: &Path) -> io::Result<bool> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| match error.kind() {
        // A file has its name, which the system would call "File exists".
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
        _ => error,
    })?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // The name is as durable as what will be in the file.
        Ok(_) => File::open(directory)?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where SQLite keeps the write-ahead log.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn check(path: &Path, connection: &Connection, header: &Header) -> Result<(), OpenError> {
    if header.blank && header.application_id == 0 {
        return Ok(());
    }
    if header.application_id != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    let (found, known) = (header.version, schema::version());
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| explain(path, &error))?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { path: path.to_owned(), what: verdict });
    }
    Ok(())
}

fn initialize(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let Contents { history, revision, .. } = Contents::new();
    let revision = i64::try_from(revision.0).unwrap_or(i64::MAX);
    transaction.execute("INSERT INTO registry VALUES (1, ?1, ?2)", params![history.cast_signed(), revision]).map(drop)
}

/// Reads everything; the next run gets the number after the last one that left a trace.
fn load(path: &Path, transaction: &Transaction<'_>, report: &mut Report) -> Result<i64, OpenError> {
    let explain = |error| explain(path, &error);
    let damaged = |what: String| OpenError::Damaged { path: path.to_owned(), what };
    let (history, revision): (i64, i64) = transaction
        .query_row("SELECT history, revision FROM registry", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(explain)?;
    let revision = u64::try_from(revision).map_err(|_| damaged(format!("revision is {revision}")))?;

    let mut ends = HashMap::new();
    let mut boots = transaction.prepare("SELECT boot, ended FROM boot").map_err(explain)?;
    let pairs = boots.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).map_err(explain)?;
    for pair in pairs {
        let (boot, ended) = pair.map_err(explain)?;
        let ended = u64::try_from(ended).map_err(|_| damaged(format!("run {boot} ended at {ended}")))?;
        ends.insert(boot, Moment(ended));
    }
    let clock = ends.values().max().copied().unwrap_or_default();
    let boot = ends.keys().max().map_or(0, |last| last + 1);

    let (revision, history) = (Revision(revision), history.cast_unsigned());
    report.begin(|instances| Contents { instances, clock, revision, history });
    let mut number = 0_u64;
    let select = format!("SELECT {}, boot FROM instance", COLUMNS.join(", "));
    let mut select = transaction.prepare(&select).map_err(explain)?;
    let mut rows = select.query([]).map_err(explain)?;
    while let Some(row) = rows.next().map_err(explain)? {
        number += 1;
        let saved = row::read(row).map_err(|bad| damaged(format!("instance {number}: {}", bad.0)))?;
        let end = ends.get(&saved.boot).ok_or_else(|| damaged(format!("run {} is missing", saved.boot)))?;
        report.instance(restored(saved, *end));
    }
    Ok(boot)
}

/// One lease of running time from the end of the run in which it was last heard of.
fn restored(saved: Saved, end_of_run: Moment) -> Instance {
    let Saved { instance, renewed_at, .. } = saved;
    let expires_at = match (instance.facts.lapsed, instance.registration.lease.duration()) {
        (Some(lapsed), _) => lapsed,
        (None, Some(lease)) => end_of_run.after(lease),
        (None, None) => Moment(u64::MAX),
    };
    instance.restored(renewed_at, expires_at)
}

fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    let what = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse(path),
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            // SQLite does not say why: a directory, a link to nowhere. The system does.
            let reason = OpenOptions::new().read(true).write(true).open(&path).err();
            OpenError::Inaccessible { path, source: reason.unwrap_or_else(|| io::Error::other(what)) }
        }
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, what },
        _ => OpenError::Failed { path, what },
    }
}
