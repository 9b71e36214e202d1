//! The same in other words: DNS over HTTPS, JSON-RPC, and the clients of earlier registries.

use crate::api::Kind;

use super::{
    ADDRESSED, Answer, BODY, Body, Content, DNS_MESSAGE, EVERY, Operation, REGISTRATION, STATE, WRITE, door, json,
    json_body, nothing, octets, operation,
};

pub(super) const OPERATIONS: &[Operation] = &[
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
        description: "`rpc.discover` tells the methods (OpenRPC). The status is 200 whatever became of calls",
        body: Some(json_body("Calls", "A call, or a batch of up to 1,000")),
        answers: &[
            json(200, "A reply, or one for each call that has an id", "Replies"),
            nothing(204, "No call has an id"),
        ],
        replies: true,
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
        // Whatever it is, it is a reply.
        problems: &[],
        ..operation("post", "/api", "callServreg", "doors", "servreg: call methods")
    },
    Operation {
        answers: &[json(200, "Apps with their instances", "RegistroApps")],
        problems: &[EVERY],
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
        problems: &[EVERY, ADDRESSED, &[Kind::NotRegistered]],
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
        parameters: &["path.app"],
        answers: &[nothing(204, "It is declared no more; instances that it has stay")],
        problems: &[EVERY, WRITE, ADDRESSED, STATE],
        ..door("delete", "/registro/1.0/apps/{app}", "forgetApp", "Registro: an app is declared no more")
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
