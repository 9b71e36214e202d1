//! An instance as columns and back.
//!
//! Only what the API holds is kept, so the source is no column. What is read is parsed like anything else that
//! comes from outside: a database that holds what no edge would have let in is damaged.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Display;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{FromSql, FromSqlError, ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, ToSql};

use crate::service::{
    Address, Check, Details, Facts, Host, Inquiry, Instance, InstanceId, InstanceName, Lease, Moment, Origin, Probe,
    Registration, Reported, Revision, ServiceType, Subtype, Tag, Transport, Txt, UnixMillis, Version,
};

/// In the order in which [`values`] writes and [`read`] reads them; the first three are the key. `boot` follows.
pub(super) const COLUMNS: [&str; 34] = [
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
    "probe",
    "probe_interval",
    "probe_timeout",
    "probe_failures",
    "lease",
    "registered_as",
    "owner",
    "reported",
    "health",
    "health_reason",
    "drained",
    "lapsed",
    "status_since",
    "kept",
    "registered_at",
    "renewed_at",
    "revision",
    "moves",
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
    let Registration {
        id,
        host,
        addresses,
        port,
        priority,
        weight,
        txt,
        details,
        lease,
        reported: registered_as,
        moves,
    } = &instance.registration;
    let Details { subtypes, tags, version, protocol, path, description, namespace, probe } = &**details;
    let Facts { lapsed, reported, check, drained, kept, since } = &*instance.facts;
    let (health, reason) = match check {
        Check::None => (None, None),
        Check::Awaited => (Some("awaited"), None),
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
        probe.as_ref().map(|probe| probe.inquiry().to_string()).into(),
        probe.as_ref().map_or(Value::Null, |probe| millis(probe.interval())),
        probe.as_ref().map_or(Value::Null, |probe| millis(probe.timeout())),
        probe.as_ref().map(|probe| i64::from(probe.failures())).into(),
        number(lease.as_millis()),
        text(word(*registered_as)),
        optional(instance.owner.as_deref()),
        text(word(*reported)),
        optional(health),
        optional(reason),
        i64::from(*drained).into(),
        lapsed.map_or(Value::Null, |moment| number(moment.0)),
        since.map_or(Value::Null, |time| number(time.0)),
        optional(kept.as_deref()),
        number(instance.registered_at.0),
        number(instance.renewed_at().0),
        number(instance.revision.0),
        i64::from(*moves).into(),
    ]
    .map(ToSqlOutput::Owned)
}

/// Reads [`COLUMNS`] and `boot`.
pub(super) fn read(row: &Row<'_>) -> Result<Saved, BadColumn> {
    let mut columns = Columns { row, next: 0 };
    let service = columns.plain()?;
    let transport =
        columns.text(|text| Transport::from_label(format!("_{text}").as_bytes()).ok_or("is no transport"))?;
    let service_type = ServiceType::new(&service, Some(transport)).map_err(|e| BadColumn(format!("service {e}")))?;
    let name = columns.text(InstanceName::new)?;
    let mut registration = Registration {
        id: InstanceId::new(service_type, name),
        host: columns.text(|text| Host::new(text, &[]))?,
        addresses: columns.list(|text| {
            let address = text.parse::<IpAddr>().map_err(|e| e.to_string())?;
            Address::new(address).map_err(|e| e.to_string())
        })?,
        port: columns.take(NonZeroU16::column_result)?,
        priority: columns.take(u16::column_result)?,
        weight: columns.take(u16::column_result)?,
        txt: columns.take(|value| Txt::from_wire(value.as_blob()?).ok_or(FromSqlError::InvalidType))?,
        details: Details {
            subtypes: columns.list(Subtype::new)?,
            tags: columns.list(Tag::new)?,
            version: columns.text_or_null(Version::new)?,
            protocol: columns.plain_or_null()?,
            path: columns.plain_or_null()?,
            description: columns.plain_or_null()?,
            namespace: columns.plain_or_null()?,
            probe: columns.probe()?.map(Box::new),
        }
        .into(),
        lease: Lease::from_millis(columns.number()?),
        reported: columns.text(parse_word)?,
        moves: false,
    };
    let owner = columns.plain_or_null()?;
    let reported = columns.text(parse_word)?;
    let health = columns.plain_or_null()?;
    let reason = columns.plain_or_null()?;
    let check = match health.as_deref() {
        None => Check::None,
        Some("awaited") => Check::Awaited,
        Some("passing") => Check::Passing,
        Some("failing") => Check::Failing(reason.unwrap_or_default().into()),
        Some(other) => return Err(BadColumn(format!("health is {other:?}"))),
    };
    let drained = columns.take(bool::column_result)?;
    let lapsed = columns.number_or_null()?.map(Moment);
    let since = columns.number_or_null()?.map(UnixMillis);
    let kept = columns.plain_or_null()?.map(Arc::from);
    let registered_at = UnixMillis(columns.number()?);
    let renewed_at = UnixMillis(columns.number()?);
    let revision = Revision(columns.number()?);
    registration.moves = columns.take(bool::column_result)?;
    let mut instance = Instance::new(registration, Origin::api(), registered_at, Moment::default(), revision);
    instance.owner = owner.map(Arc::from);
    instance.facts = Facts { lapsed, reported, check, drained, kept, since }.into();
    Ok(Saved { instance, renewed_at, boot: columns.take(i64::column_result)? })
}

/// A row, column by column. Nothing is copied that is not kept: a million rows are read while users wait.
struct Columns<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl Columns<'_> {
    /// The next column, parsed; an error names it.
    fn take<T, E: Display>(&mut self, parse: impl FnOnce(ValueRef<'_>) -> Result<T, E>) -> Result<T, BadColumn> {
        let name = COLUMNS.get(self.next).copied().unwrap_or("boot");
        let value = self.row.get_ref(self.next).map_err(|e| BadColumn(e.to_string()))?;
        self.next += 1;
        parse(value).map_err(|e| BadColumn(format!("{name} {e}")))
    }

    fn text<T, E: Display>(&mut self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, BadColumn> {
        self.take(|value| parse(value.as_str().map_err(|e| e.to_string())?).map_err(|e| e.to_string()))
    }

    fn text_or_null<T, E: Display>(
        &mut self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, BadColumn> {
        self.take(|value| {
            let text = value.as_str_or_null().map_err(|e| e.to_string())?;
            text.map(parse).transpose().map_err(|e| e.to_string())
        })
    }

    fn number(&mut self) -> Result<u64, BadColumn> {
        self.take(|value| u64::try_from(value.as_i64()?).map_err(FromSqlError::other))
    }

    fn number_or_null(&mut self) -> Result<Option<u64>, BadColumn> {
        self.take(|value| value.as_i64_or_null()?.map(u64::try_from).transpose().map_err(FromSqlError::other))
    }

    fn plain(&mut self) -> Result<Box<str>, BadColumn> {
        self.text(|text| Ok::<_, Infallible>(text.into()))
    }

    fn plain_or_null(&mut self) -> Result<Option<Box<str>>, BadColumn> {
        self.text_or_null(|text| Ok::<_, Infallible>(text.into()))
    }

    fn probe(&mut self) -> Result<Option<Probe>, BadColumn> {
        let inquiry = self.text_or_null(Inquiry::from_str)?;
        let mut time = || Ok(self.number_or_null()?.map(Duration::from_millis));
        let (interval, timeout) = (time()?, time()?);
        let failures =
            self.take(|value| value.as_i64_or_null()?.map(u16::try_from).transpose().map_err(FromSqlError::other))?;
        let probe = inquiry.map(|inquiry| Probe::new(inquiry, interval, timeout, failures)).transpose();
        probe.map_err(|(field, error)| BadColumn(format!("probe_{field} {error}")))
    }

    fn list<T, E: Display, L: FromIterator<T>>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<L, BadColumn> {
        self.text(|text| {
            let texts: Vec<Cow<'_, str>> = serde_json::from_str(text).map_err(|e| e.to_string())?;
            texts.iter().map(|text| parse(text).map_err(|e| e.to_string())).collect::<Result<_, String>>()
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

fn millis(duration: Duration) -> Value {
    number(duration.as_millis().try_into().unwrap_or(u64::MAX))
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
