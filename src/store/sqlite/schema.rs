//! The tables, and how a database of an older portolan becomes one of this.
//!
//! Columns are plain, so that a person with `sqlite3` can read a database at rest. The schema version tells what
//! they may hold: a portolan that adds a column or a word adds a migration, and an older one then refuses the
//! database instead of dropping what it does not know.

use rusqlite::{Connection, Transaction};

/// Marks a file as ours (`application_id` in its header): "prtl".
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"prtl");

/// The step to version 1, to version 2, and so on. Steps are never edited once released, only added.
const MIGRATIONS: &[fn(&Transaction<'_>) -> rusqlite::Result<()>] = &[first, status_since, kept, probes, moves];

/// The version that this portolan reads and writes.
pub(super) fn version() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("there are few")
}

/// What the header of a database says of its maker.
pub(super) struct Header {
    pub(super) application_id: u32,
    pub(super) version: u32,
    /// There is no table yet: a new file, or one whose making was cut short.
    pub(super) blank: bool,
}

impl Header {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        // Both are 32 bits in the file, and signed only on their way through SQL.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "restores the bits")]
        let bits = |number: i64| number as u32;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(Self {
            application_id: bits(pragma("application_id")?),
            version: bits(pragma("user_version")?),
            blank: tables == 0,
        })
    }
}

/// Takes the steps from `version` on.
pub(super) fn migrate(transaction: &Transaction<'_>, version: u32) -> rusqlite::Result<()> {
    for step in MIGRATIONS.iter().skip(version as usize) {
        step(transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", self::version())
}

/// Case of ASCII letters is kept and ignored by NOCASE, exactly as DNS has it (RFC 4343).
fn first(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "CREATE TABLE registry (           -- one row
             only INTEGER PRIMARY KEY CHECK (only = 1),
             history INTEGER NOT NULL,     -- random: names this run of revisions
             revision INTEGER NOT NULL     -- none above it was given
         ) STRICT;
         CREATE TABLE boot (               -- runs of the registry that instances refer to
             boot INTEGER PRIMARY KEY,
             ended INTEGER NOT NULL        -- milliseconds of the lease clock, which counts running time
         ) STRICT;
         CREATE TABLE instance (
             service TEXT NOT NULL COLLATE NOCASE,
             transport TEXT NOT NULL,      -- tcp udp
             instance TEXT NOT NULL COLLATE NOCASE,
             host TEXT NOT NULL,           -- with a dot: a name elsewhere
             addresses TEXT NOT NULL,      -- JSON array, as are subtypes and tags
             port INTEGER NOT NULL,
             priority INTEGER NOT NULL,
             weight INTEGER NOT NULL,
             txt BLOB NOT NULL,            -- RDATA
             subtypes TEXT NOT NULL,
             tags TEXT NOT NULL,
             version TEXT,
             protocol TEXT,
             path TEXT,
             description TEXT,
             namespace TEXT,
             lease INTEGER NOT NULL,       -- milliseconds; 0: until deregistered
             registered_as TEXT NOT NULL,  -- starting up left: with the registration
             owner TEXT,
             reported TEXT NOT NULL,       -- starting up left: since then
             health TEXT,                  -- passing failing
             health_reason TEXT,
             drained INTEGER NOT NULL,
             lapsed INTEGER,               -- when, by the lease clock
             registered_at INTEGER NOT NULL, -- Unix milliseconds
             renewed_at INTEGER NOT NULL,
             revision INTEGER NOT NULL,
             boot INTEGER NOT NULL,        -- the run in which it was last registered or renewed
             PRIMARY KEY (service, transport, instance)
         ) STRICT, WITHOUT ROWID;",
    )
}

/// Since when, in Unix milliseconds, the status is what it is, where it is not up; of what was saved before, that is
/// not known.
fn status_since(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE instance ADD COLUMN status_since INTEGER")
}

/// Why it is served although its lease lapsed, where it is.
fn kept(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE instance ADD COLUMN kept TEXT")
}

/// How instances are checked, and that a first check is `awaited` in `health`; times are milliseconds.
fn probes(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "ALTER TABLE instance ADD COLUMN probe TEXT; -- tcp, or a path, or a URL
         ALTER TABLE instance ADD COLUMN probe_interval INTEGER;
         ALTER TABLE instance ADD COLUMN probe_timeout INTEGER;
         ALTER TABLE instance ADD COLUMN probe_failures INTEGER",
    )
}

/// Whether it is in one service at a time.
fn moves(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE instance ADD COLUMN moves INTEGER NOT NULL DEFAULT 0")
}
