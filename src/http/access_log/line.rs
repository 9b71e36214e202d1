//! A request as a line. Most of it is a stranger's text: what would end the line or a field of it, or drive a terminal, is
//! written as an escape, and what is long is cut.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Instant;

use axum::extract::Request;
use axum::http::header::{HeaderName, REFERER, USER_AGENT};
use axum::http::{Method, Version};
use jiff::Timestamp;
use serde::Serialize;

use crate::service::escape_json;

use super::LogFormat;

/// Octets of what was asked for, at most.
const TARGET_MAX: usize = 1000;
/// Octets of a header, at most.
const HEADER_MAX: usize = 200;

/// What is known of a request before it is answered.
pub(super) struct Entry {
    from: IpAddr,
    at: Timestamp,
    began: Instant,
    method: Method,
    target: Vec<u8>,
    version: Version,
    referer: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
}

/// A line that is an object.
#[derive(Serialize)]
struct Object<'a> {
    time: Timestamp,
    from: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    method: &'a str,
    target: String,
    version: String,
    status: u16,
    octets: u64,
    milliseconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

impl Entry {
    pub(super) fn of(request: &Request, sender: IpAddr) -> Self {
        let header = |name: HeaderName| Some(cut(request.headers().get(name)?.as_bytes(), HEADER_MAX));
        let uri = request.uri();
        let target = uri.path_and_query().map_or_else(|| uri.path(), |target| target.as_str());
        Self {
            from: sender.to_canonical(),
            at: Timestamp::now(),
            began: Instant::now(),
            method: request.method().clone(),
            target: cut(target.as_bytes(), TARGET_MAX),
            version: request.version(),
            referer: header(REFERER),
            agent: header(USER_AGENT),
        }
    }

    /// The line, with its end.
    pub(super) fn line(&self, format: LogFormat, token: Option<&str>, status: u16, octets: u64) -> String {
        let Self { from, at, began, method, target, version, referer, agent } = self;
        // `PRI` and its like are made up by strangers, and short, or they would not be here.
        let method = escaped(method.as_str().as_bytes());
        match format {
            LogFormat::Combined => {
                let time = at.strftime("%d/%b/%Y:%H:%M:%S +0000");
                let header =
                    |value: &Option<Vec<u8>>| value.as_ref().map_or_else(|| "-".to_owned(), |value| escaped(value));
                let (who, target) = (token.unwrap_or("-"), escaped(target));
                let (referer, agent) = (header(referer), header(agent));
                format!(
                    "{from} - {who} [{time}] \"{method} {target} {version:?}\" {status} {octets} \"{referer}\" \"{agent}\"\n"
                )
            }
            LogFormat::Json => {
                let text = |octets: &Vec<u8>| String::from_utf8_lossy(octets).into_owned();
                let milliseconds = (began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
                let object = Object {
                    time: *at,
                    from: *from,
                    token,
                    method: &method,
                    target: text(target),
                    version: format!("{version:?}"),
                    status,
                    octets,
                    milliseconds,
                    referer: referer.as_ref().map(text),
                    agent: agent.as_ref().map(text),
                };
                escape_json(&serde_json::to_string(&object).expect("texts and numbers")) + "\n"
            }
        }
    }
}

fn cut(octets: &[u8], longest: usize) -> Vec<u8> {
    octets[..octets.len().min(longest)].to_vec()
}

/// As servers of HTTP are used to: `\x22`.
fn escaped(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => {
                let _ = write!(text, "\\x{octet:02x}");
            }
            _ => text.push(char::from(octet)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    fn entry(target: &str, agent: &[u8]) -> Entry {
        let mut request = Request::builder().method("POST").uri(target).body(Body::empty()).unwrap();
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_bytes(agent).unwrap());
        let mut entry = Entry::of(&request, "::ffff:10.0.0.7".parse().unwrap());
        entry.at = Timestamp::from_second(1_000_000_000).unwrap();
        entry
    }

    #[test]
    fn a_line_is_as_other_servers_write_it_and_a_stranger_ends_no_field() {
        let line = |entry: Entry| entry.line(LogFormat::Combined, Some("ci"), 201, 99);
        let expected =
            "10.0.0.7 - ci [09/Sep/2001:01:46:40 +0000] \"POST /v1/heartbeat?a=b HTTP/1.1\" 201 99 \"-\" \"curl/8\"\n";
        assert_eq!(line(entry("/v1/heartbeat?a=b", b"curl/8")), expected);
        let hostile = line(entry("/", b"a\" 200 \\\tb\xff\x9b31m"));
        assert!(hostile.ends_with(" \"a\\x22 200 \\x5c\\x09b\\xff\\x9b31m\"\n"), "{hostile}");
        assert_eq!(hostile.matches('"').count(), 6);
    }

    #[test]
    fn an_object_says_the_same_and_reads_back() {
        let line = entry("/x", b"a\"\\\t\xff").line(LogFormat::Json, None, 404, 0);
        assert_eq!(line.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&object["from"], &object["status"]), (&"10.0.0.7".into(), &404.into()));
        assert_eq!((&object["agent"], object.get("token")), (&"a\"\\\t\u{fffd}".into(), None));
    }

    #[test]
    fn an_object_drives_no_terminal_and_shows_no_other_text() {
        let agent = "a\u{9b}31m\u{202e}b é";
        let line = entry("/", agent.as_bytes()).line(LogFormat::Json, None, 200, 0);
        assert!(line.contains(r#""a\u009b31m\u202eb é""#), "{line}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["agent"], agent);
    }

    #[test]
    fn what_is_long_is_cut() {
        let line = entry(&format!("/{}", "x".repeat(30_000)), &[0xff; 8000]).line(LogFormat::Combined, None, 200, 0);
        assert!(line.len() < TARGET_MAX + 4 * HEADER_MAX + 200, "{}", line.len());
    }
}
