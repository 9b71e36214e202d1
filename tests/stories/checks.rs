//! Who cannot send heartbeats is checked by the registry, and found only while the check passes.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::backend::Backend;
use crate::support::events::Events;
use crate::support::{Launch, Portolan, Response, tool, wait_until};

/// A loaded machine gets its time.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const WEB: &str = "/v1/instances/_web._tcp/w";

/// A registration of the instance `w` that is checked every second.
pub(super) fn web(port: u16, check: &Value) -> Value {
    let mut check = check.clone();
    check["interval"] = json!(1);
    json!({"service": "web", "instance": "w", "port": port, "check": check})
}

/// The instance, when it is as `is` wants it.
#[track_caller]
pub(super) fn wait_for(portolan: &Portolan, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, PATIENCE, || {
        let answer = portolan.get(WEB);
        (answer.status == 200).then(|| answer.json()).filter(&is)
    })
}

#[track_caller]
pub(super) fn wait_for_status(portolan: &Portolan, status: &str) -> Value {
    wait_for(portolan, &format!("it is {status}"), |web| web["status"] == status)
}

fn srv(portolan: &Portolan) -> String {
    portolan.dig(&["+short", "SRV", "_web._tcp.registry.local"])
}

fn register(portolan: &Portolan, registration: &Value) -> Response {
    portolan.post("/v1/heartbeat", registration)
}

#[test]
fn an_instance_is_found_while_its_check_passes_and_everywhere_it_is_said_why_not() {
    let (portolan, backend) = (Portolan::start(&[]), Backend::start("503 Not Yet"));
    let mut events = Events::from_now(&portolan, "service=web");
    let heartbeat = portolan.heartbeat(&web(backend.port(), &json!({"http": "/health?deep", "failures": 2})));
    assert_eq!((&heartbeat["status"], &heartbeat["lease"]), (&json!("starting"), &json!(0)));
    let shown = wait_for_status(&portolan, "down");
    assert_eq!(shown["reason"], format!("failing: 127.0.0.1:{} answers 503 Service Unavailable", backend.port()));
    assert_eq!(shown["check"], json!({"http": "/health?deep", "interval": 1, "timeout": 1, "failures": 2}));
    assert_eq!(srv(&portolan), "");

    backend.say("204 No Content");
    wait_for_status(&portolan, "up");
    assert_eq!(srv(&portolan), format!("0 0 {} ip-127-0-0-1.registry.local.\n", backend.port()));

    let port = backend.port();
    drop(backend);
    let refuses = format!("127.0.0.1:{port} refuses the connection");
    assert_eq!(wait_for_status(&portolan, "down")["reason"], format!("failing: {refuses}"));
    assert_eq!(srv(&portolan), "");
    let explained = portolan.get("/v1/explain?name=_web._tcp.registry.local&type=SRV").expect(200).json();
    assert_eq!(explained["instances"][0]["reason"], format!("its check fails: {refuses}"));
    assert!(explained["instances"][0]["since"].is_string(), "{explained}");

    let backend = Backend::on(port, "200 OK");
    wait_for_status(&portolan, "up");
    let asked: BTreeSet<_> = backend.asked().into_iter().collect();
    assert_eq!(asked, BTreeSet::from(["GET /health?deep HTTP/1.1".to_owned()]));

    let expected = ["registered", "check-failed", "check-passed", "check-failed", "check-passed"];
    let told: Vec<_> = expected.map(|_| events.told()[2].clone()).to_vec();
    assert_eq!(told, expected);
    let history = portolan.get(&format!("{WEB}/history")).expect(200).json();
    let causes: Vec<_> = history["flips"].as_array().unwrap().iter().map(|flip| flip["cause"].clone()).collect();
    assert_eq!(causes, expected);
    assert_eq!(history["flips"][3]["reason"], refuses);
    let metrics = portolan.get("/metrics").expect(200).body;
    let counted = |series: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("{series} is not in {metrics}")).trim().parse().unwrap()
    };
    assert_eq!(counted(r#"portolan_changes_total{cause="check-failed"}"#), 2);
    assert!(counted(r#"portolan_checks_total{result="status"}"#) >= 2);
    assert!(counted(r#"portolan_checks_total{result="no-connection"}"#) >= 2);
    assert!(counted(r#"portolan_checks_total{result="passed"}"#) >= 2);
    assert_eq!(counted("portolan_checked_instances"), 1);
}

#[test]
fn a_connection_is_a_check_too() {
    let portolan = Portolan::start(&[]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let serve = || {
        let mut server = tool("python3");
        server.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
        server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut server = serve();
    portolan.heartbeat(&web(port, &json!({"tcp": true, "failures": 1})));
    wait_for_status(&portolan, "up");
    server.kill().unwrap();
    server.wait().unwrap();
    wait_for_status(&portolan, "down");
    let mut server = serve();
    wait_for_status(&portolan, "up");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_redirect_is_no_way_to_have_somebody_else_asked() {
    let (portolan, elsewhere) = (Portolan::start(&[]), Backend::start("200 OK"));
    let backend = Backend::start(&format!("302 Found\r\nLocation: http://127.0.0.1:{}/", elsewhere.port()));
    portolan.heartbeat(&web(backend.port(), &json!({"http": "/", "failures": 1})));
    let reason = wait_for_status(&portolan, "down")["reason"].clone();
    assert!(reason.as_str().unwrap().ends_with("answers 302 Found, and redirects are not followed"), "{reason}");
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[test]
fn checks_end_with_the_instance_and_follow_what_is_registered_anew() {
    let portolan = Portolan::start(&[]);
    let (first, second) = (Backend::start("200 OK"), Backend::start("200 OK"));
    portolan.heartbeat(&web(first.port(), &json!({"http": "/first"})));
    wait_for_status(&portolan, "up");
    // Of another place nothing is known.
    let moved = portolan.heartbeat(&web(second.port(), &json!({"http": "/second"})));
    assert_eq!(moved["status"], "starting");
    wait_for_status(&portolan, "up");
    // What changes nothing about the check does not begin it anew.
    let mut weighted = web(second.port(), &json!({"http": "/second"}));
    weighted["weight"] = json!(7);
    assert_eq!(portolan.heartbeat(&weighted)["status"], "up");

    let before = first.asked().len();
    let many = second.asked().len() + 2;
    wait_until("two more checks of the second", PATIENCE, || (second.asked().len() >= many).then_some(()));
    assert!(first.asked().len() <= before + 1, "one may have been under way");
    portolan.request("DELETE", WEB, &[], "").expect(204);
    let clock = Backend::start("200 OK");
    let before = second.asked().len();
    let mut other = web(clock.port(), &json!({"http": "/"}));
    other["instance"] = json!("other");
    portolan.heartbeat(&other);
    wait_until("three checks of another", PATIENCE, || (clock.asked().len() >= 3).then_some(()));
    assert!(second.asked().len() <= before + 1, "one may have been under way");
    // Without a check it is up, and nobody asks.
    other["check"] = Value::Null;
    other.as_object_mut().unwrap().remove("check");
    assert_eq!(portolan.heartbeat(&other)["status"], "up");
}

#[test]
fn what_was_down_is_down_after_a_restart_until_it_answers() {
    let folder = TempDir::new().unwrap();
    let backend = Backend::start("500 Internal Server Error");
    let portolan = Portolan::start_in(folder.path(), &[]);
    portolan.heartbeat(&web(backend.port(), &json!({"http": "http://web.example/", "failures": 1})));
    let before = wait_for_status(&portolan, "down");
    assert!(portolan.terminate().success());

    let portolan = Portolan::start_in(folder.path(), &[]);
    let after = portolan.get(WEB).expect(200).json();
    assert_eq!((&after["status"], &after["reason"]), (&before["status"], &before["reason"]));
    assert_eq!(after["check"], before["check"]);
    assert_eq!(srv(&portolan), "");
    backend.say("200 OK");
    wait_for_status(&portolan, "up");
    // Killed, it has saved that as well, a little later than it was seen.
    let saved = || {
        let again = TempDir::new().unwrap();
        for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            if file.file_name().to_string_lossy().starts_with("portolan.db") {
                fs::copy(file.path(), again.path().join(file.file_name())).unwrap();
            }
        }
        let copy = Launch::new().data_dir(again.path()).env("PORTOLAN_CHECKS_NETWORKS", "").start();
        (copy.get(WEB).expect(200).json()["check"] == before["check"]).then_some(copy)
    };
    drop(wait_until("it is saved", PATIENCE, saved));
}

#[test]
fn a_lease_that_was_asked_for_is_renewed_by_checks_and_lapses_without() {
    let (portolan, backend) = (Portolan::start(&[]), Backend::start("200 OK"));
    let mut registration = web(backend.port(), &json!({"http": "/"}));
    registration["lease"] = json!(5);
    portolan.heartbeat(&registration);
    let first = wait_for_status(&portolan, "up");
    wait_for(&portolan, "a check renews it", |web| web["expires_at"].as_str() > first["expires_at"].as_str());
    let port = backend.port();
    drop(backend);
    wait_for(&portolan, "its lease lapses", |web| web["reason"] == "its lease lapsed");
    let _backend = Backend::on(port, "200 OK");
    wait_for_status(&portolan, "up");
}

#[test]
fn an_operator_has_the_last_word_on_what_is_drained_and_until_the_next_check_on_what_is_up() {
    let (portolan, backend) = (Portolan::start(&[]), Backend::start("200 OK"));
    let set = |status: &str| {
        portolan.request("PUT", &format!("{WEB}/status"), &[], &json!({ "status": status }).to_string()).expect(200);
    };
    portolan.heartbeat(&web(backend.port(), &json!({"http": "/", "failures": 1})));
    wait_for_status(&portolan, "up");
    set("down");
    wait_for_status(&portolan, "up");
    set("out-of-service");
    let many = backend.asked().len() + 2;
    wait_until("two more checks", PATIENCE, || (backend.asked().len() >= many).then_some(()));
    assert_eq!(portolan.get(WEB).json()["status"], "out-of-service");
    backend.say("500 Oh");
    set("up");
    wait_for_status(&portolan, "down");
}

#[test]
fn what_is_not_to_be_checked_is_refused_and_not_checked_any_more() {
    let (folder, backend) = (TempDir::new().unwrap(), Backend::start("200 OK"));
    let start = |networks: &str, most: &str| {
        let launch = Launch::new().data_dir(folder.path()).env("PORTOLAN_CHECKS_NETWORKS", networks);
        launch.env("PORTOLAN_LEASE_MAX_CHECKED", most).start()
    };
    let registration = web(backend.port(), &json!({"http": "/", "failures": 1}));
    let portolan = start("127.0.0.0/8", "1");
    portolan.heartbeat(&registration);
    wait_for_status(&portolan, "up");
    let mut other = registration.clone();
    other["instance"] = json!("other");
    let full = register(&portolan, &other).expect(507).json();
    assert!(full["detail"].as_str().unwrap().contains("checks 1 instances"), "{full}");
    register(&portolan, &registration).expect(200);
    let mut abroad = registration.clone();
    abroad["addresses"] = json!(["192.0.2.1"]);
    let refused = register(&portolan, &abroad).expect(422).json();
    assert_eq!((&refused["type"], &refused["field"]), (&json!("/problems/invalid-check"), &json!("check")));
    assert!(portolan.terminate().success());

    let portolan = start("10.0.0.0/8", "1");
    let reason = wait_for_status(&portolan, "down")["reason"].clone();
    assert!(reason.as_str().unwrap().contains("127.0.0.1, which is in none of the networks"), "{reason}");
    register(&portolan, &registration).expect(422);
}

#[test]
fn a_check_that_hangs_holds_up_no_stop() {
    let (portolan, backend) = (Portolan::start(&[]), Backend::start("200 OK"));
    backend.take(Duration::from_secs(25));
    let mut registration = web(backend.port(), &json!({"http": "/", "timeout": 30}));
    registration["check"]["interval"] = json!(60);
    portolan.heartbeat(&registration);
    wait_until("it is asked", PATIENCE, || (backend.most() > 0).then_some(()));
    let began = std::time::Instant::now();
    assert!(portolan.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
