//! That answering plain questions allocates nothing: the UDP loop itself runs under a counting allocator, on a real
//! socket, and however many questions it answers, it has allocated as often as for one batch of them.

use std::net::{Ipv4Addr, Shutdown, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use allocation_counter::measure;
use socket2::SockRef;

use super::Config;
use super::access::Access;
use super::context::now;
use super::cookie::Cookies;
use super::counts::Counts;
use super::rrl::{self, Limiter};
use super::udp::serve;
use crate::registry::{self, Reader, Registry};
use crate::service::{Address, Details, DomainName, Registration, Tag, registration};
use crate::store::Opened;
use crate::zone::{rtype, serving_backwards};

/// Questions sent before the first reply is read: more than a batch, fewer than fill a socket's buffer.
const AHEAD: usize = 100;
const FEW: usize = 2 * AHEAD;
const MANY: usize = 20 * AHEAD;
/// Octets of the shortest message in front of the question's type.
const NAME_END: usize = 12 + 13;

/// Instances of a large service, each with a weight of its own: more than fit into a reply.
const LARGE: u16 = 300;

/// Three instances of a type, one of them under a subtype, and a large service, of a registry whose writer rests;
/// with reverse zones.
fn registry() -> Reader {
    let details = || Details { tags: vec![Tag::new("blue").unwrap()], ..Details::default() }.into();
    let all = (0..3)
        .map(|n| Registration { details: details(), ..registration("auth", &format!("a{n}"), &format!("web{n}")) });
    let large = (0..LARGE).map(|n| {
        let addresses = [format!("10.0.{}.{}", n / 250, n % 250), format!("10.1.0.{}", n % 7)];
        let addresses = addresses.iter().map(|address| Address::new(address.parse().unwrap()).unwrap()).collect();
        Registration { weight: n, addresses, ..registration("many", &format!("m{n}"), &format!("host{n}")) }
    });
    let zones = serving_backwards(&["10.0.0.0/8", "2001:db8::/32"], all.chain(large));
    let (registry, _) = Registry::open(&registry::Config::default(), Opened::memory(), &zones).unwrap();
    registry.reader()
}

/// Plain questions of every kind: answers with and without additional records, truncated ones, NODATA, NXDOMAIN,
/// REFUSED.
fn questions(opt: &[u8]) -> Vec<Vec<u8>> {
    use rtype::{A, AAAA, ANY, NS, PTR, SOA, SRV, TXT};
    let asked = [
        ("_auth._tcp.registry.local", SRV),
        ("_AUTH._tcp.Registry.local", SRV),
        ("_auth._tcp.registry.local", PTR),
        ("_blue._sub._auth._tcp.registry.local", PTR),
        ("_services._dns-sd._udp.registry.local", PTR),
        ("a1._auth._tcp.registry.local", TXT),
        ("a1._auth._tcp.registry.local", ANY),
        ("web2.registry.local", A),
        ("web2.registry.local", AAAA),
        ("auth.registry.local", A),
        ("_many._tcp.registry.local", SRV),
        ("_many._tcp.registry.local", PTR),
        ("many.registry.local", A),
        ("7.0.0.10.in-addr.arpa", PTR),
        ("lb._dns-sd._udp.0.0.0.10.in-addr.arpa", PTR),
        ("9.9.0.10.in-addr.arpa", PTR),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", PTR),
        ("registry.local", SOA),
        ("registry.local", NS),
        ("gone.registry.local", A),
        ("example.org", A),
    ];
    let additionals = u8::from(!opt.is_empty());
    let question = |(name, rtype): (&str, u16)| {
        let name: DomainName = name.parse().unwrap();
        [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, additionals], name.as_wire(), &rtype.to_be_bytes(), &[0, 1], opt].concat()
    };
    asked.map(question).into()
}

/// Asks so many times, in turn, and says stop. Whether every question got its reply.
fn ask(server: &UdpSocket, questions: &[Vec<u8>], times: usize, stopped: &AtomicBool) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.connect(server.local_addr().unwrap()).unwrap();
    let mut asked = questions.iter().cycle();
    let answered = (0..times / AHEAD).all(|_| {
        let sent: Vec<_> = asked.by_ref().take(AHEAD).collect();
        let all_sent = sent.iter().all(|question| socket.send(question).is_ok());
        all_sent
            && sent.iter().all(|question| {
                let mut reply = [0; 2048];
                let length = socket.recv(&mut reply).unwrap_or(0);
                // The same name, and no SERVFAIL.
                length > 12 && reply[12..length].starts_with(&question[12..NAME_END]) && reply[3] & 0xf != 2
            })
    });
    stopped.store(true, Ordering::Release);
    // Says ENOTCONN, and wakes who waits on it all the same.
    let _ = SockRef::from(server).shutdown(Shutdown::Read);
    answered
}

/// An OPT record with this option, a size of 1,232.
fn opt(option: &[u8]) -> Vec<u8> {
    let length = u16::try_from(option.len()).unwrap().to_be_bytes();
    [&b"\0\0\x29\x04\xd0\0\0\0\0"[..], &length, option].concat()
}

/// A COOKIE option with these cookies (RFC 7873 §4).
fn cookie(cookies: &[u8]) -> Vec<u8> {
    let [code, length] = [10, u16::try_from(cookies.len()).unwrap()].map(u16::to_be_bytes);
    [&code, &length, cookies].concat()
}

/// How often the UDP loop allocates, beginning included, when it is asked so many questions with that OPT record.
fn allocations(times: usize, opt: impl Fn(&Cookies) -> Vec<u8>) -> u64 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (registry, config, stopped) = (registry(), Config::default(), AtomicBool::new(false));
    let (access, cookies, counts) = (Access::new(&config), Cookies::new(&config), Counts::default());
    // One that counts, also on loopback, and lets all pass.
    let limiter = Limiter::new(&rrl::Config { rate: u32::MAX, exempt: Vec::new(), ..rrl::Config::default() });
    let questions = questions(&opt(&cookies));
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&socket, &questions, times, &stopped));
        let allocated = measure(|| serve(&socket, registry, &access, cookies, limiter, &counts, &stopped)).count_total;
        assert!(asking.join().unwrap(), "a reply to every question");
        allocated
    })
}

#[test]
fn plain_questions_are_answered_without_allocating() {
    type OptOf<'a> = &'a dyn Fn(&Cookies) -> Vec<u8>;
    let fresh = |cookies: &Cookies| {
        let (_, known) = cookies.examine(Some(b"31415926"), Ipv4Addr::LOCALHOST.into(), now());
        opt(&cookie(&known.unwrap()))
    };
    let kinds: [(&str, OptOf<'_>); 4] = [
        ("without EDNS", &|_| Vec::new()),
        ("with EDNS", &|_| opt(&[])),
        ("with a client's cookie", &|_| opt(&cookie(b"31415926"))),
        ("with a fresh cookie of ours", &fresh),
    ];
    for (kind, opt) in kinds {
        let (few, many) = (allocations(FEW, opt), allocations(MANY, opt));
        assert!(few > 0, "the counter counts");
        assert_eq!(few, many, "{} questions more, {kind}", MANY - FEW);
    }
}
