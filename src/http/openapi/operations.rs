//! The one table of what can be asked, beside the routes: its words are here, and its rows by what they are about.

mod doors;
mod instances;
mod registry;

use crate::api::Kind;
use crate::http::doors::registro;

/// What a path does with a method.
pub(super) struct Operation {
    /// In lower case.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    /// Where the summary does not say it all.
    pub(super) description: &'static str,
    /// Names of `parameters`.
    pub(super) parameters: &'static [&'static str],
    pub(super) body: Option<Body>,
    pub(super) answers: &'static [Answer],
    /// What it may refuse with.
    pub(super) problems: &'static [&'static [Kind]],
    /// The status of a problem there.
    pub(super) status_of: fn(Kind) -> u16,
    /// What it refuses with under another status.
    pub(super) others: &'static [(u16, Kind)],
    /// Whether a problem is told in the reply to a call.
    pub(super) replies: bool,
}

/// What is sent.
pub(super) struct Body {
    pub(super) media_type: &'static str,
    /// A name of `schemas`.
    pub(super) schema: &'static str,
    pub(super) description: &'static str,
}

/// What comes back when all is well.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) what: &'static str,
    pub(super) content: Content,
    pub(super) headers: &'static [&'static str],
    /// Whether it names an instance that more can be done with.
    pub(super) is_linked: bool,
}

pub(super) enum Content {
    Nothing,
    /// A name of `schemas`.
    Json(&'static str),
    /// The same for programs, and a page for browsers.
    JsonOrPage(&'static str),
    /// By media types.
    Text(&'static [&'static str]),
    /// By media type.
    Octets(&'static str),
}

/// What operations are about.
pub(super) const TAGS: &[(&str, &str)] = &[
    ("register", "Announce instances, and say how they are"),
    ("find", "Where they are, and what becomes of them"),
    ("registry", "The registry itself"),
    ("dns", "DNS over HTTPS (RFC 8484)"),
    ("rpc", "The same by calls (JSON-RPC 2.0)"),
    ("doors", "For clients of earlier registries"),
];

/// Every operation.
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    [instances::OPERATIONS, registry::OPERATIONS, doors::OPERATIONS].into_iter().flatten()
}

const INSTANCE: &str = "/v1/instances/{type}/{instance}";
const ONLY: &[&str] = &["header.If-Match", "header.If-None-Match"];
const PAGE: &[&str] = &["Content-Security-Policy"];
const PLAIN: &[&str] = &["text/plain"];
const DNS_MESSAGE: &str = "application/dns-message";

/// What any request may meet.
const EVERY: &[Kind] = &[
    Kind::MalformedRequest,
    Kind::TokenNeeded,
    Kind::InvalidToken,
    Kind::OutOfScope,
    Kind::CrossSite,
    Kind::UnknownHost,
    Kind::RequestTimeout,
    Kind::Busy,
    Kind::ShuttingDown,
];
/// What changes something.
const WRITE: &[Kind] = &[Kind::AnonymousWrite, Kind::StoreFailed];
/// What has a body.
const BODY: &[Kind] = &[Kind::MalformedJson, Kind::BodyTooLarge];
const QUERY: &[Kind] = &[Kind::UnknownParameter, Kind::InvalidParameter];
/// What has an instance in its path.
const ADDRESSED: &[Kind] = &[Kind::InvalidService, Kind::InvalidInstance];
const FIELDS: &[Kind] =
    &[Kind::UnknownField, Kind::MissingField, Kind::RepeatedField, Kind::WrongType, Kind::WrongValue];
const REGISTRATION: &[Kind] = &[
    Kind::UnknownField,
    Kind::MissingField,
    Kind::RepeatedField,
    Kind::WrongType,
    Kind::WrongValue,
    Kind::PortZero,
    Kind::InvalidService,
    Kind::InvalidInstance,
    Kind::InvalidHost,
    Kind::InvalidAddress,
    Kind::ForeignAddresses,
    Kind::InvalidLease,
    Kind::InvalidTxt,
    Kind::InvalidSubtype,
    Kind::InvalidTag,
    Kind::InvalidVersion,
    Kind::InvalidCheck,
    Kind::InvalidText,
    Kind::TooMany,
];
/// What depends on what is there.
const STATE: &[Kind] =
    &[Kind::NotRegistered, Kind::AlreadyRegistered, Kind::NotYours, Kind::RevisionDiffers, Kind::Full];

const fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
) -> Operation {
    let (description, parameters, body, answers, others, replies) = ("", &[], None, &[], &[], false);
    let problems: &[&[Kind]] = &[EVERY];
    let status_of: fn(Kind) -> u16 = Kind::status;
    Operation {
        method,
        path,
        id,
        tag,
        summary,
        description,
        parameters,
        body,
        answers,
        problems,
        status_of,
        others,
        replies,
    }
}

/// Of Registro's door, which has statuses of its own.
const fn door(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation { status_of: registro::status, ..operation(method, path, id, "doors", summary) }
}

const fn json_body(schema: &'static str, description: &'static str) -> Body {
    Body { media_type: "application/json", schema, description }
}

const fn nothing(status: u16, what: &'static str) -> Answer {
    Answer { status, what, content: Content::Nothing, headers: &[], is_linked: false }
}

const fn json(status: u16, what: &'static str, schema: &'static str) -> Answer {
    Answer { content: Content::Json(schema), ..nothing(status, what) }
}

const fn tagged(status: u16, what: &'static str, schema: &'static str) -> Answer {
    Answer { headers: &["ETag"], ..json(status, what, schema) }
}

const fn text(status: u16, what: &'static str, media_types: &'static [&'static str]) -> Answer {
    Answer { content: Content::Text(media_types), ..nothing(status, what) }
}

const fn octets(status: u16, what: &'static str, media_type: &'static str) -> Answer {
    Answer { content: Content::Octets(media_type), ..nothing(status, what) }
}
