//! Many datagrams per system call: `recvmmsg` and `sendmmsg`, and the one place of this program that needs
//! `unsafe`, because no safe wrapper sends a batch to many peers, each from the address that it had asked.
//!
//! A [`Batch`] owns all memory that the kernel reads and writes: boxed arrays that never move. Pointers into them
//! are taken anew before every call and used by that call alone. What comes out are octets in safe slices; that
//! the lengths are within them is checked, not believed. A reply is written where its request was, so that a batch
//! takes half as much of the processor's caches.
//!
//! Roads not taken: `nix` shares control messages across a batch, `rustix` has no `recvmmsg`, `quinn-udp` sends a
//! batch to one peer only; `io_uring` is turned off on many machines.
#![expect(unsafe_code, reason = "recvmmsg and sendmmsg have no safe wrapper that fits; see above")]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::null_mut;

use super::edns::DATAGRAM_MAX;
use super::reply::Reply;

/// Datagrams per call, at most.
const CALL: libc::c_uint = 64;
const BATCH: usize = CALL as usize;
/// Octets of a datagram, at most: of a reply, and of a request, which may be longer than we say that we take. What
/// is longer still is passed over. An odd number of cache lines: the same parts of all datagrams, which are read one
/// after the other, would else contend for a few places of the cache.
pub(super) const DATAGRAM: usize = 21 * 64;
const _: () = assert!(DATAGRAM >= DATAGRAM_MAX as usize, "a reply finds room");
/// Octets of an address: `sockaddr_in6`, the larger.
const PEER_LENGTH: libc::socklen_t = 28;
const PEER: usize = PEER_LENGTH as usize;
/// Octets of control messages: `IPV6_PKTINFO`, the larger, takes 40.
const CONTROL: usize = 48;

/// Memory for one batch of requests, and then of their replies.
pub(super) struct Batch {
    datagrams: Box<[[u8; DATAGRAM]]>,
    peers: Box<[Aligned<PEER>]>,
    controls: Box<[Aligned<CONTROL>]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    /// The datagram and the reply in it that a header is about, when replies are sent.
    replies: Box<[(usize, Reply)]>,
    /// How many headers may not be as a call wants them that receives.
    used: usize,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answered {
    /// Requests that came from anybody.
    pub(super) asked: usize,
    /// Replies that were cut, because a link takes no datagram as long.
    pub(super) cut: usize,
}

/// Octets aligned as the kernel's structures want them.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: a C structure of numbers and pointers, for which zeroes are valid: nothing, nowhere.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Self {
            datagrams: vec![[0; DATAGRAM]; BATCH].into(),
            peers: vec![Aligned([0; PEER]); BATCH].into(),
            controls: vec![Aligned([0; CONTROL]); BATCH].into(),
            vectors: vec![libc::iovec { iov_base: null_mut(), iov_len: 0 }; BATCH].into(),
            headers: vec![header; BATCH].into(),
            replies: vec![(0, Reply::NONE); BATCH].into(),
            used: BATCH,
        }
    }

    /// Waits for datagrams and returns how many came. From a socket that was shut down comes an empty one.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for n in 0..self.used {
            self.address(n, n, DATAGRAM, CONTROL);
        }
        // SAFETY: the headers point into the boxes of `self`, with their true lengths; nothing else refers to
        // them during the call. WAITFORONE: block for the first, take what else is there.
        let received = unsafe {
            let headers = self.headers.as_mut_ptr();
            libc::recvmmsg(socket.as_raw_fd(), headers, CALL, libc::MSG_WAITFORONE as _, null_mut())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error());
        self.used = received.as_ref().map_or(0, |received| *received);
        received
    }

    /// The first `received` datagrams, as far as they are read.
    pub(super) fn requests(&self, received: usize) -> impl Iterator<Item = &[u8]> {
        let headers = self.headers[..received.min(BATCH)].iter();
        headers.zip(&self.datagrams).map(|(header, datagram)| &datagram[..DATAGRAM.min(header.msg_len as usize)])
    }

    /// Has `answer` replace each of the first `received`, of which it is given the number and the length, by its reply,
    /// and sends the replies.
    pub(super) fn answer(
        &mut self,
        socket: BorrowedFd<'_>,
        received: usize,
        mut answer: impl FnMut(usize, &mut [u8; DATAGRAM], usize, SocketAddr) -> Reply,
    ) -> Answered {
        let (mut asked, mut filled) = (0, 0);
        for n in 0..received.min(BATCH) {
            let libc::mmsghdr { msg_hdr, msg_len } = self.headers[n];
            if msg_hdr.msg_namelen == 0 {
                continue;
            }
            asked += 1;
            let length = msg_len as usize;
            if msg_hdr.msg_flags & libc::MSG_TRUNC != 0 || length > DATAGRAM {
                continue;
            }
            let Some(peer) = self.peers[n].as_address() else { continue };
            let reply = answer(n, &mut self.datagrams[n], length, peer);
            if reply.length == 0 {
                continue;
            }
            let control = if msg_hdr.msg_controllen > 0 { self.controls[n].as_source(peer) } else { 0 };
            // Not above `n`: no header is overwritten that is still to be read.
            self.address(filled, n, reply.length.min(DATAGRAM), control);
            self.replies[filled] = (n, reply);
            filled += 1;
        }
        let cut = self.send(socket.as_raw_fd(), filled);
        Answered { asked, cut }
    }

    /// Points header `header` at `length` octets of datagram `n`, at its peer and its control messages.
    fn address(&mut self, header: usize, n: usize, length: usize, control: usize) {
        self.vectors[header] = libc::iovec { iov_base: self.datagrams[n].as_mut_ptr().cast(), iov_len: length };
        let message = &mut self.headers[header].msg_hdr;
        message.msg_name = self.peers[n].0.as_mut_ptr().cast();
        message.msg_namelen = PEER_LENGTH;
        message.msg_iov = &raw mut self.vectors[header];
        message.msg_iovlen = 1;
        message.msg_control = if control > 0 { self.controls[n].0.as_mut_ptr().cast() } else { null_mut() };
        message.msg_controllen = control as _;
        message.msg_flags = 0;
    }

    /// Sends the first `filled` replies, and returns how many of them were cut.
    fn send(&mut self, socket: RawFd, filled: usize) -> usize {
        let (mut sent, mut cut) = (0, 0);
        while let Some(rest @ [_, ..]) = self.headers.get_mut(sent..filled) {
            let length = libc::c_uint::try_from(rest.len()).unwrap_or(CALL);
            // SAFETY: as in `receive`; the kernel reads names, control messages and vectors, and writes lengths.
            let done = unsafe { libc::sendmmsg(socket, rest.as_mut_ptr(), length, 0) };
            sent += match usize::try_from(done).map_err(|_| io::Error::last_os_error()) {
                Ok(done) => done,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) && self.cut(sent) => {
                    cut += 1;
                    0
                }
                // The first of the rest cannot be sent (no route, a forbidden port); the others may.
                Err(_) => 1,
            };
        }
        cut
    }

    /// Cuts the reply that header `header` is about; false where that is done already.
    fn cut(&mut self, header: usize) -> bool {
        let (n, reply) = &mut self.replies[header];
        let length = reply.length;
        let is_shorter = reply.truncate(&mut self.datagrams[*n]).is_some() && reply.length < length;
        self.vectors[header].iov_len = reply.length;
        is_shorter
    }
}

/// Has the kernel say of each datagram which address it was sent to.
pub(super) fn tell_destinations(socket: &UdpSocket) -> io::Result<()> {
    let (level, option) = match socket.local_addr()? {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    set_option(socket, level, option, 1)
}

/// Has every datagram leave in one piece or not at all (RFC 9715 §3.1), whatever ICMP said of the way to its peer:
/// forged messages would else have replies cut into pieces, of which one can be forged, too. A datagram of IPv6 that is
/// no longer than [`DATAGRAM_MAX`] is never cut.
pub(super) fn forbid_fragments(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
        SocketAddr::V6(_) => Ok(()),
    }
}

fn set_option(socket: &UdpSocket, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).expect("four");
    // SAFETY: the kernel reads one `c_int` where there is one.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Aligned<PEER> {
    /// Reads `sockaddr_in` or `sockaddr_in6`.
    fn as_address(&self) -> Option<SocketAddr> {
        let [f0, f1, p0, p1, a @ .., _, _, _, _] = self.0;
        let port = u16::from_be_bytes([p0, p1]);
        match libc::c_int::from(u16::from_ne_bytes([f0, f1])) {
            libc::AF_INET => Some((Ipv4Addr::from(*a.first_chunk::<4>()?), port).into()),
            libc::AF_INET6 => Some((Ipv6Addr::from(*a.last_chunk::<16>()?), port).into()),
            _ => None,
        }
    }
}

impl Aligned<CONTROL> {
    /// Makes of the received packet information, which says where a datagram was sent to, the one that sends the
    /// reply from there (RFC 2181 §4.1), and returns its length.
    ///
    /// Both have the same form. Only the interface is taken out, so that the reply may take another way; that of
    /// a link-local address is part of the address.
    fn as_source(&mut self, peer: SocketAddr) -> usize {
        let data = size_of::<libc::cmsghdr>();
        let (interface, length) = match peer {
            SocketAddr::V4(_) => (data, size_of::<libc::in_pktinfo>()),
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => (CONTROL, size_of::<libc::in6_pktinfo>()),
            SocketAddr::V6(_) => (data + 16, size_of::<libc::in6_pktinfo>()),
        };
        if let Some(interface) = self.0.get_mut(interface..interface + 4) {
            interface.fill(0);
        }
        (data + length).next_multiple_of(size_of::<usize>())
    }
}
