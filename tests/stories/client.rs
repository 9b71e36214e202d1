//! A Rust program that announces itself with `portolan::client`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portolan::api::{self, Filter, Kind, LeaseWish, Pick};
use portolan::client::{Client, Error, Standing};
use portolan::service::Status;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Launch, Portolan};

const PATIENCE: Duration = Duration::from_secs(20);

fn client(portolan: &Portolan) -> Client {
    Client::new(&format!("http://{}", portolan.http)).unwrap()
}

fn auth(lease: f64) -> api::Registration {
    api::Registration {
        instance: Some("Main Auth/1".into()),
        lease: Some(LeaseWish::Seconds(lease)),
        ..api::Registration::new("auth", 8080)
    }
}

/// A registry that grants leases short enough to be watched.
fn start_with_short_leases(listen: &str) -> Portolan {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[lease]\nshortest = \"100ms\"\n[store]\nurl = \"memory:\"\n").unwrap();
    Launch::new().args(["--config", file.to_str().unwrap(), "--http", listen]).start()
}

async fn wait_until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

#[tokio::test]
async fn a_registration_outlives_its_lease_while_it_is_held() {
    let portolan = start_with_short_leases("127.0.0.1:0");
    let client = client(&portolan);
    let registration = client.register(auth(0.6)).await.unwrap();
    let first = client.get("auth", "Main Auth/1").await.unwrap().unwrap();

    let renewed = wait_until("three renewals", async || {
        let now = client.get("auth", "Main Auth/1").await.unwrap().expect("never away");
        assert_eq!(now.status, Status::Up);
        (now.renewed_at.duration_since(first.renewed_at).as_millis() > 1000).then_some(now)
    });
    assert_eq!(renewed.await.revision, first.revision, "renewing is no change");

    registration.deregister().await.unwrap();
    assert_eq!(client.get("auth", "Main Auth/1").await.unwrap(), None);
}

#[tokio::test]
async fn a_lease_holds_when_every_connection_falls_silent() {
    let portolan = start_with_short_leases("127.0.0.1:0");
    let path = Path::to(portolan.http).await;
    let through = Client::new(&format!("http://{}", path.address)).unwrap();
    let registration = through.register(auth(3.0)).await.unwrap();
    // More connections than the lease has time to try one by one.
    let list = || through.services();
    tokio::try_join!(list(), list(), list(), list(), list()).unwrap();
    let direct = client(&portolan);
    let first = direct.get("auth", "Main Auth/1").await.unwrap().unwrap();

    path.forget();
    let standing = registration.standing();
    wait_until("silence is a failure", async || matches!(*standing.borrow(), Standing::Retrying(_)).then_some(()))
        .await;
    wait_until("it is renewed after the first lease would have ended", async || {
        let now = direct.get("auth", "Main Auth/1").await.unwrap().expect("never away");
        assert_eq!(now.status, Status::Up);
        (now.renewed_at.duration_since(first.renewed_at).as_millis() > 3000).then_some(())
    })
    .await;

    path.forget();
    registration.deregister().await.unwrap();
    assert_eq!(direct.get("auth", "Main Auth/1").await.unwrap(), None);
}

/// A way to a registry that can forget its connections as a firewall does: without a word to either end.
struct Path {
    address: SocketAddr,
    /// How often it forgot.
    epoch: Arc<AtomicUsize>,
}

impl Path {
    async fn to(registry: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let path = Self { address: listener.local_addr().unwrap(), epoch: Arc::default() };
        let epoch = Arc::clone(&path.epoch);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(Self::carry(client, registry, Arc::clone(&epoch)));
            }
        });
        path
    }

    /// From now on nothing passes on the connections that there are.
    fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    async fn carry(mut client: TcpStream, registry: SocketAddr, epoch: Arc<AtomicUsize>) {
        let mut registry = TcpStream::connect(registry).await.unwrap();
        let known = epoch.load(Ordering::Relaxed);
        let (mut asked, mut told) = ([0; 4096], [0; 4096]);
        loop {
            let (to, octets) = tokio::select! {
                Ok(length @ 1..) = client.read(&mut asked) => (&mut registry, &asked[..length]),
                Ok(length @ 1..) = registry.read(&mut told) => (&mut client, &told[..length]),
                else => break,
            };
            if epoch.load(Ordering::Relaxed) == known && to.write_all(octets).await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn dropping_a_registration_deregisters_it() {
    let portolan = Portolan::start(&[]);
    let client = client(&portolan);
    let registration = client.register(auth(60.0)).await.unwrap();
    assert!(client.get("auth", "Main Auth/1").await.unwrap().is_some());
    drop(registration);
    wait_until("it is gone", async || client.get("auth", "Main Auth/1").await.unwrap().is_none().then_some(())).await;
}

#[tokio::test]
async fn a_registry_that_lost_everything_is_told_again() {
    let portolan = start_with_short_leases("127.0.0.1:0");
    let client = client(&portolan);
    let address = portolan.http.to_string();
    let registration = client.register(auth(1.0)).await.unwrap();
    let standing = registration.standing();

    portolan.kill();
    wait_until("the failure is seen", async || matches!(*standing.borrow(), Standing::Retrying(_)).then_some(())).await;
    let portolan = start_with_short_leases(&address);

    wait_until("it is registered again", async || client.get("auth", "Main Auth/1").await.unwrap()).await;
    wait_until("the handle knows", async || matches!(*standing.borrow(), Standing::Registered(_)).then_some(())).await;
    registration.deregister().await.unwrap();
    drop(portolan);
}

#[tokio::test]
async fn what_is_there_can_be_looked_up_listed_and_changed() {
    let portolan = Portolan::start(&[]);
    let client = client(&portolan);
    let items: Vec<_> = (0..1000)
        .map(|n| api::Registration { instance: Some(format!("w{n}")), ..api::Registration::new("web", 80) })
        .collect();
    client.heartbeats(&items).await.unwrap();
    client
        .heartbeats(
            &items[..1]
                .iter()
                .map(|i| api::Registration { instance: Some("last".into()), ..i.clone() })
                .collect::<Vec<_>>(),
        )
        .await
        .unwrap();
    client.heartbeat(&auth(60.0)).await.unwrap();

    assert_eq!(client.lookup("w*").await.unwrap().len(), 1001, "every page");
    let filter = Filter { service: Some("auth".into()), ..Filter::default() };
    assert_eq!(client.list(filter).await.unwrap()[0].instance, "Main Auth/1");
    let counts: Vec<_> = client.services().await.unwrap().into_iter().map(|s| (s.service, s.instances)).collect();
    assert_eq!(counts, [("auth".into(), 1), ("web".into(), 1001)]);

    let wish = api::StatusWish { status: Status::OutOfService, reason: None };
    let drained = client.set_status("auth", "Main Auth/1", &wish).await.unwrap().unwrap();
    assert_eq!(drained.status, Status::OutOfService);
    assert_eq!(client.lookup("auth").await.unwrap(), [], "it is not served");
    assert!(client.renew("auth", "Main Auth/1").await.unwrap().is_some());
    assert!(client.deregister("auth", "Main Auth/1").await.unwrap());
    assert!(!client.deregister("auth", "Main Auth/1").await.unwrap());
    assert_eq!(client.renew("auth", "Main Auth/1").await.unwrap(), None);
    assert_eq!(client.set_status("auth", "Main Auth/1", &wish).await.unwrap(), None);
}

#[tokio::test]
async fn one_version_one_instance_or_the_first_to_come_can_be_asked_for() {
    let portolan = Portolan::start(&[]);
    let client = client(&portolan);
    let web = |version: &str, priority: u16| api::Registration {
        instance: Some(format!("w{version}")),
        version: Some(version.into()),
        priority: Some(priority),
        ..api::Registration::new("web", 80)
    };
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.wait_for("web@2.x", PATIENCE).await })
    };
    wait_until("it waits", async || portolan.get("/metrics").body.contains("_waiting_requests 1\n").then_some(()))
        .await;
    client.heartbeat(&web("1.0.0", 0)).await.unwrap();
    client.heartbeat(&web("2.0.0", 2)).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap()[0].instance, "w2.0.0");

    client.heartbeat(&web("2.1.0", 1)).await.unwrap();
    let pick = async |service: &str| client.pick(service, Pick::Weighted).await.unwrap().map(|one| one.instance);
    assert_eq!(pick("web@2.x").await.as_deref(), Some("w2.1.0"), "the lowest priority");
    assert_eq!(pick("web@3.x").await, None);
    assert_eq!(client.lookup("web@>=2").await.unwrap().len(), 2);
    assert_eq!(client.wait_for("web@3.x", Duration::from_millis(50)).await.unwrap(), []);
    let refused = client.pick("web@latest", Pick::First).await.unwrap_err();
    assert_eq!(refused.kind(), Some(Kind::InvalidParameter));
}

#[tokio::test]
async fn errors_tell_what_can_be_done() {
    let portolan = Portolan::start(&[]);
    let refused = client(&portolan).register(api::Registration::new("auth", 0)).await.unwrap_err();
    assert_eq!(refused.kind(), Some(Kind::PortZero));
    assert!(refused.to_string().contains("`port` is 0"), "{refused}");

    let address = portolan.http;
    let client = client(&portolan);
    drop(portolan);
    let gone = client.services().await.unwrap_err();
    assert!(matches!(gone, Error::Unreachable { .. }), "{gone:?}");
    assert!(gone.to_string().contains(&address.to_string()), "{gone}");

    // Something else that listens there.
    let other = TcpListener::bind(address).await.unwrap();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let foreign = client.services().await.unwrap_err();
    assert!(matches!(foreign, Error::Foreign { .. }), "{foreign:?}");
    answering.await.unwrap();
}
