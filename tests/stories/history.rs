//! Who asks why something was away.

use std::time::Duration;

use portolan::client::Client;
use portolan::service::{Cause, Status};
use serde_json::{Value, json};

use crate::support::{Launch, Portolan, wait_until};

use super::cli::{say, say_json};

const HISTORY: &str = "/v1/instances/_auth._tcp/a1/history";

#[track_caller]
fn history(portolan: &Portolan) -> Vec<(String, Value)> {
    let history = portolan.get(HISTORY).expect(200).json();
    let flips = history["flips"].as_array().unwrap();
    flips.iter().map(|flip| (flip["cause"].as_str().unwrap().to_owned(), flip["status"].clone())).collect()
}

#[tokio::test]
async fn every_change_of_status_is_told_with_its_cause_also_when_it_is_over() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[lease]\nshortest = \"100ms\"").unwrap();
    let portolan = Launch::new().args(["--config", file.to_str().unwrap()]).start();
    portolan.get(HISTORY).expect(404);
    let beat = |lease: f64| {
        portolan
            .heartbeat(&json!({"service": "auth", "instance": "a1", "port": 80, "lease": lease, "status": "starting"}));
    };
    let set = |status: &Value| {
        portolan.request("PUT", "/v1/instances/_auth._tcp/a1/status", &[], &status.to_string()).expect(200);
    };

    beat(0.1);
    wait_until("it lapses", Duration::from_secs(20), || (history(&portolan).len() == 2).then_some(()));
    beat(60.0);
    set(&json!({"status": "up"}));
    // Another port is a change, but none of the status.
    portolan.request("PATCH", "/v1/instances/_auth._tcp/a1", &[], r#"{"port": 81}"#).expect(200);
    set(&json!({"status": "down", "reason": "no answer on 81"}));
    set(&json!({"status": "up"}));
    set(&json!({"status": "out-of-service"}));
    portolan.request("DELETE", "/v1/instances/_auth._tcp/a1", &[], "").expect(204);

    let told = history(&portolan);
    let expected = [
        ("registered", json!("starting")),
        ("lapsed", json!("down")),
        ("registered", json!("starting")),
        ("status-set", json!("up")),
        ("status-set", json!("down")),
        ("status-set", json!("up")),
        ("status-set", json!("out-of-service")),
        ("deregistered", Value::Null),
    ];
    assert_eq!(told, expected.map(|(cause, status)| (cause.to_owned(), status)));

    let client = Client::new(&format!("http://{}", portolan.http)).unwrap();
    let flips = client.history("auth", "a1").await.unwrap().unwrap().flips;
    assert_eq!((flips[1].cause, flips[1].status), (Cause::Lapsed, Some(Status::Down)));
    assert_eq!(flips[4].reason.as_deref(), Some("no answer on 81"));
    assert!(flips.is_sorted_by_key(|flip| flip.time));
    assert_eq!(client.history("auth", "a2").await.unwrap(), None);

    let table = say(&portolan, &["history", "auth", "a1"]).well();
    let lines: Vec<Vec<_>> =
        table.lines().map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
    assert_eq!(lines[0], ["TIME", "STATUS", "CAUSE", "REASON", "SOURCE"]);
    assert_eq!(lines[5][1..], ["down", "status-set", "no answer on 81", "api"]);
    assert_eq!(lines[8][1..], ["gone", "deregistered", "-", "api"]);
    assert_eq!(say_json(&portolan, &["history", "auth", "a1"])["flips"].as_array().unwrap().len(), 8);
    assert!(say(&portolan, &["history", "auth", "a2"]).with(1).contains("nothing is known"));
}
