//! The room as a client sees it: real sockets, a registry on a memory store.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use hickory_server::proto::op::{Message, Query, ResponseCode};
use hickory_server::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Config, Dns};
use crate::registry::{self, Condition, Operation, Registry};
use crate::service::{Origin, registration};
use crate::store::Opened;
use crate::zone::Snapshot;

struct Server {
    address: SocketAddr,
    registry: Registry,
    stop: CancellationToken,
    running: TaskTracker,
}

impl Server {
    fn start(config: Config) -> Self {
        let config = Config { listen: vec![([127, 0, 0, 1], 0).into()], ..config };
        let dns = Dns::bind(&config).unwrap();
        let zone = Snapshot::new(&crate::zone::Config::default(), &dns.name_server_addresses());
        let (registry, writer) = Registry::open(&registry::Config::default(), Opened::memory(), &zone);
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        let address = dns.addresses()[0];
        running.spawn(writer.run(stop.clone()));
        running.spawn(dns.run(registry.clone(), stop.clone()));
        Self { address, registry, stop, running }
    }

    async fn register(&self, service: &str, instance: &str, host: &str) {
        let registration = registration(service, instance, host);
        let (origin, condition) = (Origin::api(), Condition::Always);
        let operation = Operation::Register { registration, origin, owner: None, condition };
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
