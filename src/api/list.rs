//! Lists: what is asked for in a query, and the pages that answer it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{InstanceId, InstanceName, Source, Status, Transport};

use super::event::Position;
use super::instance::Instance;
use super::invalid::shorten;
use super::kind::Kind;
use super::pick::{BadPick, Pick};
use super::problem::Problem;

/// Items of a page, at most.
pub const LIMIT_MAX: usize = 1000;
/// Items of a page without a wish.
const LIMIT_DEFAULT: usize = 100;
/// Octets of a pattern or of what it is compared with, at most.
const PATTERN_MAX: usize = 255;
/// Conditions of one query, at most.
const CONDITIONS_MAX: usize = 32;
/// Every parameter.
const PARAMETERS: &str = "service, instance, version, status, served, tag, txt.KEY, source, limit, cursor, pick, wait";

/// Which instances are asked for. Repeated statuses and sources are alternatives; every tag and attribute must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// `auth` (any transport), `_auth._tcp`, any other name such as `@scope/name`, or a glob of one; in a query also with a
    /// range of versions, `auth@3.x`.
    pub service: Option<String>,
    /// A name or a glob.
    pub instance: Option<String>,
    /// A range of versions as npm writes it; what has no version is in none.
    pub version: Option<String>,
    /// Any of these; empty for all.
    pub status: Vec<Status>,
    /// Whether DNS answers with it.
    pub served: Option<bool>,
    /// All of these.
    pub tags: Vec<String>,
    /// All of these, compared with the TXT record as served; an empty value is also a key without one.
    pub txt: Vec<(String, String)>,
    /// Any of these; empty for all.
    pub source: Vec<Source>,
    /// Items of a page.
    pub limit: Option<usize>,
    /// Where the page begins.
    pub cursor: Option<Cursor>,
    /// One of them instead of a page, out of those that DNS answers with.
    pub pick: Option<Pick>,
    /// How long to wait for something that matches, where nothing does.
    pub wait: Option<Duration>,
}

impl Filter {
    /// Reads a query; a parameter that is not known is refused, so that a misspelt one does not list everything.
    pub fn from_query(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let mut filter = Self::default();
        if pairs.len() > CONDITIONS_MAX {
            let detail = format!("the query has {} parameters; at most {CONDITIONS_MAX} are allowed", pairs.len());
            return Err(Problem::new(Kind::InvalidParameter, detail));
        }
        for (key, value) in pairs {
            filter.read(key, value)?;
        }
        match filter.pick {
            Some(_) if filter.limit.is_some() => {
                Err(invalid_parameter("limit", "has no use beside pick, which gives one"))
            }
            Some(_) if filter.cursor.is_some() => {
                Err(invalid_parameter("cursor", "has no use beside pick, which gives one"))
            }
            _ => Ok(filter),
        }
    }

    fn read(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let refuse = |why: String| invalid_parameter(key, &why);
        let is_long = value.len() > PATTERN_MAX && key != "cursor";
        if is_long {
            return Err(refuse(format!("is {} octets long; at most {PATTERN_MAX} are allowed", value.len())));
        }
        let one_of = |words: [&str; 4]| refuse(format!("is {value:?}; expected one of {}", words.join(", ")));
        let twice = match key {
            "service" => {
                let (service, range) = split_range(value);
                let second_range = range.is_some_and(|range| self.version.replace(range.to_owned()).is_some());
                self.service.replace(service.to_owned()).is_some() || second_range
            }
            "instance" => self.instance.replace(value.to_owned()).is_some(),
            "version" => self.version.replace(value.to_owned()).is_some(),
            "served" => {
                let served = value.parse().map_err(|_| refuse(format!("is {value:?}; expected true or false")))?;
                self.served.replace(served).is_some()
            }
            "pick" => {
                let pick = value.parse().map_err(|error: BadPick| refuse(error.to_string()))?;
                self.pick.replace(pick).is_some()
            }
            "wait" => {
                let wait = read_duration(value);
                let expected = || refuse(format!("is {value:?}; expected seconds or a time such as 15s"));
                self.wait.replace(wait.ok_or_else(expected)?).is_some()
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                let expected = || refuse(format!("is {value:?}; expected a whole number from 1 to {LIMIT_MAX}"));
                self.limit.replace(limit.ok_or_else(expected)?).is_some()
            }
            "cursor" => {
                let cursor = value.parse().map_err(|error: BadCursor| refuse(error.to_string()))?;
                self.cursor.replace(cursor).is_some()
            }
            "status" => {
                let status = Status::parse(value).ok_or_else(|| one_of(Status::ALL.map(Status::as_str)))?;
                self.status.push(status);
                false
            }
            "source" => {
                let source = Source::parse(value).ok_or_else(|| one_of(Source::ALL.map(Source::as_str)))?;
                self.source.push(source);
                false
            }
            "tag" => {
                self.tags.push(value.to_owned());
                false
            }
            other => {
                let attribute = other.strip_prefix("txt.").filter(|attribute| !attribute.is_empty());
                let attribute = attribute.ok_or_else(|| unknown_parameter(key, PARAMETERS))?;
                self.txt.push((attribute.to_owned(), value.to_owned()));
                false
            }
        };
        if twice { Err(refuse("is given twice".into())) } else { Ok(()) }
    }

    /// The reverse of [`Filter::from_query`].
    pub fn to_query(&self) -> Vec<(String, String)> {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut pairs = Vec::new();
        pairs.extend(self.service.iter().map(|value| pair("service", value)));
        pairs.extend(self.instance.iter().map(|value| pair("instance", value)));
        pairs.extend(self.version.iter().map(|value| pair("version", value)));
        pairs.extend(self.status.iter().map(|value| pair("status", value.as_str())));
        pairs.extend(self.served.iter().map(|value| pair("served", &value.to_string())));
        pairs.extend(self.tags.iter().map(|value| pair("tag", value)));
        pairs.extend(self.txt.iter().map(|(key, value)| (format!("txt.{key}"), value.clone())));
        pairs.extend(self.source.iter().map(|value| pair("source", value.as_str())));
        pairs.extend(self.limit.iter().map(|value| pair("limit", &value.to_string())));
        pairs.extend(self.cursor.iter().map(|value| pair("cursor", &value.to_string())));
        pairs.extend(self.pick.iter().map(|value| pair("pick", &value.to_string())));
        pairs.extend(self.wait.iter().map(|value| pair("wait", &humantime::format_duration(*value).to_string())));
        pairs
    }

    /// Items of a page.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT)
    }
}

/// `couchdb@3.x`, as npm writes a package and a range. A name that begins with @ has a scope.
fn split_range(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('@') {
        Some((service, range)) if !service.is_empty() => (service, Some(range)),
        _ => (text, None),
    }
}

/// `15` and `0.5` are seconds.
fn read_duration(text: &str) -> Option<Duration> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    seconds.map_or_else(|| humantime::parse_duration(text).ok(), Result::ok)
}

/// The problem with a parameter that is not one of `known`.
pub fn unknown_parameter(key: &str, known: &str) -> Problem {
    parameter(Kind::UnknownParameter, key, &format!("is not known; the parameters are {known}"))
}

/// The problem with the value of a parameter.
pub fn invalid_parameter(key: &str, why: &str) -> Problem {
    parameter(Kind::InvalidParameter, key, why)
}

fn parameter(kind: Kind, key: &str, why: &str) -> Problem {
    let field = shorten(key);
    Problem { field: Some(field.as_str().into()), ..Problem::new(kind, format!("the parameter `{field}` {why}")) }
}

/// Where a page ended: at an identity, so that changes on earlier pages move nothing on later ones.
///
/// Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(pub InstanceId);

/// A cursor that we did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no cursor of this registry; use the one of the page before as it is, or leave it out to begin anew")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A space ends the type: it has none.
        let text = format!("{} {}", self.0.service_type(), self.0.instance().as_str());
        f.write_str(&URL_SAFE_NO_PAD.encode(text))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let text = std::str::from_utf8(&octets).map_err(|_| BadCursor)?;
        let (service_type, instance) = text.split_once(' ').ok_or(BadCursor)?;
        let service_type = service_type.parse().map_err(|_| BadCursor)?;
        let instance = InstanceName::new(instance).map_err(|_| BadCursor)?;
        Ok(Self(InstanceId::new(service_type, instance)))
    }
}

impl TryFrom<String> for Cursor {
    type Error = BadCursor;

    fn try_from(text: String) -> Result<Self, BadCursor> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// Some of the instances that were asked for, by service type and instance name.
///
/// Where a cursor is given, there may be more, however few are here: a page is also ended by the work it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    /// Those that match.
    pub instances: Vec<Instance>,
    /// The registry's revision when the page was made.
    pub revision: u64,
    /// Where to begin to watch, after the first page: what changes while the others are fetched is told as well.
    pub position: Position,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// A service type that has listed instances, or is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// `auth`
    pub service: String,
    /// `tcp`
    pub transport: Transport,
    /// The name to browse: `_auth._tcp.registry.local.`
    pub name: String,
    /// Listed instances.
    pub instances: usize,
    /// Those that DNS answers with.
    pub served: usize,
    /// Whether it is known without any.
    #[serde(default, skip_serializing_if = "is_false")]
    pub declared: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Every service type, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Services {
    /// Those with listed instances, and those that are declared.
    pub services: Vec<Service>,
    /// The registry's revision when the list was made.
    pub revision: u64,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_its_query() {
        let filter = Filter {
            service: Some("au*".into()),
            instance: Some("Main ?uth".into()),
            version: Some(">=3 <4".into()),
            served: Some(true),
            status: vec![Status::Up, Status::OutOfService],
            tags: vec!["blue".into()],
            txt: vec![("path".into(), "/a=b".into())],
            source: vec![Source::Own],
            limit: Some(7),
            cursor: Some(Cursor(InstanceId::new("_a._udp".parse().unwrap(), InstanceName::new("x y é").unwrap()))),
            wait: Some(Duration::from_millis(1500)),
            ..Filter::default()
        };
        assert_eq!(Filter::from_query(&filter.to_query()), Ok(filter));
        let filter = Filter { pick: Some(Pick::Hash("k".into())), ..Filter::default() };
        assert_eq!(Filter::from_query(&filter.to_query()), Ok(filter));
    }

    #[test]
    fn a_service_may_bring_its_range_along() {
        let read = |value: &str| {
            let filter = Filter::from_query(&[("service".into(), value.into())]).unwrap();
            (filter.service.unwrap(), filter.version)
        };
        assert_eq!(read("couchdb@3.x"), ("couchdb".into(), Some("3.x".into())));
        assert_eq!(read("_couchdb._tcp@^3"), ("_couchdb._tcp".into(), Some("^3".into())));
        assert_eq!(read("@scope/name"), ("@scope/name".into(), None));
        assert_eq!(read("@scope/name@1"), ("@scope/name".into(), Some("1".into())));
        let twice = [("service".into(), "a@1".into()), ("version".into(), "2".into())];
        assert!(Filter::from_query(&twice).unwrap_err().detail.contains("twice"));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let error = |key: &str, value: &str| Filter::from_query(&[(key.into(), value.into())]).unwrap_err();
        assert_eq!(error("servcie", "auth").known(), Some(Kind::UnknownParameter));
        assert_eq!(error("txt.", "1").known(), Some(Kind::UnknownParameter));
        for (key, value, says) in [
            ("limit", "0", "from 1 to 1000"),
            ("limit", "1001", "from 1 to 1000"),
            ("status", "gone", "starting, up, down, out-of-service"),
            ("source", "dhcp", "api, file, mdns, self"),
            ("cursor", "!", "is no cursor"),
            ("cursor", "YQ", "is no cursor"),
            ("served", "yes", "true or false"),
            ("pick", "last", "first, random, round-robin, weighted, hash:KEY"),
            ("wait", "soon", "such as 15s"),
            ("wait", "-1", "such as 15s"),
            ("wait", "inf", "such as 15s"),
        ] {
            let problem = error(key, value);
            assert_eq!((problem.known(), problem.field.as_deref()), (Some(Kind::InvalidParameter), Some(key)));
            assert!(problem.detail.contains(says), "{}", problem.detail);
        }
    }
}
