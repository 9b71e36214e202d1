//! What holds of every request: properties for the fuzzer (`fuzz/`), and for the inputs that it has found worth
//! keeping, which the tests go through.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hickory_server::proto::op::{Edns, Message, ResponseCode};
use serde_json::json;

use super::Config;
use super::access::Access;
use super::batch::DATAGRAM;
use super::context::Context;
use super::cookie::Cookies;
use super::message;
use super::padding;
use super::query::{self, Request};
use super::respond::respond as respond_in_place;
use super::transport::Transport;
use crate::api;
use crate::service::{
    Address, Cause, Change, DomainName, Instance, LeaseLimits, Moment, Origin, Reach, Registration, Revision, Source,
    UnixMillis,
};
use crate::zone::{self, Snapshot, Way};

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
    // Over TLS, where it may be padded as well.
    let whole = reply(octets, Transport::Tls, usize::from(u16::MAX));
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
    let [code, in_datagram] = [&whole, &datagram].map(|reply| reply.metadata.response_code);
    // Whether anything matches a glob may take a stream to tell.
    assert!(code == in_datagram || datagram.metadata.truncation && code == ResponseCode::NXDomain, "{datagram:?}");
    assert!(!whole.metadata.truncation, "over a stream there is nowhere else to go");
}

/// The reply over one transport, whose code is no fault of ours, and that of the full path where that can read the
/// request.
fn reply(octets: &[u8], transport: Transport, room: usize) -> Vec<u8> {
    static ZONE: LazyLock<Snapshot> = LazyLock::new(zone);
    static ACCESS: LazyLock<(Access, Cookies)> =
        LazyLock::new(|| (Access::new(&Config::default()), Cookies::new(&Config::default())));
    let (access, cookies) = &*ACCESS;
    let client = ([192, 0, 2, 1], 5353).into();
    // Answers begin where the message's ID says.
    let seed = octets.first_chunk().map_or(0, |id| usize::from(u16::from_be_bytes(*id)));
    let way = ZONE.look_ahead([query::first(octets)].into_iter()).way(0);
    let context = Context { zone: &ZONE, access, cookies, now: NOW, client, transport, seed, way };
    let mut buffer = vec![0; room];
    buffer[..octets.len()].copy_from_slice(octets);
    let reply = respond_in_place(&context, &mut buffer, octets.len());
    assert_ne!(reply.rcode, SERVFAIL, "SERVFAIL stands for a panic");
    // What hickory cannot read may be an option that we pass over, as a client subnet without an address.
    if Message::from_vec(octets).is_ok() {
        let context = Context { way: Way::UNKNOWN, ..context };
        let by_hickory = message::respond(&context, octets, &mut vec![0; usize::from(u16::MAX)]);
        assert_eq!(reply.rcode, by_hickory.rcode);
    }
    let padded = if transport.is_encrypted() { padding::pad(octets, &mut buffer, reply.length) } else { reply.length };
    buffer.truncate(padded);
    buffer
}

/// Zones with a little of everything.
fn zone() -> Snapshot {
    let by_api = json!([
        {"service": "auth", "instance": "Main Auth", "host": "web1", "addresses": ["10.0.0.1", "2001:db8::1"],
         "port": 80, "tags": ["blue"], "version": "3.2.2", "txt": {"path": "/login", "k": null}},
        {"service": "auth", "instance": "a2", "host": "Web2", "addresses": ["10.0.0.2"], "port": 81, "weight": 5},
        {"service": "auth", "instance": "a3", "host": "web1", "addresses": ["10.0.0.1"], "port": 80, "priority": 1},
        {"service": "http", "instance": r"Joe.s\ Küche", "host": "web1", "addresses": ["10.0.0.9"], "port": 8080,
         "subtypes": ["printer"]},
        {"service": "_ntp._udp", "instance": "n", "host": "time.example.net", "port": 123},
        {"service": "soon", "instance": "s", "host": "web3", "addresses": ["10.0.0.3"], "port": 1, "status": "starting"},
    ]);
    // A host hides the service of its name, unless that comes from a higher source.
    let by_file = json!([
        {"service": "web2", "instance": "hidden", "host": "auth", "addresses": ["10.200.0.1"], "port": 80},
        {"service": "db", "instance": "d", "host": "db.example.net", "port": 5432},
    ]);
    let read = |list| serde_json::from_value::<Vec<api::Registration>>(list).expect("registrations");
    let mut by_api = read(by_api);
    by_api.extend((0..300).map(many));
    let by_file = read(by_file).into_iter().map(|registration| (registration, Origin::new(Source::File, "f")));
    let config = zone::Config {
        domains: ["registry.local", "Corp.Example"].map(|name| name.parse().expect("a name")).into(),
        reverse: ["10.0.0.0/8", "2001:db8::/32"].map(|prefix| prefix.parse().expect("a prefix")).into(),
        ..zone::Config::default()
    };
    let name_server = ["192.0.2.53", "2001:db8::53"].map(|address| address.parse().expect("an address"));
    let mut zone = Snapshot::new(&config, &name_server.map(|address| Address::new(address).expect("one of a host")));
    let all = by_api.into_iter().map(|registration| (registration, Origin::api())).chain(by_file).zip(1..);
    zone.extend(&all.map(|((r, origin), n)| registered(r, origin, &config.domains, n)).collect::<Vec<_>>());
    zone
}

/// One of a service that no message has whole, of several priorities and weights.
fn many(n: u16) -> api::Registration {
    let host = Some(format!("h{n}"));
    let (priority, weight) = (Some(n % 2), Some(n % 7));
    api::Registration { host, priority, weight, ..api::Registration::new("many", 1000 + n) }
}

fn registered(registration: api::Registration, origin: Origin, zones: &[DomainName], number: u64) -> Change {
    let minute = Duration::from_mins(1);
    let leases = LeaseLimits { default: minute, shortest: minute, longest: minute };
    let terms = api::Terms { zones: zones.into(), leases, checks: Reach::Anywhere };
    let sender = [10, 1, 0, u8::try_from(number % 250).expect("below 256")].into();
    let registration: Registration = registration.accept(&terms, sender, None).expect("a registration");
    let (id, revision) = (registration.id.clone(), Revision(number));
    let instance = Instance::new(registration, origin, UnixMillis(0), Moment(0), revision);
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
