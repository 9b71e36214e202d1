//! Many watchers at once: what each is told, what that costs, and who else waits for it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Launch, Portolan};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_mins(2);

/// A registry that so many may watch from one address.
fn start(watchers: usize) -> Portolan {
    // With some that are gone, which the registry need not have noticed.
    let most = watchers + 100;
    // One address has half of them.
    let launch = Launch::new().env("PORTOLAN_HTTP_WATCHERS", &(2 * most).to_string());
    let launch = launch.env("PORTOLAN_HTTP_CONNECTIONS", &most.to_string());
    launch.env("PORTOLAN_HTTP_CONNECTIONS_PER_CLIENT", &most.to_string()).start()
}

/// A client that looks at the numbers of events alone, so that a thousand of them leave the registry some time.
struct Watcher {
    stream: BufReader<TcpStream>,
    last: u64,
}

impl Watcher {
    /// Gives it when what is changed from then on is told.
    async fn new(registry: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(registry).await.unwrap();
        stream.write_all(b"GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut watcher = Self { stream: BufReader::with_capacity(2048, stream), last: 0 };
        watcher.next().await;
        watcher
    }

    /// The revision of the next event; comments that keep the connection repeat the last one.
    async fn next(&mut self) -> u64 {
        let mut line = Vec::new();
        loop {
            line.clear();
            assert!(self.stream.read_until(b'\n', &mut line).await.unwrap() > 0, "it is cut off");
            if let Some(id) = line.strip_prefix(b"id: ") {
                let (revision, _history) = std::str::from_utf8(id).unwrap().split_once('-').unwrap();
                let revision = revision.parse().unwrap();
                if std::mem::replace(&mut self.last, revision) != revision {
                    return revision;
                }
            }
        }
    }
}

async fn crowd(registry: SocketAddr, count: usize) -> Vec<Watcher> {
    let mut coming = JoinSet::new();
    let mut all = Vec::new();
    for _ in 0..count {
        coming.spawn(Watcher::new(registry));
        // No more at once than the kernel keeps for a registry that is busy.
        if coming.len() == 100 {
            all.extend(std::mem::take(&mut coming).join_all().await);
        }
    }
    all.extend(coming.join_all().await);
    all
}

/// A change every 10 ms, as far as the machine keeps up, and the numbers that they get.
fn change(portolan: &Portolan, count: usize) -> Vec<u64> {
    let began = Instant::now();
    let one = |n| {
        let turn = began + Duration::from_millis(10) * n;
        std::thread::sleep(turn.saturating_duration_since(Instant::now()));
        let item = json!({"service": "auth", "instance": format!("a{}", n % 50), "port": 80, "weight": n});
        portolan.heartbeat(&item)["revision"].as_u64().unwrap()
    };
    (0..u32::try_from(count).unwrap()).map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_see_every_change_in_order_and_no_heartbeat_waits_for_them() {
    const WATCHERS: usize = 1000;
    const CHANGES: usize = 200;
    let portolan = start(WATCHERS);
    let renewed = json!({"service": "steady", "instance": "s1", "port": 80, "lease": 5});
    let first = portolan.heartbeat(&renewed);
    let watchers = crowd(portolan.http, WATCHERS).await;
    let before = portolan.resident();

    let mut reading = JoinSet::new();
    for mut watcher in watchers {
        reading.spawn(async move {
            let mut seen: Vec<u64> = Vec::with_capacity(CHANGES);
            while seen.len() < CHANGES {
                seen.push(watcher.next().await);
            }
            seen
        });
    }
    let (told, slowest) = std::thread::scope(|threads| {
        let changing = threads.spawn(|| change(&portolan, CHANGES));
        let mut slowest = Duration::ZERO;
        while !changing.is_finished() {
            let asked = Instant::now();
            let again = portolan.heartbeat(&renewed);
            slowest = slowest.max(asked.elapsed());
            assert_eq!(again["revision"], first["revision"], "it never lapsed");
            std::thread::sleep(Duration::from_millis(100));
        }
        (changing.join().unwrap(), slowest)
    });
    let all = tokio::time::timeout(PATIENCE, reading.join_all()).await.expect("all are told all");
    assert!(all.iter().all(|seen| *seen == told), "someone missed something");
    assert!(slowest < Duration::from_secs(2), "a heartbeat took {slowest:?}");
    let grown = portolan.resident().saturating_sub(before);
    assert!(grown < 40 << 20, "{grown} octets for {WATCHERS} watchers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_that_wait_take_less_than_20_kb_each() {
    const WATCHERS: usize = 5000;
    let portolan = start(WATCHERS);
    // What the first ones need is there once for all.
    drop(crowd(portolan.http, 10).await);
    let before = portolan.resident();
    let watchers = crowd(portolan.http, WATCHERS).await;
    let each = portolan.resident().saturating_sub(before) / WATCHERS as u64;
    eprintln!("{each} octets for each of {WATCHERS} watchers");
    assert!((1000..20_000).contains(&each), "{each} octets each");
    drop(watchers);
}
