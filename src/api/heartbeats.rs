//! The body of a heartbeat.
//!
//! It is what a registry hears most, and nearly always right. So it is read straight into registrations; only what
//! cannot be read so is read again, into a document, which tells what is wrong with it, and of an array with which items.

use super::invalid::Invalid;
use super::json::{Json, Malformed, Strictly};
use super::registration::Registration;

/// What is said, as far as it can be read.
#[expect(clippy::large_enum_variant, reason = "taken apart as soon as it is read, and mostly the large one")]
#[derive(Debug, PartialEq)]
pub enum Heartbeats {
    /// One service speaks.
    One(Result<Registration, Invalid>),
    /// Somebody speaks for several.
    Several(Vec<Result<Registration, Invalid>>),
}

impl Heartbeats {
    /// Reads one document.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        Self::straight(octets).map_or_else(|| Json::parse(octets).map(Self::from), Ok)
    }

    /// `None` where anything is wrong.
    fn straight(octets: &[u8]) -> Option<Self> {
        if octets.trim_ascii_start().starts_with(b"[") {
            let items = serde_json::from_slice::<Vec<Strictly<_>>>(octets).ok()?;
            Some(Self::Several(items.into_iter().map(|item| Ok(item.0)).collect()))
        } else {
            serde_json::from_slice::<Strictly<_>>(octets).ok().map(|item| Self::One(Ok(item.0)))
        }
    }
}

impl From<Json> for Heartbeats {
    fn from(body: Json) -> Self {
        match body {
            Json::Array(items) => Self::Several(items.into_iter().map(Json::read).collect()),
            item => Self::One(item.read()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_straight_is_what_the_document_says() {
        let whole = r#"{"service": "a", "transport": "udp", "instance": "\u00e4\n", "host": "h", "addresses": ["::1"],
            "port": 1, "priority": 2, "weight": 3, "txt": {"b": "1", "a": null, "b": {"base64": "/w=="}},
            "subtypes": ["x"], "tags": [], "version": "1.0.0", "protocol": "", "path": "/", "description": "d",
            "namespace": null, "lease": 1.5, "status": "starting"}"#;
        for body in [whole, r#"{"port": 1}"#, &format!(" [{whole}, {whole}]\n"), "[]"] {
            let straight = Heartbeats::straight(body.as_bytes());
            assert_eq!(straight, Some(Json::parse(body.as_bytes()).unwrap().into()), "{body}");
        }
    }

    #[test]
    fn what_a_document_refuses_is_not_read_straight() {
        for item in [
            "{}",
            "[]",
            "7",
            "null",
            r#"["a", "tcp", "b", "h", [], 1]"#,
            r#"{"port": 1, "port": 1}"#,
            r#"{"port": 1, "colour": 1}"#,
            r#"{"port": 65536}"#,
            r#"{"port": 1, "transport": {"tcp": null}}"#,
            r#"{"port": 1, "transport": 0}"#,
            r#"{"port": 1, "status": {"up": null}}"#,
            r#"{"port": 1, "status": "down"}"#,
            r#"{"port": 1, "txt": []}"#,
            r#"{"port": 1, "txt": {"k": {"base64": "", "base64": ""}}}"#,
            r#"{"port": 1, "tags": {"0": "a"}}"#,
            r#"{"port": 1, "lease": []}"#,
        ] {
            for body in [item.to_owned(), format!(r#"[{{"port": 1}}, {item}]"#)] {
                let octets = body.as_bytes();
                let straight = Heartbeats::straight(octets);
                assert!(matches!(straight, None | Some(Heartbeats::Several(_))) || body == "[]", "{body}");
                assert_eq!(Heartbeats::parse(octets).unwrap(), Json::parse(octets).unwrap().into(), "{body}");
            }
        }
        let whole_number = Heartbeats::parse(br#"{"port": 80.0}"#);
        assert_eq!(whole_number, Heartbeats::parse(br#"{"port": 80}"#), "as the document takes it");
        assert!(Heartbeats::parse(b"[{\"port\": 1},]").is_err());
    }
}
