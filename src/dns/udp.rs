//! The UDP loop: receive a batch, answer all of it from one snapshot, send a batch.
//!
//! One thread per socket, which blocks in the kernel and shares nothing with the others but what it reads. A
//! plain question is answered in place; an odd one goes through hickory, on the same thread, for nothing waits.
//!
//! Road not taken: tokio's socket. It costs a system call per datagram each way, and a wakeup between.

use std::io::ErrorKind;
use std::net::{Shutdown, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tracing::error;

use super::access::Access;
use super::batch::Batch;
use super::context::{self, Context, Seeds};
use super::cookie::Cookies;
use super::respond::respond;
use super::transport::Transport;
use crate::registry::Reader;

/// Batches answered after the stop, at most: what had arrived, even if more keeps coming.
const DRAINED_MAX: usize = 64;
/// Pause after the socket failed, so that a failure that stays does not take a core.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on `socket` until it is `stopped`, and then what had arrived.
pub(super) fn serve(
    socket: &UdpSocket,
    mut registry: Reader,
    access: &Access,
    mut cookies: Cookies,
    stopped: &AtomicBool,
) {
    let mut batch = Batch::new();
    let mut seeds = Seeds::new();
    let mut drained = 0;
    loop {
        let received = match batch.receive(socket.as_fd()) {
            Ok(received) => received,
            // A signal, or an ICMP error about an earlier reply: neither is about this socket.
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => 0,
            Err(e) => {
                error!(error = %e, "the UDP socket failed");
                std::thread::sleep(PAUSE);
                0
            }
        };
        let state = registry.state();
        let now = context::now();
        cookies.turn_to(now);
        let answered = batch.answer(socket.as_fd(), received, |datagram, client, reply| {
            let context = Context {
                zone: &state.zone,
                access,
                cookies: &cookies,
                now,
                client,
                transport: Transport::Udp,
                seed: seeds.next(),
            };
            respond(&context, datagram, reply).length
        });
        if stopped.load(Ordering::Acquire) {
            drained += 1;
            if answered == 0 || drained == DRAINED_MAX {
                return;
            }
        }
    }
}

/// The sockets that threads serve. When it is dropped they answer what has arrived, and end: also where nobody
/// says stop, because the runtime goes away.
#[derive(Debug, Default)]
pub(super) struct Serving {
    pub(super) sockets: Vec<Arc<UdpSocket>>,
    pub(super) stopped: Arc<AtomicBool>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        for socket in &self.sockets {
            // Says ENOTCONN of a socket without a peer, and wakes who waits on it all the same.
            let _ = SockRef::from(&**socket).shutdown(Shutdown::Read);
        }
    }
}
