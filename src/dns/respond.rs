//! From the octets of a request to the octets of its reply.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::context::Context;
use super::edns::{Opt, datagram_limit};
use super::message;
use super::query::{Query, Request};
use super::reply::Reply;
use super::wire::{self, Asked};
use crate::zone::{Answer, Question, rtype};

/// Class IN (RFC 1035 §3.2.4), the only one that we have data of.
const CLASS_IN: u16 = 1;

/// Replaces the request in the first `length` octets of `buffer`, which is as long as a reply over this transport may
/// be, by the reply. A request that finds a fault of ours is told SERVFAIL, and costs no other its answer.
pub(super) fn respond(context: &Context<'_>, buffer: &mut [u8], length: usize) -> Reply {
    // Nothing stays half done: what is read never changes, and the request's header is overwritten last.
    let written = catch_unwind(AssertUnwindSafe(|| write(context, buffer, length)));
    written.unwrap_or_else(|_| {
        let request = buffer[..length].to_vec();
        message::failure(&request, buffer)
    })
}

fn write(context: &Context<'_>, buffer: &mut [u8], length: usize) -> Reply {
    let query = match Request::read(&buffer[..length]) {
        Request::Ignored => return Reply::NONE,
        Request::Plain(query) => query,
        Request::Odd => {
            let request = buffer[..length].to_vec();
            return message::respond(context, &request, buffer);
        }
    };
    let answer = answer(context, &query);
    let opt = Opt::new(query.edns.as_ref(), context);
    let asked = Asked::by(&query);
    let size = query.edns.map(|edns| edns.size);
    let length = if context.transport.is_stream() {
        let length = wire::write(asked, &answer, &opt, context.seed, buffer);
        wire::clear_truncation(buffer);
        length
    } else {
        let limit = usize::from(datagram_limit(size)).min(buffer.len());
        wire::write(asked, &answer, &opt, context.seed, &mut buffer[..limit])
    };
    Reply::written(&buffer[..length], u16::from(wire::code(&answer)), answer.place())
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
