//! The one table of what can be called: `caller` answers by it, `discover` describes it.

use super::watch;

/// A method.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// In the order of positions.
    pub(super) params: &'static [Param],
    pub(super) result: Answered,
    pub(super) does: Does,
}

/// What it comes to; some have several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Register,
    Heartbeat,
    Renew,
    Deregister,
    Update,
    Get,
    List,
    Lookup,
    WaitFor,
    Watch,
    Unwatch,
    Reload,
    Ping,
    Discover,
}

/// What comes back.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Its JSON Schema.
    pub(super) schema: &'static str,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) required: bool,
    /// Its JSON Schema.
    pub(super) schema: &'static str,
}

impl Method {
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    pub(super) fn param_names(&self) -> impl Iterator<Item = &'static str> {
        self.params.iter().map(|param| param.name)
    }
}

impl Does {
    /// Whether it changes anything, which not everybody may.
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Register | Self::Heartbeat | Self::Renew | Self::Deregister | Self::Update)
    }
}

/// Every method.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "registry.register",
        summary: "Registers an instance, whole, or replaces it",
        params: REGISTRATION,
        result: answered("instance", "the instance as GET /v1/instances/{type}/{instance} shows it", INSTANCE_HELD),
        does: Does::Register,
    },
    Method {
        name: "registry.heartbeat",
        summary: "The same as registry.register, with a short answer",
        params: REGISTRATION,
        result: answered("heartbeat", "as POST /v1/heartbeat answers", HEARTBEAT_HELD),
        does: Does::Heartbeat,
    },
    Method {
        name: "registry.renew",
        summary: "Renews a lease; not-registered says to register",
        params: &[SERVICE, INSTANCE, TRANSPORT],
        result: answered("heartbeat", "as POST /v1/heartbeat answers", HEARTBEAT),
        does: Does::Renew,
    },
    Method {
        name: "registry.update",
        summary: "Changes fields of a registration; null takes one away (RFC 7396)",
        params: &[SERVICE, INSTANCE, needed("changes", r#"{"type": "object"}"#), TRANSPORT, ONLY],
        result: answered("instance", "the instance as it is now", INSTANCE_SHOWN),
        does: Does::Update,
    },
    Method {
        name: "registry.deregister",
        summary: "Takes an instance away",
        params: &[SERVICE, INSTANCE, TRANSPORT, ONLY],
        result: answered("instance", "the instance as it was", INSTANCE_SHOWN),
        does: Does::Deregister,
    },
    Method {
        name: "registry.delete",
        summary: "The same as registry.deregister",
        params: &[SERVICE, INSTANCE, TRANSPORT, ONLY],
        result: answered("instance", "the instance as it was", INSTANCE_SHOWN),
        does: Does::Deregister,
    },
    Method {
        name: "registry.get",
        summary: "One instance, with what it hides",
        params: &[SERVICE, INSTANCE, TRANSPORT],
        result: answered("instance", "the instance", INSTANCE_SHOWN),
        does: Does::Get,
    },
    Method {
        name: "registry.list",
        summary: "Instances in every state, by the conditions of GET /v1/instances",
        params: &[
            optional("service", TEXT),
            INSTANCES,
            STATUS,
            TAG,
            TXT,
            SOURCE,
            LIMIT,
            CURSOR,
            VERSION,
            SERVED,
            PICK,
            WAIT,
        ],
        result: answered("page", "instances, the revision, and a cursor where there may be more", PAGE),
        does: Does::List,
    },
    Method {
        name: "registry.lookup",
        summary: "Where to connect to: only what is served, the lowest priority first",
        params: &[SERVICE, INSTANCES, TAG, TXT, SOURCE, LIMIT, CURSOR, VERSION, PICK, WAIT],
        result: answered("page", "instances, the revision, and a cursor where there may be more", PAGE),
        does: Does::Lookup,
    },
    Method {
        name: "registry.waitFor",
        summary: "The same as soon as there is something, within 15s or what is told; else not-registered",
        params: &[SERVICE, WAIT, INSTANCES, TAG, TXT, SOURCE, LIMIT, VERSION, PICK],
        result: answered("page", "instances, one at least", PAGE),
        does: Does::WaitFor,
    },
    Method {
        name: watch::METHOD,
        summary: "Over a WebSocket: what comes, changes and goes, as notifications of the events of GET /v1/watch",
        params: &[optional("service", TEXT), SINCE, INSTANCES, STATUS, TAG, TXT, SOURCE, VERSION, SERVED],
        result: answered(
            "subscription",
            "its number, which notifications have beside the event (subscription, result)",
            NUMBERED,
        ),
        does: Does::Watch,
    },
    Method {
        name: "registry.unwatch",
        summary: "Ends a watch",
        params: &[needed("subscription", r#"{"type": "integer"}"#)],
        result: answered("ended", "whether there was such a watch", TRUTH),
        does: Does::Unwatch,
    },
    Method {
        name: "registry.reload",
        summary: "Reads the files of services and the configuration again, for who calls on the registry's machine",
        params: &[],
        result: answered("reloaded", "as POST /v1/reload answers", RELOADED),
        does: Does::Reload,
    },
    Method {
        name: "registry.ping",
        summary: "Whether the registry answers",
        params: &[],
        result: answered("pong", "\"pong\"", PONG),
        does: Does::Ping,
    },
    Method {
        name: "rpc.discover",
        summary: "This list, as OpenRPC has it",
        params: &[],
        result: answered("OpenRPC Schema", "an OpenRPC document", OPENRPC),
        does: Does::Discover,
    },
];

/// The fields of a registration, those that are needed or likely in front.
const REGISTRATION: &[Param] = &[
    SERVICE,
    needed("port", r#"{"type": "integer", "minimum": 1, "maximum": 65535}"#),
    optional("instance", TEXT),
    optional("host", TEXT),
    optional("addresses", r#"{"type": "array", "items": {"type": "string"}}"#),
    optional("txt", OBJECT),
    optional("tags", r#"{"type": "array", "items": {"type": "string"}}"#),
    optional("version", TEXT),
    optional("lease", r#"{"type": ["number", "string"]}"#),
    TRANSPORT,
    optional("priority", NUMBER),
    optional("weight", NUMBER),
    optional("subtypes", r#"{"type": "array", "items": {"type": "string"}}"#),
    optional("protocol", TEXT),
    optional("path", TEXT),
    optional("description", TEXT),
    optional("namespace", TEXT),
    optional("status", r#"{"enum": ["up", "starting"]}"#),
    optional("check", OBJECT),
    ONLY,
];

const SERVICE: Param = needed("service", TEXT);
const INSTANCE: Param = needed("instance", TEXT);
const TRANSPORT: Param = optional("transport", r#"{"enum": ["tcp", "udp"]}"#);
/// What has to hold, as `If-Match` and `If-None-Match` say it over HTTP.
const ONLY: Param = optional("only", r#"{"anyOf": [{"enum": ["absent", "present"]}, {"type": "integer"}]}"#);

const INSTANCES: Param = optional("instance", TEXT);
const STATUS: Param = optional("status", TEXTS);
const TAG: Param = optional("tag", TEXTS);
const TXT: Param = optional("txt", OBJECT);
const SOURCE: Param = optional("source", TEXTS);
const VERSION: Param = optional("version", TEXT);
const SERVED: Param = optional("served", r#"{"type": "boolean"}"#);
const LIMIT: Param = optional("limit", r#"{"type": "integer", "minimum": 1, "maximum": 1000}"#);
const CURSOR: Param = optional("cursor", TEXT);
const PICK: Param = optional("pick", TEXT);
const WAIT: Param = optional("wait", r#"{"type": ["number", "string"]}"#);
const SINCE: Param = optional("since", r#"{"type": ["integer", "string"]}"#);

const TEXT: &str = r#"{"type": "string"}"#;
/// One or several.
const TEXTS: &str = r#"{"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}"#;
const NUMBER: &str = r#"{"type": "integer", "minimum": 0, "maximum": 65535}"#;
const OBJECT: &str = r#"{"type": "object"}"#;

const INSTANCE_SHOWN: &str = r##"{"$ref": "#/components/schemas/Instance"}"##;
const HEARTBEAT: &str = r##"{"$ref": "#/components/schemas/Heartbeat"}"##;
/// The same of what a session may own.
const INSTANCE_HELD: &str = r##"{"$ref": "#/components/schemas/InstanceOfSession"}"##;
const HEARTBEAT_HELD: &str = r##"{"$ref": "#/components/schemas/HeartbeatOfSession"}"##;
const PAGE: &str = r##"{"$ref": "#/components/schemas/Page"}"##;
const RELOADED: &str = r##"{"$ref": "#/components/schemas/Reloaded"}"##;
const NUMBERED: &str = r#"{"type": "integer", "minimum": 1}"#;
const TRUTH: &str = r#"{"type": "boolean"}"#;
const PONG: &str = r#"{"const": "pong"}"#;
const OPENRPC: &str = r#"{"type": "object", "required": ["openrpc", "info", "methods", "components"]}"#;

const fn answered(name: &'static str, description: &'static str, schema: &'static str) -> Answered {
    Answered { name, description, schema }
}

const fn needed(name: &'static str, schema: &'static str) -> Param {
    Param { name, required: true, schema }
}

const fn optional(name: &'static str, schema: &'static str) -> Param {
    Param { name, required: false, schema }
}
