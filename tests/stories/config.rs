//! Who configures it: flags, variables and a file, and an answer to every mistake.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portolan::config::Config;
use serde_json::json;
use tempfile::TempDir;
use toml::{Table, Value};

use crate::support::{Launch, Portolan, cli, wait_until};

/// More than a line of log takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn default_file() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/default.toml");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// A file with this text, in a directory that goes with the test.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("portolan.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn keys(table: &Table, prefix: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => keys(inner, &format!("{prefix}{key}."), found),
            _ => drop(found.insert(format!("{prefix}{key}"))),
        }
    }
}

#[test]
fn the_default_file_has_every_key_and_every_default() {
    let (_, text) = default_file();
    assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());

    let (mut written, mut known) = (BTreeSet::new(), BTreeSet::new());
    // Its default is another one for every user, so it is there as a comment.
    let uncommented = text.replace("# data_dir", "data_dir");
    keys(&toml::from_str(&uncommented).unwrap(), "", &mut written);
    keys(&Table::try_from(Config::default()).unwrap(), "", &mut known);
    assert_eq!(written, known);
}

#[test]
fn the_other_profiles_are_valid() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let profiles: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(!profiles.is_empty());
    for profile in profiles {
        let output = cli(&["config", "check", profile.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_flag_beats_a_variable_beats_the_file() {
    let (_folder, path) = file("[zone]\ndomains = [\"file.test\"]\nttl = \"21s\"\n[lease]\ndefault = \"31s\"\n");
    let portolan = Launch::new()
        .args(["--config", path.to_str().unwrap(), "--zone", "flag.test"])
        .env("PORTOLAN_ZONE_DOMAINS", "variable.test")
        .env("PORTOLAN_LEASE_DEFAULT", "41s")
        .start();
    assert_eq!(portolan.ready["zones"], json!(["flag.test."]));
    let heartbeat = portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 8080}));
    assert_eq!(heartbeat["lease"], 41, "the variable beats the file");
    let answer = portolan.dig(&["+noall", "+answer", "SRV", "_auth._tcp.flag.test"]);
    assert_eq!(answer.split_whitespace().nth(1), Some("21"), "the file beats the default: {answer}");
}

#[test]
fn several_zones_serve_the_same_instances() {
    let portolan = Portolan::start(&["--zone", "registry.local", "--zone", "registry.internal"]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 8080}));
    for zone in ["registry.local", "registry.internal"] {
        let answer = portolan.dig(&["+short", "SRV", &format!("_auth._tcp.{zone}")]);
        assert_eq!(answer, format!("0 0 8080 ip-127-0-0-1.{zone}.\n"));
    }
}

#[test]
fn an_unknown_key_is_refused_by_name_and_line() {
    let (_folder, path) = file("[dns]\nlisten = [\"127.0.0.1:0\"]\nlissten = []\n");
    let output = cli(&["config", "check", path.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("portolan.toml") && said.contains("line 3") && said.contains("`lissten`"), "{said}");
}

#[test]
fn every_mistake_is_told_with_its_place_and_its_remedy() {
    let mistakes = [
        ("[zone]\nttl = \"1500ms\"", "zone.ttl is 1s 500ms; DNS counts whole seconds"),
        ("[zone]\nttl = 10", "line 2"),
        ("[zone]\ndomains = []", "zone.domains is empty; name at least one zone"),
        ("[zone]\ndomains = [\"a..b\"]", "line 2"),
        ("[zone]\ndomains = [\"a.test\", \"b.a.test\"]", "keep one of them"),
        ("[lease]\ndefault = \"1s\"", "lease.shortest and lease.longest allow 5s to 1day"),
        ("[dns]\nlisten = [\"localhost\"]", "line 2"),
        ("[http]\nbody_limit = -1", "line 2"),
        ("[mdns]\nlimit = 0", "mdns.limit is 0"),
        ("log = \"loud=very\"", "log is \"loud=very\""),
        ("[store]\nurl = \"redis:\"", "store.url"),
        ("zone = 3", "line 1"),
        ("[zone", "line 1"),
        ("[http]\nlisten = []", "http.listen is empty"),
        ("[dns]\nlisten = []", "dns.listen is empty"),
        ("[dns]\nglob_limit = 0", "dns.glob_limit is 0; give at least 1"),
        ("[http]\nidle_timeout = \"0s\"", "http.idle_timeout is 0; give a time"),
        ("[http]\nidle_timeout = \"2d\"", "http.idle_timeout is 2days; at most 1day"),
        ("[http]\nconnections = 0", "http.connections is 0; give at least 1"),
        ("[http]\nconnections = 1048577", "http.connections is 1048577; at most 1048576"),
        ("[http]\nconnections = \"many\"", "line 2"),
        ("[lease]\nmax_instances = -1", "`-1`, expected a whole number, 0 or more"),
        ("[lease]\nlongest = \"300000000y\"", "at most 10years is allowed"),
        ("[lease]\nreap = \"11y\"", "lease.reap is 11years; at most 10years"),
        ("[mdns]\nlimit = 9223372036854775808", "mdns.limit is 9223372036854775808; at most 100000000"),
        ("[http]\nlisten = [\"[::1]:80\", \"[::1]:80\"]", "http.listen has [::1]:80 twice"),
        ("[dns]\nlisten = [\"127.0.0.1:53\", \"127.0.0.1:53\"]", "dns.listen has 127.0.0.1:53 twice"),
        ("data_dir = \"\"", "data_dir is empty; name a directory"),
        ("data_dir = \"a\\u0000b\"", "data_dir has a NUL"),
        ("[store]\nurl = \"sqlite:a\\u0000b\"", "store.url"),
    ];
    for (text, remedy) in mistakes {
        let (_folder, path) = file(text);
        let checked = cli(&["config", "check", path.to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.code() == Some(2) && said.contains(remedy), "{text}: {checked:?}");
    }
}

#[test]
fn what_a_check_refuses_serve_does_not_start_with() {
    let mistakes = [
        ("[zone]\nttl = \"1500ms\"", "zone.ttl is 1s 500ms"),
        // More than a TOML value holds: flags are laid over it.
        ("[http]\nconnections = 9223372036854775808", "http.connections is 9223372036854775808; at most 1048576"),
    ];
    for (text, reason) in mistakes {
        let (_folder, path) = file(text);
        let (status, said) = Launch::new().args(["--config", path.to_str().unwrap()]).start_in_vain();
        assert!(status.code() == Some(2) && said.contains(reason), "{said}");
    }
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let output = cli(&["config", "check", "/dev/zero"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("/dev/zero: has more than 1048576 octets"), "{said}");
}

#[test]
fn a_mistake_outside_the_file_names_the_flag_or_the_variable() {
    let (status, said) = Launch::new().args(["--dns", "localhost"]).start_in_vain();
    assert!(status.code() == Some(2) && said.contains("--dns: "), "{said}");
    let (status, said) = Launch::new().data_dir(Path::new("")).start_in_vain();
    assert!(status.code() == Some(2) && said.contains("data_dir is empty"), "{said}");
    let (status, said) = Launch::new().env("PORTOLAN_LEASE_MAX_INSTANCES", "-1").start_in_vain();
    assert!(status.code() == Some(2) && said.contains("PORTOLAN_LEASE_MAX_INSTANCES: "), "{said}");
    assert!(said.contains("expected a whole number, 0 or more"), "{said}");
    let (status, said) = Launch::new().env("PORTOLAN_ZONE_TTL", "soon").start_in_vain();
    assert!(status.code() == Some(2) && said.contains("PORTOLAN_ZONE_TTL: "), "{said}");
    let (status, said) = Launch::new().args(["--config", "/nowhere/portolan.toml"]).start_in_vain();
    assert!(status.code() == Some(2) && said.contains("/nowhere/portolan.toml: "), "{said}");
}

#[test]
fn a_variable_that_means_nothing_is_told_and_not_refused() {
    // Kubernetes sets the second one in every pod beside a service of that name.
    let portolan = Launch::new().env("PORTOLAN_ZONE_TLL", "5s").env("PORTOLAN_PORT", "tcp://10.0.0.1:8420").start();
    for name in ["PORTOLAN_ZONE_TLL", "PORTOLAN_PORT"] {
        wait_until(name, PATIENCE, || portolan.log().contains(name).then_some(()));
    }
}

#[test]
fn a_zone_in_local_is_told_of_once_and_another_is_not() {
    for (zone, times) in [("registry.local", 1), ("registry.internal", 0)] {
        let portolan = Portolan::start(&["--zone", zone, "--log", "debug"]);
        // The last line: what is said at the start has been said.
        portolan.signal("TERM");
        wait_until("the stop is logged", PATIENCE, || portolan.log().contains("stopping").then_some(()));
        assert_eq!(portolan.log().matches("multicast").count(), times, "{}", portolan.log());
    }
}

#[test]
fn a_check_says_in_json_what_it_found() {
    let (path, _) = default_file();
    let path = path.to_str().unwrap();
    let output = cli(&["config", "check", "--json", path]).output().unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict, json!({"file": path, "valid": true}));
}
