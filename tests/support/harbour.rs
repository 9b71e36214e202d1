//! A registry that holds some of everything, to be asked about all of it.

use serde_json::{Value, json};

use super::{Launch, Portolan, Random};

/// The zones: one that is `.local`, one whose case is kept, one of a single label.
pub const ZONES: [&str; 3] = ["registry.local", "Registry.Internal", "harbour"];
/// The reverse zones, of which some of what is drawn by chance has addresses in.
pub const REVERSE: [&str; 2] = ["10.2.0.0/16", "2001:db8:2::/64"];
/// Seconds; above every lease here that is to shorten one.
pub const TTL: u32 = 7200;
/// Seconds.
pub const NEGATIVE_TTL: u32 = 5;

/// How a registry of these zones is started: leases are hours, so that nothing lapses while it is asked.
pub fn launch() -> Launch {
    let zones = ZONES.into_iter().flat_map(|zone| ["--zone", zone]);
    let launch = Launch::new().args(zones).env("PORTOLAN_ZONE_REVERSE", &REVERSE.join(","));
    launch.env("PORTOLAN_ZONE_TTL", &format!("{TTL}s"))
}

/// Registers what is written here, and `more` drawn by chance.
#[track_caller]
pub fn fill(portolan: &Portolan, random: &mut Random, more: usize) {
    let mut all = written();
    all.extend((0..more).map(|number| drawn(random, number)));
    for part in all.chunks(1000) {
        let outcome = portolan.post("/v1/heartbeat", &Value::from(part.to_vec())).expect(200).json();
        let failed = outcome.as_array().unwrap().iter().find(|item| item.get("problem").is_some());
        assert_eq!(failed, None, "every instance is taken");
    }
    for instance in ["drained", "gone"] {
        let status = format!("/v1/instances/_drained._tcp/{instance}/status");
        portolan.request("PUT", &status, &[], r#"{"status": "out-of-service"}"#).expect(200);
    }
}

fn written() -> Vec<Value> {
    let mut all = vec![
        // Hosts that are shared, with addresses of both kinds.
        json!({"service": "auth", "instance": "Main Auth", "host": "web1", "addresses": ["10.0.0.1", "2001:db8::1"],
               "port": 8080, "priority": 1, "weight": 65535, "tags": ["blue", "EU"], "version": "3.2.2", "lease": 0,
               "txt": {"path": "/login", "flag": null, "empty": "", "bytes": {"base64": "AP8iXDs="}}}),
        json!({"service": "auth", "instance": "a2", "host": "WEB1", "addresses": ["10.0.0.1", "10.0.0.2"], "port": 1,
               "tags": ["blue"], "version": "3.1.0", "lease": 0, "protocol": "wss", "namespace": "prod"}),
        json!({"service": "auth", "instance": "a3", "host": "web3", "addresses": ["2001:db8::3"], "port": 65535,
               "subtypes": ["_printer"], "lease": 0, "description": "The third; \"quoted\" \\ and ümläute"}),
        json!({"service": "auth", "transport": "udp", "instance": "Main Auth", "host": "web4",
               "addresses": ["10.0.0.4", "10.0.0.5", "10.0.0.6"], "port": 8080, "lease": 0}),
        // A target elsewhere, alone and among others.
        json!({"service": "auth", "instance": "far", "host": "db.example.org", "port": 5432, "lease": 0}),
        json!({"service": "pg", "instance": "far", "host": "Db.Example.ORG", "port": 5432, "lease": 0}),
        // Leases that shorten TTLs: of one type, of a host, and of all that is listed.
        json!({"service": "short", "instance": "one", "host": "s1", "addresses": ["10.0.1.1", "2001:db8:1::1"],
               "port": 80, "lease": 3600.9}),
        json!({"service": "short", "instance": "two", "host": "s2", "addresses": ["10.0.1.2", "2001:db8:1::2"],
               "port": 80, "lease": 7201, "tags": ["kept"]}),
        json!({"service": "short", "instance": "three", "host": "s1", "addresses": ["10.0.1.1", "2001:db8:1::1"],
               "port": 81, "lease": 0}),
        // Names that are text.
        json!({"service": "http", "instance": r"Joe.s\ Küche №2", "host": "web1", "addresses": ["10.0.0.1"],
               "port": 80, "lease": 0, "subtypes": ["_printer", "scanner"]}),
        json!({"service": "http", "instance": "(a) \"b\"; @$%", "host": "web3", "addresses": ["2001:db8::3"],
               "port": 80, "lease": 0}),
        json!({"service": "http", "instance": "e\u{301}\u{1f600}", "host": "web3", "addresses": ["2001:db8::3"],
               "port": 80, "lease": 0}),
        json!({"service": "http", "instance": "x".repeat(63), "host": "h".repeat(63), "addresses": ["10.0.2.1"],
               "port": 80, "lease": 0}),
        json!({"service": "HTTP", "instance": "_sub", "host": "web1", "addresses": ["10.0.0.1"], "port": 80,
               "lease": 0}),
        // Listed and not served.
        json!({"service": "drained", "instance": "drained", "host": "d1", "addresses": ["10.0.3.1"], "port": 80,
               "lease": 0, "tags": ["blue"]}),
        json!({"service": "drained", "instance": "gone", "host": "d2", "addresses": ["10.0.3.2"], "port": 80,
               "lease": 0}),
        json!({"service": "auth", "instance": "soon", "host": "web1", "addresses": ["10.0.0.99"], "port": 80,
               "lease": 0, "status": "starting", "tags": ["canary"]}),
        // A host whose name is that of a service with instances elsewhere.
        json!({"service": "mail", "instance": "m", "host": "mx", "addresses": ["10.0.4.1"], "port": 25, "lease": 0}),
        json!({"service": "smtp", "instance": "m", "host": "mail", "addresses": ["10.0.4.2"], "port": 25,
               "lease": 0}),
        json!({"service": "_ntp._udp", "instance": "n", "host": "ntp", "addresses": ["2001:db8::9"], "port": 123,
               "lease": 0}),
    ];
    // A dozen, whose records just fit a datagram or do not, and some that need several.
    for (service, count) in [("dozen", 12), ("many", 60), ("lots", 300)] {
        all.extend((0..count).map(|n| {
            json!({"service": service, "instance": format!("{service}-{n}"), "host": format!("{service}{n}"), "port": 80,
                   "addresses": [format!("10.1.{}.{}", n / 200, n % 200 + 1)], "lease": 0})
        }));
    }
    all
}

/// Any registration out of few words, so that names, hosts and subtypes are shared.
fn drawn(random: &mut Random, number: usize) -> Value {
    let mut word = |stem: &str, count: usize| format!("{stem}{}", random.within(0..count));
    let (service, host) = (word("svc", 6), word("box", 12));
    // A host has the addresses of its number: whoever names it gives some of them.
    let octet = &host[3..];
    let addresses = [format!("10.2.0.{octet}"), format!("10.2.1.{octet}"), format!("2001:db8:2::{octet}")];
    let first = random.within(0..addresses.len());
    json!({
        "service": service, "transport": random.pick(&["tcp", "tcp", "udp"]), "instance": format!("r {number}.é"),
        "host": host, "addresses": [addresses[first], addresses[(first + 1) % addresses.len()]],
        "port": random.within(1..65536), "priority": random.within(0..3), "weight": random.within(0..100),
        "tags": (0..random.within(0..3)).map(|_| format!("tag{}", random.within(0..4))).collect::<Vec<_>>(),
        "version": format!("{}.{}.0", random.within(1..3), random.within(0..3)),
        "lease": 0, "txt": {"n": format!("{}", random.within(0..1000))},
        "status": random.pick(&["up", "up", "up", "up", "starting"]),
    })
}
