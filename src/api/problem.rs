//! Problems: what is said when a request is refused (RFC 9457).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::invalid::Invalid;
use super::json::Malformed;
use super::kind::Kind;

/// Where the problems are described, relative to the server; `type` is this and the kind's name.
const PATH: &str = "/problems/";

/// An `application/problem+json` document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{detail} ({status} {title})")]
pub struct Problem {
    /// `/problems/port-zero`: a path on the server that says more.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// The same for every problem of a kind.
    pub title: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: Box<str>,
    /// The field that is at fault: `port`, `addresses[2]`, `txt.path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
    /// Where JSON is malformed, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Where JSON is malformed, in octets, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The revision that the instance is at, where a precondition failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl Problem {
    /// A problem of `kind`.
    pub fn new(kind: Kind, detail: impl Into<Box<str>>) -> Self {
        Self {
            kind: format!("{PATH}{}", kind.name()).into(),
            title: kind.title().into(),
            status: kind.status(),
            detail: detail.into(),
            field: None,
            line: None,
            column: None,
            revision: None,
        }
    }

    /// Which of ours it is; `None` from a server that knows more kinds.
    pub fn known(&self) -> Option<Kind> {
        Kind::parse(self.kind.strip_prefix(PATH)?)
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let field = (!invalid.field.is_empty()).then(|| invalid.field.as_str().into());
        Self { field, ..Self::new(invalid.kind(), invalid.to_string()) }
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        let place = |number: usize| u32::try_from(number).ok().filter(|&n| n > 0);
        Self {
            line: place(malformed.line),
            column: place(malformed.column),
            ..Self::new(Kind::MalformedJson, malformed.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_that_leads_back_to_it() {
        let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for &kind in Kind::ALL {
            assert_eq!(Problem::new(kind, "x").known(), Some(kind));
        }
    }

    #[test]
    fn a_problem_from_a_newer_server_is_understood_as_far_as_it_goes() {
        let text = r#"{"type": "/problems/novel", "title": "New", "status": 418, "detail": "d", "more": [1]}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!((problem.known(), problem.status), (None, 418));
    }
}
