//! Leases are told by a clock of their own: it counts running time, over crashes, stops and jumps of the wall clock.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::durability::{is_served, status};
use crate::support::{Launch, Portolan, run, tool, wait_until};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One registration of [`every_lease_ends_when_it_should`].
struct Leased {
    query: Vec<u8>,
    /// Its lease ends between these two, since it began while the heartbeat was under way.
    ends: [Instant; 2],
    /// When DNS was last asked that still had it, if it ever was.
    served: Option<Instant>,
    /// When DNS was first known not to have it.
    gone: Option<Instant>,
}

#[test]
#[expect(clippy::print_stdout, reason = "how late it was is of interest also where it was not too late")]
fn every_lease_ends_when_it_should() {
    const LEASE: Duration = Duration::from_secs(5);
    // A clock of milliseconds, and a wide margin.
    const EARLY: Duration = Duration::from_millis(50);
    // Within 50 ms where there is a core to spare; here other tests want it too.
    const LATE: Duration = Duration::from_millis(500);
    let portolan = Portolan::start(&["--log", "warn,portolan::registry=debug"]);
    let mut leases: Vec<Leased> = (0..8)
        .map(|n| {
            // At no round distance, so that a timer that looks every so often would be late for some.
            sleep(Duration::from_millis(137));
            let began = Instant::now();
            portolan.heartbeat(&json!({"service": "auth", "instance": format!("a{n}"), "port": 1, "lease": "5s"}));
            let ends = [began + LEASE, Instant::now() + LEASE];
            let mut query = Message::query();
            let name = Name::from_ascii(format!("a{n}._auth._tcp.registry.local.")).unwrap();
            query.add_query(Query::query(name, RecordType::SRV));
            Leased { query: query.to_vec().unwrap(), ends, served: None, gone: None }
        })
        .collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(portolan.dns).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 1500];
    while leases.iter().any(|leased| leased.gone.is_none()) {
        assert!(leases[7].ends[1].elapsed() < PATIENCE, "some are still served");
        for leased in leases.iter_mut().filter(|leased| leased.gone.is_none()) {
            let asked = Instant::now();
            socket.send(&leased.query).unwrap();
            let length = socket.recv(&mut buffer).unwrap();
            if Message::from_vec(&buffer[..length]).unwrap().answers.is_empty() {
                leased.gone = Some(Instant::now());
            } else {
                leased.served = Some(asked);
            }
        }
        sleep(Duration::from_millis(1));
    }
    let held_up = held_up(&portolan.log());
    for (n, leased) in leases.iter().enumerate() {
        let gone = leased.gone.unwrap();
        // On a slow machine the first leases end while the last begin, and those are never seen served.
        let late = leased.served.map_or(Duration::ZERO, |served| served.saturating_duration_since(leased.ends[1]));
        assert!(gone + EARLY >= leased.ends[0], "a{n} left {:?} early", leased.ends[0] - gone);
        let left = gone.saturating_duration_since(leased.ends[0]);
        println!("a{n} left DNS {left:?} after its lease; the registry was held up for {held_up:?}");
        assert!(late <= LATE + held_up, "a{n} was served for {late:?} too long");
    }
}

/// By how much leases were extended because the machine had no time for the registry: it says so.
pub fn held_up(log: &str) -> Duration {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let late = lines.filter_map(|line| line["fields"]["late"].as_str().map(str::to_owned));
    late.map(|late| {
        let (number, unit) = late.split_at(late.find(char::is_alphabetic).unwrap());
        Duration::from_secs_f64(number.parse::<f64>().unwrap() * if unit == "s" { 1.0 } else { 0.001 })
    })
    .sum()
}

#[test]
fn a_registry_that_keeps_crashing_neither_empties_dns_nor_keeps_the_dead() {
    const LEASE: Duration = Duration::from_secs(5);
    let directory = TempDir::new().unwrap();
    let alive = json!({"service": "auth", "instance": "alive", "port": 1, "lease": "5s"});
    let first = Portolan::start_in(directory.path(), &[]);
    first.heartbeat(&json!({"service": "auth", "instance": "dead", "port": 1, "lease": "5s"}));
    first.heartbeat(&alive);
    first.kill();
    let mut ran = Duration::ZERO;
    loop {
        let started = Instant::now();
        let portolan = Portolan::start_in(directory.path(), &[]);
        assert!(is_served(&portolan, "alive"), "after {ran:?} of running time");
        let served = is_served(&portolan, "dead");
        let upper = ran + started.elapsed();
        if !served {
            assert!(upper >= LEASE, "gone after {upper:?} of running time");
            break;
        }
        // At least half of every run counts, so two leases of running time and one start are the most.
        assert!(ran < 2 * LEASE + Duration::from_secs(1), "still there after {ran:?} of running time");
        portolan.heartbeat(&alive);
        let ready = Instant::now();
        sleep(Duration::from_secs(1));
        // Within a run nobody is forgotten early either.
        if ran + started.elapsed() < LEASE {
            assert!(is_served(&portolan, "dead"), "gone after {:?}", ran + started.elapsed());
        }
        ran += started.elapsed();
        assert!(ready.elapsed() >= Duration::from_secs(1));
        portolan.kill();
    }
}

#[test]
fn a_stopped_registry_forgets_nobody_when_it_goes_on() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 1, "lease": "5s"}));
    portolan.signal("STOP");
    sleep(Duration::from_secs(7));
    portolan.signal("CONT");
    assert!(is_served(&portolan, "a1"), "its lease was extended by the stop");
    sleep(Duration::from_secs(2));
    assert!(is_served(&portolan, "a1"));
    wait_until("the lease ends all the same", PATIENCE, || (!is_served(&portolan, "a1")).then_some(()));
    assert_eq!(status(&portolan, "a1").as_deref(), Some("down"));
}

/// Shifts what a process takes for the time of day by as many seconds as a file says, and nothing else: the
/// monotonic clock goes on, and so does the machine's.
const SHIFTED_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long long *shift;
__attribute__((constructor)) static void begin(void) {
    int fd = open(getenv("SHIFT_FILE"), O_RDONLY);
    void *map = mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    shift = map;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME && shift) now->tv_sec += *shift;
    return result;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
"#;

#[test]
fn a_wall_clock_that_jumps_by_two_days_moves_no_lease() {
    const TWO_DAYS: i64 = 2 * 24 * 3600;
    let directory = TempDir::new().unwrap();
    let [source, library, shift] = ["shift.c", "shift.so", "shift"].map(|name| directory.path().join(name));
    fs::write(&source, SHIFTED_CLOCK).unwrap();
    run(tool("gcc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl"));
    fs::write(&shift, 0_i64.to_ne_bytes()).unwrap();
    let jump = |seconds: i64| {
        // In place: the process has this file mapped.
        fs::OpenOptions::new().write(true).open(&shift).unwrap().write_all(&seconds.to_ne_bytes()).unwrap();
    };
    let launch = || {
        let data = directory.path().join("data");
        let launch = Launch::new().data_dir(&data).env("LD_PRELOAD", library.to_str().unwrap());
        launch.env("SHIFT_FILE", shift.to_str().unwrap()).start()
    };
    let portolan = launch();
    let registration = json!({"service": "auth", "instance": "a1", "port": 1, "lease": "5s"});
    portolan.heartbeat(&registration);
    for seconds in [TWO_DAYS, -TWO_DAYS] {
        jump(seconds);
        assert!(is_served(&portolan, "a1"));
        portolan.heartbeat(&registration);
        let about: Value = portolan.get("/v1/instances/_auth._tcp/a1").expect(200).json();
        let renewed = about["renewed_at"].as_str().unwrap().to_owned();
        assert_eq!(renewed[..10], date(seconds)[..10], "the process does live in another time");
        // Well past what a scheduler needs, well within the lease.
        sleep(Duration::from_secs(1));
        assert!(is_served(&portolan, "a1"));
    }
    // A restart in another time changes nothing either.
    jump(TWO_DAYS);
    portolan.kill();
    let portolan = launch();
    let restarted = Instant::now();
    assert!(is_served(&portolan, "a1"));
    wait_until("the lease ends", PATIENCE, || (!is_served(&portolan, "a1")).then_some(()));
    assert!(restarted.elapsed() > Duration::from_secs(3), "after {:?}", restarted.elapsed());
}

/// The day that is so many seconds from now, as the API writes it.
fn date(shift: i64) -> String {
    run(tool("date").args(["-u", "-d", &format!("{shift} seconds"), "+%Y-%m-%dT%H:%M:%SZ"]))
}
