//! The one table of what can be asked, beside the routes.

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
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        parameters: ONLY,
        body: Some(json_body("Heartbeats", "One registration, or up to 1,000, each with its own outcome")),
        answers: &[
            Answer {
                headers: &[],
                is_linked: true,
                ..tagged(200, "It was renewed; or what became of each", "Outcomes")
            },
            Answer { headers: &["ETag", "Location"], is_linked: true, ..tagged(201, "It is new", "Heartbeat") },
        ],
        problems: &[EVERY, WRITE, BODY, REGISTRATION, STATE],
        ..operation("post", "/v1/heartbeat", "heartbeat", "register", "Register what is new, renew what is known")
    },
    Operation {
        parameters: &["path.type", "path.instance", "header.If-Match", "header.If-None-Match"],
        body: Some(json_body("Registration", "The whole of it. The names in the path may be repeated, and not differ")),
        answers: &[
            Answer { is_linked: true, ..tagged(200, "It was replaced or renewed", "Instance") },
            Answer { headers: &["ETag", "Location"], is_linked: true, ..tagged(201, "It is new", "Instance") },
        ],
        problems: &[EVERY, WRITE, BODY, REGISTRATION, STATE, &[Kind::PathDiffers]],
        ..operation("put", INSTANCE, "register", "register", "Register an instance, whole, or replace it")
    },
    Operation {
        parameters: &["path.type", "path.instance", "header.If-Match"],
        body: Some(json_body("RegistrationPatch", "The fields that change; a change renews the lease")),
        answers: &[Answer { is_linked: true, ..tagged(200, "It was changed", "Instance") }],
        problems: &[EVERY, WRITE, BODY, REGISTRATION, STATE, &[Kind::PathDiffers]],
        ..operation("patch", INSTANCE, "change", "register", "Change fields of a registration")
    },
    Operation {
        parameters: &["path.type", "path.instance", "header.If-Match"],
        answers: &[nothing(204, "It is gone")],
        problems: &[EVERY, WRITE, ADDRESSED, STATE],
        ..operation("delete", INSTANCE, "deregister", "register", "Take an instance away")
    },
    Operation {
        description: "There is no precondition to a renewal",
        parameters: &["path.type", "path.instance"],
        answers: &[Answer { is_linked: true, ..tagged(200, "It was renewed", "Heartbeat") }],
        problems: &[EVERY, WRITE, ADDRESSED, STATE],
        ..operation(
            "post",
            "/v1/instances/{type}/{instance}/renew",
            "renew",
            "register",
            "Renew a lease; 404 says to register",
        )
    },
    Operation {
        description: "`out-of-service` drains it, `up` lifts that and forgets a failing check; `down` may have a reason",
        parameters: &["path.type", "path.instance", "header.If-Match"],
        body: Some(json_body("StatusWish", "The status, as an operator or a check says it")),
        answers: &[Answer {
            is_linked: true,
            ..tagged(200, "It has this status, unless its lease lapsed", "Instance")
        }],
        problems: &[EVERY, WRITE, BODY, ADDRESSED, FIELDS, STATE, &[Kind::InvalidText]],
        ..operation(
            "put",
            "/v1/instances/{type}/{instance}/status",
            "setStatus",
            "register",
            "Say how an instance is, in the place of itself",
        )
    },
    Operation {
        parameters: &["path.type", "path.instance"],
        answers: &[Answer { is_linked: true, ..tagged(200, "The instance, with what it hides", "Instance") }],
        problems: &[EVERY, ADDRESSED, &[Kind::NotRegistered]],
        ..operation("get", INSTANCE, "getInstance", "find", "One instance")
    },
    Operation {
        description: "Repeated statuses and sources are alternatives; every tag and attribute must hold",
        parameters: &[
            "query.service",
            "query.instance",
            "query.version",
            "query.status",
            "query.served",
            "query.tag",
            "query.attributes",
            "query.source",
            "query.limit",
            "query.cursor",
            "query.pick",
            "query.wait",
        ],
        answers: &[json(200, "Those that match, and where the next page begins", "Page")],
        problems: &[EVERY, QUERY],
        ..operation("get", "/v1/instances", "listInstances", "find", "List instances, pick one, or wait for one")
    },
    Operation {
        parameters: &["query.limit", "query.cursor"],
        answers: &[json(200, "Service types, and where the next page begins", "Services")],
        problems: &[EVERY, QUERY],
        ..operation(
            "get",
            "/v1/services",
            "listServices",
            "find",
            "List service types with how many instances they have",
        )
    },
    Operation {
        description: "Server-sent events, each of whose `data` is an Event",
        parameters: &[
            "query.service",
            "query.instance",
            "query.version",
            "query.status",
            "query.served",
            "query.tag",
            "query.attributes",
            "query.source",
            "query.since",
            "header.last-event-id",
        ],
        answers: &[text(200, "Events, until the client or the registry closes", &["text/event-stream"])],
        problems: &[EVERY, QUERY],
        ..operation("get", "/v1/watch", "watch", "find", "Follow what changes")
    },
    Operation {
        parameters: &["path.type", "path.instance"],
        answers: &[json(200, "The last flips, oldest first", "History")],
        problems: &[EVERY, ADDRESSED, &[Kind::NotRegistered]],
        ..operation(
            "get",
            "/v1/instances/{type}/{instance}/history",
            "getHistory",
            "find",
            "When an instance came, went and changed its status; also of one that is gone",
        )
    },
    Operation {
        parameters: &["query.name", "query.type"],
        answers: &[json(200, "What DNS says, and which instances it leaves out", "Explanation")],
        problems: &[EVERY, QUERY],
        ..operation("get", "/v1/explain", "explain", "find", "Why DNS answers a question as it does")
    },
    Operation {
        description: "For clients on this machine",
        answers: &[json(200, "What came of it", "Reloaded")],
        problems: &[EVERY, WRITE],
        ..operation("post", "/v1/reload", "reload", "registry", "Read the files of services and the settings again")
    },
    Operation {
        description: "To who asks for a WebSocket it is the door of a Plexus registry, with calls as messages",
        answers: &[text(200, "The page", PLAIN), nothing(101, "A WebSocket")],
        ..operation("get", "/", "welcome", "registry", "A page that says what there is")
    },
    Operation {
        answers: &[text(200, "It does", PLAIN)],
        ..operation("get", "/healthz", "health", "registry", "Whether the process answers")
    },
    Operation {
        answers: &[text(200, "They are; says also which files are not taken in", PLAIN)],
        problems: &[EVERY, &[Kind::StoreFailed]],
        ..operation("get", "/readyz", "readiness", "registry", "Whether changes are taken and saved")
    },
    Operation {
        description: "To who asks for `text/html`, as browsers do, it is a page",
        answers: &[Answer {
            content: Content::JsonOrPage("Summary"),
            ..nothing(200, "Counts, and totals since the start")
        }],
        ..operation("get", "/status", "status", "registry", "How much there is, and how often it changed")
    },
    Operation {
        parameters: &["query.limit", "query.cursor"],
        answers: &[Answer { headers: PAGE, ..text(200, "The page", &["text/html"]) }],
        problems: &[EVERY, QUERY],
        ..operation("get", "/services", "servicesPage", "registry", "A page of service types")
    },
    Operation {
        answers: &[text(200, "OpenMetrics, or the older format", &["application/openmetrics-text", "text/plain"])],
        ..operation("get", "/metrics", "metrics", "registry", "Metrics for Prometheus")
    },
    Operation {
        answers: &[text(200, "A line for each", PLAIN)],
        ..operation("get", "/problems", "problems", "registry", "Every error there is")
    },
    Operation {
        parameters: &["path.kind"],
        answers: &[text(200, "What it means", PLAIN)],
        problems: &[EVERY, &[Kind::NoSuchPath]],
        ..operation("get", "/problems/{kind}", "problem", "registry", "One of the errors")
    },
    Operation {
        answers: &[json(200, "An OpenAPI document", "OpenApi")],
        ..operation("get", "/openapi.json", "openapi", "registry", "This document")
    },
    Operation {
        answers: &[Answer { headers: PAGE, ..text(200, "The page", &["text/html"]) }],
        ..operation("get", "/docs", "docs", "registry", "A page that shows this document")
    },
    Operation {
        answers: &[text(200, "What it runs", &["text/javascript"])],
        ..operation("get", "/docs/viewer.js", "docsScript", "registry", "The program of that page")
    },
    Operation {
        answers: &[text(200, "How it looks", &["text/css"])],
        ..operation("get", "/docs/viewer.css", "docsStyle", "registry", "The style of that page")
    },
    Operation {
        parameters: &["query.dns"],
        answers: &[octets(200, "A DNS message", DNS_MESSAGE)],
        problems: &[EVERY, &[Kind::InvalidParameter]],
        ..operation("get", "/dns-query", "askDns", "dns", "Ask DNS")
    },
    Operation {
        body: Some(Body { media_type: DNS_MESSAGE, schema: "DnsMessage", description: "A DNS message, of up to 4 kB" }),
        answers: &[octets(200, "A DNS message", DNS_MESSAGE)],
        problems: &[EVERY, &[Kind::BodyTooLarge, Kind::MediaType]],
        ..operation("post", "/dns-query", "postDns", "dns", "Ask DNS")
    },
    Operation {
        description: "`rpc.discover` tells the methods (OpenRPC). The status is 200 whatever a reply says",
        body: Some(json_body("Calls", "A call, or a batch of up to 1,000")),
        answers: &[
            json(200, "A reply, or one for each call that has an id", "Replies"),
            nothing(204, "No call has an id"),
        ],
        ..operation("post", "/rpc", "call", "rpc", "Call methods")
    },
    Operation {
        answers: &[nothing(101, "A WebSocket, whose messages are calls and replies")],
        ..operation("get", "/ws", "openSocket", "rpc", "Call methods over a WebSocket, which may own what it registers")
    },
    Operation {
        description: "The methods are `ping(name, host, port)`, `ping(name, url)` and `locate_service(name)`",
        body: Some(json_body("ServregCalls", "A call, or a batch of up to 1,000")),
        answers: &[Answer { content: Content::Json("ServregReplies"), ..nothing(200, "A reply, or nothing") }],
        ..operation("post", "/api", "callServreg", "doors", "servreg: call methods")
    },
    Operation {
        answers: &[json(200, "Apps with their instances", "RegistroApps")],
        problems: &[EVERY, &[Kind::TooMany]],
        ..door("get", "/registro/1.0/apps", "listApps", "Registro: list apps")
    },
    Operation {
        body: Some(json_body("RegistroNewApp", "Its name")),
        answers: &[json(201, "It is declared", "RegistroApp")],
        problems: &[EVERY, WRITE, BODY, REGISTRATION, STATE],
        ..door("post", "/registro/1.0/apps", "declareApp", "Registro: declare an app before it has instances")
    },
    Operation {
        parameters: &["path.app"],
        answers: &[json(200, "The app with its instances", "RegistroApp")],
        problems: &[EVERY, ADDRESSED, &[Kind::NotRegistered, Kind::TooMany]],
        ..door("get", "/registro/1.0/apps/{app}", "getApp", "Registro: one app")
    },
    Operation {
        parameters: &["path.app"],
        body: Some(json_body("RegistroNewInstance", "Where it is")),
        answers: &[json(201, "It is starting, until its first heartbeat", "RegistroInstance")],
        problems: &[EVERY, WRITE, BODY, REGISTRATION, STATE],
        ..door("post", "/registro/1.0/apps/{app}", "registerInApp", "Registro: register an instance")
    },
    Operation {
        parameters: &["path.app", "path.id"],
        answers: &[json(200, "The instance", "RegistroInstance")],
        problems: &[EVERY, ADDRESSED, &[Kind::NotRegistered]],
        ..door("get", "/registro/1.0/apps/{app}/{id}", "getInApp", "Registro: one instance")
    },
    Operation {
        parameters: &["path.app", "path.id"],
        answers: &[nothing(204, "It is up")],
        problems: &[EVERY, WRITE, ADDRESSED, STATE],
        others: &[(403, Kind::NotYours)],
        ..door("put", "/registro/1.0/apps/{app}/{id}", "heartbeatInApp", "Registro: a heartbeat")
    },
    Operation {
        parameters: &["path.app", "path.id"],
        answers: &[nothing(204, "It is out of service")],
        problems: &[EVERY, WRITE, ADDRESSED, STATE],
        ..door("delete", "/registro/1.0/apps/{app}/{id}", "leaveApp", "Registro: an instance leaves")
    },
];

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
    let (description, parameters, body, answers, others) = ("", &[], None, &[], &[]);
    let problems: &[&[Kind]] = &[EVERY];
    let status_of: fn(Kind) -> u16 = Kind::status;
    Operation { method, path, id, tag, summary, description, parameters, body, answers, problems, status_of, others }
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
