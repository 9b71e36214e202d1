//! From the octets of a datagram to the octets of its reply.

use std::net::SocketAddr;

use hickory_server::net::xfer::Protocol;

use super::access::Access;
use super::edns::datagram_limit;
use super::message;
use super::query::{Datagram, Query};
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

/// Writes the reply to a datagram into `reply`, and returns its length: 0 for none.
pub(super) fn respond(context: &Context<'_>, datagram: &[u8], reply: &mut [u8]) -> usize {
    match Datagram::read(datagram) {
        Datagram::Ignored => 0,
        Datagram::Plain(query) => {
            let limit = usize::from(datagram_limit(query.edns.map(|edns| edns.size))).min(reply.len());
            wire::write(&query, &answer(context, &query), context.seed, &mut reply[..limit])
        }
        Datagram::Odd => {
            let octets = message::respond(context, datagram, Protocol::Udp);
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
