//! Which files there are, and what tells one state of them from another.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::FileFault;

use super::Config;
use super::read::Wrong;

/// Octets of a file, at most: some ten thousand services.
const LONGEST_FILE: u64 = 1 << 20;
/// Files of a directory, at most: whoever has more has named the wrong directory.
const MOST_FILES: usize = 1000;

/// Where services may stand.
#[derive(Debug)]
pub(super) struct Places {
    /// What names are relative to.
    base: PathBuf,
    settings: Option<PathBuf>,
    dir: Option<PathBuf>,
    backends: Option<PathBuf>,
}

/// A file that may hold services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// What the registry calls it: `services.d/web.toml`.
    pub(super) name: Arc<str>,
    pub(super) holds: Holds,
}

/// What is looked for in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// `[[service]]` tables beside settings.
    Settings,
    /// `[[service]]` tables and nothing else.
    Services,
    /// `[[backend]]` tables of the Plexus registry.
    Backends,
}

/// What one look saw.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    files: Vec<(Place, Stamp)>,
    faults: Vec<FileFault>,
}

/// Tells one state of a file from another without reading it: its inode, when it changed, and its length. `None` where
/// it is not there.
type Stamp = Option<(u64, i64, i64, u64)>;

impl Places {
    pub(super) fn new(config: &Config, data_dir: &Path) -> Self {
        let given = |path: &Path| Some(at_home(path)).filter(|path| !path.as_os_str().is_empty());
        let settings = given(&config.settings);
        let base = settings.as_deref().map_or(data_dir, parent).to_owned();
        let [dir, backends] = [&config.dir, &config.backends].map(|path| given(path).map(|path| base.join(path)));
        Self { base, settings, dir, backends }
    }

    /// The directories in which something may happen.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        let files = self.settings.iter().chain(&self.backends).map(|path| parent(path));
        files.chain(self.dir.as_deref())
    }

    /// What is there now. Blocks.
    pub(super) fn look(&self) -> Seen {
        let mut seen = Seen::default();
        if let Some(path) = &self.settings {
            // Listed also when it is gone: it is read at the next start, which would fail.
            seen.files.push((self.place(path.clone(), Holds::Settings), stamp(path)));
        }
        if let Some(dir) = &self.dir {
            match list(dir) {
                Ok(paths) => seen.add(paths.into_iter().map(|path| self.place(path, Holds::Services))),
                Err(reason) => {
                    let file = dir.display().to_string();
                    seen.faults.push(FileFault { file, line: None, reason });
                }
            }
        }
        seen.add(self.backends.clone().map(|path| self.place(path, Holds::Backends)));
        seen
    }

    fn place(&self, path: PathBuf, holds: Holds) -> Place {
        let name = path.strip_prefix(&self.base).unwrap_or(&path).to_string_lossy().into();
        Place { path, name, holds }
    }
}

impl Place {
    /// As people find it.
    pub(super) fn file(&self) -> String {
        self.path.display().to_string()
    }
}

impl Seen {
    /// Adds those that are there.
    fn add(&mut self, places: impl IntoIterator<Item = Place>) {
        let there =
            places.into_iter().filter_map(|place| Some((stamp(&place.path), place)).filter(|(s, _)| s.is_some()));
        self.files.extend(there.map(|(stamp, place)| (place, stamp)));
    }

    pub(super) fn places(&self) -> Vec<Place> {
        self.files.iter().map(|(place, _)| place.clone()).collect()
    }

    /// What cannot be looked at.
    pub(super) fn faults(&self) -> &[FileFault] {
        &self.faults
    }
}

/// The whole file, as far as there may be of it.
pub(super) fn text(path: &Path) -> Result<String, Wrong> {
    let mut octets = Vec::new();
    let mut read = || {
        // To open a pipe would else wait for whoever writes to it.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("is no regular file"));
        }
        file.take(LONGEST_FILE + 1).read_to_end(&mut octets)
    };
    read().map_err(|error| Wrong::whole(error.to_string()))?;
    if octets.len() as u64 > LONGEST_FILE {
        return Err(Wrong::whole(format!(
            "has more than {LONGEST_FILE} octets; spread the services over several files"
        )));
    }
    String::from_utf8(octets).map_err(|_| Wrong::whole("is no UTF-8"))
}

/// The files of services of a directory, by name. A directory that is not there has none.
fn list(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let paths =
        entries.map(|entry| entry.map(|entry| entry.path())).filter(|path| path.as_ref().is_ok_and(|p| is_ours(p)));
    let mut paths: Vec<_> = paths.take(MOST_FILES + 1).collect::<io::Result<_>>().map_err(|error| error.to_string())?;
    if paths.len() > MOST_FILES {
        return Err(format!("has more than {MOST_FILES} files of services; is files.dir the right directory?"));
    }
    paths.sort();
    Ok(paths)
}

/// Not what editors and mounts hide.
fn is_ours(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|end| end == "toml")
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.len()))
}

/// The directory that a file is in; of `portolan.toml` it is the current one.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path, settings: &str) -> Places {
        let settings = if settings.is_empty() { PathBuf::new() } else { folder.join(settings) };
        Places::new(&Config { settings, backends: "backends.toml".into(), ..Config::default() }, &folder.join("data"))
    }

    fn names(seen: &Seen) -> Vec<String> {
        seen.places().iter().map(|place| place.name.to_string()).collect()
    }

    #[test]
    fn files_are_beside_the_settings_or_in_the_data_directory() {
        let folder = tempfile::tempdir().unwrap();
        for (settings, base) in [("portolan.toml", folder.path().to_owned()), ("", folder.path().join("data"))] {
            fs::create_dir_all(base.join("services.d")).unwrap();
            for name in ["b.toml", "a.toml", ".hidden.toml", "a.toml~", "README"] {
                fs::write(base.join("services.d").join(name), "").unwrap();
            }
            fs::write(base.join("backends.toml"), "").unwrap();
            let found = names(&places(folder.path(), settings).look());
            let expected = [settings, "services.d/a.toml", "services.d/b.toml", "backends.toml"];
            assert_eq!(found, expected.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_not_there_is_no_fault_and_what_is_no_directory_is() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path(), "portolan.toml");
        let seen = places.look();
        assert_eq!((names(&seen), seen.faults()), (vec!["portolan.toml".to_owned()], &[][..]));
        fs::write(folder.path().join("services.d"), "").unwrap();
        let seen = places.look();
        assert_eq!(seen.faults().len(), 1, "{seen:?}");
        assert!(seen.faults()[0].file.ends_with("services.d"), "{seen:?}");
    }

    #[test]
    fn a_file_that_is_replaced_is_another_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portolan.toml");
        let places = places(folder.path(), "portolan.toml");
        let before = places.look();
        fs::write(&path, "a").unwrap();
        let written = places.look();
        assert_eq!(places.look(), written);
        fs::write(folder.path().join("new"), "b").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let moved = places.look();
        assert!(before != written && written != moved);
    }

    #[test]
    fn only_a_file_of_a_sensible_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.toml");
        fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
        assert!(text(&path).unwrap_err().reason.contains("more than 1048576 octets"));
        assert_eq!(text(Path::new("/dev/zero")).unwrap_err().reason, "is no regular file");
        fs::write(&path, [0xFF]).unwrap();
        assert_eq!(text(&path).unwrap_err().reason, "is no UTF-8");
    }
}
