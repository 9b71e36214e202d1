//! A check may be asked for at every door, and of what one source hides from another.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::checks::{PATIENCE, WEB, wait_for, wait_for_status, web};
use super::cli::say;
use crate::support::backend::Backend;
use crate::support::{Launch, Portolan, WebSocket, wait_until};

/// A file of settings with a service that is checked every second, and with what else is to stand there.
fn settings(host: &str, port: u16, more: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let service = format!(
        "[[service]]\nservice = \"web\"\ninstance = \"w\"\nhost = \"{host}\"\nport = {port}\n\
         check = {{ http = \"/file\", interval = \"1s\", failures = 1 }}\n{more}"
    );
    fs::write(folder.path().join("portolan.toml"), service).unwrap();
    folder
}

fn start(settings: &TempDir) -> Portolan {
    Launch::new().args(["--config", settings.path().join("portolan.toml").to_str().unwrap()]).start()
}

#[test]
fn an_administrators_word_needs_no_network() {
    let backend = Backend::start("200 OK");
    let file = settings("127.0.0.9", backend.port(), "[checks]\nnetworks = []\n");
    let portolan = start(&file);
    assert_eq!(wait_for_status(&portolan, "up")["source"], "file");
    let abroad = settings("web.example", backend.port(), "");
    let wrong = say(&portolan, &["config", "check", abroad.path().join("portolan.toml").to_str().unwrap()]).with(2);
    assert!(wrong.contains("line 6: `check` cannot be made of a host outside"), "{wrong}");
}

#[test]
fn what_another_source_hides_is_checked_when_it_comes_to_the_surface_and_does_not_keep_it() {
    let (above, beneath) = (Backend::start("200 OK"), Backend::start("200 OK"));
    let file = settings("127.0.0.9", beneath.port(), "");
    let portolan = start(&file);
    wait_for_status(&portolan, "up");
    let mut registration = web(above.port(), &json!({"http": "/api", "failures": 1}));
    registration["host"] = json!("other");
    portolan.heartbeat(&registration);
    let by = |source: &'static str| wait_for(&portolan, source, |w| w["source"] == source && w["status"] == "up");
    by("api");
    above.say("500 Oh");
    by("file");
    above.say("200 OK");
    by("api");
}

#[test]
fn the_command_line_registers_once_what_is_checked() {
    let (portolan, backend) = (Portolan::start(&[]), Backend::start("200 OK"));
    let port = backend.port().to_string();
    let once = ["register", "web", "--instance", "w", "--port", &port, "--once"];
    let check = ["--check", "/cli", "--check-interval", "1s", "--check-failures", "1"];
    let said = say(&portolan, &[&once[..], &check[..]].concat()).well();
    assert!(said.contains("(starting, no lease)\n"), "{said}");
    wait_for_status(&portolan, "up");
    backend.say("500 Oh");
    wait_for_status(&portolan, "down");
    assert!(backend.asked().contains(&"GET /cli HTTP/1.1".to_owned()));
    let refused = say(&portolan, &[&once[..], &["--check", "health"][..]].concat()).with(3);
    assert!(refused.contains("`check.http` is no path such as /health"), "{refused}");
}

#[test]
fn what_a_session_owns_has_a_lease_also_with_a_check() {
    let (portolan, backend) = (Portolan::start(&[]), Backend::start("200 OK"));
    let mut socket = WebSocket::open(portolan.http, "/ws");
    let mut registration = web(backend.port(), &json!({"tcp": true}));
    registration["lease"] = json!("session");
    let call = json!({"jsonrpc": "2.0", "method": "registry.register", "params": registration, "id": 1});
    assert_eq!(socket.call(&call)["result"]["lease"], "session");
    assert_eq!(wait_for_status(&portolan, "up")["lease"], 60, "a crash leaves nothing for ever");
    drop(socket);
    wait_until("it goes with its session", PATIENCE, || (portolan.get(WEB).status == 404).then_some(()));
}

#[test]
fn a_registration_by_hand_is_shown_as_it_can_be_sent_again() {
    let (portolan, backend) = (Portolan::start(&[]), Backend::start("200 OK"));
    portolan.heartbeat(&web(backend.port(), &json!({"http": "http://web.example/x", "timeout": 0.5})));
    wait_for_status(&portolan, "up");
    let patched = portolan.request("PATCH", WEB, &[], r#"{"check": {"failures": 5}}"#).expect(200).json();
    let check = json!({"http": "http://web.example/x", "interval": 1, "timeout": 0.5, "failures": 5});
    assert_eq!((&patched["check"], &patched["status"]), (&check, &json!("up")), "what is asked is the same");
    let patched = portolan.request("PATCH", WEB, &[], r#"{"check": null}"#).expect(200).json();
    assert_eq!((patched.get("check"), &patched["status"]), (None, &json!("up")));
}
