//! What would be answered to a question, for people who wonder: the reply itself, taken apart.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;

use hickory_server::proto::op::Message;
use hickory_server::proto::rr::{Name, RData, Record, RecordType};

use super::context::{CLASS_IN, Context, Question};
use super::edns::{DATAGRAM_MAX, DATAGRAM_MIN};
use super::extended_error::ExtendedError;
use super::messages::Messages;
use super::respond::respond;
use super::transport::Transport;
use crate::api::{Datum, Explained, Reply, Size};
use crate::service::DomainName;
use crate::zone::{self, Answer, Rdata, Remark, Snapshot, rtype};

/// Records that are shown, at most: they are for people.
const SHOWN_MAX: usize = 100;
/// Octets of the longest record of which a name has many: a pointer to its owner, type to length, and an SRV record's
/// data.
const RECORD_MAX: usize = 2 + 10 + 6 + 255;
/// A query with one question, and perhaps an OPT record that takes 1,232 octets (RFC 1035 §4.1.1, RFC 6891 §6.1.2).
const HEAD: [u8; 12] = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const HEAD_WITH_OPT: [u8; 12] = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

impl Messages {
    /// What `client` would be told by `snapshot` of a name; without a type, of the one that one would ask for first.
    /// Nothing is counted.
    pub fn explain(&self, snapshot: &Snapshot, name: &DomainName, rtype: Option<u16>, client: IpAddr) -> Explained {
        // Of the client's port nothing depends.
        let client = SocketAddr::from((client, 0));
        let over = |transport| self.0.context(snapshot, transport, client, 0);
        let (udp, tcp) = (over(Transport::Udp), over(Transport::Tcp));

        let globs = tcp.access.globs(client.ip(), tcp.transport);
        let (subject, zone) = snapshot.subject(&zone::Question { name: name.as_wire(), rtype: 0, globs });
        let rtype = rtype.unwrap_or_else(|| subject.usual_type());
        let question = Question { name: name.as_wire(), rtype, class: CLASS_IN };
        let answer = tcp.answer(&question);
        let remark = ExtendedError::of(&question, &answer, &tcp);

        let whole = reply(&tcp, &question, false);
        let is_full = whole.len() + RECORD_MAX > usize::from(u16::MAX);
        let sizes = [
            size("UDP", DATAGRAM_MIN, &reply(&udp, &question, false), 0),
            size("UDP with EDNS", DATAGRAM_MAX, &reply(&udp, &question, true), 1),
            size("TCP", u16::MAX, &whole, 0),
        ];
        let whole = Message::from_vec(&whole).unwrap_or_else(|_| Message::query());
        let (ttl, ttl_from) = match (whole.answers.first(), whole.authorities.first()) {
            (Some(record), _) if record.ttl < snapshot.ttl() => (record.ttl, "the shortest lease among them, or mDNS"),
            (Some(record), _) => (record.ttl, "zone.ttl"),
            (None, Some(soa)) => (soa.ttl, "zone.negative_ttl"),
            (None, None) => (0, ""),
        };
        let is_kept = !whole.answers.is_empty() || !whole.authorities.is_empty();
        let reply = Reply {
            name: name.to_string(),
            rtype: type_name(rtype),
            zone: zone.map(ToString::to_string),
            rule: subject.to_string(),
            code: code(&whole),
            remark: remark.map(|remark| remark.to_string()).filter(|remark| !remark.is_empty()),
            ttl: is_kept.then_some(ttl),
            ttl_from: is_kept.then(|| ttl_from.to_owned()),
            records: whole.answers.iter().take(SHOWN_MAX).map(text).collect(),
            sizes: sizes.into(),
        };
        Explained {
            reply,
            rtype,
            exists: matches!(answer, Answer::NoData(..) | Answer::Records(_)),
            answers: whole.answers.iter().filter_map(datum).collect(),
            selected: selected(&answer, rtype),
            is_full,
        }
    }
}

/// All that a glob returns, where its limit cut it, which so bounds this, too; it may be nothing.
fn selected(answer: &Answer<'_>, rtype: u16) -> Option<HashSet<Datum>> {
    // Of another type there is nothing, however many match.
    let is_cut = answer.remark() == Some(Remark::Cut) && matches!(rtype, rtype::SRV | rtype::PTR | rtype::ANY);
    let mut all = HashSet::new();
    if let (true, Answer::Records(records)) = (is_cut, answer) {
        let _ = records.answer.records(0, usize::from(u16::MAX), |rdata| {
            all.extend(match rdata {
                Rdata::Name(name) => whole_name(&name).map(Datum::Name),
                Rdata::Srv([p0, p1, w0, w1, o0, o1], target) => srv([[*p0, *p1], [*w0, *w1], [*o0, *o1]], &target),
                _ => None,
            });
            ControlFlow::<()>::Continue(())
        });
    }
    is_cut.then_some(all)
}

fn srv([priority, weight, port]: [[u8; 2]; 3], target: &zone::Name<'_>) -> Option<Datum> {
    let [priority, weight, port] = [priority, weight, port].map(u16::from_be_bytes);
    whole_name(target).map(|target| Datum::Srv { priority, weight, port, target })
}

/// Out of its pieces.
fn whole_name(name: &zone::Name<'_>) -> Option<DomainName> {
    let wire = name.0.concat();
    let mut rest = &wire[..];
    let labels = std::iter::from_fn(|| {
        let (length, behind) = rest.split_first().filter(|(length, _)| **length > 0)?;
        let (label, behind) = behind.split_at_checked(usize::from(*length))?;
        rest = behind;
        Some(label)
    });
    DomainName::from_labels(labels).ok()
}

/// What a record of the reply holds.
fn datum(record: &Record) -> Option<Datum> {
    match &record.data {
        RData::A(address) => Some(Datum::Address(address.0.into())),
        RData::AAAA(address) => Some(Datum::Address(address.0.into())),
        RData::PTR(target) => DomainName::from_labels(target.0.iter()).ok().map(Datum::Name),
        RData::SRV(srv) => {
            let target = DomainName::from_labels(srv.target.iter()).ok()?;
            Some(Datum::Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target })
        }
        _ => None,
    }
}

/// The reply that would be sent.
fn reply(context: &Context<'_>, question: &Question<'_>, with_edns: bool) -> Vec<u8> {
    let (head, opt) = if with_edns { (HEAD_WITH_OPT, &OPT[..]) } else { (HEAD, &[][..]) };
    let request = [&head, question.name, &question.rtype.to_be_bytes(), &question.class.to_be_bytes(), opt].concat();
    let mut buffer = request.clone();
    buffer.resize(usize::from(u16::MAX), 0);
    let length = respond(context, &mut buffer, request.len()).length;
    buffer.truncate(length);
    buffer
}

/// Of a reply that has so many OPT records.
fn size(transport: &str, limit: u16, reply: &[u8], opts: usize) -> Size {
    let count = |at: usize| reply.get(at..at + 2).map_or(0, |n| usize::from(u16::from_be_bytes([n[0], n[1]])));
    Size {
        transport: transport.to_owned(),
        limit: usize::from(limit),
        octets: reply.len(),
        answers: count(6),
        additionals: count(10).saturating_sub(opts),
        truncated: reply.get(2).is_some_and(|flags| flags & super::reply::TRUNCATED != 0),
    }
}

/// The response code by its name (RFC 1035 §4.1.1, as IANA writes them).
fn code(message: &Message) -> String {
    match u16::from(message.metadata.response_code) {
        0 => "NOERROR".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        5 => "REFUSED".to_owned(),
        other => other.to_string(),
    }
}

/// As questions write it: one without a name by its number (RFC 3597 §5).
fn type_name(rtype: u16) -> String {
    match RecordType::from(rtype) {
        RecordType::Unknown(_) => format!("TYPE{rtype}"),
        known => known.to_string(),
    }
}

/// A record in presentation form (RFC 1035 §5.1).
fn text(record: &Record) -> String {
    format!("{} {} IN {} {}", name(&record.name), record.ttl, record.record_type(), data(record))
}

fn data(record: &Record) -> String {
    match &record.data {
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, name(&srv.target)),
        RData::PTR(target) => name(&target.0),
        RData::NS(target) => name(&target.0),
        RData::TXT(txt) => txt.txt_data.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// hickory's own text escapes in octal.
fn name(name: &Name) -> String {
    DomainName::from_labels(name.iter()).map_or_else(|_| name.to_string(), |name| name.to_string())
}

fn quoted(text: &[u8]) -> String {
    let escaped = text.iter().map(|octet| match octet {
        b'"' | b'\\' => format!("\\{}", char::from(*octet)),
        b' '..=b'~' => char::from(*octet).to_string(),
        _ => format!("\\{octet:03}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
