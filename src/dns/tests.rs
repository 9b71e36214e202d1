//! The room as a client sees it: real sockets, a registry on a memory store.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hickory_server::proto::op::{Message, Query, ResponseCode};
use hickory_server::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::udp::Serving;
use super::{Config, Dns, watch};
use crate::registry::{self, Condition, Operation, Registry};
use crate::service::{Origin, registration};
use crate::store::Opened;
use crate::tls::Identity;
use crate::zone::{self, Snapshot};

struct Server {
    address: SocketAddr,
    registry: Registry,
    stop: CancellationToken,
    running: TaskTracker,
}

impl Server {
    fn start(config: Config) -> Self {
        let config = Config { listen: vec![(Ipv4Addr::LOCALHOST, 0).into()], ..config };
        let dns = Dns::bind(&config).unwrap();
        let zone = Snapshot::new(&zone::Config::default(), &dns.name_server_addresses());
        let (registry, writer) = Registry::open(&registry::Config::default(), Opened::memory(), &zone).unwrap();
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        let address = dns.addresses()[0];
        tokio::spawn(writer.run(stop.clone()));
        running.spawn(dns.run(registry.clone(), Identity::default(), stop.clone()));
        running.close();
        Self { address, registry, stop, running }
    }

    async fn register(&self, service: &str, instance: &str, host: &str) {
        let registration = registration(service, instance, host);
        let (origin, condition) = (Origin::api(), Condition::Always);
        let operation = Operation::Register { registration, origin, condition };
        self.registry.apply(vec![operation]).await.remove(0).unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

fn question(name: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
    message.to_vec().unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

async fn receive(stream: &mut TcpStream) -> Message {
    let mut octets = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut octets).await.unwrap();
    Message::from_vec(&octets).unwrap()
}

fn over_udp(server: SocketAddr, message: &[u8]) -> Message {
    let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(server).unwrap();
    socket.send(message).unwrap();
    let mut octets = [0; 2048];
    let length = socket.recv(&mut octets).unwrap();
    Message::from_vec(&octets[..length]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_is_answered_over_udp_and_tcp() {
    let server = Server::start(Config::default());
    server.register("auth", "a1", "web1").await;
    let question = question("_auth._tcp.registry.local.", RecordType::SRV);
    let udp = over_udp(server.address, &question);
    assert_eq!(udp.metadata.response_code, ResponseCode::NoError);
    assert_eq!(udp.answers[0].data.to_string(), "0 0 80 web1.registry.local.");
    assert_eq!(udp.additionals[0].data.to_string(), "10.0.0.1");
    let mut stream = server.connect().await;
    stream.write_all(&framed(&question)).await.unwrap();
    let tcp = receive(&mut stream).await;
    assert_eq!((udp.answers, udp.additionals), (tcp.answers, tcp.additionals));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_udp_thread_that_nobody_asks_lets_go_of_the_state_that_it_read() {
    let server = Server::start(Config::default());
    server.register("auth", "a1", "web1").await;
    over_udp(server.address, &question("web1.registry.local.", RecordType::A));
    let read = Arc::downgrade(&server.registry.state());
    let asked = Instant::now();
    // The writer looks which states are still read when it has another.
    while read.strong_count() > 0 {
        assert!(asked.elapsed() < Duration::from_secs(20), "it is still held");
        server.register("auth", "a1", "web1").await;
        server.register("auth", "a1", "web2").await;
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_28_pipelined_questions_are_answered_in_order() {
    let server = Server::start(Config::default());
    server.register("auth", "a1", "web1").await;
    let names = ["web1.registry.local.", "nope.registry.local.", "auth.registry.local."];
    let all: Vec<u8> = names.iter().flat_map(|name| framed(&question(name, RecordType::A))).collect();
    let mut stream = server.connect().await;
    // In pieces that end within a length and within a message.
    for piece in all.chunks(all.len() / 5) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    for name in names {
        assert_eq!(receive(&mut stream).await.queries[0].name(), &Name::from_ascii(name).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_28_a_client_that_dribbles_is_closed() {
    let server = Server::start(Config { tcp_idle: Duration::from_millis(200), ..Config::default() });
    let mut stream = server.connect().await;
    let started = Instant::now();
    let mut octets = framed(&question("web1.registry.local.", RecordType::A)).into_iter();
    // One octet each 50 ms is activity, but no question within 200 ms.
    while stream.write_all(&[octets.next().expect("closed before the end")]).await.is_ok() {
        if timeout(Duration::from_millis(50), stream.read_u8()).await.is_ok_and(|read| read.is_err()) {
            break;
        }
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn item_28_half_open_connections_keep_nobody_out() {
    let server = Server::start(Config { tcp_connections_per_client: 8, ..Config::default() });
    server.register("auth", "a1", "web1").await;
    let mut half_open = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect().await;
        stream.write_all(&[0]).await.unwrap();
        half_open.push(stream);
    }
    let mut stream = server.connect().await;
    stream.write_all(&framed(&question("web1.registry.local.", RecordType::A))).await.unwrap();
    assert_eq!(receive(&mut stream).await.answers.len(), 1);
    // The first made room, and was told.
    assert!(half_open[0].read_u8().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_or_a_response_ends_the_connection() {
    let server = Server::start(Config::default());
    let mut response = question("web1.registry.local.", RecordType::A);
    response[2] |= 0x80;
    for octets in [vec![0xff, 0xff], framed(&response), framed(&[1, 2, 3])] {
        let mut stream = server.connect().await;
        stream.write_all(&octets).await.unwrap();
        let closed = timeout(Duration::from_secs(5), stream.read_u8()).await.expect("closed at once");
        assert!(closed.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_27_a_set_too_large_for_a_datagram_is_whole_over_tcp() {
    let server = Server::start(Config::default());
    for n in 0..100 {
        server.register("many", &format!("m{n}"), &format!("h{n}")).await;
    }
    let question = question("_many._tcp.registry.local.", RecordType::SRV);
    assert!(over_udp(server.address, &question).metadata.truncation);
    let mut stream = server.connect().await;
    stream.write_all(&framed(&question)).await.unwrap();
    let whole = receive(&mut stream).await;
    assert!(!whole.metadata.truncation);
    assert_eq!((whole.answers.len(), whole.additionals.len()), (100, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_never_older_than_the_last_registration() {
    let server = Server::start(Config::default());
    for n in 0..200 {
        server.register("auth", &format!("a{n}"), &format!("web{n}")).await;
        let name = format!("a{n}._auth._tcp.registry.local.");
        let reply = over_udp(server.address, &question(&name, RecordType::SRV));
        assert_eq!(reply.answers.len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_has_arrived_and_ends() {
    let server = Server::start(Config::default());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.connect(server.address).unwrap();
    let mut stream = server.connect().await;
    let question = question("registry.local.", RecordType::SOA);
    for _ in 0..50 {
        client.send(&question).unwrap();
    }
    stream.write_all(&framed(&question)).await.unwrap();
    receive(&mut stream).await;
    server.stop.cancel();
    timeout(Duration::from_secs(5), server.running.wait()).await.expect("ends soon");
    for _ in 0..50 {
        client.recv(&mut [0; 512]).expect("an answer to each question that had arrived");
    }
    assert!(stream.read_u8().await.is_err(), "idle connections are closed");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn half_of_it_does_not_go_on_alone() {
    let mut running = JoinSet::new();
    let other = CancellationToken::new();
    running.spawn(other.clone().cancelled_owned());
    running.spawn_blocking(|| panic!("a defect"));
    let serving = Serving::default();
    let stopped = serving.stopped.clone();
    timeout(Duration::from_secs(5), watch(running, serving, &CancellationToken::new())).await.expect("ends by itself");
    assert!(stopped.load(Ordering::Acquire), "the threads are told to end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_all_whichever_part_sees_it_first() {
    for _ in 0..500 {
        let mut running = JoinSet::new();
        let stop = CancellationToken::new();
        let drained = Arc::new(AtomicBool::new(false));
        running.spawn(stop.clone().cancelled_owned());
        let (stopped, done) = (stop.clone(), drained.clone());
        running.spawn(async move {
            stopped.cancelled().await;
            sleep(Duration::from_millis(2)).await;
            done.store(true, Ordering::Release);
        });
        let stopping = tokio::spawn({
            let stop = stop.clone();
            async move { stop.cancel() }
        });
        watch(running, Serving::default(), &stop).await;
        stopping.await.unwrap();
        assert!(drained.load(Ordering::Acquire), "what was being answered is cut off");
    }
}

#[tokio::test]
async fn the_name_server_is_where_it_is_said_or_bound_to_be() {
    let dns = |listen: &str, advertise: &[&str]| {
        let listen = vec![(listen.parse::<IpAddr>().unwrap(), 0).into()];
        let advertise = advertise.iter().map(|address| address.parse().unwrap()).collect();
        Dns::bind(&Config { listen, advertise, ..Config::default() }).unwrap().name_server_addresses()
    };
    let texts = |addresses: Vec<crate::service::Address>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(dns("127.0.0.1", &[])), ["127.0.0.1"]);
    assert_eq!(texts(dns("0.0.0.0", &["192.0.2.1", "2001:db8::1"])), ["192.0.2.1", "2001:db8::1"]);
    assert!(texts(dns("0.0.0.0", &[])).iter().all(|address| !address.starts_with("127.") && !address.contains(':')));
}
