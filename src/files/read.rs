//! From the text of a file to registrations, with the line of each and of what is wrong.
//!
//! An item is read as the same field would be in JSON, so that a mistake is told in the same words; the line is that of
//! its field.

use std::collections::HashSet;
use std::net::IpAddr;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::api::{self, Backend, Invalid, Json, LeaseWish, Terms};
use crate::service::Registration;

use super::places::Holds;

/// What a file holds, each with its line.
pub(super) type Entries = Vec<(usize, Registration)>;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// From 1; none where it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Wrong {
    /// About the whole file.
    pub(super) fn whole(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }

    fn at(text: &str, offset: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line_at(text, offset)), reason: reason.into() }
    }
}

/// The line of an octet, from 1.
pub fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|octet| *octet == b'\n').count()
}

/// How many services a file of settings has, if all of them make sense.
pub fn count_in_settings(text: &str, terms: &Terms, here: IpAddr) -> Result<usize, Wrong> {
    read(text, Holds::Settings, terms, here).map(|entries| entries.len())
}

/// All services of a file, or its first mistake. What names no address is `here`.
pub(super) fn read(text: &str, holds: Holds, terms: &Terms, here: IpAddr) -> Result<Entries, Wrong> {
    let key = if holds == Holds::Backends { "backend" } else { "service" };
    let table =
        DeTable::parse(text).map_err(|e| Wrong::at(text, e.span().map_or(0, |span| span.start), e.message()))?;
    let terms = &terms.of_the_administrator();
    let mut entries = Entries::new();
    let mut ids = HashSet::new();
    for (name, value) in table.into_inner() {
        if *name.get_ref() != key {
            if holds == Holds::Services {
                let reason = format!("`{}` is not known; a file of services has [[service]] tables", name.get_ref());
                return Err(Wrong::at(text, name.span().start, reason));
            }
            continue;
        }
        let (start, DeValue::Array(items)) = (value.span().start, value.into_inner()) else {
            return Err(Wrong::at(text, name.span().start, format!("`{key}` is no list; write [[{key}]]")));
        };
        for item in items {
            let at = item.span().start.max(start);
            let lines = Lines::of(text, &item);
            let json =
                Json::deserialize(ValueDeserializer::from(item)).map_err(|e| Wrong::at(text, at, e.message()))?;
            let said = if holds == Holds::Backends { backend(json) } else { service(json) };
            let said = said.and_then(|said| said.accept(terms, here, None).map_err(Unfit::from));
            let registration =
                said.map_err(|Unfit { field, reason }| Wrong { line: Some(lines.of_field(&field)), reason })?;
            if !ids.insert(registration.id.clone()) {
                return Err(Wrong::at(text, at, format!("{} stands in this file already", registration.id)));
            }
            entries.push((lines.first, registration));
        }
    }
    Ok(entries)
}

/// Why a table is no service: a field, and a sentence that names it.
struct Unfit {
    field: String,
    reason: String,
}

impl From<Invalid> for Unfit {
    fn from(invalid: Invalid) -> Self {
        Self { reason: invalid.to_string(), field: invalid.field }
    }
}

/// Where a table and its fields begin.
struct Lines {
    first: usize,
    fields: Vec<(String, usize)>,
}

impl Lines {
    fn of(text: &str, item: &Spanned<DeValue<'_>>) -> Self {
        let fields = item.get_ref().as_table().into_iter().flatten();
        let fields = fields.map(|(key, _)| (key.get_ref().to_string(), line_at(text, key.span().start)));
        Self { first: line_at(text, item.span().start), fields: fields.collect() }
    }

    /// The line of `addresses` for `addresses[2]`.
    fn of_field(&self, field: &str) -> usize {
        let key = field.split(['.', '[']).next().unwrap_or_default();
        self.fields.iter().find(|(known, _)| known == key).map_or(self.first, |(_, line)| *line)
    }
}

fn service(json: Json) -> Result<api::Registration, Unfit> {
    let said: api::Registration = json.read()?;
    if said.lease.is_some() {
        let reason = "`lease` has no place in a file: what stands here holds until it is taken out";
        return Err(Unfit { field: "lease".into(), reason: reason.into() });
    }
    Ok(api::Registration { lease: Some(LeaseWish::Seconds(0.0)), ..said })
}

/// What else stands in a table of Plexus' `backends.toml` is not ours.
fn backend(json: Json) -> Result<api::Registration, Unfit> {
    let backend: Backend = json.read()?;
    let said =
        backend.registration().map_err(|error| Unfit { field: "name".into(), reason: format!("`name` {error}") })?;
    match &said.host {
        Some(host) if host.parse::<IpAddr>().is_err() && !host.contains('.') => {
            let reason =
                format!("`host` is {host:?}, whose address nobody here knows; give an address or a whole name");
            Err(Unfit { field: "host".into(), reason })
        }
        _ => Ok(said),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::service::{Lease, LeaseLimits, Reach};

    fn read_as(text: &str, holds: Holds) -> Result<Entries, (usize, String)> {
        let day = Duration::from_hours(24);
        let leases = LeaseLimits { default: Duration::from_mins(1), shortest: Duration::from_secs(5), longest: day };
        let terms = Terms { zones: ["registry.local".parse().unwrap()].into(), leases, checks: Reach::Anywhere };
        let read = read(text, holds, &terms, Ipv4Addr::new(10, 0, 0, 1).into());
        read.map_err(|wrong| (wrong.line.unwrap(), wrong.reason))
    }

    #[test]
    fn a_service_says_what_it_says_in_json_and_stays() {
        let text = "[[service]]\nservice = \"db\"\nport = 5432\n\n[[service]]\nservice = \"_web._udp\"\nport = 80\n\
                    host = \"10.0.0.9\"\ntags = [\"blue\"]\ntxt = { path = \"/\" }\n";
        let entries = read_as(text, Holds::Services).unwrap();
        let (lines, registrations): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        assert_eq!(lines, [1, 5]);
        let ids: Vec<_> = registrations.iter().map(|registration| registration.id.to_string()).collect();
        assert_eq!(ids, ["ip-10-0-0-1-5432._db._tcp", "ip-10-0-0-9-80._web._udp"]);
        assert!(registrations.iter().all(|registration| registration.lease == Lease::UntilDeregistered));
        assert_eq!(registrations[1].details.tags.len(), 1);
    }

    #[test]
    fn settings_beside_services_are_not_looked_at() {
        let text = "log = \"info\"\n[[service]]\nservice = \"db\"\nport = 1\n[zone]\nttl = \"5s\"\n";
        assert_eq!(read_as(text, Holds::Settings).unwrap().len(), 1);
        assert_eq!(read_as("log = \"info\"\n", Holds::Settings), Ok(vec![]));
    }

    #[test]
    fn every_mistake_has_its_line() {
        let head = "# services\n[[service]]\nservice = \"db\"\n";
        for (rest, line, says) in [
            ("port = 0\n", 4, "`port` is 0; give the port"),
            ("\nport = 1\nprot = 2\n", 6, "`prot` is not a field; the fields are service"),
            ("port = \"80\"\n", 4, "`port` is the text \"80\"; expected a whole number"),
            ("port = 1\naddresses = [\n  \"10.0.0.1\",\n  \"x\" ]\n", 5, "`addresses[1]` is \"x\""),
            ("", 2, "`port` is missing"),
            ("port = 1\nlease = \"5m\"\n", 5, "`lease` has no place in a file"),
            ("port = 1\n[[service]]\nport = 2\n", 5, "`service` is missing"),
            ("port = 1\nport = 2\n", 5, "duplicate key"),
            ("port = = 1\n", 4, ""),
            ("port = 1\n[[service]]\nport = 1\nservice = \"DB\"\n", 5, "stands in this file already"),
            ("port = 1\n[zone]\n", 5, "`zone` is not known; a file of services has [[service]] tables"),
        ] {
            let (found, reason) = read_as(&format!("{head}{rest}"), Holds::Services).unwrap_err();
            assert!(found == line && reason.contains(says), "{rest:?}: line {found}: {reason}");
        }
        let (line, reason) = read_as("\n[service]\nport = 1\n", Holds::Services).unwrap_err();
        assert_eq!((line, reason.as_str()), (2, "`service` is no list; write [[service]]"));
    }

    #[test]
    fn a_backend_of_plexus_is_a_service_of_its_name() {
        let text = "[[backend]]\nname = \"substrate\"\nport = 4444\nversion = \"2\"\n\
                    [[backend]]\nname = \"hub\"\nhost = \"localhost\"\nport = 1\nprotocol = \"wss\"\nnamespace = \"n\"\n";
        let entries = read_as(text, Holds::Backends).unwrap();
        let said: Vec<_> = entries.iter().map(|(_, r)| (r.id.to_string(), r.details.protocol.as_deref())).collect();
        let expected = [("substrate._substrate._tcp", "ws"), ("hub._hub._tcp", "wss")];
        assert_eq!(said, expected.map(|(id, protocol)| (id.to_owned(), Some(protocol))));
        assert!(entries.iter().all(|(_, r)| r.addresses[0].to_string() == "127.0.0.1"));
        let entries = read_as("[[backend]]\nname = \"@scope/name\"\nport = 1\n", Holds::Backends).unwrap();
        let (_, scoped) = &entries[0];
        assert_eq!((scoped.service_name(), scoped.instance_name()), ("@scope/name", "@scope/name"));
        let (line, reason) = read_as("[[backend]]\nport = 1\nname = \"\"\n", Holds::Backends).unwrap_err();
        assert_eq!((line, reason.as_str()), (3, "`name` is empty"));
        let (line, reason) =
            read_as("[[backend]]\nname = \"a\"\nport = 1\nhost = \"redis\"\n", Holds::Backends).unwrap_err();
        assert!(line == 4 && reason.contains("give an address or a whole name"), "{line}: {reason}");
    }
}
