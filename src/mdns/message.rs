//! What a datagram from the link says, as facts about services. Pure: bytes in, facts out.
//!
//! hickory-proto reads records; this file reads their names. It goes record by record, since hickory's whole
//! message refuses one that holds an empty TXT record, which old devices send (RFC 6763 §6.1), and since a record
//! that cannot be read should not take those before it along.
//!
//! The labels are taken from the wire, never from a text form: `a.b._http._tcp.local` may be an instance `a.b` or
//! a host far below, and only the labels tell.
#![warn(clippy::indexing_slicing)]

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Header, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::service::{DomainName, InstanceId, InstanceName, ServiceType, Subtype, Transport, Txt, escape_label};

use super::metrics::Ignored;

/// Octets of a service name without its underscore (RFC 6335 §5.1). The API takes longer ones, because its users
/// have them; a link whose devices use them is left to say so in the log.
const SERVICE_MAX: usize = 15;
/// The top bit of a record's class: its sender holds the whole RRset (RFC 6762 §10.2).
const CACHE_FLUSH: u16 = 0x8000;
/// Records of one datagram that are looked at. 9,000 octets (RFC 6762 §17) hold fewer, unless they are empty.
const RECORDS_MAX: usize = 1024;

/// One fact, and for how long it holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    /// What.
    pub(super) fact: Fact,
    /// Zero is a goodbye (RFC 6762 §10.1).
    pub(super) ttl: Duration,
    /// Whether it replaces what was known of the same kind (RFC 6762 §10.2).
    pub(super) flush: bool,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// There are instances of this type (RFC 6763 §9).
    Type(ServiceType),
    /// There is this instance: a PTR record of its type.
    Pointer(Named),
    /// The instance has this subtype (RFC 6763 §7.1).
    Subtype(Named, Subtype),
    /// Its SRV record.
    Target(Named, Target),
    /// Its TXT record, bytes as they came; `None` where it is longer than is served.
    Attributes(Named, Option<Txt>),
    /// An address of a host.
    Address(DomainName, IpAddr),
}

/// An instance, and its first label as it was on the wire: the name in the identity is normalized.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    /// Its identity.
    pub(super) id: InstanceId,
    /// The label to ask with.
    pub(super) label: Box<[u8]>,
}

/// Where an instance is reached (RFC 2782).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    /// Usually below `local`.
    pub(super) host: DomainName,
    /// 0 where there is no service, only a name that is held (RFC 6763 §8).
    pub(super) port: u16,
    /// Lower is tried first.
    pub(super) priority: u16,
    /// Share among equals.
    pub(super) weight: u16,
}

impl Fact {
    /// What to browse in order to hear more of the same: `_http._tcp` or `_printer._sub._http._tcp`.
    pub(super) fn browse(&self) -> Option<String> {
        match self {
            Self::Type(service_type) => Some(service_type.to_string()),
            Self::Pointer(named) => Some(named.id.service_type().to_string()),
            Self::Subtype(named, subtype) => Some(subtype_name(subtype, named.id.service_type())),
            Self::Target(..) | Self::Attributes(..) | Self::Address(..) => None,
        }
    }

    /// What is wrong with an instance that says this, for people.
    pub(super) fn unfit(&self) -> Option<Refused> {
        let Self::Attributes(Named { id, label }, None) = self else { return None };
        let name = format!("{}.{}.local", escape_label(label), id.service_type());
        Some(Refused { name, why: "its TXT record is longer than 1300 octets (RFC 6763 §6.2)".to_owned() })
    }
}

/// A subtype as it is browsed (RFC 6763 §7.1), without `local`.
pub(super) fn subtype_name(subtype: &Subtype, service_type: &ServiceType) -> String {
    format!("{}._sub.{service_type}", subtype.as_str())
}

/// A record that speaks of a service and is not taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused {
    /// The record's name, in presentation form.
    pub(super) name: String,
    /// Why, for people.
    pub(super) why: String,
}

impl Refused {
    /// One service type too many.
    pub(super) fn types() -> Self {
        Self { name: "_services._dns-sd._udp.local".to_owned(), why: "it has too many types to ask for".to_owned() }
    }
}

/// Reads a datagram. What is no mDNS response (RFC 6762 §18.2, §18.3) says nothing, and neither does what follows
/// a record that cannot be read.
pub(super) fn read(datagram: &[u8]) -> Result<Vec<Result<Heard, Refused>>, Ignored> {
    Ok(records(datagram)?.iter().filter_map(|record| fact(record).transpose()).collect())
}

fn records(datagram: &[u8]) -> Result<Vec<Record>, Ignored> {
    let mut decoder = BinDecoder::new(datagram);
    let header = Header::read(&mut decoder).map_err(|_| Ignored::Unreadable)?;
    // A non-zero response code is ignored like the opcode (RFC 6762 §18.11): senders mean nothing by it.
    if header.metadata.message_type != MessageType::Response || header.metadata.op_code != OpCode::Query {
        return Err(Ignored::NoResponse);
    }
    let counts = header.counts;
    if (0..counts.queries).any(|_| Query::read(&mut decoder).is_err()) {
        return Err(Ignored::Unreadable);
    }
    let count = [counts.answers, counts.authorities, counts.additionals].map(usize::from).iter().sum();
    Ok((0..RECORDS_MAX.min(count)).map_while(|_| Record::read(&mut decoder).ok()).collect())
}

/// The question for the SRV and TXT records of an instance, its label as it was heard.
pub(super) fn question(named: &Named) -> Option<Vec<u8>> {
    let service_type = named.id.service_type();
    let service = format!("_{}", service_type.service());
    let labels = [&named.label[..], service.as_bytes(), service_type.transport().label().as_bytes(), b"local"];
    let name = Name::from_labels(labels).ok()?;
    // The identifier is zero in multicast (RFC 6762 §18.1).
    let mut message = Message::query();
    message.metadata.id = 0;
    message.metadata.recursion_desired = false;
    message.queries = [RecordType::SRV, RecordType::TXT].map(|kind| Query::query(name.clone(), kind)).to_vec();
    message.to_vec().ok()
}

/// `Ok(None)` for what says nothing of services.
fn fact(record: &Record) -> Result<Option<Heard>, Refused> {
    let class = u16::from(record.dns_class);
    if class & !CACHE_FLUSH != u16::from(DNSClass::IN) {
        return Ok(None);
    }
    let fact = match &record.data {
        RData::PTR(target) => pointer(&record.name, &target.0)?,
        RData::SRV(srv) => named(&record.name)?.and_then(|named| {
            let host = domain_name(&srv.target)?;
            Some(Fact::Target(named, Target { host, port: srv.port, priority: srv.priority, weight: srv.weight }))
        }),
        RData::TXT(txt) => named(&record.name)?.map(|named| Fact::Attributes(named, attributes(&txt.txt_data))),
        // hickory's word for RDATA of no octets.
        RData::Update0(RecordType::TXT) => {
            named(&record.name)?.map(|named| Fact::Attributes(named, Some(Txt::default())))
        }
        RData::A(a) => domain_name(&record.name).map(|host| Fact::Address(host, a.0.into())),
        RData::AAAA(aaaa) => domain_name(&record.name).map(|host| Fact::Address(host, aaaa.0.into())),
        _ => None,
    };
    let ttl = Duration::from_secs(record.ttl.into());
    Ok(fact.map(|fact| Heard { fact, ttl, flush: class & CACHE_FLUSH != 0 }))
}

/// A PTR record: of the list of types, of a type, of a subtype, or of something else.
fn pointer(owner: &Name, target: &Name) -> Result<Option<Fact>, Refused> {
    let Some(owner_labels) = below_local(owner) else { return Ok(None) };
    match *owner_labels.as_slice() {
        [a, b, c] if is(a, "_services") && is(b, "_dns-sd") && is(c, "_udp") => {
            let Some(labels) = below_local(target) else { return Ok(None) };
            let &[service, transport] = labels.as_slice() else { return Ok(None) };
            Ok(service_type(service, transport, target)?.map(Fact::Type))
        }
        [service, transport] => {
            let expected = service_type(service, transport, owner)?;
            let named = named(target)?.filter(|named| Some(named.id.service_type()) == expected.as_ref());
            Ok(named.map(Fact::Pointer))
        }
        [subtype, sub, service, transport] if is(sub, "_sub") => {
            let expected = service_type(service, transport, owner)?;
            let named = named(target)?.filter(|named| Some(named.id.service_type()) == expected.as_ref());
            let subtype = std::str::from_utf8(subtype).ok().and_then(|text| Subtype::new(text).ok());
            Ok(named.zip(subtype).map(|(named, subtype)| Fact::Subtype(named, subtype)))
        }
        _ => Ok(None),
    }
}

/// The instance that `name` names: three labels below `local`.
fn named(name: &Name) -> Result<Option<Named>, Refused> {
    let Some(labels) = below_local(name) else { return Ok(None) };
    let &[label, service, transport] = labels.as_slice() else { return Ok(None) };
    let Some(service_type) = service_type(service, transport, name)? else { return Ok(None) };
    let refused = |why: String| Refused { name: presentation(name), why };
    let text = std::str::from_utf8(label).map_err(|_| refused("its instance name is not UTF-8".to_owned()))?;
    let instance = InstanceName::new(text).map_err(|error| refused(format!("its instance name {error}")))?;
    if instance.is_of_declaration() {
        return Err(refused("its instance name is one that the registry keeps for itself".to_owned()));
    }
    Ok(Some(Named { id: InstanceId::new(service_type, instance), label: label.into() }))
}

/// `Ok(None)` where the labels are no service type at all, such as those of a reverse name.
fn service_type(service: &[u8], transport: &[u8], name: &Name) -> Result<Option<ServiceType>, Refused> {
    let Some(transport) = Transport::from_label(transport) else { return Ok(None) };
    let Some(service) = service.strip_prefix(b"_") else { return Ok(None) };
    let refused = |why: String| Refused { name: presentation(name), why };
    if service.len() > SERVICE_MAX {
        let length = service.len();
        return Err(refused(format!("its service name has {length} characters; RFC 6335 §5.1 allows {SERVICE_MAX}")));
    }
    // A dot within the label would be read as the end of the service name.
    let text = std::str::from_utf8(service).ok().filter(|text| !text.contains('.'));
    let text = text.ok_or_else(|| refused("its service name is no text of letters, digits and hyphens".to_owned()))?;
    let service_type = ServiceType::new(text, Some(transport));
    service_type.map(Some).map_err(|error| refused(format!("its service name {error}")))
}

fn attributes(strings: &[Box<[u8]>]) -> Option<Txt> {
    let mut rdata = Vec::new();
    for string in strings {
        rdata.push(u8::try_from(string.len()).ok()?);
        rdata.extend_from_slice(string);
    }
    Txt::from_wire(&rdata)
}

/// The labels of a name under `local`, without it.
fn below_local(name: &Name) -> Option<Vec<&[u8]>> {
    let mut labels: Vec<&[u8]> = name.iter().collect();
    labels.pop().filter(|last| is(last, "local"))?;
    Some(labels)
}

fn is(label: &[u8], text: &str) -> bool {
    label.eq_ignore_ascii_case(text.as_bytes())
}

fn domain_name(name: &Name) -> Option<DomainName> {
    DomainName::from_labels(name.iter()).ok()
}

fn presentation(name: &Name) -> String {
    name.iter().map(escape_label).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
pub(super) mod tests {
    use std::str::FromStr;

    use hickory_proto::rr::rdata::{A, PTR, SRV, TXT};

    use super::*;

    fn name(labels: &[&[u8]]) -> Name {
        Name::from_labels(labels.iter().copied().chain([&b"local"[..]])).unwrap()
    }

    fn response(records: Vec<Record>) -> Vec<u8> {
        let mut message = Message::response(0, OpCode::Query);
        message.answers = records;
        message.to_vec().unwrap()
    }

    fn facts(records: Vec<Record>) -> Vec<Fact> {
        read(&response(records)).unwrap().into_iter().map(|heard| heard.unwrap().fact).collect()
    }

    fn refusal(record: Record) -> String {
        let refused = read(&response(vec![record])).unwrap().remove(0).unwrap_err();
        format!("{}: {}", refused.name, refused.why)
    }

    /// The identity and label of an instance for tests of this room.
    pub(in super::super) fn an_instance(label: &str, service: &str) -> Named {
        let id = InstanceId::new(service.parse().unwrap(), InstanceName::new(label).unwrap());
        Named { id, label: label.as_bytes().into() }
    }

    #[test]
    fn a_dotted_instance_stays_one_label() {
        let owner = name(&[b"a.b\\c", b"_http", b"_tcp"]);
        let srv = Record::from_rdata(owner, 120, RData::SRV(SRV::new(1, 2, 80, name(&[b"web"]))));
        let host = "web.local".parse().unwrap();
        let target = Target { host, port: 80, priority: 1, weight: 2 };
        assert_eq!(facts(vec![srv]), [Fact::Target(an_instance("a.b\\c", "http"), target)]);
    }

    #[test]
    fn a_pointer_is_a_type_an_instance_or_a_subtype() {
        let ptr =
            |owner: &[&[u8]], target: &[&[u8]]| Record::from_rdata(name(owner), 4500, RData::PTR(PTR(name(target))));
        let heard = facts(vec![
            ptr(&[b"_services", b"_dns-sd", b"_udp"], &[b"_http", b"_tcp"]),
            ptr(&[b"_http", b"_tcp"], &[b"x", b"_http", b"_tcp"]),
            ptr(&[b"_printer", b"_sub", b"_http", b"_tcp"], &[b"x", b"_http", b"_tcp"]),
            ptr(&[b"_ipp", b"_tcp"], &[b"x", b"_http", b"_tcp"]),
            ptr(&[b"lb", b"_dns-sd", b"_udp"], &[b"x"]),
        ]);
        let named = an_instance("x", "http");
        let subtype = Fact::Subtype(named.clone(), Subtype::new("_printer").unwrap());
        assert_eq!(heard, [Fact::Type("_http._tcp".parse().unwrap()), Fact::Pointer(named), subtype]);
    }

    #[test]
    fn txt_bytes_are_kept_whatever_they_are() {
        let owner = name(&[b"x", b"_http", b"_tcp"]);
        let strings: [&[u8]; 5] = [b"a=1", b"A=2", b"\xff\xfe=\x00", b"empty=", b"flag"];
        let txt = Record::from_rdata(owner, 4500, RData::TXT(TXT::from_bytes(strings.to_vec())));
        let wire = b"\x03a=1\x03A=2\x04\xff\xfe=\x00\x06empty=\x04flag";
        let expected = Fact::Attributes(an_instance("x", "http"), Some(Txt::from_wire(wire).unwrap()));
        assert_eq!(facts(vec![txt]), [expected]);
    }

    #[test]
    fn an_empty_txt_record_does_not_take_its_message_along() {
        let owner = name(&[b"x", b"_http", b"_tcp"]);
        let txt = Record::update0(owner, 4500, RecordType::TXT);
        let a = Record::from_rdata(name(&[b"web"]), 120, RData::A(A::new(10, 0, 0, 1)));
        let address = Fact::Address("web.local".parse().unwrap(), [10, 0, 0, 1].into());
        assert_eq!(facts(vec![txt, a]), [Fact::Attributes(an_instance("x", "http"), Some(Txt::default())), address]);
    }

    #[test]
    fn a_txt_record_that_is_too_long_to_serve_is_told_of() {
        let owner = name(&[b"x", b"_http", b"_tcp"]);
        let long = vec![b"0123456789".repeat(20); 7].concat();
        let strings = long.chunks(200).collect();
        let txt = Record::from_rdata(owner, 4500, RData::TXT(TXT::from_bytes(strings)));
        let fact = facts(vec![txt]).remove(0);
        assert_eq!(fact, Fact::Attributes(an_instance("x", "http"), None));
        let told = fact.unfit().unwrap();
        assert_eq!(told.name, "x._http._tcp.local");
        assert!(told.why.contains("longer than 1300 octets (RFC 6763 §6.2)"), "{}", told.why);
    }

    #[test]
    fn a_goodbye_and_the_cache_flush_bit_are_told() {
        let mut a = Record::from_rdata(name(&[b"web"]), 0, RData::A(A::new(10, 0, 0, 1)));
        a.dns_class = DNSClass::Unknown(CACHE_FLUSH | 1);
        let heard = read(&response(vec![a])).unwrap().remove(0).unwrap();
        assert!(heard.flush && heard.ttl.is_zero(), "{heard:?}");
    }

    #[test]
    fn what_is_refused_says_why_and_shows_no_control_characters() {
        let srv = |label: &[u8], service: &[u8]| {
            let target = RData::SRV(SRV::new(0, 0, 80, name(&[b"web"])));
            Record::from_rdata(name(&[label, service, b"_tcp"]), 120, target)
        };
        let long = "x._a-service-beyond-15._tcp.local: its service name has 19 characters; RFC 6335 §5.1 allows 15";
        assert_eq!(refusal(srv(b"x", b"_a-service-beyond-15")), long);
        let control = r"a\009b._http._tcp.local: its instance name has the control character U+0009; control characters are not allowed";
        assert_eq!(refusal(srv(b"a\tb", b"_http")), control);
        assert_eq!(refusal(srv(b"\xff", b"_http")), r"\255._http._tcp.local: its instance name is not UTF-8");
        let reserved = "(Declared)._http._tcp.local: its instance name is one that the registry keeps for itself";
        assert_eq!(refusal(srv(b"(Declared)", b"_http")), reserved);
        let dotted = r"x._a\._tcp._tcp.local: its service name is no text of letters, digits and hyphens";
        assert_eq!(refusal(srv(b"x", b"_a._tcp")), dotted);
    }

    #[test]
    fn queries_other_opcodes_classes_and_cut_messages_say_nothing_wrong() {
        let a = Record::from_rdata(Name::from_str("web.local.").unwrap(), 120, RData::A(A::new(10, 0, 0, 1)));
        let whole = response(vec![a.clone()]);
        assert_eq!(read(&whole).unwrap().len(), 1);
        for length in 0..whole.len() {
            let expected = if length < 12 { Err(Ignored::Unreadable) } else { Ok(Vec::new()) };
            assert_eq!(read(&whole[..length]), expected, "cut to {length}");
        }
        let mut query = whole.clone();
        query[2] &= 0x7f;
        assert_eq!(read(&query), Err(Ignored::NoResponse));
        let mut status = whole;
        status[2] |= 2 << 3;
        assert_eq!(read(&status), Err(Ignored::NoResponse));
        let mut chaos = a;
        chaos.dns_class = DNSClass::CH;
        assert_eq!(read(&response(vec![chaos])), Ok(Vec::new()));
    }
}
