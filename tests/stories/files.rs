//! Who writes services down in files: they are there, they follow the files, and a mistake breaks nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::tokens::Token;
use crate::support::{Launch, Portolan, replace, wait_until};

/// Files are looked at every few seconds even where the kernel says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of settings.
struct Settings {
    folder: TempDir,
}

impl Settings {
    fn new(text: &str) -> Self {
        let settings = Self { folder: TempDir::new().unwrap() };
        fs::create_dir(settings.path("services.d")).unwrap();
        settings.write("portolan.toml", text);
        settings
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        replace(&self.path(name), text);
    }

    fn start(&self) -> Portolan {
        Launch::new().args([Path::new("--config"), &self.path("portolan.toml")]).start()
    }
}

fn service(service: &str, port: u16) -> String {
    format!("[[service]]\nservice = \"{service}\"\ninstance = \"a\"\nport = {port}\nhost = \"10.0.0.7\"\n")
}

/// Service, port and origin of everything that is listed from files.
fn listed(portolan: &Portolan) -> BTreeSet<(String, u64, String)> {
    let page = portolan.get("/v1/instances?source=file").expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |i: &Value| (text(&i["service"]), i["port"].as_u64().unwrap(), text(&i["origin"]));
    page["instances"].as_array().unwrap().iter().map(row).collect()
}

#[track_caller]
fn wait_for(portolan: &Portolan, expected: &[(&str, u64, &str)]) {
    let expected =
        expected.iter().map(|(service, port, origin)| ((*service).into(), *port, (*origin).into())).collect();
    wait_until(&format!("{expected:?} is listed"), PATIENCE, || (listed(portolan) == expected).then_some(()));
}

/// What `portolan reload --json` says, and its status.
fn reload(portolan: &Portolan) -> (Value, Option<i32>) {
    let output = portolan.cli(&["reload", "--json"]).output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}")), output.status.code())
}

fn srv(portolan: &Portolan, service: &str) -> String {
    portolan.dig(&["+short", "SRV", &format!("_{service}._tcp.registry.local")])
}

#[test]
fn services_in_the_settings_and_in_their_directory_are_served() {
    let settings = Settings::new(&service("db", 5432));
    settings.write("services.d/web.toml", "[[service]]\nservice = \"web\"\nport = 80\ntags = [\"blue\"]\n");
    let portolan = settings.start();
    wait_for(&portolan, &[("db", 5432, "portolan.toml"), ("web", 80, "services.d/web.toml")]);
    assert_eq!(srv(&portolan, "db"), "0 0 5432 ip-10-0-0-7.registry.local.\n");
    let blue = portolan.dig(&["+short", "SRV", "_blue._sub._web._tcp.registry.local"]);
    assert_eq!(blue, "0 0 80 ip-127-0-0-1.registry.local.\n", "without a host it is on this machine");
    let instance = portolan.get("/v1/instances/_db._tcp/a").expect(200).json();
    assert_eq!(
        (&instance["lease"], &instance["status"], &instance["source"]),
        (&json!(0), &json!("up"), &json!("file"))
    );
}

#[test]
fn what_changes_in_files_changes_in_dns() {
    let settings = Settings::new("");
    let portolan = settings.start();
    settings.write("services.d/a.toml", &(service("web", 80) + &service("db", 5432)));
    wait_for(&portolan, &[("db", 5432, "services.d/a.toml"), ("web", 80, "services.d/a.toml")]);
    // Written in its place, as by some editors.
    fs::write(settings.path("services.d/a.toml"), service("web", 81)).unwrap();
    wait_for(&portolan, &[("web", 81, "services.d/a.toml")]);
    assert_eq!(srv(&portolan, "web"), "0 0 81 ip-10-0-0-7.registry.local.\n");
    settings.write("portolan.toml", &service("db", 5433));
    wait_for(&portolan, &[("db", 5433, "portolan.toml"), ("web", 81, "services.d/a.toml")]);
    fs::remove_dir_all(settings.path("services.d")).unwrap();
    wait_for(&portolan, &[("db", 5433, "portolan.toml")]);
    assert_eq!(srv(&portolan, "web"), "");
}

#[test]
fn a_reload_says_what_came_of_it() {
    let settings = Settings::new("");
    let portolan = settings.start();
    let (first, code) = reload(&portolan);
    assert_eq!(code, Some(0), "{first}");
    let many = |from: u16| (from..from + 300).map(|port| service(&format!("s{port}"), port)).collect::<String>();
    settings.write("services.d/many.toml", &many(1000));
    let (file, mut held) = (settings.path("services.d/many.toml"), 0);
    // The kernel may have been quicker.
    wait_until("all are listed", PATIENCE, || {
        let (reloaded, code) = reload(&portolan);
        assert_eq!((code, &reloaded["faults"]), (Some(0), &json!([])), "{reloaded}");
        held = reloaded["files"].as_array()?.iter().find(|f| f["file"] == json!(file))?["services"].as_u64()?;
        (held == 300).then_some(())
    });
    settings.write("services.d/many.toml", &many(1150));
    wait_until("half of them are others", PATIENCE, || {
        reload(&portolan);
        (srv(&portolan, "s1149").is_empty() && !srv(&portolan, "s1449").is_empty()).then_some(())
    });
    let output = portolan.cli(&["reload"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "300 services in files: 0 added, 0 changed, 0 removed\n");
}

#[test]
fn a_broken_file_changes_nothing_and_is_told_everywhere() {
    let settings = Settings::new("");
    settings.write("services.d/a.toml", &(service("web", 80) + &service("db", 5432)));
    settings.write("services.d/b.toml", &service("other", 1));
    let portolan = settings.start();
    let whole =
        [("db", 5432, "services.d/a.toml"), ("other", 1, "services.d/b.toml"), ("web", 80, "services.d/a.toml")];
    wait_for(&portolan, &whole);
    assert_eq!(portolan.get("/readyz").expect(200).body, "ready\n");

    // The first of its services is right, and would be another one.
    settings.write("services.d/a.toml", &(service("web", 81) + "[[service]]\nservice = \"db\"\nport = 0\n"));
    let (reloaded, code) = reload(&portolan);
    let path = settings.path("services.d/a.toml");
    assert_eq!(code, Some(2), "{reloaded}");
    let fault = &reloaded["faults"][0];
    assert_eq!((&fault["file"], &fault["line"]), (&json!(path), &json!(8)), "{reloaded}");
    let told = format!("{}, line 8: `port` is 0; give the port", path.display());
    let said = portolan.cli(&["reload"]).output().unwrap().stderr;
    assert!(String::from_utf8_lossy(&said).contains(&told), "{said:?}");
    let ready = portolan.get("/readyz").expect(200).body;
    assert!(ready.starts_with("ready\n") && ready.contains(&told), "{ready}");
    wait_until("it is logged", PATIENCE, || portolan.log().contains(&told).then_some(()));
    assert!(portolan.get("/metrics").body.contains("\nportolan_file_faults 1\n"));
    wait_for(&portolan, &whole);

    // The others go on, and so does this one when it is mended.
    settings.write("services.d/b.toml", &service("other", 2));
    wait_for(&portolan, &[whole[0], ("other", 2, "services.d/b.toml"), whole[2]]);
    settings.write("services.d/a.toml", &service("web", 82));
    wait_for(&portolan, &[("other", 2, "services.d/b.toml"), ("web", 82, "services.d/a.toml")]);
    assert_eq!(portolan.get("/readyz").expect(200).body, "ready\n");
    assert_eq!(portolan.log().matches(&told).count(), 1, "once: {}", portolan.log());
}

#[test]
fn a_hang_up_reads_all_again_and_says_which_settings_take_a_restart() {
    let settings = Settings::new("[zone]\nttl = \"10s\"\n");
    let portolan = settings.start();
    settings.write("portolan.toml", &("[zone]\nttl = \"20s\"\n[dns]\nglob = false\n".to_owned() + &service("db", 1)));
    portolan.signal("HUP");
    wait_for(&portolan, &[("db", 1, "portolan.toml")]);
    let told = "take a restart: dns.glob, zone.ttl";
    wait_until("it says so", PATIENCE, || portolan.log().contains(told).then_some(()));
    let (reloaded, code) = reload(&portolan);
    assert_eq!((&reloaded["restart"], code), (&json!(["dns.glob", "zone.ttl"]), Some(0)));
    let answer = portolan.dig(&["+noall", "+answer", "SRV", "_db._tcp.registry.local"]);
    assert_eq!(answer.split_whitespace().nth(1), Some("10"), "it goes on as it was started: {answer}");
}

#[test]
fn a_file_that_became_empty_is_about_to_be_written_and_loses_nothing_unless_it_stays_so() {
    let token = Token::new();
    let settings = Settings::new(&(service("db", 1) + &token.table("team", "write = [\"web\"]")));
    settings.write("services.d/a.toml", &service("web", 80));
    let portolan = settings.start();
    let whole = [("db", 1, "portolan.toml"), ("web", 80, "services.d/a.toml")];
    wait_for(&portolan, &whole);
    let files = ["portolan.toml", "services.d/a.toml"].map(|name| settings.path(name));
    let texts = files.clone().map(|file| fs::read(file).unwrap());
    for file in &files {
        fs::write(file, "").unwrap();
    }
    // Whatever wakes it up, it waits.
    let (reloaded, code) = reload(&portolan);
    let empty = reloaded["faults"].as_array().unwrap().iter();
    let empty = empty.filter(|fault| fault["reason"].as_str().unwrap().starts_with("is empty, as a file is that is"));
    assert_eq!((empty.count(), code), (2, Some(2)), "{reloaded}");
    wait_for(&portolan, &whole);
    token.post(&portolan, "/v1/heartbeat", &json!({"service": "web", "instance": "b", "port": 1})).expect(201);
    for (file, text) in files.iter().zip(texts) {
        fs::write(file, text).unwrap();
    }
    let (reloaded, code) = reload(&portolan);
    assert_eq!((&reloaded["faults"], code), (&json!([]), Some(0)), "{reloaded}");

    for file in &files {
        fs::write(file, "").unwrap();
    }
    wait_for(&portolan, &[]);
    let heartbeat = json!({"service": "web", "instance": "b", "port": 1});
    token.post(&portolan, "/v1/heartbeat", &heartbeat).expect(401);
    assert_eq!(portolan.get("/readyz").expect(200).body, "ready\n");
}

#[test]
fn the_log_is_as_loud_as_its_setting_says_now() {
    let settings = Settings::new("log = \"error\"\n");
    let portolan = settings.start();
    settings.write("services.d/a.toml", &service("web", 80));
    wait_for(&portolan, &[("web", 80, "services.d/a.toml")]);
    settings.write("portolan.toml", &("log = \"info\"\n".to_owned() + &service("db", 1)));
    wait_for(&portolan, &[("db", 1, "portolan.toml"), ("web", 80, "services.d/a.toml")]);
    wait_until("it is told", PATIENCE, || portolan.log().contains("services in files").then_some(()));
    assert_eq!(portolan.log().matches("services in files").count(), 1, "{}", portolan.log());
    assert_eq!(reload(&portolan).0["restart"], json!([]));
}

#[test]
fn settings_with_a_mistake_keep_their_services_and_do_not_start() {
    let settings = Settings::new(&service("db", 1));
    let portolan = settings.start();
    wait_for(&portolan, &[("db", 1, "portolan.toml")]);
    for (text, line, says) in [
        ("[zone]\nttl = \"5s\"\ntll = \"5s\"\n", json!(3), "`tll`"),
        ("[zone]\nttl = \"1500ms\"\n", Value::Null, "zone.ttl is 1s 500ms"),
        ("[[service]]\nservice = \"db\"\nport = 2\nlease = \"1m\"\n", json!(4), "`lease` has no place in a file"),
    ] {
        settings.write("portolan.toml", text);
        let (reloaded, code) = reload(&portolan);
        let fault = &reloaded["faults"][0];
        assert_eq!((&fault["file"], &fault["line"], code), (&json!(settings.path("portolan.toml")), &line, Some(2)));
        assert!(fault["reason"].as_str().unwrap().contains(says), "{reloaded}");
        assert_eq!(listed(&portolan).len(), 1);
        let (status, said) =
            Launch::new().args([Path::new("--config"), &settings.path("portolan.toml")]).start_in_vain();
        assert!(status.code() == Some(2) && said.contains(says), "{said}");
    }
}

#[test]
fn a_registration_hides_what_a_file_says_while_it_lasts() {
    let settings = Settings::new(&service("web", 80));
    let portolan = settings.start();
    wait_for(&portolan, &[("web", 80, "portolan.toml")]);
    portolan.heartbeat(&json!({"service": "web", "instance": "a", "port": 8080, "host": "10.0.0.8"}));
    assert_eq!(srv(&portolan, "web"), "0 0 8080 ip-10-0-0-8.registry.local.\n");
    let instance = portolan.get("/v1/instances/_web._tcp/a").expect(200).json();
    assert_eq!((&instance["source"], &instance["beneath"][0]["source"]), (&json!("api"), &json!("file")));
    portolan.request("DELETE", "/v1/instances/_web._tcp/a", &[], "").expect(204);
    assert_eq!(srv(&portolan, "web"), "0 0 80 ip-10-0-0-7.registry.local.\n");
    portolan.request("DELETE", "/v1/instances/_web._tcp/a", &[], "").expect(404);
}

#[test]
fn backends_of_a_plexus_registry_are_services() {
    let settings = Settings::new("[files]\nbackends = \"backends.toml\"\n");
    let backend =
        |name: &str, port: u16| format!("[[backend]]\nname = \"{name}\"\nport = {port}\nhost = \"10.0.0.7\"\n");
    settings
        .write("backends.toml", &(backend("substrate", 4444) + "description = \"The hub\"\n" + &backend("mono", 1)));
    let portolan = settings.start();
    wait_for(&portolan, &[("mono", 1, "backends.toml"), ("substrate", 4444, "backends.toml")]);
    let instance = portolan.get("/v1/instances/_substrate._tcp/substrate").expect(200).json();
    assert_eq!((&instance["protocol"], &instance["description"]), (&json!("ws"), &json!("The hub")));
    settings.write("backends.toml", &backend("substrate", 4445));
    wait_for(&portolan, &[("substrate", 4445, "backends.toml")]);
    fs::remove_file(settings.path("backends.toml")).unwrap();
    wait_for(&portolan, &[]);
}
