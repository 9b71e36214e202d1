//! What paths, queries and headers may say.

use serde_json::{Map, Value, json};

use crate::api::{Kind, LIMIT_MAX, schema};
use crate::service::{Source, Status};

use crate::http::schemas::refer;

/// Octets of a value in a query, at most; it is counted in characters here, of which there are no more.
const VALUE_MAX: usize = 255;

/// All of them, by name.
pub(super) fn all() -> Value {
    let mut all = in_paths();
    all.extend(in_queries());
    all.extend(in_headers());
    all.into()
}

fn in_paths() -> Map<String, Value> {
    let name = json!({ "type": "string", "format": "instance-name", "minLength": 1, "maxLength": 63 });
    let any = |format: &str| json!({ "type": "string", "format": format, "minLength": 1, "maxLength": 250 });
    let app = any("attribute-text");
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let known = [
        ("type", "A service type, such as `_auth._tcp`, or any other name of a service", any("service-type")),
        ("instance", "The name of an instance", any("instance-name")),
        ("kind", "The last segment of a problem's type", json!({ "type": "string", "enum": kinds })),
        ("app", "The name of an app, which may be any text", app.clone()),
        ("id", "The name of an instance, which may be any text", app),
    ]
    .map(|(name, description, schema)| entry(name, "path", true, description, schema));
    // What is registered has labels in DNS.
    let registered = [
        ("type", "A service type, such as `_auth._tcp`", with_format("service-type", schema::SERVICE)),
        ("instance", "The name of an instance", name),
    ]
    .map(|(name, description, schema)| {
        let (key, parameter) = entry(name, "path", true, description, schema);
        (format!("{key}.registered"), parameter)
    });
    known.into_iter().chain(registered).collect()
}

fn in_queries() -> Map<String, Value> {
    let value = |format: &str| json!({ "type": "string", "format": format, "maxLength": VALUE_MAX });
    let statuses: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let sources: Vec<_> = Source::ALL.iter().map(|source| source.as_str()).collect();
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 100 });
    let pick =
        json!({ "type": "string", "pattern": "^(first|random|round-robin|weighted|hash:.+)$", "maxLength": VALUE_MAX });
    let mut all: Map<String, Value> = [
        (
            "service",
            "`auth`, `_auth._tcp`, `@scope/name`, or a glob; with a range of versions `couchdb@3.x`",
            value("service-filter"),
        ),
        ("instance", "A name or a glob", value("instance-name")),
        ("version", "A range of versions as npm has it", value("version-range")),
        ("served", "Whether DNS answers with it", json!({ "type": "boolean" })),
        ("limit", "Items of a page", limit),
        ("cursor", "Where the page begins: as the page before said it", refer("Cursor")),
        ("pick", "One of those that DNS answers with, instead of a page", pick),
        ("wait", "How long to wait until something matches: seconds, or `15s`", value("time-span")),
        ("since", "What changed after this position", refer("Position")),
        ("type", "A type of records, such as SRV or TYPE65280", value("record-type")),
    ]
    .map(|(name, description, schema)| entry(name, "query", false, description, schema))
    .into_iter()
    .collect();
    let several = |items: Value| json!({ "type": "array", "items": items, "maxItems": 8 });
    let label = json!({ "type": "string", "minLength": 1, "maxLength": 62, "pattern": "^[0-9A-Za-z_-]+$" });
    for (name, description, items) in [
        ("status", "Any of these", json!({ "enum": statuses })),
        ("source", "Any of these", json!({ "enum": sources })),
        ("tag", "All of these", label),
    ] {
        let (key, mut parameter) = entry(name, "query", false, description, several(items));
        parameter["explode"] = json!(true);
        all.insert(key, parameter);
    }
    let attributes = json!({
        "type": "object",
        "propertyNames": { "format": "attribute-filter", "pattern": "^txt\\..", "maxLength": VALUE_MAX },
        "additionalProperties": value("attribute-text"),
        "maxProperties": 8,
    });
    let about = "TXT attributes that have these values, each as `txt.KEY`: `txt.path=/login`";
    let (key, mut parameter) = entry("attributes", "query", false, about, attributes);
    parameter["explode"] = json!(true);
    all.insert(key, parameter);
    let name = json!({ "type": "string", "format": "domain-name", "minLength": 1 });
    all.extend([entry("name", "query", true, "A whole name in DNS", name)]);
    let message = json!({ "type": "string", "format": "dns-message-in-base64url" });
    all.extend([entry("dns", "query", true, "A DNS message in Base64 for URLs, without padding", message)]);
    all
}

fn in_headers() -> Map<String, Value> {
    let tag = json!({ "type": "string", "format": "entity-tag", "pattern": "^(\\*|(W/)?\"[^\",]*\")$" });
    let any = json!({ "type": "string", "enum": ["*"] });
    [
        ("If-Match", "Only if the instance is at this revision, or with `*` if there is one", tag),
        ("If-None-Match", "Only if there is no such instance; not beside `If-Match`", any),
        ("last-event-id", "What changed after this event: browsers say so when they connect again", refer("Position")),
    ]
    .map(|(name, description, schema)| entry(name, "header", false, description, schema))
    .into_iter()
    .collect()
}

fn entry(name: &str, place: &str, required: bool, description: &str, schema: Value) -> (String, Value) {
    let mut value = json!({ "name": name, "in": place, "required": required, "description": description });
    value["schema"] = schema;
    (format!("{place}.{name}"), value)
}

fn with_format(format: &str, pattern: &str) -> Value {
    json!({ "type": "string", "format": format, "pattern": pattern })
}
