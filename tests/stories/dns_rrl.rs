//! A flood of questions in the name of a victim, on links of their own: item 30.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::netns::{Host, Net};
use crate::support::wire::{A, Edns, Name, Query, Reply, exchange};
use crate::support::{Launch, Portolan, run, tool, wait_until};

/// Answers a second to one network.
const RATE: usize = 40;
/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);
const COOKIE: u16 = 10;
const BAD_COOKIE: u16 = 23;
const CLIENT_COOKIE: &[u8] = b"a cookie";

/// A registry with these settings of the limit. It has one core, and so one thread that counts, however many this
/// machine has.
fn start(settings: &[(&str, &str)]) -> Portolan {
    let taskset = tool("taskset").get_program().to_owned();
    configure(Launch::new().under([taskset, "-c".into(), core().into()]), settings)
}

/// A registry that listens on every address, with these settings of the limit.
fn configure(launch: Launch, settings: &[(&str, &str)]) -> Portolan {
    let launch = launch.args(["--dns", "0.0.0.0:0"]);
    let set = |launch: Launch, (key, value): &(&str, &str)| launch.env(&format!("PORTOLAN_DNS_RRL_{key}"), value);
    let portolan = settings.iter().fold(launch, set).start();
    for (instance, address) in [("a1", "10.0.0.1"), ("a2", "10.0.0.2")] {
        portolan.heartbeat(&json!({
            "service": instance, "instance": instance, "host": format!("web-{instance}"), "addresses": [address],
            "port": 80
        }));
    }
    portolan
}

/// The first core that this process may use.
fn core() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("proc(5) has it");
    cores.trim().split(['-', ',']).next().unwrap().to_owned()
}

fn rate(rate: usize) -> String {
    rate.to_string()
}

fn question(label: &str) -> Query {
    Query::new(&Name::of("registry.local").below(label), A)
}

/// What came back of a flood.
#[derive(Debug, Default)]
struct Flood {
    asked: usize,
    whole: usize,
    truncated: usize,
    took: Duration,
}

impl Flood {
    /// Asks from sixteen ports until `is_over`. `query` makes the question that has this number.
    fn run(server: SocketAddr, query: impl Fn(usize) -> Query, is_over: impl Fn(&Self) -> bool) -> Self {
        let ports: Vec<_> = (0..16).map(|_| socket(server)).collect();
        let (started, mut flood) = (Instant::now(), Self::default());
        while !is_over(&flood) {
            for port in &ports {
                for id in 0..16 {
                    port.send(&query(flood.asked).octets(id)).unwrap();
                    flood.asked += 1;
                }
            }
            flood.took = started.elapsed();
            for port in &ports {
                flood.collect(port, Duration::from_millis(1));
            }
        }
        // The last ones.
        for port in &ports {
            flood.collect(port, Duration::from_millis(100));
        }
        flood
    }

    /// Takes what has come, and waits no longer than `patience` for more.
    fn collect(&mut self, port: &UdpSocket, patience: Duration) {
        while let Some(reply) = receive(port, patience) {
            if reply.is_truncated() {
                assert!(reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty());
                self.truncated += 1;
            } else {
                self.whole += 1;
            }
        }
    }

    /// Asks one name for so many seconds.
    fn of_name(server: SocketAddr, seconds: u64) -> Self {
        let query = question("web-a1");
        Self::run(server, |_| query.clone(), |flood| flood.took > Duration::from_secs(seconds))
    }

    /// Asks one name so often.
    fn of_size(server: SocketAddr, size: usize) -> Self {
        let query = question("web-a1");
        Self::run(server, |_| query.clone(), |flood| flood.asked >= size)
    }

    fn dropped(&self) -> usize {
        self.asked - self.whole - self.truncated
    }

    /// Asserts that it was held to the rate, and half of what was held back slipped.
    #[track_caller]
    fn was_limited(&self) {
        let seconds = usize::try_from(self.took.as_secs()).unwrap();
        // It began and ended within a second.
        assert!((RATE * seconds.max(1)..=RATE * (seconds + 2)).contains(&self.whole), "{self:?}");
        assert!(self.asked > 5 * self.whole, "no flood: {self:?}");
        assert!(self.dropped().abs_diff(self.truncated) < self.asked / 10, "{self:?}");
    }
}

fn socket(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect(server).unwrap();
    socket
}

fn receive(socket: &UdpSocket, patience: Duration) -> Option<Reply> {
    socket.set_read_timeout(Some(patience)).unwrap();
    let mut octets = vec![0; 2048];
    match socket.recv(&mut octets) {
        Ok(length) => Some(Reply::read(octets[..length].to_vec()).unwrap()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Asks over UDP; `None` where nothing comes back.
fn ask(server: SocketAddr, query: &Query) -> Option<Reply> {
    let socket = socket(server);
    socket.send(&query.octets(7)).unwrap();
    receive(&socket, Duration::from_millis(500))
}

/// Where the registry is for who is at the other end of a link.
fn seen_from(host: &Host, portolan: &Portolan) -> SocketAddr {
    let [a, b, c, _] = host.ipv4().parse::<Ipv4Addr>().unwrap().octets();
    (Ipv4Addr::new(a, b, c, 1), portolan.dns.port()).into()
}

#[test]
fn item_30_a_flood_of_one_name_is_held_to_the_rate_and_truncated_or_dropped() {
    let net = Net::enter();
    let victim = net.host();
    let portolan = start(&[("RATE", &rate(RATE))]);
    let server = seen_from(&victim, &portolan);
    victim.within(move || Flood::of_name(server, 3)).was_limited();
    // Names that anybody can make up are no way around it.
    let missing = |n: usize| question(&format!("nope{n}"));
    let of_missing = move || Flood::run(server, missing, |flood| flood.took > Duration::from_secs(3));
    victim.within(of_missing).was_limited();
}

#[test]
fn item_30_meanwhile_nobody_else_loses_anything() {
    let net = Net::enter();
    let (victim, other) = (net.host(), net.host());
    let portolan = start(&[("RATE", &rate(RATE))]);
    let (server, stop) = (seen_from(&victim, &portolan), AtomicBool::new(false));
    thread::scope(|scope| {
        let stop = &stop;
        let flooding = scope.spawn(|| {
            victim.within(|| {
                let query = question("web-a1");
                Flood::run(
                    server,
                    |_| query.clone(),
                    |flood| stop.load(Ordering::Acquire) && flood.took > Duration::from_secs(2),
                )
            })
        });
        let ends = Ends(stop);
        let is_limited = || victim.within(move || ask(server, &question("web-a1"))).is_none_or(|r| r.is_truncated());
        wait_until("the flood is held back", PATIENCE, || is_limited().then_some(()));

        victim.within(move || a_client_with_a_cookie_is_answered(server));
        victim.within(move || a_client_over_tcp_is_answered(server));
        victim.within(move || is_answered(server, "web-a2"));
        let elsewhere = seen_from(&other, &portolan);
        other.within(move || is_answered(elsewhere, "web-a1"));
        // dig comes back over TCP, unless all its tries were dropped.
        let port = server.port().to_string();
        let at = format!("@{}", server.ip());
        let words = [&at, "-p", &port, "+short", "+nocookie", "+tries=12", "+timeout=1", "A", "web-a1.registry.local"];
        let said = run(victim.command("dig").args(words));
        assert_eq!(said.lines().last(), Some("10.0.0.1"), "{said}");

        drop(ends);
        flooding.join().unwrap().was_limited();
    });
    let here = ([127, 0, 0, 1], server.port()).into();
    let loopback = Flood::of_size(here, 20 * RATE);
    assert_eq!(loopback.whole, loopback.asked, "loopback is exempt: {loopback:?}");
}

/// Has the flood end, also when a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Who sends its own cookie alone is told a good one, in time, and with that one loses nothing.
fn a_client_with_a_cookie_is_answered(server: SocketAddr) {
    let with = |cookie: &[u8]| Query {
        edns: Some(Edns { size: 1232, options: vec![(COOKIE, cookie.to_vec())], ..Edns::default() }),
        ..question("web-a1")
    };
    let told = wait_until("a reply comes to who sends a cookie", PATIENCE, || {
        ask(server, &with(CLIENT_COOKIE)).filter(|reply| reply.code() == BAD_COOKIE)
    });
    assert!(!told.is_truncated() && told.answer.is_empty(), "{told:?}");
    let cookie = told.edns.unwrap().options.remove(0).1;
    assert_eq!((&cookie[..8], cookie.len()), (CLIENT_COOKIE, 24));
    let socket = socket(server);
    for id in 0..500 {
        socket.send(&with(&cookie).octets(id)).unwrap();
        let reply = receive(&socket, PATIENCE).expect("a client with a good cookie loses nothing");
        assert_eq!((reply.id, reply.code(), reply.answer.len()), (id, 0, 1), "{reply:?}");
    }
}

fn a_client_over_tcp_is_answered(server: SocketAddr) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for id in 0..500 {
        let reply = Reply::read(exchange(&mut stream, &question("web-a1").octets(id)).unwrap()).unwrap();
        assert_eq!((reply.id, reply.code(), reply.answer.len()), (id, 0, 1), "{reply:?}");
    }
}

/// Half as often as may be in a second.
fn is_answered(server: SocketAddr, label: &str) {
    for _ in 0..RATE / 2 {
        let reply = ask(server, &question(label)).expect("a reply");
        assert_eq!((reply.is_truncated(), reply.answer.len()), (false, 1), "{label}: {reply:?}");
    }
}

#[test]
fn item_30_a_client_that_keeps_its_port_has_the_whole_rate_on_as_many_cores_as_there_are() {
    let net = Net::enter();
    let host = net.host();
    let portolan = configure(Launch::new(), &[("RATE", &rate(RATE)), ("SLIP", "0")]);
    let server = seen_from(&host, &portolan);
    let flood = host.within(move || {
        let (port, mut flood) = (socket(server), Flood::default());
        while flood.asked < 3 * RATE {
            port.send(&question("web-a1").octets(7)).unwrap();
            flood.asked += 1;
        }
        flood.collect(&port, Duration::from_millis(500));
        flood
    });
    // It took two seconds of the clock at most.
    assert!((RATE..=RATE * 2).contains(&flood.whole), "{flood:?}");
}

#[test]
fn item_30_without_a_rate_or_for_a_network_that_is_exempt_all_is_answered() {
    let net = Net::enter();
    let host = net.host();
    for settings in [[("RATE", "0"), ("SLIP", "2")], [("RATE", "1"), ("EXEMPT", "10.9.0.0/16")]] {
        let portolan = start(&settings);
        let server = seen_from(&host, &portolan);
        let flood = host.within(move || Flood::of_size(server, 1000));
        assert_eq!(flood.whole, flood.asked, "{settings:?}: {flood:?}");
    }
}

#[test]
fn item_30_with_a_slip_of_one_nobody_waits_in_vain_and_networks_are_as_large_as_is_said() {
    let net = Net::enter();
    let (one, other) = (net.host(), net.host());
    let portolan = start(&[("RATE", "1"), ("SLIP", "1"), ("PREFIX4", "16")]);
    let server = seen_from(&one, &portolan);
    let flood = one.within(move || Flood::of_name(server, 1));
    assert!(flood.dropped() == 0 && flood.truncated > 100, "{flood:?}");
    // Its network is the same one now.
    let elsewhere = seen_from(&other, &portolan);
    let flood = other.within(move || Flood::of_size(elsewhere, 200));
    assert!(flood.whole < 20 && flood.dropped() == 0, "{flood:?}");
}
