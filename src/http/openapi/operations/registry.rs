//! The registry itself: how it is, and what it says of itself.

use crate::api::Kind;

use super::{Answer, Content, EVERY, Operation, PAGE, PLAIN, QUERY, WRITE, json, nothing, operation, text};

pub(super) const OPERATIONS: &[Operation] = &[
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
        answers: &[text(
            200,
            "They are; says also how many files are not taken in, and to admins and on its own machine which",
            PLAIN,
        )],
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
];
