//! An instance as columns and back.
//!
//! Only what the API holds is kept, so the source is no column. What is read is parsed like anything else that
//! comes from outside: a database that holds what no edge would have let in is damaged.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use rusqlite::types::{FromSql, ToSqlOutput, Value};
use rusqlite::{Row, ToSql};

use crate::service::{
    Address, Check, Details, Facts, Host, Instance, InstanceId, InstanceName, Lease, Moment, Origin, Registration,
    Reported, Revision, ServiceType, Subtype, Tag, Transport, Txt, UnixMillis, Version,
};

/// In the order in which [`values`] writes and [`read`] reads them; the first three are the key. `boot` follows.
pub(super) const COLUMNS: [&str; 27] = [
    "service",
    "transport",
    "instance",
    "host",
    "addresses",
    "port",
    "priority",
    "weight",
    "txt",
    "subtypes",
    "tags",
    "version",
    "protocol",
    "path",
    "description",
    "namespace",
    "lease",
    "registered_as",
    "owner",
    "reported",
    "health",
    "health_reason",
    "drained",
    "lapsed",
    "registered_at",
    "renewed_at",
    "revision",
];

/// An instance as it was saved.
pub(super) struct Saved {
    pub(super) instance: Instance,
    pub(super) renewed_at: UnixMillis,
    /// The run in which it was last registered or renewed.
    pub(super) boot: i64,
}

/// A column that does not hold what it should.
#[derive(Debug)]
pub(super) struct BadColumn(pub(super) String);

/// The key columns of an identity.
pub(super) fn key(id: &InstanceId) -> [Value; 3] {
    let service_type = id.service_type();
    let transport = service_type.transport().to_string();
    [text(service_type.service()), transport.into(), text(id.instance().as_str())]
}

/// The values of [`COLUMNS`].
pub(super) fn values(instance: &Instance) -> [ToSqlOutput<'static>; COLUMNS.len()] {
    let Registration { id, host, addresses, port, priority, weight, txt, details, lease, reported: registered_as } =
        &instance.registration;
    let Details { subtypes, tags, version, protocol, path, description, namespace } = &**details;
    let Facts { lapsed, reported, check, drained } = &*instance.facts;
    let (health, reason) = match check {
        Check::None => (None, None),
        Check::Passing => (Some("passing"), None),
        Check::Failing(reason) => (Some("failing"), Some(&**reason)),
    };
    let [service, transport, name] = key(id);
    [
        service,
        transport,
        name,
        text(&host.to_string()),
        list(addresses.iter().map(ToString::to_string)),
        i64::from(port.get()).into(),
        i64::from(*priority).into(),
        i64::from(*weight).into(),
        txt.as_wire().to_vec().into(),
        list(subtypes.iter().map(|s| s.as_str().to_owned())),
        list(tags.iter().map(|t| t.as_str().to_owned())),
        version.as_ref().map(ToString::to_string).into(),
        optional(protocol.as_deref()),
        optional(path.as_deref()),
        optional(description.as_deref()),
        optional(namespace.as_deref()),
        number(lease.as_millis()),
        text(word(*registered_as)),
        optional(instance.owner.as_deref()),
        text(word(*reported)),
        optional(health),
        optional(reason),
        i64::from(*drained).into(),
        lapsed.map_or(Value::Null, |moment| number(moment.0)),
        number(instance.registered_at.0),
        number(instance.renewed_at().0),
        number(instance.revision.0),
    ]
    .map(ToSqlOutput::Owned)
}

/// Reads [`COLUMNS`] and `boot`.
pub(super) fn read(row: &Row<'_>) -> Result<Saved, BadColumn> {
    let mut columns = Columns { row, next: 0 };
    let service = columns.take(Ok::<String, String>)?;
    let transport =
        columns.take(|text: String| Transport::from_label(format!("_{text}").as_bytes()).ok_or("is no transport"))?;
    let service_type = ServiceType::new(&service, Some(transport)).map_err(|e| BadColumn(format!("service {e}")))?;
    let name = columns.take(|text: String| InstanceName::new(&text))?;
    let registration = Registration {
        id: InstanceId::new(service_type, name),
        host: columns.take(|text: String| Host::new(&text, &[]))?,
        addresses: columns.list(|text| {
            let address = text.parse::<IpAddr>().map_err(|e| e.to_string())?;
            Address::new(address).map_err(|e| e.to_string())
        })?,
        port: columns.take(|port: u16| port.try_into())?,
        priority: columns.take(Ok::<u16, String>)?,
        weight: columns.take(Ok::<u16, String>)?,
        txt: columns.take(|wire: Vec<u8>| Txt::from_wire(&wire).ok_or("is no TXT RDATA"))?,
        details: Details {
            subtypes: columns.list(|text| Subtype::new(&text))?,
            tags: columns.list(|text| Tag::new(&text))?,
            version: columns.take(|text: Option<String>| text.as_deref().map(Version::new).transpose())?,
            protocol: columns.plain()?,
            path: columns.plain()?,
            description: columns.plain()?,
            namespace: columns.plain()?,
        }
        .into(),
        lease: Lease::from_millis(columns.number()?),
        reported: columns.take(|text: String| parse_word(&text))?,
    };
    let owner: Option<Box<str>> = columns.plain()?;
    let reported = columns.take(|text: String| parse_word(&text))?;
    let health: Option<Box<str>> = columns.plain()?;
    let reason: Option<Box<str>> = columns.plain()?;
    let check = match health.as_deref() {
        None => Check::None,
        Some("passing") => Check::Passing,
        Some("failing") => Check::Failing(reason.unwrap_or_default().into()),
        Some(other) => return Err(BadColumn(format!("health is {other:?}"))),
    };
    let drained = columns.take(Ok::<bool, String>)?;
    let lapsed = columns.take(|n: Option<i64>| n.map(u64::try_from).transpose())?.map(Moment);
    let registered_at = UnixMillis(columns.number()?);
    let renewed_at = UnixMillis(columns.number()?);
    let revision = Revision(columns.number()?);
    let mut instance = Instance::new(registration, Origin::api(), registered_at, Moment::default(), revision);
    instance.owner = owner.map(Arc::from);
    instance.facts = Facts { lapsed, reported, check, drained }.into();
    Ok(Saved { instance, renewed_at, boot: columns.take(Ok::<i64, String>)? })
}

/// A row, column by column.
struct Columns<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl Columns<'_> {
    /// The next column, parsed; an error names it.
    fn take<S: FromSql, T, E: Display>(&mut self, parse: impl FnOnce(S) -> Result<T, E>) -> Result<T, BadColumn> {
        let name = COLUMNS.get(self.next).copied().unwrap_or("boot");
        let value = self.row.get(self.next).map_err(|e| BadColumn(e.to_string()))?;
        self.next += 1;
        parse(value).map_err(|e| BadColumn(format!("{name} {e}")))
    }

    fn plain(&mut self) -> Result<Option<Box<str>>, BadColumn> {
        self.take(|text: Option<String>| Ok::<_, String>(text.map(Into::into)))
    }

    fn number(&mut self) -> Result<u64, BadColumn> {
        self.take(|number: i64| u64::try_from(number))
    }

    fn list<T, E: Display, L: FromIterator<T>>(
        &mut self,
        parse: impl Fn(String) -> Result<T, E>,
    ) -> Result<L, BadColumn> {
        self.take(|text: String| {
            let texts: Vec<String> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
            texts.into_iter().map(|text| parse(text).map_err(|e| e.to_string())).collect::<Result<_, String>>()
        })
    }
}

fn text(text: &str) -> Value {
    text.to_owned().into()
}

fn optional(text: Option<&str>) -> Value {
    text.map(str::to_owned).into()
}

fn list(texts: impl Iterator<Item = String>) -> Value {
    texts.collect::<serde_json::Value>().to_string().into()
}

/// SQLite counts to 2^63, and so do we: a clock of milliseconds needs 300 million years to get there.
fn number(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

const fn word(reported: Reported) -> &'static str {
    match reported {
        Reported::Starting => "starting",
        Reported::Up => "up",
        Reported::Left => "left",
    }
}

fn parse_word(text: &str) -> Result<Reported, String> {
    let all = [Reported::Starting, Reported::Up, Reported::Left];
    all.into_iter().find(|r| word(*r) == text).ok_or_else(|| format!("is {text:?}"))
}

/// For a statement that binds [`values`], `boot`, and whether to set it.
pub(super) fn bind<'a>(
    values: &'a [ToSqlOutput<'static>],
    boot: &'a i64,
    renewed: &'a bool,
) -> impl Iterator<Item = &'a dyn ToSql> {
    let values = values.iter().map(|value| value as &dyn ToSql);
    values.chain([boot as &dyn ToSql, renewed as &dyn ToSql])
}
