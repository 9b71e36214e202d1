//! Attacks that every name server meets. While each goes on, a client that asks over TCP from the same address loses
//! nothing; after it descriptors are what they were, and later rounds of it take no memory that earlier ones did not.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::support::dig::ask;
use crate::support::{Launch, Portolan, wait_until};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rounds of an attack whose median of memory is compared with that of as many rounds behind them: stacks and pools come
/// to their size in the first ones. Of a thousand connections each has its own, and a round takes less than a second.
const ROUNDS: usize = 8;
/// Of an attack that takes seconds and few connections.
const LONG_ROUNDS: usize = 2;
/// Octets by which the median may have grown, for each of the rounds: a leak of 600 octets a connection would be more,
/// and pools of the allocator that come late, two megabytes each, are less.
const GROWTH_MAX: u64 = 1 << 19;
/// `_many._tcp.registry.local PTR`, whose answer takes some 20 kB.
const LARGE: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x05_many\x04_tcp\x08registry\x05local\0\0\x0c\0\x01";
/// `web1.registry.local A`
const SMALL: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x04web1\x08registry\x05local\0\0\x01\0\x01";

/// A registry with these lines under `[dns]`, one host, and a service of 300 instances.
fn start(settings: &str) -> Portolan {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, format!("[dns]\n{settings}\n")).unwrap();
    fill(Launch::new().args(["--config", file.to_str().unwrap()]).start())
}

fn fill(portolan: Portolan) -> Portolan {
    let mut all =
        vec![json!({"service": "auth", "instance": "a1", "host": "web1", "addresses": ["10.0.0.1"], "port": 1})];
    all.extend((0..300).map(|n| json!({"service": "many", "instance": format!("m{n}"), "port": 1, "lease": 0})));
    portolan.post("/v1/heartbeat", &Value::Array(all));
    portolan
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// One question over a connection of its own: whether a whole answer with records came.
fn asks_over_tcp(server: SocketAddr, question: &[u8]) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&framed(question))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    let (code, answers) = (reply[3] % 16, &reply[6..8]);
    Ok(code == 0 && answers != [0, 0])
}

/// A client that asks over TCP, connection after connection, from the address that the attacks come from.
struct Client {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<usize>,
}

impl Client {
    fn of(portolan: &Portolan) -> Self {
        let (server, stop) = (portolan.dns, Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let asking = std::thread::spawn(move || {
            let mut asked = 0;
            while !stopped.load(Ordering::Relaxed) {
                assert!(asks_over_tcp(server, SMALL).expect("a normal client is answered"));
                asked += 1;
            }
            asked
        });
        Self { stop, asking }
    }

    /// Ends it; it has lost nothing.
    #[track_caller]
    fn lost_nothing(self) {
        self.stop.store(true, Ordering::Relaxed);
        let asked = self.asking.join().expect("no question was lost");
        assert!(asked > 0, "it was never answered");
    }
}

/// Carries out `attack` beside a normal client, as [`leaves_nothing`] does.
#[track_caller]
fn withstands(portolan: &Portolan, rounds: usize, attack: impl Fn()) {
    leaves_nothing(portolan, rounds, || {
        let client = Client::of(portolan);
        attack();
        client.lost_nothing();
    });
}

/// Carries out `attack` twice as many times as there are `rounds`. Between and after, descriptors come back to what
/// they were, and later rounds take no memory that earlier ones did not.
#[track_caller]
fn leaves_nothing(portolan: &Portolan, rounds: usize, attack: impl Fn()) {
    allow_many_files();
    assert!(asks_over_tcp(portolan.dns, LARGE).unwrap());
    let descriptors = portolan.descriptors();
    let mut resident = Vec::new();
    for _ in 0..2 * rounds {
        attack();
        wait_until("descriptors are given back", PATIENCE, || (portolan.descriptors() <= descriptors).then_some(()));
        resident.push(portolan.resident());
    }
    // A leak lifts every round; how many connections are being closed while others come lifts one or the other.
    let medians = [&resident[..rounds], &resident[rounds..]].map(|part| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[(rounds - 1) / 2]
    });
    assert!(medians[1] <= medians[0] + rounds as u64 * GROWTH_MAX, "resident memory grew, in octets: {resident:?}");
    assert_eq!(ask(portolan.dns, &["A", "web1.registry.local"]).data(), ["10.0.0.1"]);
    assert!(!portolan.log().contains("panicked"), "{}", portolan.log());
}

/// The tests hold more connections than the usual 1,024 descriptors allow.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).expect("up to the hard limit");
}

/// Connections from so many addresses in turn that say nothing; returns when the server has taken them all, and has
/// no more of them than `left`.
#[track_caller]
fn stay_silent(portolan: &Portolan, sources: u8, connections: usize, descriptors: usize, left: usize) {
    let sources = (1..=sources).cycle().map(|n| Ipv4Addr::new(127, 0, 1, n));
    let silent: Vec<Socket> = sources.take(connections).map(|source| connect(source, portolan.dns)).collect();
    // It takes them in turn: those that came before are taken when this is answered.
    assert!(asks_over_tcp(portolan.dns, SMALL).unwrap());
    // Beside them there is the client, with one connection that ends and one that begins.
    let allowed = descriptors + left + 2;
    wait_until("the quietest make room", PATIENCE, || (portolan.descriptors() <= allowed).then_some(()));
    drop(silent);
}

fn connect(source: Ipv4Addr, server: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket
}

/// Longer than anybody waits here, so that nobody leaves but who has to make room.
const NEVER_IDLE: &str = "tcp_idle = \"5m\"";

#[test]
fn a_thousand_connections_that_say_nothing_keep_nobody_out() {
    let portolan = start(NEVER_IDLE);
    let descriptors = portolan.descriptors();
    withstands(&portolan, ROUNDS, || stay_silent(&portolan, 1, 1_000, descriptors, 100));
}

#[test]
fn nor_do_those_of_many_addresses_each_of_which_has_few() {
    let portolan = start(NEVER_IDLE);
    let descriptors = portolan.descriptors();
    // Forty each: of one client there may be a hundred, of all a thousand.
    withstands(&portolan, ROUNDS, || stay_silent(&portolan, 35, 1_400, descriptors, 1_000));
}

#[test]
fn clients_that_trickle_octets_are_cut_off() {
    let portolan = start("tcp_idle = \"500ms\"");
    withstands(&portolan, LONG_ROUNDS, || {
        let mut slow: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(portolan.dns).unwrap()).collect();
        // A request of 4,096 octets is announced; one of them comes in each round, as a slow loris does.
        for stream in &mut slow {
            stream.write_all(&[0x10, 0]).unwrap();
        }
        wait_until("every one is cut off", PATIENCE, || {
            slow.retain_mut(|stream| stream.write_all(&[0]).is_ok());
            slow.is_empty().then_some(())
        });
    });
}

#[test]
fn clients_that_ask_much_and_never_read_are_cut_off() {
    let portolan = start("tcp_idle = \"500ms\"");
    withstands(&portolan, LONG_ROUNDS, || {
        let never_reading = || {
            let mut stream = TcpStream::connect(portolan.dns).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let questions = framed(LARGE).repeat(1000);
            // Some 20 MB of answers for each batch. The server stops reading when nobody takes them, and soon closes.
            wait_until("it is cut off", PATIENCE, || stream.write_all(&questions).err())
        };
        let errors: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..20).map(|_| scope.spawn(never_reading)).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for error in errors {
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        }
        assert!(portolan.resident() < 150 << 20, "{} octets are resident", portolan.resident());
    });
}

#[test]
fn a_flood_of_one_name_over_udp_costs_a_client_over_tcp_nothing() {
    let portolan = start("");
    withstands(&portolan, LONG_ROUNDS, || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(portolan.dns).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            // Full buffers are what a flood is for.
            let _ = socket.send(SMALL);
        }
    });
}

#[test]
fn without_descriptors_udp_is_answered_no_processor_spins_and_it_heals() {
    let launch = Launch::new().under(["sh", "-c", "ulimit -n 512 && exec \"$@\"", "sh"]);
    let portolan = fill(launch.start());
    // From many addresses, so that no limit per client helps.
    let connect = |n: u8| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 1, n % 32), 0)).into()).unwrap();
        let server = if n.is_multiple_of(2) { portolan.dns } else { portolan.http };
        // Those that nobody accepts fill the backlog, and then wait for nothing.
        socket.connect_timeout(&server.into(), Duration::from_millis(20)).ok().map(|()| socket)
    };
    leaves_nothing(&portolan, LONG_ROUNDS, || {
        let held: Vec<Socket> = (0..1536_u32).filter_map(|n| connect(u8::try_from(n % 251).unwrap())).collect();
        wait_until("no descriptor is left", PATIENCE, || (portolan.descriptors() >= 500).then_some(()));

        let (spent, start) = (portolan.processor_time(), Instant::now());
        while start.elapsed() < Duration::from_secs(2) {
            assert_eq!(ask(portolan.dns, &["+notcp", "A", "web1.registry.local"]).data(), ["10.0.0.1"]);
            std::thread::sleep(Duration::from_millis(100));
        }
        let spent = portolan.processor_time().saturating_sub(spent);
        assert!(spent < Duration::from_millis(500), "it spent {spent:?} of two seconds on waiting");
        drop(held);
    });
    assert!(asks_over_tcp(portolan.dns, SMALL).unwrap());
    assert_eq!(portolan.get("/healthz").status, 200);
}

#[test]
fn a_process_that_was_stopped_for_three_seconds_answers_what_came_meanwhile() {
    let portolan = start("");
    withstands(&portolan, LONG_ROUNDS, || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(portolan.dns).unwrap();
        portolan.signal("STOP");
        socket.send(SMALL).unwrap();
        let server = portolan.dns;
        let over_tcp = std::thread::spawn(move || asks_over_tcp(server, LARGE).unwrap());
        std::thread::sleep(Duration::from_secs(3));
        portolan.signal("CONT");
        assert!(socket.recv(&mut [0; 512]).is_ok(), "the question over UDP had waited");
        assert!(over_tcp.join().unwrap(), "so had the one over TCP");
    });
}
