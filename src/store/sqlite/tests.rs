//! A database across runs, crashes and strangers' hands.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::service::{
    Address, Check, Details, Facts, Host, Instance, Lease, Origin, Probe, Reported, Revision, Subtype, Tag, Txt,
    UnixMillis, Version, registration,
};
use crate::store::{Config, Instances, Opened, Store};

/// Opens and reads all, as a registry does.
fn open(directory: &Path) -> Result<Opened, OpenError> {
    let mut opened = Store::open(&Config { url: "sqlite:test.db".into() }, directory)?;
    let parts = opened.contents.instances.collect::<Result<Vec<_>, _>>()?;
    opened.contents.instances = parts.into_iter().flatten().collect::<Vec<_>>().into();
    Ok(opened)
}

fn all(instances: Instances) -> Vec<Instance> {
    instances.flat_map(Result::unwrap).collect()
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("test.db")
}

fn instance(name: &str) -> Arc<Instance> {
    let registration = registration("auth", name, "web1");
    Arc::new(Instance::new(registration, Origin::api(), UnixMillis(1), Moment(0), Revision(7)))
}

fn put(instance: &Arc<Instance>, renewed: bool) -> (crate::service::InstanceId, Option<Row>) {
    (instance.id().clone(), Some(Row { instance: Arc::clone(instance), renewed }))
}

async fn save(store: &Store, rows: Vec<(crate::service::InstanceId, Option<Row>)>, clock: u64) {
    store.save(Save { rows, clock: Moment(clock), ceiling: Revision(99) }).await.unwrap().unwrap();
}

/// Everything in the directory, byte by byte.
fn bytes(directory: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[tokio::test]
async fn an_instance_comes_back_with_every_field() {
    let directory = TempDir::new().unwrap();
    let mut registration = registration("Auth", "Main Küche.\\\"'", "Web1");
    registration.host = Host::new("a.example.org", &[]).unwrap();
    let addresses = ["10.0.0.1", "2001:db8::1"].map(|a| Address::new(a.parse().unwrap()).unwrap());
    registration.addresses = addresses.into_iter().collect();
    (registration.priority, registration.weight) = (65_535, 1);
    registration.txt = Txt::new([("a", None), ("b", Some(&b""[..])), ("c", Some(b"\xff\0"))]).unwrap();
    let probed = "http://web.example/health?x".parse().unwrap();
    registration.details = Details {
        subtypes: vec![Subtype::new("__x").unwrap()],
        tags: vec![Tag::new("blue").unwrap()],
        version: Some(Version::new("3.2.2-rc.1+b").unwrap()),
        path: Some("/login".into()),
        description: Some("".into()),
        probe: Some(Box::new(Probe::new(probed, Some(Duration::from_millis(2_500)), None, Some(7)).unwrap())),
        ..Details::default()
    }
    .into();
    registration.lease = Lease::UntilDeregistered;
    registration.reported = Reported::Starting;
    registration.moves = true;
    let mut instance = Instance::new(registration, Origin::api(), UnixMillis(5), Moment(0), Revision(7));
    instance.owner = Some("team".into());
    let check = Check::Failing("timeout".into());
    let (lapsed, since, kept) = (Some(Moment(3)), Some(UnixMillis(4)), Some("most lapsed".into()));
    instance.facts = Facts { lapsed, reported: Reported::Left, check, drained: true, kept, since }.into();
    let instance = Arc::new(instance);

    let Opened { store, contents } = open(directory.path()).unwrap();
    save(&store, vec![put(&instance, true)], 10).await;
    store.close().await;
    let again = open(directory.path()).unwrap().contents;
    let [found] = &all(again.instances)[..] else { panic!("one was saved") };
    assert_eq!(found.registration, instance.registration);
    assert_eq!(found.id().to_string(), instance.id().to_string());
    assert_eq!((&found.facts, &found.owner, found.revision), (&instance.facts, &instance.owner, instance.revision));
    assert_eq!((found.registered_at, found.renewed_at()), (UnixMillis(5), UnixMillis(5)));
    assert!(found.is_sealed());
    assert_eq!((again.revision, again.history, again.clock), (Revision(99), contents.history, Moment(10)));
}

#[tokio::test]
async fn thousands_come_back_part_by_part_and_one_that_is_damaged_refuses_them_all() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).unwrap().store;
    let names: Vec<String> = (0..5_000).map(|n| format!("a{n:04}")).collect();
    save(&store, names.iter().map(|name| put(&instance(name), true)).collect(), 0).await;
    store.close().await;

    let opened = Store::open(&Config { url: "sqlite:test.db".into() }, directory.path()).unwrap();
    let parts: Vec<Vec<Instance>> = opened.contents.instances.map(Result::unwrap).collect();
    assert!(parts.len() > 1 && parts.iter().all(|part| !part.is_empty()));
    let found: Vec<_> = parts.iter().flatten().map(|instance| instance.id().instance().to_string()).collect();
    assert_eq!(found, names);
    opened.store.close().await;

    let connection = Connection::open(path(&directory)).unwrap();
    connection.execute("UPDATE instance SET port = 0 WHERE instance = 'a4999'", []).unwrap();
    drop(connection);
    let before = bytes(&directory);
    let error = open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("instance 5000: port"), "{error}");
    assert!(bytes(&directory) == before, "it was touched");
}

#[tokio::test]
async fn a_lease_ends_one_lease_after_the_run_in_which_it_was_renewed() {
    let directory = TempDir::new().unwrap();
    let (early, late) = (instance("early"), instance("late"));
    let store = open(directory.path()).unwrap().store;
    save(&store, vec![put(&early, true), put(&late, true)], 1_000).await;
    // A crash of the process: the note was not synced, but it was written.
    store.note(Moment(5_000));
    drop(store);

    let Opened { store, contents } = open(directory.path()).unwrap();
    assert_eq!(contents.clock, Moment(5_000));
    assert!(all(contents.instances).iter().all(|i| i.expires_at() == Some(Moment(65_000))));
    // Only one is heard of in the second run; of the other, something else changes.
    save(&store, vec![put(&late, true), put(&early, false)], 8_000).await;
    store.close().await;

    let ends = |instances: Instances| -> Vec<_> {
        all(instances).iter().map(|i| (i.id().instance().to_string(), i.expires_at().unwrap())).collect()
    };
    for run in 3..6 {
        let Opened { store, contents } = open(directory.path()).unwrap();
        store.save(Save { rows: Vec::new(), clock: Moment(8_000), ceiling: Revision(99) }).await.unwrap().unwrap();
        assert_eq!(ends(contents.instances), [("early".into(), Moment(65_000)), ("late".into(), Moment(68_000))]);
        assert_eq!(contents.clock, Moment(8_000), "nothing runs, so no time passes");
        store.close().await;
        let runs = Connection::open(path(&directory)).unwrap();
        let runs: i64 = runs.query_row("SELECT count(*) FROM boot", [], |row| row.get(0)).unwrap();
        assert!(runs <= 4, "in run {run}: {runs}, but those of the two instances and the last two suffice");
    }
}

#[tokio::test]
async fn what_is_forgotten_is_gone_whatever_its_case() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).unwrap().store;
    save(&store, vec![put(&instance("Main"), true)], 0).await;
    save(&store, vec![put(&instance("mAIN"), true)], 0).await;
    save(&store, vec![(registration("AUTH", "MAIN", "web1").id, None)], 0).await;
    store.close().await;
    assert!(all(open(directory.path()).unwrap().contents.instances).is_empty());
}

#[tokio::test]
async fn two_registries_cannot_share_a_database() {
    let directory = TempDir::new().unwrap();
    let _first = open(directory.path()).unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::InUse(p)) if p == path(&directory)));
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let below = directory.path().join("data");
    let _open = open(&below).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&below), mode(&below.join("test.db"))), (0o700, 0o600));
    assert_eq!(mode(&below.join("test.db-wal")), 0o600);
}

/// A database with one instance, its log not yet in the file, as a crash leaves it.
async fn crashed(directory: &TempDir, then: &str) {
    let store = open(directory.path()).unwrap().store;
    save(&store, vec![put(&instance("a1"), true)], 0).await;
    store.close().await;
    let connection = Connection::open(path(directory)).unwrap();
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    connection.execute_batch(then).unwrap();
    drop(connection);
    let _ = fs::remove_file(directory.path().join("test.db-shm"));
}

#[tokio::test]
async fn a_database_of_version_1_is_read_and_from_then_on_knows_since_when_a_status_is() {
    let directory = TempDir::new().unwrap();
    let downgrade = "ALTER TABLE instance DROP COLUMN status_since; ALTER TABLE instance DROP COLUMN kept; ALTER TABLE instance DROP COLUMN moves; UPDATE instance SET drained = 1";
    let without_probes = ["", "_interval", "_timeout", "_failures"]
        .map(|column| format!("; ALTER TABLE instance DROP COLUMN probe{column}"))
        .concat();
    crashed(&directory, &format!("{downgrade}{without_probes}; PRAGMA user_version = 1")).await;
    let Opened { store, contents } = open(directory.path()).unwrap();
    let [found] = &all(contents.instances)[..] else { panic!("one was saved") };
    assert!(found.facts.drained && found.facts.since.is_none());
    let mut dated = found.clone();
    dated.facts.since = Some(UnixMillis(9));
    save(&store, vec![put(&Arc::new(dated), false)], 0).await;
    store.close().await;
    let again = all(open(directory.path()).unwrap().contents.instances);
    assert_eq!(again[0].facts.since, Some(UnixMillis(9)));
}

#[tokio::test]
async fn a_database_that_is_not_understood_is_refused_and_left_as_it_is() {
    type Expected = fn(&OpenError) -> bool;
    let cases: [(&str, Expected); 8] = [
        ("PRAGMA user_version = 99", |e| matches!(e, OpenError::Newer { found: 99, known: 5, .. })),
        ("PRAGMA application_id = 7", |e| matches!(e, OpenError::Foreign(_))),
        ("UPDATE instance SET port = 0", |e| e.to_string().contains("port")),
        ("UPDATE instance SET addresses = '[\"0.0.0.0\"]'", |e| e.to_string().contains("addresses is unspecified")),
        ("UPDATE instance SET probe = 'gopher'", |e| e.to_string().contains("probe is no path")),
        ("UPDATE instance SET probe = 'tcp', probe_interval = 1", |e| e.to_string().contains("probe_interval is 1ms")),
        ("UPDATE instance SET health = 'unwell'", |e| matches!(e, OpenError::Damaged { .. })),
        ("DELETE FROM boot", |e| e.to_string().contains("run 0 is missing")),
    ];
    for (change, expected) in cases {
        let directory = TempDir::new().unwrap();
        crashed(&directory, change).await;
        let before = bytes(&directory);
        let error = open(directory.path()).unwrap_err();
        assert!(expected(&error), "{change}: {error}");
        assert!(bytes(&directory) == before, "{change} was touched");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).unwrap().store;
    let rows: Vec<_> = (0..200).map(|n| put(&instance(&format!("a{n}")), true)).collect();
    save(&store, rows, 0).await;
    store.close().await;
    let whole = fs::read(path(&directory)).unwrap();
    let mut scribbled = whole.clone();
    scribbled[4 * 4096..6 * 4096].fill(0x5a);
    for damaged in [&scribbled[..], &whole[..whole.len() / 2], b"no database at all, but long enough to look at"] {
        fs::write(path(&directory), damaged).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Foreign(_)), "{error}");
        assert!(error.to_string().contains("left untouched"), "{error}");
        let names: Vec<_> = bytes(&directory).into_iter().map(|(path, _)| path).collect();
        assert_eq!(names, [path(&directory)]);
        assert!(fs::read(path(&directory)).unwrap() == damaged, "it was touched");
    }
}

#[tokio::test]
async fn a_making_that_was_cut_short_is_begun_again() {
    let directory = TempDir::new().unwrap();
    fs::write(path(&directory), b"").unwrap();
    open(directory.path()).unwrap().store.close().await;
    fs::remove_file(path(&directory)).unwrap();
    Connection::open(path(&directory)).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
    open(directory.path()).unwrap();
}

#[test]
fn a_url_that_names_no_back_end_is_refused_with_those_that_do() {
    for url in ["", "memory", "sqlite:", "postgres://x", "portolan.db"] {
        let error = Store::open(&Config { url: url.into() }, Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("give memory: or sqlite:PATH"), "{error}");
    }
}
