//! Every item of the list that a correct DNS-SD authority is held to has a test that is named after it.
//!
//! The list has 55 items on what is served: zone and header (1–18), EDNS and transport (19–32), SRV and hosts (33–43),
//! DNS-SD (44–55). A test of items 3, 4, 5 and 9 is `items_3_to_5_and_9_…`, of item 35 alone `item_35_…`, wherever it
//! is. What each of them looks at is its own to say: here is only that none is forgotten.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ITEMS: u8 = 55;

#[test]
fn every_item_has_a_test_named_after_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for file in rust_files(&[root.join("src"), root.join("tests")]) {
        for name in tests_in(&fs::read_to_string(&file).unwrap()) {
            for item in items_of(&name) {
                tests.entry(item).or_default().push(name.clone());
            }
        }
    }
    let missing: Vec<_> = (1..=ITEMS).filter(|item| !tests.contains_key(item)).collect();
    assert!(missing.is_empty(), "no test is named after items {missing:?}; there are\n{tests:#?}");
    assert_eq!(tests.keys().copied().find(|item| !(1..=ITEMS).contains(item)), None, "an item that is not on the list");
}

#[test]
fn items_are_read_from_names() {
    assert_eq!(items_of("item_35_the_octets_of_3_records"), [35]);
    assert_eq!(items_of("items_3_to_5_and_9_names_decide"), [3, 4, 5, 9]);
    assert_eq!(items_of("items_11_12_and_21_malformed"), [11, 12, 21]);
    assert!(items_of("an_item_of_7").is_empty());
    let code = "#[test]\nfn item_1_a() {}\n\nfn item_2_no_test() {}\n\n    #[tokio::test(flavor = \"x\")]\n    async fn item_3_b() {}\n\
                #[test]\n#[ignore]\nfn item_4_asleep() {}\n";
    assert_eq!(tests_in(code), ["item_1_a", "item_3_b"]);
}

fn rust_files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), folders.to_vec());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The names of the tests that run: functions whose attributes say that they are tests, and not that they are ignored.
fn tests_in(code: &str) -> Vec<String> {
    let (mut names, mut attributes) = (Vec::new(), Vec::new());
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push(line);
            continue;
        }
        let is_test = attributes.iter().any(|a| a.starts_with("#[test]") || a.starts_with("#[tokio::test"));
        let is_ignored = attributes.iter().any(|a| a.starts_with("#[ignore"));
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let (Some(rest), true, false) = (function, is_test, is_ignored) {
            names.push(rest.split('(').next().unwrap().to_owned());
        }
        attributes.clear();
    }
    names
}

/// The items that a test's name begins with.
fn items_of(name: &str) -> Vec<u8> {
    let mut words = name.split('_').peekable();
    if !matches!(words.next(), Some("item" | "items")) {
        return Vec::new();
    }
    let mut items: Vec<u8> = Vec::new();
    while let Some(word) = words.next() {
        let next = words.peek().and_then(|next| next.parse::<u8>().ok());
        match (word, items.last(), next) {
            ("to", Some(last), Some(end)) => items.extend(last + 1..end),
            ("and", Some(_), Some(_)) => {}
            _ => match word.parse() {
                Ok(item) => items.push(item),
                Err(_) => break,
            },
        }
    }
    items
}
