//! Who keeps a log of all that was asked: a line for each request, in a file that may be moved away, and that nobody waits
//! for.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::events::Events;
use crate::support::tokens::Tokens;
use crate::support::{Launch, Portolan, WebSocket, replace, run, tool, wait_until};

/// More than a line takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn start(file: &Path, more: &[&str]) -> Portolan {
    Launch::new().args([OsStr::new("--access-log"), file.as_os_str()]).args(more).start()
}

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("access.log");
    (folder, file)
}

/// The lines once there are so many.
#[track_caller]
fn lines(file: &Path, count: usize) -> Vec<String> {
    wait_until(&format!("{count} lines"), PATIENCE, || {
        let lines: Vec<_> = fs::read_to_string(file).ok()?.lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// What stands between the time and the end of a line.
fn asked(line: &str) -> &str {
    line.split_once("] ").expect("a time").1
}

#[test]
fn every_request_has_a_line_that_other_programs_read() {
    let (tokens, (_folder, file)) = (Tokens::new(""), place());
    let ci = tokens.add("ci", "write = [\"web\"]");
    let portolan = start(&file, &["--config", tokens.file().to_str().unwrap()]);
    portolan.get("/healthz").expect(200);
    ci.post(&portolan, "/v1/heartbeat?x=1", &json!({"service": "web", "instance": "a", "port": 80})).expect(201);
    let agent = [("User-Agent", "curl/8 \"a\\b\""), ("Referer", "http://x/")];
    let missing = portolan.request("GET", "/nowhere%0a", &agent, "").expect(404).body.len();
    portolan.request("GET", "/v1/instances", &[("Authorization", "Bearer nobody's")], "").expect(401);
    let lines = lines(&file, 4);
    assert_eq!(asked(&lines[0]), r#""GET /healthz HTTP/1.1" 200 3 "-" "-""#);
    assert!(lines[1].starts_with("127.0.0.1 - ci ["), "{lines:?}");
    assert!(asked(&lines[1]).starts_with(r#""POST /v1/heartbeat?x=1 HTTP/1.1" 201 "#), "{lines:?}");
    let expected = format!(r#""GET /nowhere%0a HTTP/1.1" 404 {missing} "http://x/" "curl/8 \x22a\x5cb\x22""#);
    assert_eq!(asked(&lines[2]), expected);
    assert!(lines[3].starts_with("127.0.0.1 - - [") && asked(&lines[3]).contains(" 401 "), "{lines:?}");
    assert!(!lines[3].contains("nobody's"), "no header that has a token is there");

    // A watch has its line when it ends, a WebSocket when it begins.
    drop(WebSocket::open(portolan.http, "/ws"));
    let lines = self::lines(&file, 5);
    assert!(asked(&lines[4]).starts_with(r#""GET /ws HTTP/1.1" 101 0 "#), "{lines:?}");
    drop(Events::from_now(&portolan, ""));
    portolan.heartbeat(&json!({"service": "web", "instance": "b", "port": 80}));
    let lines = self::lines(&file, 7);
    assert!(lines.iter().any(|line| asked(line).starts_with(r#""GET /v1/watch? HTTP/1.1" 200 "#)), "{lines:?}");
}

#[test]
fn a_line_may_be_an_object_and_the_last_one_is_written_before_the_end() {
    let (_folder, file) = place();
    let portolan = Launch::new()
        .env("PORTOLAN_HTTP_ACCESS_LOG", file.to_str().unwrap())
        .env("PORTOLAN_HTTP_ACCESS_LOG_FORMAT", "json")
        .start();
    for n in 0..500 {
        portolan.request("GET", &format!("/healthz?{n}"), &[("User-Agent", "a\"b")], "").expect(200);
    }
    assert!(portolan.terminate().success());
    let text = fs::read_to_string(&file).unwrap();
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 500);
    let last = objects.last().unwrap();
    assert_eq!((&last["target"], &last["agent"], &last["octets"]), (&json!("/healthz?499"), &json!("a\"b"), &json!(3)));
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew_at_a_hang_up() {
    let (folder, file) = place();
    let portolan = start(&file, &[]);
    portolan.get("/healthz?first").expect(200);
    lines(&file, 1);
    let moved = folder.path().join("access.log.1");
    fs::rename(&file, &moved).unwrap();
    portolan.get("/healthz?second").expect(200);
    assert!(lines(&moved, 2)[1].contains("second"), "until it is told");
    portolan.signal("HUP");
    wait_until("there is a new file", PATIENCE, || file.exists().then_some(()));
    portolan.get("/healthz?third").expect(200);
    assert!(lines(&file, 1)[0].contains("third"));
    assert_eq!(lines(&moved, 2).len(), 2);

    // Where none can be made, the old one is better than none.
    fs::rename(&file, &moved).unwrap();
    fs::create_dir(&file).unwrap();
    portolan.signal("HUP");
    wait_until("it says so", PATIENCE, || portolan.log().contains("goes on in its old file").then_some(()));
    portolan.get("/healthz?fourth").expect(200);
    assert!(lines(&moved, 2)[1].contains("fourth"));
}

#[test]
fn files_that_hang_hold_up_no_hang_up() {
    let (folder, file) = place();
    let settings = folder.path().join("portolan.toml");
    fs::write(&settings, "").unwrap();
    // Whoever opens the settings waits for the disk.
    let strace = tool("strace").get_program().to_owned();
    let slow = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "inject=openat:delay_exit=5s", "-P"].map(OsStr::new);
    let launch = Launch::new().under([&[&*strace], &slow[..], &[settings.as_os_str()]].concat());
    let arguments = [OsStr::new("--access-log"), file.as_os_str(), OsStr::new("--config"), settings.as_os_str()];
    let portolan = launch.args(arguments).start();
    for round in 0..5 {
        fs::rename(&file, folder.path().join(format!("access.log.{round}"))).unwrap();
        portolan.signal("HUP");
        wait_until("there is a new file", PATIENCE, || file.exists().then_some(()));
    }
    replace(&settings, "[[service]]\nservice = \"auth\"\ninstance = \"a1\"\nport = 8080\n");
    portolan.get("/v1/instances/auth/a1").expect(404);
    wait_until("they are read", PATIENCE, || (portolan.get("/v1/instances/auth/a1").status == 200).then_some(()));
}

fn unlogged(portolan: &Portolan) -> u64 {
    let page = portolan.get("/metrics").body;
    let value = page.lines().find_map(|line| line.strip_prefix("portolan_http_unlogged_requests_total "));
    value.expect("the metric").parse().unwrap()
}

#[test]
fn a_full_disk_costs_lines_and_no_requests() {
    let portolan = start(Path::new("/dev/full"), &[]);
    for _ in 0..20 {
        portolan.get("/healthz").expect(200);
    }
    wait_until("they are counted", PATIENCE, || (unlogged(&portolan) >= 20).then_some(()));
    portolan.heartbeat(&json!({"service": "web", "port": 80}));
    let told = portolan.log().matches("the access log /dev/full is not written: No space left").count();
    assert_eq!(told, 1, "{}", portolan.log());
    assert!(portolan.terminate().success());
}

#[test]
fn nobody_waits_for_who_reads_the_log_or_does_not() {
    let (_folder, file) = place();
    run(Command::new("mkfifo").arg(&file));
    let (status, said) = Launch::new().args([OsStr::new("--access-log"), file.as_os_str()]).start_in_vain();
    assert!(status.code() == Some(5) && said.contains("cannot open the access log"), "{said}");
    assert!(said.contains("--access-log"), "{said}");

    let reader = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&file).unwrap();
    let portolan = start(&file, &[]);
    let long = format!("/healthz?{}", "x".repeat(900));
    for _ in 0..200 {
        // 64 KiB are what a pipe holds.
        portolan.get(&long).expect(200);
    }
    wait_until("the rest is counted", PATIENCE, || (unlogged(&portolan) > 50).then_some(()));
    drop(reader);
    portolan.get("/healthz").expect(200);
    assert!(portolan.terminate().success());
}
