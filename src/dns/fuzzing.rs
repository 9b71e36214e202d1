//! What holds of every request: properties for the fuzzer (`fuzz/`), and for the inputs that it has found worth
//! keeping, which the tests go through.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hickory_server::proto::op::{Edns, Message};
use serde_json::json;

use super::Config;
use super::access::Access;
use super::batch::DATAGRAM;
use super::context::Context;
use super::cookie::Cookies;
use super::message;
use super::query::Request;
use super::respond::respond as respond_in_place;
use super::transport::Transport;
use crate::api;
use crate::service::{
    Cause, Change, DomainName, Instance, LeaseLimits, Moment, Origin, Registration, Revision, UnixMillis,
};
use crate::zone::{self, Snapshot};

/// Unix seconds at which every request comes.
const NOW: u32 = 1_800_000_000;
const SERVFAIL: u16 = 2;

/// What our parser takes for a plain question is one to hickory's as well, and says the same.
///
/// # Panics
///
/// Where that does not hold.
pub fn question(octets: &[u8]) {
    let Request::Plain(query) = Request::read(octets) else { return };
    // Hickory reads the data of options that we pass over, and minds more of them.
    let Ok(message) = Message::from_vec(octets) else { return };
    let [asked] = &message.queries[..] else { panic!("{} questions", message.queries.len()) };
    let labels =
        asked.name().iter().flat_map(|label| [&[u8::try_from(label.len()).expect("at most 63")], label].concat());
    assert_eq!(labels.chain([0]).collect::<Vec<_>>(), query.name);
    assert_eq!(u16::from(asked.query_type()), query.rtype);
    assert_eq!(u16::from(asked.query_class()), query.class);
    let theirs = message.edns.as_ref().map(Edns::max_payload);
    assert_eq!(theirs.map(|size| size.max(512)), query.edns.map(|edns| edns.size.max(512)));
}

/// Whatever comes in gets a well-formed reply of its own, or none; and of the two encoders, the same code.
///
/// # Panics
///
/// Where that does not hold.
pub fn respond(octets: &[u8]) {
    if octets.len() > DATAGRAM {
        return;
    }
    let whole = reply(octets, Transport::Tcp, usize::from(u16::MAX));
    let datagram = reply(octets, Transport::Udp, DATAGRAM);
    assert_eq!(whole.is_empty(), datagram.is_empty());
    assert!(datagram.len() <= 1232, "{} octets in a datagram", datagram.len());
    if whole.is_empty() {
        return;
    }
    let [whole, datagram] = [whole, datagram].map(|reply| {
        assert_eq!((&reply[..2], reply[2] & 0x80), (&octets[..2], 0x80), "a response to this request");
        Message::from_vec(&reply).unwrap_or_else(|error| panic!("{error}: {}", reply.escape_ascii()))
    });
    assert_eq!(whole.metadata.response_code, datagram.metadata.response_code);
    assert!(!whole.metadata.truncation, "over a stream there is nowhere else to go");
}

/// The reply over one transport, whose code is that of the full path and no fault of ours.
fn reply(octets: &[u8], transport: Transport, room: usize) -> Vec<u8> {
    static ZONE: LazyLock<Snapshot> = LazyLock::new(zone);
    static ACCESS: LazyLock<(Access, Cookies)> =
        LazyLock::new(|| (Access::new(&Config::default()), Cookies::new(&Config::default())));
    let (access, cookies) = &*ACCESS;
    let client = ([192, 0, 2, 1], 5353).into();
    let context = Context { zone: &ZONE, access, cookies, now: NOW, client, transport, seed: 7 };
    let mut buffer = vec![0; room];
    buffer[..octets.len()].copy_from_slice(octets);
    let reply = respond_in_place(&context, &mut buffer, octets.len());
    assert_ne!(reply.rcode, SERVFAIL, "SERVFAIL stands for a panic");
    let by_hickory = message::respond(&context, octets, &mut vec![0; usize::from(u16::MAX)]);
    assert_eq!(reply.rcode, by_hickory.rcode);
    buffer.truncate(reply.length);
    buffer
}

/// A zone with a little of everything.
fn zone() -> Snapshot {
    let registrations = json!([
        {"service": "auth", "instance": "Main Auth", "host": "web1", "addresses": ["10.0.0.1", "2001:db8::1"],
         "port": 80, "tags": ["blue"], "version": "3.2.2", "txt": {"path": "/login", "k": null}},
        {"service": "auth", "instance": "a2", "host": "Web2", "addresses": ["10.0.0.2"], "port": 81, "weight": 5},
        {"service": "http", "instance": r"Joe.s\ Küche", "host": "web1", "addresses": ["10.0.0.9"], "port": 8080},
        {"service": "_ntp._udp", "instance": "n", "host": "time.example.net", "port": 123},
    ]);
    let mut registrations: Vec<api::Registration> = serde_json::from_value(registrations).expect("registrations");
    registrations.extend(
        (0..300).map(|n| api::Registration { host: Some(format!("h{n}")), ..api::Registration::new("many", 1000 + n) }),
    );
    let config = zone::Config::default();
    let mut zone = Snapshot::new(&config, &[]);
    zone.extend(
        &registrations.into_iter().zip(1..).map(|(r, n)| registered(r, &config.domains, n)).collect::<Vec<_>>(),
    );
    zone
}

fn registered(registration: api::Registration, zones: &[DomainName], number: u64) -> Change {
    let minute = Duration::from_mins(1);
    let leases = LeaseLimits { default: minute, shortest: minute, longest: minute };
    let terms = api::Terms { zones: zones.into(), leases };
    let sender = [10, 1, 0, u8::try_from(number % 250).expect("below 256")].into();
    let registration: Registration = registration.accept(&terms, sender, None).expect("a registration");
    let (id, revision) = (registration.id.clone(), Revision(number));
    let instance = Instance::new(registration, Origin::api(), UnixMillis(0), Moment(0), revision);
    Change { revision, id, cause: Cause::Registered, before: None, after: Some(Arc::new(instance)) }
}

#[cfg(test)]
mod tests {
    /// Gives every input of a target's corpus to `property`.
    fn replay(target: &str, property: impl Fn(&[u8])) {
        let folder = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(inputs.len() > 10, "{} inputs", inputs.len());
        for input in inputs {
            property(&std::fs::read(input).unwrap());
        }
    }

    #[test]
    fn the_questions_that_were_kept_are_read_as_hickory_reads_them() {
        replay("question", super::question);
    }

    #[test]
    fn the_requests_that_were_kept_get_well_formed_replies() {
        replay("respond", super::respond);
    }
}
