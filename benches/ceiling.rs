//! The ceiling of `benches/run dns`: what one UDP socket and one thread can answer when finding the answer costs
//! nothing but a look into a hash table. No name server can be expected to be faster on the same kernel calls.
//!
//! `ceiling FILE ADDRESS` reads pairs of query and response, each with its length before it as in DNS over TCP
//! (RFC 1035 §4.2.2), binds, prints where it listens, and answers until it is killed. What is not in FILE is not
//! answered.

#![allow(unsafe_code, reason = "recvmmsg and sendmmsg, which std does not have")]

use std::collections::HashMap;
use std::error::Error;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::{env, fs, io, mem, ptr};

/// Datagrams per system call.
const BATCH: u32 = 64;
/// Octets of a query with EDNS options, and of any response to a client that asks for 1,232 or less.
const DATAGRAM: usize = 1280;
/// The header, which differs from query to query by its ID (RFC 1035 §4.1.1).
const HEADER: usize = 12;
/// Octets of an IPv4 socket address.
const ADDRESS: libc::socklen_t = 16;

/// Responses by what follows the header of their query.
type Responses<'a> = HashMap<&'a [u8], &'a [u8], foldhash::fast::RandomState>;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo bench` runs every bench, with an option of its own.
    let (Some(path), Some(address)) = (env::args().nth(1), env::args().nth(2)) else { return Ok(()) };
    let file = fs::read(path)?;
    let socket = UdpSocket::bind(address)?;
    #[expect(clippy::print_stdout, reason = "the one line that says where it listens")]
    {
        println!("{}", socket.local_addr()?);
    }
    Err(serve(&socket, &read(&file)).into())
}

/// Reads the pairs, up to the first that is cut short.
fn read(mut file: &[u8]) -> Responses<'_> {
    let mut message = || {
        let (length, rest) = file.split_first_chunk::<2>()?;
        let (message, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        file = rest;
        Some(message)
    };
    std::iter::from_fn(|| Some((message()?.get(HEADER..)?, message()?))).collect()
}

/// Receives what waits, answers it, sends the answers; returns when the socket fails.
fn serve(socket: &UdpSocket, responses: &Responses<'_>) -> io::Error {
    let mut buffers = vec![[0_u8; DATAGRAM]; BATCH as usize];
    // SAFETY: all zeroes is a value of these plain C structs: no address, no buffer, no length.
    let (mut peers, mut parts, mut messages): (
        [libc::sockaddr_in; BATCH as usize],
        [libc::iovec; BATCH as usize],
        [libc::mmsghdr; BATCH as usize],
    ) = unsafe { mem::zeroed() };
    loop {
        for (i, message) in messages.iter_mut().enumerate() {
            parts[i] = libc::iovec { iov_base: buffers[i].as_mut_ptr().cast(), iov_len: DATAGRAM };
            message.msg_hdr.msg_name = (&raw mut peers[i]).cast();
            message.msg_hdr.msg_namelen = ADDRESS;
            message.msg_hdr.msg_iov = &raw mut parts[i];
            message.msg_hdr.msg_iovlen = 1;
        }
        let (socket, headers) = (socket.as_raw_fd(), messages.as_mut_ptr());
        // SAFETY: every header points to an address and a buffer of its own, which outlive the call.
        let received = unsafe { libc::recvmmsg(socket, headers, BATCH, libc::MSG_WAITFORONE, ptr::null_mut()) };
        let Ok(received) = u32::try_from(received) else { return io::Error::last_os_error() };
        for i in 0..received as usize {
            let query = &buffers[i][..messages[i].msg_len as usize];
            let response = query.get(HEADER..).and_then(|asked| responses.get(asked)).copied().unwrap_or_default();
            // All but the ID, which stays. Who asks what is not in the file gets an empty datagram.
            if let Some(behind_id) = response.get(2..) {
                buffers[i][2..response.len()].copy_from_slice(behind_id);
            }
            parts[i].iov_len = response.len();
        }
        // SAFETY: as above. What is not sent is lost, as a datagram may be.
        unsafe { libc::sendmmsg(socket, headers, received, 0) };
    }
}
