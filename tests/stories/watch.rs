//! Who watches: over HTTP by hand, from the command line, and with the client library.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use portolan::api::{Event, Filter};
use portolan::client::Client;
use serde_json::{Value, json};

use crate::support::events::Events;
use crate::support::{Launch, Portolan, run, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry with these settings.
fn start(settings: &str) -> Portolan {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, settings).unwrap();
    Launch::new().args(["--config", file.to_str().unwrap()]).start()
}

fn register(portolan: &Portolan, service: &str, instance: &str) -> Value {
    portolan.heartbeat(&json!({"service": service, "instance": instance, "port": 80}))
}

fn set_status(portolan: &Portolan, instance: &str, status: &str) {
    let path = format!("/v1/instances/_auth._tcp/{instance}/status");
    portolan.request("PUT", &path, &[], &json!({"status": status}).to_string()).expect(200);
}

fn deregister(portolan: &Portolan, instance: &str) {
    portolan.request("DELETE", &format!("/v1/instances/_auth._tcp/{instance}"), &[], "").expect(204);
}

#[test]
fn a_watcher_is_told_what_comes_changes_and_goes() {
    let portolan = start("[lease]\nshortest = \"100ms\"\nreap = \"100ms\"");
    let mut events = Events::from_now(&portolan, "");
    let answer = register(&portolan, "auth", "a1");
    let added = events.event();
    assert_eq!((added.event.as_deref(), &added.data["event"]), (Some("added"), &json!("added")));
    assert_eq!((&added.data["cause"], &added.data["position"]), (&json!("registered"), &json!(added.id)));
    assert!(added.id.unwrap().starts_with(&format!("{}-", answer["revision"])));
    assert_eq!(added.data["instance"]["name"], "a1._auth._tcp.registry.local.");
    assert!(added.data["time"].as_str().unwrap().ends_with('Z'), "{}", added.data["time"]);

    // A renewal is no change.
    register(&portolan, "auth", "a1");
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 81}));
    set_status(&portolan, "a1", "out-of-service");
    deregister(&portolan, "a1");
    portolan.heartbeat(&json!({"service": "auth", "instance": "a2", "port": 80, "lease": 0.1}));
    let told: Vec<_> = (0..6).map(|_| events.told()).collect();
    assert_eq!(
        told,
        [
            ["changed", "a1", "registered"],
            ["changed", "a1", "status-set"],
            ["removed", "a1", "deregistered"],
            ["added", "a2", "registered"],
            ["changed", "a2", "lapsed"],
            ["removed", "a2", "reaped"],
        ]
    );
}

#[test]
fn what_enters_a_filter_is_added_and_what_leaves_it_removed() {
    let portolan = Portolan::start(&[]);
    let mut events = Events::from_now(&portolan, "service=auth&status=up&instance=a*");
    register(&portolan, "audit", "a1");
    register(&portolan, "auth", "b1");
    register(&portolan, "auth", "a1");
    set_status(&portolan, "a1", "out-of-service");
    deregister(&portolan, "b1");
    set_status(&portolan, "a1", "up");
    deregister(&portolan, "a1");
    let added = events.event();
    assert_eq!(added.data["instance"]["status"], "up");
    let removed = events.event();
    assert_eq!(
        (removed.event.as_deref(), &removed.data["instance"]["status"]),
        (Some("removed"), &json!("out-of-service"))
    );
    assert_eq!(events.told(), ["added", "a1", "status-set"]);
    assert_eq!(events.told(), ["removed", "a1", "deregistered"]);
}

#[test]
fn who_lists_and_then_watches_or_comes_back_misses_nothing() {
    let portolan = Portolan::start(&[]);
    register(&portolan, "auth", "a1");
    let page = portolan.get("/v1/instances").expect(200).json();
    for instance in ["a2", "a3", "a4"] {
        register(&portolan, "auth", instance);
    }
    let since =
        |position: &Value| format!("since={}", position.as_str().map_or_else(|| position.to_string(), str::to_owned));
    for position in [&page["position"], &page["revision"]] {
        let mut events = Events::of(&portolan, &since(position), "");
        let ids: Vec<_> = ["a2", "a3", "a4"]
            .map(|instance| {
                let said = events.event();
                assert_eq!(said.data["instance"]["instance"], instance);
                said.id.unwrap()
            })
            .into();
        // What a browser has seen counts, not where it began.
        let mut again = Events::of(&portolan, &since(position), &format!("Last-Event-ID: {}\r\n", ids[0]));
        assert_eq!(again.told(), ["added", "a3", "registered"]);
    }
}

#[test]
fn who_cannot_be_told_everything_is_told_to_list_again_and_goes_on() {
    let folder = tempfile::TempDir::new().unwrap();
    let portolan = Portolan::start_in(folder.path(), &[]);
    register(&portolan, "auth", "a1");
    let before = portolan.get("/v1/instances").expect(200).json();
    assert!(portolan.terminate().success());

    let portolan = Portolan::start_in(folder.path(), &[]);
    let page = portolan.get("/v1/instances").expect(200).json();
    let revision = page["revision"].as_u64().unwrap();
    let other = format!("{revision}-0123456789abcdef");
    for (position, why) in [
        (before["position"].as_str().unwrap(), "as after a restart"),
        ("1", "as after a restart"),
        (&(revision + 1000).to_string(), "no change that this registry has made"),
        (&other, "another history"),
    ] {
        let mut events = Events::of(&portolan, &format!("since={position}"), "");
        let told = events.said().unwrap();
        assert_eq!((told.event.as_deref(), &told.data["event"]), (Some("list-again"), &json!("list-again")));
        assert!(told.data["reason"].as_str().unwrap().contains(why), "{position}: {told:?}");
        assert_eq!(told.data["position"], json!(told.id));
        let instance = format!("x-{position}");
        register(&portolan, "auth", &instance);
        assert_eq!(events.told(), ["added", &instance, "registered"]);
        // The position that it was given is a good one.
        let mut again = Events::of(&portolan, "", &format!("Last-Event-ID: {}\r\n", told.id.unwrap()));
        assert_eq!(again.told(), ["added", &instance, "registered"]);
    }
    let metrics = portolan.get("/metrics").body;
    assert!(metrics.contains("portolan_http_lost_watchers_total 4\n"), "{metrics}");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let portolan = Portolan::start(&[]);
    for (query, kind, field) in [
        ("servcie=auth", "unknown-parameter", "servcie"),
        ("limit=1", "unknown-parameter", "limit"),
        ("cursor=YQ", "unknown-parameter", "cursor"),
        ("status=gone", "invalid-parameter", "status"),
        ("since=x", "invalid-parameter", "since"),
        ("since=1&since=2", "invalid-parameter", "since"),
    ] {
        let problem = portolan.get(&format!("/v1/watch?{query}")).expect(400).json();
        assert_eq!(
            (&problem["type"], &problem["field"]),
            (&json!(format!("/problems/{kind}")), &json!(field)),
            "{query}"
        );
    }
    let problem = portolan.request("GET", "/v1/watch", &[("Last-Event-ID", "x")], "").expect(400).json();
    assert_eq!(problem["field"], "last-event-id");
}

#[test]
fn a_watcher_too_many_is_refused_until_one_goes() {
    let portolan = start("[http]\nwatchers = 1\nidle_timeout = \"600ms\"");
    let first = Events::from_now(&portolan, "");
    let refused = portolan.get("/v1/watch").expect(503);
    assert!(refused.body.contains("http.watchers") && refused.header("retry-after").is_some(), "{refused:?}");
    assert!(portolan.get("/metrics").body.contains("portolan_http_watchers 1\n"));
    drop(first);
    // Closed on one side may mean that it still listens: what is said next tells.
    wait_until("there is room again", PATIENCE, || {
        portolan.get("/metrics").body.contains("portolan_http_watchers 0\n").then_some(())
    });
    Events::from_now(&portolan, "");
}

#[test]
fn a_silent_watcher_is_kept_and_knows_where_it_is() {
    let portolan = start("[http]\nidle_timeout = \"300ms\"");
    let mut events = Events::from_now(&portolan, "service=none");
    let revision = register(&portolan, "auth", "a1")["revision"].to_string();
    // Several times what an idle connection is given.
    let ids: Vec<_> = (0..10).map(|_| events.said().unwrap()).map(|said| (said.event, said.id.unwrap())).collect();
    assert!(ids.iter().all(|(event, _)| event.is_none()), "{ids:?}");
    assert!(ids[9].1.starts_with(&revision), "{ids:?}");
    register(&portolan, "none", "n1");
    assert_eq!(events.told(), ["added", "n1", "registered"]);
}

#[test]
fn a_watcher_that_takes_nothing_is_given_up() {
    let portolan = start("[http]\nidle_timeout = \"500ms\"\nwatchers = 1");
    let mut stuck = Events::from_now(&portolan, "");
    // More than socket buffers hold.
    let text = "x".repeat(250);
    let mut item = json!({"service": "auth", "port": 80, "txt": {"a": text, "b": text, "c": text, "d": text}});
    let mut round = 0;
    wait_until("its place is free", PATIENCE, || {
        round += 1;
        let batch = (0..500).map(|n| {
            item["instance"] = json!(format!("a{n}"));
            item["weight"] = json!(round);
            item.clone()
        });
        portolan.post("/v1/heartbeat", &batch.collect()).expect(200);
        portolan.get("/metrics").body.contains("portolan_http_watchers 0\n").then_some(())
    });
    assert!(stuck.is_closed());
}

#[test]
fn events_end_when_the_registry_stops() {
    let mut portolan = Portolan::start(&[]);
    let mut events = Events::from_now(&portolan, "");
    portolan.signal("TERM");
    assert_eq!(events.said(), None);
    assert!(events.is_closed());
    assert!(portolan.wait().success());
}

#[test]
fn the_command_line_shows_events_until_it_is_stopped_or_nobody_reads() {
    let portolan = Portolan::start(&[]);
    let revision = register(&portolan, "auth", "a1")["revision"].as_u64().unwrap();
    let since = (revision - 1).to_string();
    let mut command = portolan.cli(&["watch", "au*", "--since", &since]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.next().unwrap();
    let (time, rest) = line.split_once("  ").unwrap();
    assert!(time.len() == 9 && time.ends_with('Z'), "{line}");
    assert_eq!(rest, "added    _auth._tcp  a1  ip-127-0-0-1.registry.local:80  up (registered)");
    deregister(&portolan, "a1");
    assert!(lines.next().unwrap().contains("removed  _auth._tcp  a1"));
    run(std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]));
    assert!(wait_until("it ends", PATIENCE, || child.try_wait().unwrap()).success());

    let mut command = portolan.cli(&["watch", "--since", "1", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["event"], "list-again");
    drop(stdout);
    let status = wait_until("it notices that nobody reads", PATIENCE, || {
        deregister_all(&portolan);
        child.try_wait().unwrap()
    });
    assert!(status.success());
}

/// Something changes.
fn deregister_all(portolan: &Portolan) {
    register(portolan, "auth", "a1");
    deregister(portolan, "a1");
}

#[tokio::test]
async fn the_client_library_goes_on_over_a_restart_and_says_what_it_cannot_know() {
    let folder = tempfile::TempDir::new().unwrap();
    let portolan = Portolan::start_in(folder.path(), &[]);
    let address = portolan.http.to_string();
    let client = Client::new(&format!("http://{address}")).unwrap();
    let filter = Filter { service: Some("auth".into()), ..Filter::default() };
    let mut watch = client.watch(&filter, None).await.unwrap();
    register(&portolan, "auth", "a1");
    let Event::Added(news) = watch.next().await.unwrap() else { panic!("it is new") };
    assert_eq!((news.instance.instance.as_str(), news.position), ("a1", watch.position()));

    // From where it is, another one goes on.
    let position = watch.position();
    deregister(&portolan, "a1");
    let mut other = client.watch(&filter, Some(position)).await.unwrap();
    for watch in [&mut watch, &mut other] {
        assert!(matches!(watch.next().await.unwrap(), Event::Removed(_)));
    }

    assert!(portolan.terminate().success());
    assert!(matches!(watch.next().await, Err(portolan::client::Error::Unreachable { .. })));
    let portolan = Portolan::start_in(folder.path(), &["--http", &address]);
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Ok(event) = watch.next().await {
                return event;
            }
        }
    });
    assert!(matches!(told.await.unwrap(), Event::ListAgain { .. }), "what mDNS had said may be gone");
    assert_eq!(client.list(filter).await.unwrap(), []);
    register(&portolan, "auth", "a2");
    assert!(matches!(watch.next().await.unwrap(), Event::Added(_)));
}
