//! Instances: announced, found, followed.

use crate::api::Kind;

use super::{
    ADDRESSED, Answer, BODY, EVERY, FIELDS, INSTANCE, ONLY, Operation, QUERY, REGISTRATION, STATE, WRITE, json,
    json_body, nothing, operation, tagged, text,
};

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
        parameters: &["path.type.registered", "path.instance.registered", "header.If-Match", "header.If-None-Match"],
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
];
