//! Listens to the links: which interfaces there are, and every multicast DNS datagram that arrives on them.
//!
//! One socket per interface and family, bound to the group's address and to the interface. So no datagram comes in
//! but what was sent to the group on that link, which no router forwards: that is RFC 6762 §11's test for "on link",
//! made by the kernel, and neither unicast meant for mdns-sd or avahi on the same port nor another link's words
//! land here. What a socket hears is what is said on its link, which makes the origin exact.
//!
//! Road not taken: one socket for all links with packet information, which needs control messages and still lets
//! anyone who can reach port 5353 speak.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::MDNS_PORT;
use super::metrics::{Counts, Ignored};

/// IPv4 group (RFC 6762 §3).
pub(super) const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// IPv6 group (RFC 6762 §3).
pub(super) const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// Octets of a datagram, at most (RFC 6762 §17).
const DATAGRAM_MAX: usize = 9000;
/// Octets that the kernel keeps for each socket, if it allows as much (`net.core.rmem_max`): a burst of some
/// thousand announcements.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams that wait for the one who reads them; more wait in the kernel.
const QUEUE: usize = 256;
/// After a receive error, which an interface that goes down causes until it is noticed.
const PAUSE: Duration = Duration::from_millis(200);

/// A datagram from a link.
#[derive(Debug)]
pub(super) struct Datagram {
    /// The interface's name.
    pub(super) link: Arc<str>,
    /// What was sent.
    pub(super) bytes: Vec<u8>,
}

/// What became of the links since it was last looked.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// These are listened to from now on.
    pub(super) came: Vec<Arc<str>>,
    /// These are not there any more, or are others of the same name.
    pub(super) went: Vec<Arc<str>>,
}

/// The sockets.
#[derive(Debug)]
pub(super) struct Listener {
    /// Interfaces by name; empty for all.
    only: Vec<String>,
    open: BTreeMap<Arc<str>, Open>,
    to: mpsc::Sender<Datagram>,
    counts: Arc<Counts>,
    datagrams: mpsc::Receiver<Datagram>,
    /// Said once: which sockets could not be opened.
    failed: HashMap<(Arc<str>, bool), String>,
}

#[derive(Debug)]
struct Open {
    index: u32,
    v4: Option<Arc<UdpSocket>>,
    v6: Option<Arc<UdpSocket>>,
    readers: JoinSet<()>,
}

/// An interface as the system shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Interface {
    index: u32,
    v4: bool,
    v6: bool,
}

impl Listener {
    /// Listens to nothing until [`Listener::look`].
    pub(super) fn new(only: Vec<String>, counts: Arc<Counts>) -> Self {
        let (to, datagrams) = mpsc::channel(QUEUE);
        Self { only, open: BTreeMap::new(), to, counts, datagrams, failed: HashMap::new() }
    }

    /// The next datagram.
    pub(super) async fn next(&mut self) -> Datagram {
        self.datagrams.recv().await.expect("we hold a sender")
    }

    /// Looks which interfaces there are, listens to new ones and forgets those that went.
    pub(super) fn look(&mut self) -> Moved {
        let present = interfaces(&self.only);
        let mut moved = Moved::default();
        self.open.retain(|name, open| {
            let stays = present.get(name).is_some_and(|interface| interface.index == open.index);
            if !stays {
                moved.went.push(Arc::clone(name));
            }
            stays
        });
        for (name, interface) in present {
            let known = self.open.contains_key(&name);
            let open = self.open.entry(Arc::clone(&name)).or_insert_with(|| Open::new(interface.index));
            for (wanted, v6) in [(interface.v4, false), (interface.v6, true)] {
                if let Err(error) = open.listen(wanted, v6, &name, &self.to, &self.counts) {
                    note(&mut self.failed, (Arc::clone(&name), v6), &error);
                }
            }
            match (known, open.v4.is_some() || open.v6.is_some()) {
                (false, true) => moved.came.push(name),
                (false, false) => drop(self.open.remove(&name)),
                (true, _) => {}
            }
        }
        moved
    }

    /// Sends a question to the group on a link. What is lost is asked again, as everything in multicast.
    pub(super) fn ask(&self, link: &str, question: &[u8]) {
        let Some(open) = self.open.get(link) else { return };
        for (socket, group) in [(&open.v4, group(false, open.index)), (&open.v6, group(true, open.index))] {
            if let Some(socket) = socket
                && let Err(error) = socket.try_send_to(question, group)
            {
                tracing::debug!(link, %error, "a question could not be sent");
            }
        }
    }
}

/// Says each failure once: a missing permission stays missing at every look.
fn note(failed: &mut HashMap<(Arc<str>, bool), String>, socket: (Arc<str>, bool), error: &io::Error) {
    let text = error.to_string();
    if failed.get(&socket) != Some(&text) {
        let family = if socket.1 { "IPv6" } else { "IPv4" };
        tracing::warn!(link = %socket.0, family, error = text, "cannot listen for multicast DNS");
        // Interface names come and go; what was said long ago may be said again.
        if failed.len() > QUEUE {
            failed.clear();
        }
        failed.insert(socket, text);
    }
}

impl Open {
    fn new(index: u32) -> Self {
        Self { index, v4: None, v6: None, readers: JoinSet::new() }
    }

    fn listen(
        &mut self,
        wanted: bool,
        v6: bool,
        name: &Arc<str>,
        to: &mpsc::Sender<Datagram>,
        counts: &Arc<Counts>,
    ) -> io::Result<()> {
        let index = self.index;
        let slot = if v6 { &mut self.v6 } else { &mut self.v4 };
        if wanted && slot.is_none() {
            let socket = Arc::new(socket(name, index, v6)?);
            self.readers.spawn(read(Arc::clone(&socket), Arc::clone(name), to.clone(), Arc::clone(counts)));
            *slot = Some(socket);
        }
        // A family that lost its last address keeps its socket: nothing comes in, and it may be back.
        Ok(())
    }
}

async fn read(socket: Arc<UdpSocket>, link: Arc<str>, to: mpsc::Sender<Datagram>, counts: Arc<Counts>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let received = socket.recv_from(&mut buffer).await;
        if received.is_ok() {
            counts.received.inc();
        }
        match received {
            // Other source ports do not belong to responders (RFC 6762 §6).
            Ok((length, from)) if from.port() == MDNS_PORT => {
                let datagram = Datagram { link: Arc::clone(&link), bytes: buffer[..length].to_vec() };
                if to.send(datagram).await.is_err() {
                    return;
                }
            }
            Ok(_) => counts.ignored(Ignored::SourcePort),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn group(v6: bool, index: u32) -> SocketAddr {
    if v6 { SocketAddrV6::new(GROUP_V6, MDNS_PORT, 0, index).into() } else { (GROUP_V4, MDNS_PORT).into() }
}

fn socket(name: &str, index: u32, v6: bool) -> io::Result<UdpSocket> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // Both, since some responders share the port by the one and some by the other.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(name.as_bytes()))?;
    if v6 {
        socket.set_only_v6(true)?;
        // Only needed for our own questions (RFC 6762 §11).
        socket.set_multicast_hops_v6(255)?;
    } else {
        socket.set_multicast_ttl_v4(255)?;
    }
    // A wish: the kernel caps it.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&group(v6, index).into())?;
    if v6 {
        socket.join_multicast_v6(&GROUP_V6, index)?;
    } else {
        socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
    }
    UdpSocket::from_std(socket.into())
}

/// The interfaces that are up and can multicast; those that were named, if any were.
fn interfaces(only: &[String]) -> BTreeMap<Arc<str>, Interface> {
    let mut found: BTreeMap<Arc<str>, Interface> = BTreeMap::new();
    // A failure is an answer that lists none: it is asked again in a second.
    for address in if_addrs::get_if_addrs().unwrap_or_default() {
        // Loopback is no link, and tunnels have no multicast; who names one means it.
        let usable = only.is_empty() && !address.is_loopback() && !address.is_p2p();
        if !address.is_oper_up() || !(usable || only.contains(&address.name)) {
            continue;
        }
        let Some(index) = address.index else { continue };
        let interface = found.entry(address.name.as_str().into()).or_default();
        interface.index = index;
        match address.ip() {
            IpAddr::V4(_) => interface.v4 = true,
            IpAddr::V6(_) => interface.v6 = true,
        }
    }
    found
}
