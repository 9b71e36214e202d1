//! `GET /openapi.json`: all of this as an OpenAPI 3.1 document, for people, and for programs that make clients or tests.
//!
//! What is in it comes from where it is true: `schemas` are derived from the types of `api`, with the leases that this
//! registry grants; `operations` is a table beside the routes, whose problems are the API's own kinds, and `parameters`
//! has what a query may say. That each route is in the table and does what that says is tested against a registry.
//!
//! Road not taken: a macro above each handler, which would hold the same lines five times and still not know what a
//! handler answers.

mod operations;
mod parameters;
mod schemas;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::api::{Kind, Terms};

use super::Edge;
use super::respond::{self, JSON};
use super::schemas::refer;

use operations::{Answer, Body, Content, Operation, TAGS};

/// The version of OpenAPI that it is written by.
const OPENAPI: &str = "3.1.1";
/// What problems are.
const PROBLEM: &str = "application/problem+json";

/// `GET /openapi.json`
pub(super) async fn get(State(edge): State<Arc<Edge>>) -> Response {
    respond::text(StatusCode::OK, JSON, edge.openapi.get_or_init(|| document(&edge.terms)).clone())
}

/// The document of a registry with these terms.
fn document(terms: &Terms) -> Bytes {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations::all() {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = described(operation);
    }
    let tags: Vec<_> =
        TAGS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    let document = json!({
        "openapi": OPENAPI,
        "info": {
            "title": "portolan",
            "summary": "A service registry that you can dig",
            "description":
                "Bodies are read as JSON whatever their Content-Type says. An error is a problem document (RFC 9457), \
                 whose `type` leads to what it means. GET answers HEAD, too.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        // Whether it takes one depends on the instance, the sender and the settings.
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(terms),
            "parameters": parameters::all(),
            "headers": headers(),
            "links": links(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description":
                        "What `portolan token new` printed. This machine may write without one, unless the settings \
                         say otherwise",
                },
            },
        },
    });
    let mut octets = serde_json::to_vec(&document).expect("texts for keys");
    // For terminals.
    octets.push(b'\n');
    octets.into()
}

fn described(operation: &Operation) -> Value {
    let Operation { id, tag, summary, description, parameters, body, answers, .. } = operation;
    let parameter = |name: &&str| json!({ "$ref": format!("#/components/parameters/{name}") });
    let mut value = json!({ "operationId": id, "tags": [tag], "summary": summary });
    if !description.is_empty() {
        value["description"] = json!(description);
    }
    if !parameters.is_empty() {
        value["parameters"] = parameters.iter().map(parameter).collect();
    }
    if let Some(Body { media_type, schema, description }) = body {
        let content = json!({ *media_type: { "schema": refer(schema) } });
        value["requestBody"] = json!({ "required": true, "description": description, "content": content });
    }
    let mut responses: BTreeMap<u16, Value> = answers.iter().map(|answer| (answer.status, answered(answer))).collect();
    for (status, kinds) in problems(operation) {
        responses.insert(status, refused(status, &kinds, operation.replies));
    }
    value["responses"] = responses.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
    value
}

fn answered(answer: &Answer) -> Value {
    let Answer { what, content, headers, is_linked, .. } = answer;
    let mut value = json!({ "description": what });
    let media_types: Map<String, Value> = match content {
        Content::Nothing => Map::new(),
        Content::Json(schema) => [(JSON.to_owned(), json!({ "schema": refer(schema) }))].into_iter().collect(),
        Content::JsonOrPage(schema) => [(JSON, refer(schema)), ("text/html", json!({ "type": "string" }))]
            .map(|(name, schema)| (name.to_owned(), json!({ "schema": schema })))
            .into_iter()
            .collect(),
        Content::Text(media_types) => {
            media_types.iter().map(|name| ((*name).to_owned(), json!({ "schema": { "type": "string" } }))).collect()
        }
        // Octets have no schema (OpenAPI 3.1 §4.8.14.3).
        Content::Octets(media_type) => [((*media_type).to_owned(), json!({}))].into_iter().collect(),
    };
    if !media_types.is_empty() {
        value["content"] = media_types.into();
    }
    if !headers.is_empty() {
        value["headers"] = refer_all("headers", headers);
    }
    if *is_linked {
        value["links"] = refer_all("links", &links().keys().map(String::as_str).collect::<Vec<_>>());
    }
    value
}

fn refer_all(what: &str, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/{what}/{name}") }))).collect()
}

/// The kinds that an operation may answer with, by status.
fn problems(operation: &Operation) -> BTreeMap<u16, Vec<Kind>> {
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    let usual = operation.problems.iter().copied().flatten().map(|kind| ((operation.status_of)(*kind), *kind));
    for (status, kind) in usual.chain(operation.others.iter().copied()) {
        let kinds = by_status.entry(status).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    by_status
}

fn refused(status: u16, kinds: &[Kind], in_replies: bool) -> Value {
    let told: Vec<_> = kinds.iter().map(|kind| format!("`{}`: {}", kind.name(), kind.title())).collect();
    let types: Vec<_> = kinds.iter().map(|kind| format!("/problems/{}", kind.name())).collect();
    let only = json!({ "properties": { "type": { "enum": types }, "status": { "const": status } } });
    let (media_type, schema) = if in_replies {
        let only = json!({ "required": ["error"], "properties": { "error": { "properties": { "data": only } } } });
        (JSON, json!({ "allOf": [refer("Reply"), only] }))
    } else {
        (PROBLEM, json!({ "allOf": [refer("Problem"), only] }))
    };
    let mut value = json!({ "description": told.join("; "), "content": { media_type: { "schema": schema } } });
    match status {
        401 => value["headers"] = refer_all("headers", &["WWW-Authenticate"]),
        503 => value["headers"] = refer_all("headers", &["Retry-After"]),
        _ => {}
    }
    value
}

fn headers() -> Value {
    json!({
        "ETag": {
            "description": "The revision of the instance, for `If-Match`",
            "required": true,
            "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" },
        },
        "Location": {
            "description": "Where the instance is",
            "required": true,
            "schema": { "type": "string", "pattern": "^/v1/instances/_[^/]+/[^/]+$" },
        },
        "Retry-After": {
            "description": "Seconds after which to try again",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        },
        "WWW-Authenticate": {
            "description": "What to authenticate with (RFC 6750)",
            "required": true,
            "schema": { "type": "string", "pattern": "^Bearer " },
        },
        "Content-Security-Policy": {
            "description": "That the page runs nothing that is not this registry's, and asks nobody else",
            "required": true,
            "schema": { "type": "string", "pattern": "^default-src 'none'; " },
        },
    })
}

/// What can be done with an instance that an answer names.
fn links() -> Map<String, Value> {
    let operations = [
        ("instance", "getInstance"),
        ("history", "getHistory"),
        ("renew", "renew"),
        ("status", "setStatus"),
        ("deregister", "deregister"),
    ];
    let parameters = json!({
        "path.type": "_{$response.body#/service}._{$response.body#/transport}",
        "path.instance": "$response.body#/instance",
    });
    let link = |(name, id): (&str, &str)| (name.to_owned(), json!({ "operationId": id, "parameters": parameters }));
    operations.into_iter().map(link).collect()
}
