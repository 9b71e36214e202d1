//! Who wants one version of a service, one of its instances, or the first to come.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cli::{say, say_json};
use crate::support::events::Events;
use crate::support::{Launch, Portolan, Response, request, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

fn names(page: &Value) -> Vec<String> {
    let instances = page["instances"].as_array().unwrap_or_else(|| panic!("no page: {page}"));
    instances.iter().map(|instance| instance["instance"].as_str().unwrap().to_owned()).collect()
}

/// The one that is picked.
#[track_caller]
fn picked(portolan: &Portolan, query: &str) -> String {
    let page = portolan.get(&format!("/v1/instances?{query}")).expect(200).json();
    let [one] = &names(&page)[..] else { panic!("not one: {page}") };
    one.clone()
}

fn register(portolan: &Portolan, instances: &Value) {
    let outcomes = portolan.post("/v1/heartbeat", instances).expect(200).json();
    let failed = outcomes.as_array().unwrap().iter().find(|outcome| outcome["registered"]["created"] != true);
    assert_eq!(failed, None);
}

fn with_couches() -> Portolan {
    let portolan = Portolan::start(&[]);
    let couch = |version: &str| json!({"service": "couchdb", "instance": version, "port": 5984, "version": version});
    register(
        &portolan,
        &json!([
            couch("2.3.1"), couch("3.1.0"), couch("3.2.2"), couch("3.3.0-rc.1"), couch("3.3.0"), couch("4.0.0-beta.2"),
            {"service": "couchdb", "instance": "unversioned", "port": 5984},
        ]),
    );
    portolan
}

#[test]
fn a_range_of_versions_narrows_as_npm_has_it() {
    let portolan = with_couches();
    let cases: [(&str, &[&str]); 9] = [
        ("3.x", &["3.1.0", "3.2.2", "3.3.0"]),
        ("^3.2", &["3.2.2", "3.3.0"]),
        ("~3.2", &["3.2.2"]),
        (">=3 <3.3", &["3.1.0", "3.2.2"]),
        ("3", &["3.1.0", "3.2.2", "3.3.0"]),
        ("*", &["2.3.1", "3.1.0", "3.2.2", "3.3.0"]),
        (">=4.0.0-beta", &["4.0.0-beta.2"]),
        ("3.3.0-rc.1 || 2", &["2.3.1", "3.3.0-rc.1"]),
        ("5", &[]),
    ];
    for (range, expected) in cases {
        let escaped =
            [(" ", "%20"), ("<", "%3C"), (">", "%3E")].iter().fold(range.to_owned(), |r, (c, e)| r.replace(c, e));
        for query in [format!("service=couchdb&version={escaped}"), format!("service=couchdb@{escaped}")] {
            let page = portolan.get(&format!("/v1/instances?{query}")).expect(200).json();
            assert_eq!(names(&page), expected, "{query}");
        }
        if !expected.is_empty() {
            for said in [
                say_json(&portolan, &["list", "couchdb", "--version", range]),
                say_json(&portolan, &["lookup", &format!("couch*@{range}")]),
            ] {
                assert_eq!(names(&json!({"instances": said})), expected, "{range}");
            }
        }
    }
    let nothing = say(&portolan, &["lookup", "couchdb@5"]).with(1);
    assert!(nothing.contains("no instance of couchdb@5 is up"), "{nothing}");

    for (query, field) in [
        ("version=latest", "version"),
        ("service=couchdb@3.x%20latest", "version"),
        ("version=", "version"),
        ("service=couchdb@3&version=3", "version"),
        ("version=3&service=couchdb@3", "service"),
    ] {
        let problem = portolan.get(&format!("/v1/instances?{query}")).expect(400).json();
        assert_eq!(problem["type"], "/problems/invalid-parameter", "{query}");
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
}

#[test]
fn a_watcher_of_a_range_sees_what_comes_into_it_and_leaves_it() {
    let portolan = Portolan::start(&[]);
    let mut events = Events::from_now(&portolan, "service=web@2.x");
    for version in ["1.9.0", "2.0.0", "2.1.0", "3.0.0"] {
        portolan.heartbeat(&json!({"service": "web", "instance": "w", "port": 80, "version": version}));
    }
    let told: Vec<_> = (0..3).map(|_| events.told()[0].clone()).collect();
    assert_eq!(told, ["added", "changed", "removed"]);
    for query in ["pick=first", "wait=1s"] {
        let problem = portolan.get(&format!("/v1/watch?{query}")).expect(400).json();
        assert_eq!(problem["type"], "/problems/unknown-parameter", "only lists are waited for and picked from");
    }
}

#[test]
fn a_subtype_of_a_version_has_what_its_range_has() {
    let portolan = with_couches();
    for (subtype, range) in
        [("_v3", "3"), ("_v3-2", "3.2"), ("_v3-2-2", "3.2.2"), ("_v4-0-0-beta-2", "4.0.0-beta.2"), ("_v4", "4")]
    {
        let found = portolan.dig(&["+short", "PTR", &format!("{subtype}._sub._couchdb._tcp.registry.local")]);
        let in_dns: BTreeSet<_> = found.lines().map(str::to_owned).collect();
        let page = portolan.get(&format!("/v1/instances?service=couchdb@{range}")).expect(200).json();
        let name = |instance: &Value| instance["name"].as_str().unwrap().to_owned();
        let in_list: BTreeSet<_> = page["instances"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(in_dns, in_list, "{subtype} and {range}");
    }
}

#[test]
fn one_is_picked_of_those_that_are_served_and_come_first() {
    let portolan = Portolan::start(&[]);
    let web = |name: &str, priority: u16, weight: u16, status: &str| {
        json!({"service": "web", "instance": name, "port": 80, "priority": priority, "weight": weight,
               "status": status})
    };
    register(
        &portolan,
        &json!([
            web("starting", 0, 9, "starting"),
            web("b", 1, 1, "up"),
            web("c", 1, 3, "up"),
            web("d", 1, 0, "up"),
            web("a-spare", 2, 9, "up"),
        ]),
    );
    assert_eq!(picked(&portolan, "service=web&pick=first"), "b");
    let rounds: Vec<_> = (0..6).map(|_| picked(&portolan, "service=web&pick=round-robin")).collect();
    assert_eq!(rounds[..3].iter().collect::<BTreeSet<_>>().len(), 3, "{rounds:?}");
    assert_eq!(rounds[..3], rounds[3..], "around, and around again");

    let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for pick in ["random", "weighted"] {
        for _ in 0..400 {
            let one = picked(&portolan, &format!("service=web&pick={pick}"));
            *counts.entry(pick).or_default().entry(one).or_default() += 1;
        }
    }
    // 400 draws: a third is 133 ± 9.4, three fifths are 240 ± 9.8; six deviations are a chance of one in 10^9.
    for name in ["b", "c", "d"] {
        assert!(counts["random"][name].abs_diff(133) < 57, "{counts:?}");
    }
    assert!(counts["weighted"]["c"].abs_diff(240) < 59, "by weight: {counts:?}");
    assert_eq!(counts["weighted"].values().sum::<usize>(), 400);

    let nothing = portolan.get("/v1/instances?service=ghost&pick=random").expect(200).json();
    assert_eq!(names(&nothing), [""; 0]);
    let said = say_json(&portolan, &["lookup", "web", "--pick", "first"]);
    assert_eq!(names(&json!({"instances": said})), ["b"]);
    for (query, field) in [("pick=last", "pick"), ("pick=first&limit=2", "limit"), ("pick=first&pick=first", "pick")] {
        let problem = portolan.get(&format!("/v1/instances?{query}")).expect(400).json();
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
}

#[test]
fn a_key_stays_with_its_instance_while_others_come_and_go() {
    let portolan = Portolan::start(&[]);
    let web = |name: &str| json!({"service": "web", "instance": name, "port": 80});
    register(&portolan, &json!(["a", "b", "c", "d"].map(web)));
    let places = |portolan: &Portolan| {
        let place = |key: usize| picked(portolan, &format!("service=web&pick=hash:user-{key}"));
        (0..60).map(place).collect::<Vec<_>>()
    };
    let before = places(&portolan);
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 4, "all have some: {before:?}");
    assert_eq!(places(&portolan), before);

    portolan.request("DELETE", "/v1/instances/web/c", &[], "").expect(204);
    let without = places(&portolan);
    for (before, after) in before.iter().zip(&without) {
        assert!(before == after || before == "c", "{before} moved to {after}, which has not gone");
    }
    portolan.heartbeat(&web("C"));
    let again: Vec<_> = places(&portolan).iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(again, before, "whatever the case of its name");
}

#[test]
fn one_of_a_large_service_is_picked_out_of_all() {
    let portolan = Portolan::start(&[]);
    for batch in 0..3 {
        let item = |n: usize| json!({"service": "many", "instance": format!("{batch}-{n}"), "port": 1, "priority": 7});
        register(&portolan, &Value::Array((0..1000).map(item).collect()));
    }
    portolan.heartbeat(&json!({"service": "many", "instance": "zz", "port": 1, "priority": 6}));
    for pick in ["first", "random", "round-robin", "weighted", "hash:k"] {
        assert_eq!(picked(&portolan, &format!("service=m*&pick={pick}")), "zz", "{pick}");
    }
}

/// Asks in a thread of its own, and comes back when the registry has it waiting.
fn wait_in_background(portolan: &Portolan, path: &str) -> thread::JoinHandle<Response> {
    let (address, path) = (portolan.http, path.to_owned());
    let asking = thread::spawn(move || request(address, "GET", &path, &[], ""));
    until_waiting(portolan, 1);
    asking
}

#[track_caller]
fn until_waiting(portolan: &Portolan, count: usize) {
    let line = format!("portolan_http_waiting_requests {count}");
    let waiting = || portolan.get("/metrics").body.lines().any(|found| found == line).then_some(());
    wait_until(&line, PATIENCE, waiting);
}

#[test]
fn who_waits_is_answered_as_soon_as_something_matches() {
    let portolan = Portolan::start(&[]);
    let asking = wait_in_background(&portolan, "/v1/instances?service=web@2&wait=20s&pick=first");
    // None of these is meant.
    portolan.heartbeat(&json!({"service": "other", "instance": "a", "port": 1, "version": "2.0.0"}));
    portolan.heartbeat(&json!({"service": "web", "instance": "old", "port": 1, "version": "1.0.0"}));
    let web =
        |status: &str| json!({"service": "web", "instance": "w", "port": 1, "version": "2.0.0", "status": status});
    portolan.heartbeat(&web("starting"));
    until_waiting(&portolan, 1);
    assert!(!asking.is_finished());
    let began = Instant::now();
    portolan.heartbeat(&web("up"));
    let answer = asking.join().unwrap().expect(200).json();
    assert_eq!(names(&answer), ["w"]);
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    until_waiting(&portolan, 0);

    // What is there is not waited for.
    assert_eq!(names(&portolan.get("/v1/instances?service=web&wait=20s").expect(200).json()), ["old", "w"]);
    // A list of what is down waits as well: for a status to become so.
    let asking = wait_in_background(&portolan, "/v1/instances?status=out-of-service&wait=20");
    portolan.request("PUT", "/v1/instances/web/old/status", &[], r#"{"status": "out-of-service"}"#).expect(200);
    assert_eq!(names(&asking.join().unwrap().expect(200).json()), ["old"]);
}

#[test]
fn who_waits_in_vain_is_answered_with_nothing_in_time() {
    let portolan = Portolan::start(&[]);
    let began = Instant::now();
    assert_eq!(names(&portolan.get("/v1/instances?service=ghost&wait=0.3").expect(200).json()), [""; 0]);
    assert!(began.elapsed() >= Duration::from_millis(300));
    let nothing = say(&portolan, &["lookup", "ghost", "--wait", "200ms"]).with(1);
    assert!(nothing.contains("no instance of ghost is up"), "{nothing}");
    let problem = portolan.get("/v1/instances?wait=30s").expect(400).json();
    assert_eq!(problem["field"], "wait");
    assert!(problem["detail"].as_str().unwrap().contains("at most 27s"), "{problem}");
}

#[test]
fn a_command_waits_for_a_service_that_is_being_started() {
    let portolan = Portolan::start(&[]);
    let mut command = portolan.cli(&["lookup", "web@2.x", "--wait", "1m", "--json"]);
    let waiting = thread::spawn(move || command.output().expect("the program runs"));
    until_waiting(&portolan, 1);
    portolan.heartbeat(&json!({"service": "web", "instance": "w", "port": 1, "version": "2.1.0"}));
    let said = waiting.join().unwrap();
    assert!(said.status.success(), "{said:?}");
    let found: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(found[0]["instance"], "w");
}

#[test]
fn a_crowd_that_waits_is_bounded_and_all_of_it_answered() {
    let portolan = Launch::new().env("PORTOLAN_HTTP_CONNECTIONS_PER_CLIENT", "300").start();
    let address = portolan.http;
    let ask = move || request(address, "GET", "/v1/instances?service=web&wait=20s", &[], "").status;
    let asking: Vec<_> = (0..251).map(|_| thread::spawn(ask)).collect();
    // The one too many is refused at once, which tells that the others wait.
    let refused = || asking.iter().position(thread::JoinHandle::is_finished);
    wait_until("one is refused", PATIENCE, refused);
    until_waiting(&portolan, 250);
    let problem = portolan.get("/v1/instances?service=web&wait=1s").expect(503);
    assert_eq!((problem.json()["type"].clone(), problem.header("retry-after")), (json!("/problems/busy"), Some("1")));
    portolan.heartbeat(&json!({"service": "web", "instance": "w", "port": 1}));
    let mut statuses: Vec<_> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses.pop(), statuses), (Some(503), vec![200; 250]));
}

#[test]
fn who_waits_does_not_hold_up_a_stop() {
    let portolan = Portolan::start(&[]);
    let asking = wait_in_background(&portolan, "/v1/instances?service=web&wait=27s");
    let began = Instant::now();
    assert!(portolan.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    let problem = asking.join().unwrap().expect(503).json();
    assert_eq!(problem["type"], "/problems/shutting-down");
}
