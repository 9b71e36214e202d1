//! From the octets of a request to the octets of its reply.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::context::{Context, Question};
use super::edns::{Opt, datagram_limit};
use super::extended_error::ExtendedError;
use super::message;
use super::query::Request;
use super::reply::Reply;
use super::wire::{self, Asked};

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
    let question = Question { name: query.name, rtype: query.rtype, class: query.class };
    let answer = context.answer(&question);
    let mut opt = Opt::new(query.edns.as_ref(), context);
    opt.explain(ExtendedError::of(&question, &answer, context));
    let asked = Asked::by(&query);
    let size = query.edns.map(|edns| edns.size);
    let length = if context.transport.is_stream() {
        let length = wire::write(asked, &answer, &mut opt, context.seed, buffer);
        wire::clear_truncation(buffer);
        length
    } else {
        let limit = usize::from(datagram_limit(size)).min(buffer.len());
        wire::write(asked, &answer, &mut opt, context.seed, &mut buffer[..limit])
    };
    Reply::written(&buffer[..length], u16::from(wire::code(&answer)), answer.place()).ending_in(&opt)
}
