//! Replies to requests over a stream, whichever: TCP, TLS, QUIC or HTTPS.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Instant;

use super::access::Access;
use super::context::{self, Context, Seeds};
use super::cookie::Cookies;
use super::counts::Counting;
use super::padding;
use super::reply::Reply;
use super::respond::respond;
use super::rrl::Verdict;
use super::transport::Transport;
use crate::registry::Registry;
use crate::zone::{Snapshot, Way};

/// Octets in front of a message that say how long it is (RFC 1035 §4.2.2).
const LENGTH: usize = 2;

thread_local! {
    /// Where replies are written: as long as any can be, once per thread, so that one which waits for its client
    /// holds no more than its own octets.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; LENGTH + usize::from(u16::MAX)]);
}

/// What all streams answer from.
#[derive(Debug, Clone)]
pub(super) struct Responder {
    pub(super) registry: Registry,
    pub(super) access: Access,
    pub(super) cookies: Cookies,
    pub(super) counting: Counting,
}

/// A reply with its length in front, for one write (RFC 7766 §8).
#[derive(Debug)]
pub(super) struct Framed(Vec<u8>);

impl Responder {
    /// The reply to `request`, where one is due.
    pub(super) fn reply(
        &self,
        request: &[u8],
        transport: Transport,
        client: SocketAddr,
        seeds: &mut Seeds,
    ) -> Option<Framed> {
        let (state, began) = (self.registry.state(), Instant::now());
        let context = self.context(&state.zone, transport, client, seeds.next());
        SCRATCH.with_borrow_mut(|scratch| {
            let (prefix, message) = scratch.split_first_chunk_mut::<LENGTH>()?;
            message.get_mut(..request.len())?.copy_from_slice(request);
            let reply @ Reply { length, .. } = respond(&context, message, request.len());
            self.counting.stream(|counts| {
                counts.asked(transport, &reply);
                counts.replied(transport, Verdict::Sent, &reply);
                counts.took(transport, began.elapsed(), 1);
            });
            let length = if transport.is_encrypted() { padding::pad(request, message, length) } else { length };
            *prefix = u16::try_from(length).ok().filter(|length| *length > 0)?.to_be_bytes();
            Some(Framed(scratch.get(..LENGTH + length)?.to_vec()))
        })
    }

    /// What a reply depends on that is written now.
    pub(super) fn context<'a>(
        &'a self,
        zone: &'a Snapshot,
        transport: Transport,
        client: SocketAddr,
        seed: usize,
    ) -> Context<'a> {
        let Self { access, cookies, .. } = self;
        Context { zone, access, cookies, now: context::now(), client, transport, seed, way: Way::UNKNOWN }
    }
}

impl Framed {
    /// The message alone.
    pub(super) fn message(&self) -> &[u8] {
        self.0.get(LENGTH..).unwrap_or_default()
    }

    /// The length and the message.
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}
