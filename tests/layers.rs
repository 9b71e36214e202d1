//! Keeps the map in `src/lib.rs` true: a room imports only rooms of the groups above its own.
//!
//! The map is the list of `pub mod` lines; a blank line ends a group. An import is any `crate::room` in the text of
//! a room's files, comments aside, whether it stands in a `use` or in the midst of code.
//!
//! Inside the largest room it sees to it that files have an order as well: none imports itself by way of those beside it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use std::collections::BTreeSet;
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

#[test]
fn no_file_of_http_imports_itself_by_way_of_others_beside_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.join("http")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let path: Vec<_> = folder.strip_prefix(&source).unwrap().iter().map(|name| name.to_str().unwrap()).collect();
        let path = format!("crate::{}::", path.join("::"));
        let entries: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let of_rust = entries.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        let names: BTreeSet<_> = of_rust.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        let mut imports = BTreeSet::new();
        for name in &names {
            for file in files_of(&folder, name) {
                // Tests may take what they like.
                let text = text(&file).split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                // Beneath, `super` is the file itself.
                let is_beneath = file.parent() != Some(&folder);
                let prefixes = if is_beneath { &[&*path][..] } else { &[&*path, "super::"] };
                let imported = prefixes.iter().flat_map(|prefix| named_behind(&text, prefix));
                let beside = imported.filter(|other| other != name && names.contains(other));
                imports.extend(beside.map(|other| (name.clone(), other)));
            }
        }
        seen += imports.len();
        let circles = circles(imports);
        assert!(circles.is_empty(), "these files of {path} import each other in circles: {circles:?}");
        folders.extend(entries.into_iter().filter(|path| path.is_dir()));
    }
    assert!(seen > 100, "imports were found, {seen}");
}

#[test]
fn a_circle_is_found_and_what_leads_to_it_or_away_is_not() {
    let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let circle = [("a", "b"), ("b", "c"), ("c", "a")];
    assert_eq!(circles(of(&[&circle[..], &[("in", "a"), ("a", "out"), ("in", "out")]].concat())), of(&circle));
    assert_eq!(circles(of(&[("a", "b"), ("b", "c"), ("a", "c")])), of(&[]));
    let code = "use super::a::X; // use super::no;\nuse super::{b, c::{Y, Z}};\n super::d::f();";
    assert_eq!(named_behind(code, "super::"), ["a", "b", "c", "d"]);
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

/// The names that come first behind `prefix` in code.
fn named_behind(text: &str, prefix: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let behind = lines.flat_map(|code| code.split(prefix).skip(1));
    let names = behind.flat_map(|rest| match rest.strip_prefix('{') {
        Some(several) => several.split(", ").collect(),
        None => vec![rest],
    });
    let name = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    names.map(name).filter(|name| name.starts_with(char::is_lowercase)).collect()
}

/// What is left of imports when, again and again, those go that nothing leads to or that lead nowhere.
fn circles(mut imports: BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    loop {
        let before = imports.len();
        let importing: BTreeSet<_> = imports.iter().map(|(from, _)| from.clone()).collect();
        let imported: BTreeSet<_> = imports.iter().map(|(_, to)| to.clone()).collect();
        imports.retain(|(from, to)| imported.contains(from) && importing.contains(to));
        if imports.len() == before {
            return imports;
        }
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
