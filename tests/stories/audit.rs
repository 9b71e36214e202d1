//! Who looks after a registry that others write to: what they did, and who was not let, stands in the log.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::tokens::{Token, Tokens};
use crate::support::{Launch, Portolan, wait_until};

/// More than a line of log takes.
const PATIENCE: Duration = Duration::from_secs(20);
const INSTANCE: &str = "/v1/instances/_auth._tcp/a";

/// The fields of each line at the target: all lines are JSON, whatever strangers send.
fn told(portolan: &Portolan) -> Vec<Value> {
    let lines = portolan.log();
    let parsed = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of the log"));
    parsed.filter(|line| line["target"] == "portolan::audit").map(|mut line| line["fields"].take()).collect()
}

/// Who, what, the instance and the result of the last line, once it is there.
#[track_caller]
fn last(portolan: &Portolan, result: &str) -> String {
    wait_until(&format!("a line of {result}"), PATIENCE, || {
        let told = told(portolan);
        let last = told.last().filter(|last| last["result"] == result)?;
        let text = |key: &str| last[key].as_str().unwrap_or("?").to_owned();
        assert_eq!(last["from"], "127.0.0.1");
        Some([text("who"), text("what"), text("instance")].join(" "))
    })
}

fn instance(service: &str, port: u16) -> Value {
    json!({"service": service, "instance": "a", "port": port})
}

#[test]
fn what_a_token_does_stands_in_the_log_and_renewals_do_not() {
    let tokens = Tokens::new("");
    let auth = tokens.add("auth-team", "write = [\"auth\"]");
    let portolan = tokens.start();
    auth.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(201);
    assert_eq!(last(&portolan, "registered"), "auth-team register a._auth._tcp");
    auth.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(200);
    auth.post(&portolan, &format!("{INSTANCE}/renew"), &json!({})).expect(200);
    auth.request(&portolan, "PUT", &format!("{INSTANCE}/status"), r#"{"status":"out-of-service"}"#).expect(200);
    assert_eq!(last(&portolan, "status-set"), "auth-team set-status a._auth._tcp");
    assert_eq!(told(&portolan).len(), 2, "{:?}", told(&portolan));
    auth.post(&portolan, "/v1/heartbeat", &instance("web", 80)).expect(403);
    assert_eq!(last(&portolan, "out-of-scope"), "auth-team register a._web._tcp");
    let call = json!({"jsonrpc": "2.0", "method": "registry.deregister", "params": ["auth", "a"], "id": 1});
    auth.post(&portolan, "/rpc", &call).expect(200);
    assert_eq!(last(&portolan, "deregistered"), "auth-team deregister a._auth._tcp");
    auth.request(&portolan, "DELETE", INSTANCE, "").expect(404);
    assert_eq!(last(&portolan, "not-registered"), "auth-team deregister a._auth._tcp");
    assert!(!portolan.log().contains(&auth.text));
}

#[test]
fn who_moves_is_told_of_with_what_it_left() {
    let tokens = Tokens::new("");
    let team = tokens.add("team", "write = [\"*\"]");
    let portolan = tokens.start();
    for name in ["old", "new"] {
        let call = json!({"jsonrpc": "2.0", "method": "ping", "params": [name, "10.0.0.7", 80], "id": 1});
        assert_eq!(team.post(&portolan, "/api", &call).expect(200).json()["result"], true);
    }
    assert_eq!(last(&portolan, "deregistered"), "team move 10\\.0\\.0\\.7:80._old._tcp");
    assert_eq!(told(&portolan).len(), 3, "{:?}", told(&portolan));
}

#[test]
fn a_reload_stands_in_the_log_with_who_asked_and_also_where_it_was_refused() {
    let tokens = Tokens::new("[http]\nloopback_writes = false\n");
    let operator = tokens.add("operator", "admin = true");
    let auth = tokens.add("auth-team", "write = [\"auth\"]");
    let portolan = tokens.start();
    auth.post(&portolan, "/v1/reload", &json!({})).expect(403);
    assert_eq!(last(&portolan, "out-of-scope"), "auth-team reload ?");
    portolan.post("/v1/reload", &json!({})).expect(401);
    assert_eq!(last(&portolan, "token-needed"), "- \"POST /v1/reload\" ?");
    operator.post(&portolan, "/v1/reload", &json!({})).expect(200);
    wait_until("the reload is told", PATIENCE, || {
        told(&portolan).iter().any(|line| line["who"] == "operator" && line["what"] == "reload").then_some(())
    });
}

#[test]
fn what_nobody_in_particular_does_is_told_where_that_is_asked_for() {
    let tokens = Tokens::new("");
    let auth = tokens.add("auth-team", "write = [\"*\"]");
    for (filter, expected) in [
        ("info", &["auth-team"][..]),
        ("info,portolan::audit=debug", &["-", "auth-team"]),
        ("info,portolan::audit=off", &[]),
    ] {
        let mut portolan =
            Launch::new().args(["--config".as_ref(), tokens.file().as_os_str()]).args(["--log", filter]).start();
        portolan.post("/v1/heartbeat", &instance("web", 80)).expect(201);
        auth.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(201);
        portolan.signal("TERM");
        portolan.wait();
        wait_until("the log is whole", PATIENCE, || portolan.log().contains("stopping").then_some(()));
        let who: Vec<_> = told(&portolan).iter().map(|line| line["who"].clone()).collect();
        assert_eq!(who, expected);
    }
}

#[test]
fn who_is_turned_away_is_told_of_and_a_flood_of_them_is_counted() {
    let tokens = Tokens::new("[http]\nloopback_writes = false\n");
    tokens.add("auth-team", "write = [\"auth\"]");
    let portolan = tokens.start();
    portolan.post("/v1/heartbeat", &instance("auth", 80)).expect(401);
    assert_eq!(last(&portolan, "token-needed"), "- \"POST /v1/heartbeat\" ?");
    let call = json!({"jsonrpc": "2.0", "method": "registry.register", "params": instance("auth", 80), "id": 1});
    portolan.post("/rpc", &call).expect(200);
    assert_eq!(last(&portolan, "token-needed"), "- \"registry.register\" ?");

    let stranger = Token::new();
    let times = 300;
    for _ in 0..times {
        stranger.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(401);
    }
    let mut more = 0;
    wait_until("all of them are told or counted", PATIENCE, || {
        let told = told(&portolan);
        let unknown = told.iter().filter(|line| line["result"] == "invalid-token");
        let counted: u64 = unknown.clone().map(|line| line["others"].as_u64().unwrap()).sum();
        if unknown.clone().count() as u64 + counted == times + more {
            assert!(unknown.count() < 200, "{}", told.len());
            return Some(());
        }
        // What was counted is told with the next.
        stranger.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(401);
        more += 1;
        None
    });
    assert!(!portolan.log().contains(&stranger.text));
}
