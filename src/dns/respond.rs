//! From the octets of a request to the octets of its reply.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;

use hickory_server::net::xfer::Protocol;

use super::access::Access;
use super::edns::datagram_limit;
use super::message;
use super::query::{Query, Request};
use super::wire;
use crate::zone::{Answer, Question, Snapshot, rtype};

/// Class IN (RFC 1035 §3.2.4), the only one that we have data of.
const CLASS_IN: u16 = 1;

/// What an answer depends on besides the question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) zone: &'a Snapshot,
    pub(super) access: &'a Access,
    pub(super) client: SocketAddr,
    /// Where answers begin that have several records.
    pub(super) seed: usize,
}

/// Where one answer after the other begins, so that clients which take the first record spread.
///
/// Not counted up: who always asks for A and AAAA in turn would see every second beginning only.
#[derive(Debug)]
pub(super) struct Seeds(u64);

impl Seeds {
    /// Begins anywhere.
    pub(super) fn new() -> Self {
        Self(RandomState::new().hash_one(()))
    }

    pub(super) fn next(&mut self) -> usize {
        // Knuth's linear congruential generator: not to be trusted with secrets, and this is none.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The high bits are the random ones.
        usize::try_from(self.0 >> 33).unwrap_or(0)
    }
}

/// Writes the reply to a request into `reply`, which is as long as a reply over this protocol may be, and returns
/// its length: 0 for none.
pub(super) fn respond(context: &Context<'_>, request: &[u8], protocol: Protocol, reply: &mut [u8]) -> usize {
    match Request::read(request) {
        Request::Ignored => 0,
        Request::Plain(query) => {
            let answer = answer(context, &query);
            if protocol == Protocol::Udp {
                let limit = usize::from(datagram_limit(query.edns.map(|edns| edns.size))).min(reply.len());
                return wire::write(&query, &answer, context.seed, &mut reply[..limit]);
            }
            let length = wire::write(&query, &answer, context.seed, reply);
            wire::clear_truncation(reply);
            length
        }
        Request::Odd => {
            let octets = message::respond(context, request, protocol);
            reply.get_mut(..octets.len()).map_or(0, |free| {
                free.copy_from_slice(&octets);
                octets.len()
            })
        }
    }
}

fn answer<'a>(context: &Context<'a>, query: &Query<'_>) -> Answer<'a> {
    match (query.class, query.rtype) {
        (CLASS_IN, rtype::AXFR | rtype::IXFR) => Answer::Refused,
        (CLASS_IN, rtype) => {
            let globs = context.access.globs(context.client.ip());
            context.zone.answer(&Question { name: query.name, rtype, globs })
        }
        _ => Answer::Refused,
    }
}
