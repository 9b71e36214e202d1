//! From the octets of a request to the octets of its reply.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::context::Context;
use super::edns::{Opt, datagram_limit};
use super::message;
use super::query::{Query, Request};
use super::reply::Reply;
use super::wire;
use crate::zone::{Answer, Question, rtype};

/// Class IN (RFC 1035 §3.2.4), the only one that we have data of.
const CLASS_IN: u16 = 1;

/// Writes the reply to a request into `buffer`, which is as long as a reply over this transport may be. A request
/// that finds a fault of ours is told SERVFAIL, and costs no other its answer.
pub(super) fn respond(context: &Context<'_>, request: &[u8], buffer: &mut [u8]) -> Reply {
    // Nothing stays half done: what is read never changes, and the reply is begun anew.
    let written = catch_unwind(AssertUnwindSafe(|| write(context, request, buffer)));
    written.unwrap_or_else(|_| message::failure(request, buffer))
}

fn write(context: &Context<'_>, request: &[u8], buffer: &mut [u8]) -> Reply {
    match Request::read(request) {
        Request::Ignored => Reply::NONE,
        Request::Plain(query) => {
            let answer = answer(context, &query);
            let opt = Opt::new(query.edns.as_ref(), context);
            let length = if context.transport.is_stream() {
                let length = wire::write(&query, &answer, &opt, context.seed, buffer);
                wire::clear_truncation(buffer);
                length
            } else {
                let limit = usize::from(datagram_limit(query.edns.map(|edns| edns.size))).min(buffer.len());
                wire::write(&query, &answer, &opt, context.seed, &mut buffer[..limit])
            };
            Reply::written(&buffer[..length], u16::from(wire::code(&answer)), answer.place())
        }
        Request::Odd => message::respond(context, request, buffer),
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
