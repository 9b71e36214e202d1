//! The UDP loop: receive a batch, look ahead of its answers, answer all of it from one snapshot, send a batch.
//!
//! One thread per socket, which blocks in the kernel and shares nothing with the others but what it reads. A
//! plain question is answered in place; an odd one goes through hickory, on the same thread, for nothing waits.
//!
//! Road not taken: tokio's socket. It costs a system call per datagram each way, and a wakeup between.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Shutdown, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::sync::oneshot;
use tracing::error;

use super::access::Access;
use super::batch::Batch;
use super::context::{self, Context, Seeds};
use super::cookie::Cookies;
use super::counts::Counts;
use super::query;
use super::respond::respond;
use super::rrl::Limiter;
use super::transport::Transport;
use crate::registry::Reader;

/// Batches answered after the stop, at most: what had arrived, even if more keeps coming.
const DRAINED_MAX: usize = 64;
/// How long a thread waits on its socket until it looks at the state again: one that nobody asks would hold the last
/// it saw, and all of it that was replaced since, for as long as nobody asks.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after the socket failed, so that a failure that stays does not take a core.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on `socket` until it is `stopped`, and then what had arrived.
pub(super) fn serve(
    socket: &UdpSocket,
    mut registry: Reader,
    access: &Access,
    mut cookies: Cookies,
    mut limiter: Limiter,
    counts: &Counts,
    stopped: &AtomicBool,
) {
    // Without it nothing is wrong but that memory is held for longer.
    let _ = socket.set_read_timeout(Some(LOOK));
    let mut batch = Batch::new();
    let mut seeds = Seeds::new();
    let mut drained = 0;
    loop {
        let received = match batch.receive(socket.as_fd()) {
            Ok(received) => received,
            // Nobody asked for a while.
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            // A signal, or an ICMP error about an earlier reply: neither is about this socket.
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => 0,
            Err(e) => {
                error!(error = %e, "the UDP socket failed");
                thread::sleep(PAUSE);
                0
            }
        };
        let (state, began) = (registry.state(), Instant::now());
        let ahead = state.zone.look_ahead(batch.requests(received).map(query::first));
        let now = context::now();
        cookies.turn_to(now);
        let answered = batch.answer(socket.as_fd(), received, |n, datagram, length, client| {
            let context = Context {
                zone: &state.zone,
                access,
                cookies: &cookies,
                now,
                client,
                transport: Transport::Udp,
                seed: seeds.next(),
                way: ahead.way(n),
            };
            let mut reply = respond(&context, datagram, length);
            counts.asked(Transport::Udp, &reply);
            let verdict = limiter.judge(&mut reply, datagram, client.ip(), now);
            counts.replied(Transport::Udp, verdict, &reply);
            reply
        });
        counts.cut(Transport::Udp, answered.cut);
        counts.took(Transport::Udp, began.elapsed(), answered.asked);
        if stopped.load(Ordering::Acquire) {
            drained += 1;
            if answered.asked == 0 || drained == DRAINED_MAX {
                return;
            }
        }
    }
}

/// The threads that serve sockets. When it is dropped they answer what has arrived, and end: also where nobody says
/// stop, because the runtime goes away.
#[derive(Debug, Default)]
pub(super) struct Serving {
    threads: Vec<(Arc<UdpSocket>, JoinHandle<()>)>,
    pub(super) stopped: Arc<AtomicBool>,
}

impl Serving {
    /// Has a thread `serve` the socket until it is told to stop; what is returned ends when the thread does.
    ///
    /// A thread of its own, for it blocks in the kernel for as long as the server runs; with a name, by which its
    /// share of the processor can be told from the others'.
    pub(super) fn spawn<F>(&mut self, socket: UdpSocket, serve: F) -> impl Future<Output = ()> + use<F>
    where
        F: FnOnce(&UdpSocket, &AtomicBool) + Send + 'static,
    {
        let (alive, ended) = oneshot::channel::<Infallible>();
        let socket = Arc::new(socket);
        let (served, stopped) = (socket.clone(), self.stopped.clone());
        let thread = thread::Builder::new().name("dns-udp".into()).spawn(move || {
            // Dropped at the end, also by a panic.
            let _alive = alive;
            serve(&served, &stopped);
        });
        match thread {
            Ok(thread) => self.threads.push((socket, thread)),
            Err(e) => error!(error = %e, "no thread can be had for a UDP socket"),
        }
        async {
            let Err(_) = ended.await;
        }
    }

    /// Has the threads answer what has arrived, and end.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        for (socket, _) in &self.threads {
            // Says ENOTCONN of a socket without a peer, and wakes who waits on it all the same.
            let _ = SockRef::from(&**socket).shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop();
        for (_, thread) in self.threads.drain(..) {
            // A panic has been told by the hook.
            let _ = thread.join();
        }
    }
}
