//! What bodies are, of the API's own and of the doors'.

use serde_json::{Map, Value, json};

use crate::api::{
    BATCH_MAX, Event, Explanation, Heartbeat, History, Instance, Outcome, Page, Problem, Registration, Reloaded,
    Services, StatusWish, Summary, Terms,
};
use crate::http::doors::{registro, servreg};
use crate::http::schemas::{self, define, refer};

/// All of them, by name.
pub(super) fn all(terms: &Terms) -> Value {
    let mut all = said();
    all.extend(heard());
    all["Lease"]["anyOf"][0] = granted(terms);
    let mut patch = all["Registration"].clone();
    patch.as_object_mut().and_then(|patch| patch.remove("required"));
    patch["description"] = json!("What differs from the registration; null takes a field away (RFC 7396)");
    all.insert("RegistrationPatch".into(), patch);
    all.extend(composed());
    all.into()
}

/// What is answered.
fn said() -> Map<String, Value> {
    let mut generator = schemas::said();
    define::<Event>(&mut generator);
    define::<Explanation>(&mut generator);
    define::<Heartbeat>(&mut generator);
    define::<History>(&mut generator);
    define::<Instance>(&mut generator);
    define::<Outcome>(&mut generator);
    define::<Page>(&mut generator);
    define::<Problem>(&mut generator);
    define::<Reloaded>(&mut generator);
    define::<Services>(&mut generator);
    define::<Summary>(&mut generator);
    registro::describe_answers(&mut generator);
    schemas::taken(generator)
}

/// What is sent.
fn heard() -> Map<String, Value> {
    let mut generator = schemas::heard();
    define::<Registration>(&mut generator);
    define::<StatusWish>(&mut generator);
    registro::describe_bodies(&mut generator);
    generator.take_definitions(true)
}

/// Seconds of a lease.
fn granted(terms: &Terms) -> Value {
    let (shortest, longest) = (terms.leases.shortest.as_secs_f64(), terms.leases.longest.as_secs_f64());
    json!({ "anyOf": [{ "const": 0 }, { "type": "number", "minimum": shortest, "maximum": longest }] })
}

/// What is made of the others.
fn composed() -> Map<String, Value> {
    let named = json!({ "required": ["service"], "properties": { "service": { "type": "string" } } });
    let batch = json!({ "type": "array", "items": refer("HeartbeatItem"), "maxItems": BATCH_MAX });
    let id = json!({ "type": ["string", "number", "null"] });
    let composed = json!({
        "HeartbeatItem": { "allOf": [refer("Registration"), named] },
        "Heartbeats": { "anyOf": [refer("HeartbeatItem"), batch] },
        "Outcomes": { "anyOf": [refer("Heartbeat"), { "type": "array", "items": refer("Outcome") }] },
        "Call": {
            "description": "A call of JSON-RPC 2.0; without an id it is a notification, to which nothing is said",
            "type": "object",
            "required": ["jsonrpc", "method"],
            "properties": {
                "jsonrpc": { "const": "2.0" },
                "method": { "type": "string" },
                "params": { "type": ["array", "object"] },
                "id": id,
            },
        },
        "Calls": { "anyOf": [refer("Call"), calls(&refer("Call"))] },
        "CallError": {
            "type": "object",
            "required": ["code", "message", "data"],
            "properties": { "code": { "type": "integer" }, "message": { "type": "string" }, "data": refer("Problem") },
        },
        "Reply": {
            "description": "What came of a call: either a result or an error",
            "type": "object",
            "required": ["jsonrpc", "id"],
            "properties": { "jsonrpc": { "const": "2.0" }, "result": true, "error": refer("CallError"), "id": id },
            "oneOf": [{ "required": ["result"] }, { "required": ["error"] }],
        },
        "Replies": { "anyOf": [refer("Reply"), { "type": "array", "items": refer("Reply") }] },
        "ServregCall": servreg::call_schema(),
        "ServregCalls": { "anyOf": [refer("ServregCall"), calls(&refer("ServregCall"))] },
        "ServregReply": {
            "description": "What came of a call: a result and an error, one of which is null",
            "type": "object",
            "required": ["jsonrpc", "result", "error", "id"],
            "properties": {
                "jsonrpc": { "const": "2.0" },
                "result": true,
                "error": { "anyOf": [refer("CallError"), { "type": "null" }] },
                "id": id,
            },
        },
        "ServregReplies": { "anyOf": [refer("ServregReply"), { "type": "array", "items": refer("ServregReply") }] },
        "OpenApi": {
            "description": "An OpenAPI document",
            "type": "object",
            "required": ["openapi", "info", "paths", "components"],
        },
        "DnsMessage": { "description": "A DNS message in wire form (RFC 1035 §4)", "type": "string", "format": "dns-message" },
    });
    let Value::Object(composed) = composed else { unreachable!("written as an object") };
    composed
}

fn calls(call: &Value) -> Value {
    json!({ "type": "array", "items": call, "minItems": 1, "maxItems": BATCH_MAX })
}
