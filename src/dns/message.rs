//! The full path: any request, read and written by hickory. What is not a plain question comes this way.
//!
//! What to answer is decided in the order in which a server may stop listening: cookie, opcode,
//! EDNS version, number of questions, class, type, name. The answer itself is the zone's, as it is on the fast path.
//!
//! hickory cuts a message where it is full. So what goes into it is measured first: the RRset that was asked for
//! may be cut, with TC set where the client can come back over TCP; any other goes in whole or not at all.
//!
//! Roads not taken: hickory's `RequestHandler` around this, which is asynchronous where nothing waits; and this
//! path for every question over a stream, since hickory compresses the first 256 names only, and a service of a
//! thousand instances would not fit into the one message that there is.

use std::ops::ControlFlow;

use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_server::proto::rr::{Name, RData, Record, RecordType, rdata};
use hickory_server::proto::serialize::binary::BinEncoder;
use hickory_server::server::Request;
use hickory_server::zone_handler::MessageResponseBuilder;

use super::context::{Context, Question};
use super::cookie::{self, Standing};
use super::edns::{Opt, datagram_limit};
use super::extended_error::ExtendedError;
use super::query::{self, Edns, HEADER};
use super::reply::Reply;
use crate::service::strings;
use crate::zone::{Answer, Name as ZoneName, Place, Rdata, Records, Rrset};

/// Octets of a record between its name and its data.
const RECORD_HEAD: usize = 10;

/// Responds to a request.
pub(super) fn respond(context: &Context<'_>, octets: &[u8], buffer: &mut [u8]) -> Reply {
    let Some(header) = octets.first_chunk::<HEADER>().filter(|header| !query::is_response(header)) else {
        return Reply::NONE;
    };
    if !query::has_plain_questions(octets) {
        return bare(header, ResponseCode::FormErr, buffer);
    }
    // Client and protocol are only kept by it: what they are to us the context says.
    match Request::from_bytes(octets.to_vec(), context.client, Protocol::Tcp) {
        Ok(request) => {
            let mut response = Response::to(&request, context);
            let code = response.metadata.response_code;
            match response.encode(&request) {
                Some(message) => Reply::copied(&message, code.into(), response.place, buffer).ending_in(&response.opt),
                None => bare(header, code, buffer),
            }
        }
        Err(_) => bare(header, ResponseCode::FormErr, buffer),
    }
}

/// The response to a request that could not be answered.
pub(super) fn failure(octets: &[u8], buffer: &mut [u8]) -> Reply {
    octets.first_chunk::<HEADER>().map_or(Reply::NONE, |header| bare(header, ResponseCode::ServFail, buffer))
}

/// A response of a header alone: to what cannot be read or answered, or is too long to be repeated.
fn bare(request: &[u8; HEADER], code: ResponseCode, buffer: &mut [u8]) -> Reply {
    let [id0, id1, flags, ..] = *request;
    // QR; opcode and RD as they came.
    let message = [id0, id1, 0x80 | flags & 0x79, code.low(), 0, 0, 0, 0, 0, 0, 0, 0];
    Reply::copied(&message, code.low().into(), None, buffer)
}

/// A response, not yet octets.
struct Response {
    metadata: Metadata,
    opt: Opt,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
    /// See [`Answer::place`].
    place: Option<Place>,
    /// Octets of the whole, at most.
    limit: u16,
}

impl Response {
    fn to(request: &Request, context: &Context<'_>) -> Self {
        let cookie = request.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Cookie));
        // To hickory it is one that it does not know.
        let cookie =
            cookie.and_then(|option| if let EdnsOption::Unknown(_, data) = option { Some(&data[..]) } else { None });
        let is_malformed = context.cookies.are_taken() && cookie.is_some_and(|cookie| !cookie::is_well_formed(cookie));
        let edns = request.edns.as_ref().map(|edns| Edns {
            size: edns.max_payload(),
            dnssec_ok: edns.flags().dnssec_ok,
            cookie: cookie.filter(|cookie| cookie::is_well_formed(cookie)),
        });
        let mut response = Self {
            metadata: Metadata::response_from_request(&request.metadata),
            opt: Opt::new(edns.as_ref(), context),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            place: None,
            limit: if context.transport.is_stream() { u16::MAX } else { datagram_limit(edns.map(|edns| edns.size)) },
        };
        let code = if is_malformed { ResponseCode::FormErr } else { response.decide(request, context) };
        response.metadata.response_code = code;
        response.opt.set_extended_code(code.into());
        response
    }

    fn decide(&mut self, request: &Request, context: &Context<'_>) -> ResponseCode {
        if request.metadata.op_code != OpCode::Query {
            self.opt.explain(Some(ExtendedError::Opcode));
            return ResponseCode::NotImp;
        }
        if request.version() > 0 {
            return ResponseCode::BADVERS;
        }
        let query = match (request.queries.queries(), self.opt.standing) {
            ([query], _) => query,
            // Asks for a cookie, or whether one is good (RFC 7873 §5.4).
            ([], Standing::Asking | Standing::Known) => return ResponseCode::NoError,
            ([], Standing::Mistaken) => return ResponseCode::BADCOOKIE,
            // More than one is malformed (RFC 9619 §4); none asks nothing.
            _ => return ResponseCode::FormErr,
        };
        let name = octets_of(query.original().name());
        let question = Question { name: &name, rtype: query.query_type().into(), class: query.query_class().into() };
        let answer = context.answer(&question);
        self.opt.explain(ExtendedError::of(&question, &answer, context));
        self.metadata.authoritative = !matches!(answer, Answer::Refused);
        self.place = answer.place();
        let taken = HEADER + request.queries.as_bytes().len() + self.opt.least();
        let room = usize::from(self.limit).saturating_sub(taken);
        let mut section = Filling { asked: query.original().name(), asked_length: name.len(), room };
        match answer {
            Answer::Refused => return ResponseCode::Refused,
            Answer::NxDomain(soa) => {
                let _ = section.add(&soa, 0, &mut self.authorities);
                return ResponseCode::NXDomain;
            }
            Answer::NoData(soa, ..) => {
                let _ = section.add(&soa, 0, &mut self.authorities);
            }
            Answer::Unfinished => self.metadata.truncation = true,
            Answer::Records(records) => self.fill(&mut section, &records, context),
        }
        ResponseCode::NoError
    }

    fn fill(&mut self, section: &mut Filling<'_>, records: &Records<'_>, context: &Context<'_>) {
        if section.add(&records.answer, context.seed, &mut self.answers).is_break() {
            // Over a stream there is nowhere else to go: what fits is what there is.
            self.metadata.truncation = !context.transport.is_stream();
            return;
        }
        let _ = records.additionals(context.seed, usize::from(self.limit), |rrset| {
            let (kept, room) = (self.additionals.len(), section.room);
            if section.add(&rrset, context.seed, &mut self.additionals).is_break() {
                self.additionals.truncate(kept);
                section.room = room;
            }
            ControlFlow::<()>::Continue(())
        });
    }

    /// The octets; afterwards `opt` is what is in them of it.
    fn encode(&mut self, request: &Request) -> Option<Vec<u8>> {
        let message = MessageResponseBuilder::new(&request.queries, None).build(
            self.metadata,
            &self.answers,
            &self.authorities,
            [],
            &self.additionals,
        );
        let mut octets = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(self.limit - u16::try_from(self.opt.least()).ok()?);
        message.destructive_emit(&mut encoder).ok()?;
        let opt = self.opt.within(usize::from(self.limit) - octets.len());
        let [.., count0, count1] = octets.first_chunk_mut::<HEADER>()?;
        // The last of the additional records.
        let count = u16::from_be_bytes([*count0, *count1]).checked_add(u16::from(!opt.is_empty()))?;
        [*count0, *count1] = count.to_be_bytes();
        octets.extend_from_slice(opt);
        Some(octets)
    }
}

/// Fills sections with records as far as there is room for them, names uncompressed: how many hickory compresses
/// is its secret, and it writes each in full before it finds what to point to.
struct Filling<'q> {
    /// The name of the question.
    asked: &'q Name,
    /// Its octets.
    asked_length: usize,
    /// Octets left.
    room: usize,
}

impl Filling<'_> {
    /// Adds the records of an RRset, until one does not fit.
    fn add(&mut self, rrset: &Rrset<'_>, seed: usize, section: &mut Vec<Record>) -> ControlFlow<()> {
        let owner = rrset.owner.as_ref().map_or_else(|| self.asked.clone(), name);
        let owner_length = rrset.owner.as_ref().map_or(self.asked_length, octets_in);
        let rtype = RecordType::from(rrset.rtype);
        rrset.records(seed, self.room, |rdata| {
            let data_length = match &rdata {
                Rdata::Octets(octets) => octets.len(),
                Rdata::Name(name) => octets_in(name),
                Rdata::Srv(head, target) => head.len() + octets_in(target),
                Rdata::Soa(primary, mailbox, numbers) => octets_in(primary) + octets_in(mailbox) + size_of_val(numbers),
            };
            match self.room.checked_sub(owner_length + RECORD_HEAD + data_length) {
                None => ControlFlow::Break(()),
                Some(room) => {
                    self.room = room;
                    section.push(Record::from_rdata(owner.clone(), rrset.ttl, data(rtype, &rdata)));
                    ControlFlow::Continue(())
                }
            }
        })
    }
}

fn octets_in(name: &ZoneName<'_>) -> usize {
    name.0.iter().map(|piece| piece.len()).sum()
}

fn data(rtype: RecordType, rdata: &Rdata<'_>) -> RData {
    match *rdata {
        Rdata::Name(target) if rtype == RecordType::NS => RData::NS(rdata::NS(name(&target))),
        Rdata::Name(target) => RData::PTR(rdata::PTR(name(&target))),
        Rdata::Srv(head, target) => {
            let number = |at| head.get(at..at + 2).and_then(|n| n.try_into().ok()).map_or(0, u16::from_be_bytes);
            RData::SRV(rdata::SRV::new(number(0), number(2), number(4), name(&target)))
        }
        Rdata::Soa(primary, mailbox, [serial, refresh, retry, expire, minimum]) => {
            let [refresh, retry, expire] = [refresh, retry, expire].map(|n| i32::try_from(n).unwrap_or(i32::MAX));
            let (primary, mailbox) = (name(&primary), name(&mailbox));
            RData::SOA(rdata::SOA::new(primary, mailbox, serial, refresh, retry, expire, minimum))
        }
        Rdata::Octets(octets) => match *octets {
            [a, b, c, d] if rtype == RecordType::A => RData::A(rdata::A::new(a, b, c, d)),
            _ => match <[u8; 16]>::try_from(octets) {
                Ok(octets) if rtype == RecordType::AAAA => RData::AAAA(rdata::AAAA(octets.into())),
                _ => RData::TXT(rdata::TXT::from_bytes(strings(octets).collect())),
            },
        },
    }
}

/// Not through text, which hickory escapes in octal and reads as Punycode.
fn name(pieces: &ZoneName<'_>) -> Name {
    let labels = pieces.0.iter().flat_map(|piece| strings(piece)).filter(|label| !label.is_empty());
    Name::from_labels(labels).expect("a zone of at most DOMAIN_MAX octets has names of at most 255")
}

/// Uncompressed wire form.
fn octets_of(name: &Name) -> Vec<u8> {
    let labels = name.iter().flat_map(|label| [&[u8::try_from(label.len()).unwrap_or(0)][..], label].concat());
    labels.chain([0]).collect()
}
