//! A thousand checked instances: few checks at once, all of them soon, and heartbeats as before.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::{Launch, Portolan, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);
const CROWD: usize = 1_000;
/// Checks at once, as set here.
const PLACES: usize = 24;
/// Checks at once of one address.
const OF_ONE: usize = 16;
/// How long the server thinks about an answer.
const THINKS: Duration = Duration::from_millis(20);

fn register(portolan: &Portolan, port: u16, address: impl Fn(usize) -> String) {
    let instance = |n: usize| {
        json!({"service": "crowd", "instance": format!("c{n}"), "port": port, "addresses": [address(n)],
               "check": {"http": "/", "interval": "10m", "timeout": "30s"}})
    };
    let crowd: Vec<_> = (0..CROWD).map(instance).collect();
    let outcomes = portolan.post("/v1/heartbeat", &Value::from(crowd)).expect(200).json();
    let refused = outcomes.as_array().unwrap().iter().find(|outcome| outcome["registered"]["status"] != "starting");
    assert_eq!(refused, None);
}

fn listed(portolan: &Portolan, status: &str) -> usize {
    let page = portolan.get(&format!("/v1/instances?service=crowd&limit=1000&status={status}")).expect(200).json();
    page["instances"].as_array().unwrap().len()
}

#[test]
fn a_thousand_are_checked_few_at_a_time_and_heartbeats_do_not_wait_for_them() {
    let backend = Backend::start("200 OK");
    backend.take(THINKS);
    let portolan = Launch::new().env("PORTOLAN_CHECKS_CONCURRENCY", &PLACES.to_string()).start();
    register(&portolan, backend.port(), |n| format!("127.1.{}.{}", n / 250, n % 250 + 1));
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    wait_until("all are up", PATIENCE, || {
        let asked = Instant::now();
        portolan.heartbeat(&json!({"service": "beats", "instance": "b", "port": 1}));
        slowest = slowest.max(asked.elapsed());
        (listed(&portolan, "up") == CROWD).then_some(())
    });
    assert_eq!(backend.asked().len(), CROWD, "each once: the next check is minutes away");
    assert!(backend.most() <= PLACES, "{} at once", backend.most());
    assert!(backend.most() > OF_ONE, "{} at once, though none has to wait for its address", backend.most());
    let least = THINKS * u32::try_from(CROWD / PLACES).unwrap();
    assert!(began.elapsed() >= least / 2, "{:?} is not possible", began.elapsed());
    assert!(slowest < Duration::from_secs(2), "a heartbeat took {slowest:?}");
    let metrics = portolan.get("/metrics").expect(200).body;
    assert!(metrics.contains("\nportolan_checks_under_way 0\n"), "{metrics}");
    assert!(metrics.contains("\nportolan_checked_instances 1000\n"), "{metrics}");
}

#[test]
fn one_machine_that_never_answers_takes_no_more_than_its_share() {
    let (silent, backend) = (Backend::start("200 OK"), Backend::start("200 OK"));
    silent.take(Duration::from_secs(30));
    let portolan = Launch::new().env("PORTOLAN_CHECKS_CONCURRENCY", &PLACES.to_string()).start();
    register(&portolan, silent.port(), |_| "127.0.0.1".to_owned());
    wait_until("its places are taken", PATIENCE, || (silent.most() == OF_ONE).then_some(()));
    let other = json!({"service": "web", "instance": "w", "port": backend.port(), "addresses": ["127.0.0.2"],
                       "check": {"tcp": true}});
    portolan.heartbeat(&other);
    wait_until("another is checked all the same", PATIENCE, || {
        (portolan.get("/v1/instances/_web._tcp/w").json()["status"] == "up").then_some(())
    });
    assert_eq!((silent.most(), listed(&portolan, "starting")), (OF_ONE, CROWD));
}
