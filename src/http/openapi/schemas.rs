//! What bodies are, derived from the types of `api`.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::api::{
    BATCH_MAX, Event, Explanation, Heartbeat, History, Instance, Outcome, Page, Problem, Registration, Reloaded,
    Services, StatusWish, Summary, Terms,
};
use crate::http::doors::{registro, servreg};

/// Where schemas are.
const PLACE: &str = "/components/schemas";

/// A schema by its name.
pub(super) fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#{PLACE}/{name}") })
}

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
    let mut generator = settings().for_serialize().into_generator();
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
    let mut all = generator.take_definitions(true);
    for properties in all.values_mut().filter_map(|schema| schema.get_mut("properties")?.as_object_mut()) {
        properties.values_mut().for_each(never_null);
    }
    all
}

/// What may be left out is left out, and never null.
fn never_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(kinds)) = property.get_mut("anyOf") {
        kinds.retain(|kind| kind["type"] != "null");
        if let [Value::Object(only)] = &kinds[..] {
            let only = only.clone();
            property.remove("anyOf");
            property.extend(only);
        }
    }
}

/// What is sent.
fn heard() -> Map<String, Value> {
    let mut generator = settings().for_deserialize().into_generator();
    define::<Registration>(&mut generator);
    define::<StatusWish>(&mut generator);
    registro::describe_bodies(&mut generator);
    generator.take_definitions(true)
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = PLACE.into())
}

fn define<T: JsonSchema>(generator: &mut SchemaGenerator) {
    let _ = generator.subschema_for::<T>();
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
