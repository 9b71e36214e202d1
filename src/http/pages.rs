//! Pages for people with a browser, without a script: what there is, and how it is. Users of servreg know their paths.
//!
//! Names are strangers' texts: all that is written here is escaped, and the page may load and run nothing.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use percent_encoding::utf8_percent_encode;

use crate::api::{LastFlip, Summary};
use crate::service::Status;

use super::Edge;
use super::principal::Principal;
use super::request::Pairs;
use super::respond::Refused;
use super::write::PLAIN;

const STYLE: &str = "body{font:1rem/1.5 sans-serif;margin:2rem;max-width:60rem}table{border-collapse:collapse}\
                     td,th{padding:.1rem 1rem .1rem 0;text-align:left;vertical-align:top}";
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Whether a browser asks, which names HTML.
pub(super) fn are_wanted(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// `GET /services`: service types with their instances counted, page by page.
pub(super) async fn services(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Query(query): Query<Pairs>,
) -> Result<Response, Refused> {
    let counted = edge.counted(&principal, &query).await?;
    let rows = counted.services.iter().map(|service| {
        let named = format!("_{}.{}", service.service, service.transport.label());
        let list = format!("/v1/instances?service={}", utf8_percent_encode(&named, PLAIN));
        let link = format!("<a href=\"{list}\">{}</a>", escaped(&named));
        vec![link, service.instances.to_string(), service.served.to_string()]
    });
    let mut body = table(&["service", "instances", "in DNS"], rows);
    if let Some(cursor) = &counted.cursor {
        let cursor = cursor.to_string();
        let _ = write!(body, "<p><a href=\"/services?cursor={}\">more</a>", utf8_percent_encode(&cursor, PLAIN));
    }
    Ok(page("Services", &body))
}

/// How the registry is.
pub(super) fn status(summary: &Summary) -> Response {
    let Summary { version, uptime, zones, revision, services, instances, guarded, process, flips, last_flips } =
        summary;
    let up = humantime::format_duration(Duration::from_secs(*uptime));
    let mut facts = vec![
        vec!["version".to_owned(), escaped(version)],
        vec!["up for".to_owned(), up.to_string()],
        vec!["zones".to_owned(), escaped(&zones.join(" "))],
        vec!["last change".to_owned(), revision.to_string()],
        vec!["services".to_owned(), format!("{}, {} in DNS", services.listed, services.served)],
    ];
    facts.extend(instances.iter().map(|i| vec![format!("instances {}", i.status), i.count.to_string()]));
    facts.push(vec!["kept by the guard".to_owned(), guarded.to_string()]);
    if let Some(used) = process {
        facts.push(vec!["CPU time".to_owned(), format!("{:.1} s", used.cpu)]);
        facts.push(vec!["memory".to_owned(), format!("{} MiB", used.memory >> 20)]);
    }
    let status = |status: &Option<Status>| status.map_or("gone", Status::as_str).to_owned();
    let counts =
        flips.iter().map(|flip| vec![flip.cause.as_str().to_owned(), status(&flip.status), flip.count.to_string()]);
    let last = last_flips.iter().map(|LastFlip { service, transport, instance, flip }| {
        let named = format!("{instance} of _{service}.{}", transport.label());
        let reason = flip.reason.as_deref().unwrap_or_default();
        let cause = format!("{} {reason}", flip.cause.as_str());
        vec![flip.time.to_string(), escaped(&named), status(&flip.status), escaped(&cause)]
    });
    let body = [
        table(&["", ""], facts.into_iter()),
        "<h2>Flips since the start</h2>".to_owned(),
        table(&["cause", "then", "times"], counts),
        "<h2>The last flips</h2>".to_owned(),
        table(&["time", "instance", "then", "cause"], last),
    ];
    page("Status", &body.concat())
}

fn page(title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} - portolan</title>\
         <style>{STYLE}</style><p><a href=\"/services\">services</a> <a href=\"/status\">status</a>\
         <h1>{title}</h1>{body}\n"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        // What a browser is given depends on what it asks for.
        (VARY, "accept"),
    ];
    (headers, text).into_response()
}

/// Cells are HTML already.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = heads.iter().fold("<table><tr>".to_owned(), |table, head| table + "<th>" + head);
    rows.fold(head, |table, row| row.iter().fold(table + "<tr>", |table, cell| table + "<td>" + cell)) + "</table>"
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
        escaped
    })
}
