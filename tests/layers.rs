//! Keeps the map in `src/lib.rs` true: a room imports only rooms of the groups above its own.
//!
//! The map is the list of `pub mod` lines; a blank line ends a group. An import is any `crate::room` in the text of
//! a room's files, comments aside, whether it stands in a `use` or in the midst of code.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn rooms_import_only_rooms_above_their_own() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = Map::read(&text(&source.join("lib.rs")));
    assert!(map.groups.len() > 4, "lib.rs lists its rooms in groups, found {:?}", map.groups);

    let mut offences = Vec::new();
    for room in map.groups.iter().flatten() {
        let files = files_of(&source, room);
        assert!(!files.is_empty(), "{room} is on the map and has no file");
        for file in files {
            let offence = |(line, import)| format!("{}:{line}: {room} imports {import}", file.display());
            offences.extend(map.offences(room, &text(&file)).into_iter().map(offence));
        }
    }
    assert!(offences.is_empty(), "imports against the direction of lib.rs:\n{}", offences.join("\n"));
}

#[test]
fn every_file_belongs_to_a_room_on_the_map() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = Map::read(&text(&source.join("lib.rs")));
    for entry in fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = ["lib", "main"].contains(&room.as_str()) || map.level(&room).is_some();
        assert!(known, "{} is no room on the map", path.display());
    }
}

#[test]
fn an_import_from_below_or_beside_is_found() {
    let map = Map::read("//! map\npub mod service;\n\npub mod zone;\n\npub mod dns;\npub mod http;\n");
    assert_eq!(map.groups, [vec!["service"], vec!["zone"], vec!["dns", "http"]]);

    let upwards = "use crate::service::Name;\nuse crate::zone::Snapshot;\n";
    assert_eq!(map.offences("dns", upwards), []);
    assert_eq!(map.offences("dns", "use crate::dns::Config;"), [], "its own room");

    let beside = "//! Unlike crate::http, …\nuse crate::http::Http; // why\n";
    assert_eq!(map.offences("dns", beside), [(2, "http".to_owned())]);
    assert_eq!(map.offences("zone", "fn f() { crate::dns::serve() }"), [(1, "dns".to_owned())]);
    assert_eq!(map.offences("service", "use crate::nowhere::X;"), [(1, "nowhere".to_owned())]);
    let grouped = map.offences("zone", "use crate::{service::Name, dns::Dns};");
    assert_eq!(grouped, [(1, "{service".to_owned())], "one `use crate::room::…` line per room");
}

/// The rooms in groups, the lowest layer first.
struct Map {
    groups: Vec<Vec<String>>,
}

impl Map {
    fn read(lib: &str) -> Self {
        let mut groups = vec![Vec::new()];
        for line in lib.lines() {
            if let Some(room) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
                groups.last_mut().unwrap().push(room.to_owned());
            } else if line.trim().is_empty() {
                groups.push(Vec::new());
            }
        }
        groups.retain(|group| !group.is_empty());
        Self { groups }
    }

    fn level(&self, room: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.iter().any(|r| r == room))
    }

    /// Line number and name of every room that `text`, a file of `room`, must not import.
    fn offences(&self, room: &str, text: &str) -> Vec<(usize, String)> {
        let mine = self.level(room);
        let allowed = |other: &str| other == room || self.level(other).is_some_and(|level| Some(level) < mine);
        let mut found = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for after in code.split("crate::").skip(1) {
                let other = after.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '{')).next().unwrap();
                if !allowed(other) {
                    found.push((number + 1, other.to_owned()));
                }
            }
        }
        found
    }
}

/// `room.rs` and all below `room/`.
fn files_of(source: &Path, room: &str) -> Vec<PathBuf> {
    let mut files = vec![source.join(format!("{room}.rs"))];
    let mut folders = vec![source.join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.retain(|file| file.exists());
    files
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
