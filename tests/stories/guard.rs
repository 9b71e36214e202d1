//! Whose heartbeats were all lost at once: they stay to be found for one more lease, and it shows.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::dig::ask;
use crate::support::{Launch, Portolan, wait_until};

use super::cli::say;

const PATIENCE: Duration = Duration::from_secs(30);
const NAME: &str = "_auth._tcp.registry.local";

fn start(folder: &TempDir) -> Portolan {
    Launch::new()
        .data_dir(folder.path())
        .env("PORTOLAN_LEASE_GUARD_SERVICES", "au*")
        .env("PORTOLAN_LEASE_SHORTEST", "100ms")
        .start()
}

fn register(portolan: &Portolan, instance: &str, lease: &str) {
    let host = json!({"host": instance, "addresses": ["10.0.0.1"]});
    let mut body = json!({"service": "auth", "instance": instance, "port": 80, "priority": 1, "lease": lease});
    body.as_object_mut().unwrap().extend(host.as_object().unwrap().clone());
    portolan.heartbeat(&body);
}

/// What DNS has, in order.
fn served(portolan: &Portolan) -> Vec<String> {
    let mut data = ask(portolan.dns, &["SRV", NAME]).data();
    data.sort();
    data
}

fn status(portolan: &Portolan) -> Value {
    portolan.get("/status").expect(200).json()
}

fn flips(status: &Value, cause: &str) -> u64 {
    let flips = status["flips"].as_array().unwrap();
    flips.iter().filter(|flip| flip["cause"] == cause).map(|flip| flip["count"].as_u64().unwrap()).sum()
}

const KEPT: [&str; 3] =
    ["32769 0 80 a1.registry.local.", "32769 0 80 a2.registry.local.", "32769 0 80 a3.registry.local."];

#[test]
fn a_service_that_goes_silent_is_kept_for_one_more_lease_also_over_a_crash_and_it_shows() {
    let folder = TempDir::new().unwrap();
    let portolan = start(&folder);
    for instance in ["a1", "a2", "a3"] {
        register(&portolan, instance, "3s");
    }
    let guarded = wait_until("the guard steps in", PATIENCE, || Some(status(&portolan)).filter(|s| s["guarded"] == 3));
    assert_eq!(served(&portolan), KEPT);
    assert_eq!((flips(&guarded, "registered"), flips(&guarded, "lapsed"), flips(&guarded, "guarded")), (3, 3, 3));
    assert!(guarded["instances"].as_array().unwrap().contains(&json!({"status": "down", "count": 3})), "{guarded}");
    assert_eq!(guarded["services"], json!({"listed": 1, "served": 1}));

    let why = "3 of 3 instances lapsed within one lease";
    let shown = portolan.get("/v1/instances?service=auth&served=true&status=down").expect(200).json();
    let first = &shown["instances"][0];
    assert_eq!((&first["instance"], &first["priority"]), (&json!("a1"), &json!(32_769)));
    assert!(first["reason"].as_str().unwrap().ends_with(why), "{first}");
    let picked = portolan.get("/v1/instances?service=auth&pick=first").expect(200).json();
    assert_eq!(picked["instances"][0]["instance"], "a1");
    let explained = say(&portolan, &["explain", NAME, "SRV"]).well();
    assert!(explained.contains("3 in the answer, 0 left out") && explained.contains(why), "{explained}");
    let history = say(&portolan, &["history", "auth", "a1"]).well();
    let line = history.lines().last().unwrap();
    assert!(line.contains("guarded") && line.contains("down") && line.contains(why), "{history}");
    let metrics = portolan.get("/metrics").expect(200).body;
    assert!(metrics.contains("portolan_guarded_instances 3\n"), "{metrics}");
    assert!(metrics.contains("portolan_changes_total{cause=\"guarded\"} 3\n"), "{metrics}");
    assert!(portolan.log().contains("went silent at once"), "{}", portolan.log());

    // It is saved a moment after it is seen.
    wait_until("a crash would not forget it", PATIENCE, || {
        let log = std::fs::read(folder.path().join("portolan.db-wal")).unwrap_or_default();
        log.windows(why.len()).any(|octets| octets == why.as_bytes()).then_some(())
    });
    portolan.kill();
    let portolan = start(&folder);
    assert_eq!((served(&portolan), status(&portolan)["guarded"].clone()), (KEPT.map(str::to_owned).to_vec(), json!(3)));
    register(&portolan, "a2", "1m");
    assert_eq!(served(&portolan), ["1 0 80 a2.registry.local.", KEPT[0], KEPT[2]]);
    portolan.request("PUT", "/v1/instances/_auth._tcp/a1/status", &[], r#"{"status":"out-of-service"}"#).expect(200);
    assert_eq!(served(&portolan), ["1 0 80 a2.registry.local.", KEPT[2]], "what is drained is not kept");
    wait_until("one more lease has passed", PATIENCE, || (served(&portolan).len() == 1).then_some(()));
    assert_eq!((status(&portolan)["guarded"].clone(), flips(&status(&portolan), "unguarded")), (json!(0), 1));
}

#[test]
fn a_guard_that_can_guard_nothing_is_refused() {
    for (variable, value, said) in [
        ("SERVICES", "auth,_a b", "lease.guard.services has \"_a b\", which has ' '"),
        ("SHARE", "101", "lease.guard.share is 101; at most 100 is allowed"),
        ("SHARE", "0", "lease.guard.share is 0; give at least 1"),
        ("INSTANCES", "0", "lease.guard.instances is 0; give at least 1"),
    ] {
        let (status, log) = Launch::new().env(&format!("PORTOLAN_LEASE_GUARD_{variable}"), value).start_in_vain();
        assert!(status.code() == Some(2) && log.contains(said), "{log}");
    }
}
