//! From the octets of a request to the octets of its reply.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::context::Context;
use super::edns::datagram_limit;
use super::message;
use super::query::{Query, Request};
use super::wire;
use crate::zone::{Answer, Question, rtype};

/// Class IN (RFC 1035 §3.2.4), the only one that we have data of.
const CLASS_IN: u16 = 1;

/// Writes the reply to a request into `reply`, which is as long as a reply over this transport may be, and returns
/// its length: 0 for none. A request that finds a fault of ours is told SERVFAIL, and costs no other its answer.
pub(super) fn respond(context: &Context<'_>, request: &[u8], reply: &mut [u8]) -> usize {
    // Nothing stays half done: what is read never changes, and the reply is begun anew.
    let written = catch_unwind(AssertUnwindSafe(|| write(context, request, reply)));
    written.unwrap_or_else(|_| copy(&message::failure(request), reply))
}

fn write(context: &Context<'_>, request: &[u8], reply: &mut [u8]) -> usize {
    match Request::read(request) {
        Request::Ignored => 0,
        Request::Plain(query) => {
            let answer = answer(context, &query);
            if !context.transport.is_stream() {
                let limit = usize::from(datagram_limit(query.edns.map(|edns| edns.size))).min(reply.len());
                return wire::write(&query, &answer, context.seed, &mut reply[..limit]);
            }
            let length = wire::write(&query, &answer, context.seed, reply);
            wire::clear_truncation(reply);
            length
        }
        Request::Odd => copy(&message::respond(context, request), reply),
    }
}

fn copy(octets: &[u8], reply: &mut [u8]) -> usize {
    reply.get_mut(..octets.len()).map_or(0, |free| {
        free.copy_from_slice(octets);
        octets.len()
    })
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
