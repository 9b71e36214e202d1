//! Which instances a command is about, and the texts that its tables share.

use std::net::IpAddr;

use clap::Args;

use crate::api::{self, Instance, Txt, TxtValue};
use crate::service::{Source, Status};

/// Conditions that list and lookup share; each narrows.
#[derive(Debug, Args)]
pub(super) struct Conditions {
    /// Only instances of this name; * and ? are wild.
    #[arg(long, value_name = "GLOB")]
    instance: Option<String>,
    /// Only instances of versions in this range, such as 3.x, ^3.2 or '>=3 <4'; also as auth@3.x.
    #[arg(long, value_name = "RANGE")]
    version: Option<String>,
    /// Only instances with this tag; may repeat, then all are needed.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only instances with this attribute; may repeat, then all are needed.
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    txt: Vec<(String, String)>,
    /// Only instances from this source: api or mdns; may repeat for alternatives.
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    source: Vec<Source>,
}

impl Conditions {
    /// The filter for `service` and these conditions.
    pub(super) fn filter(self, service: Option<String>, status: Vec<Status>) -> api::Filter {
        let Self { instance, version, tag, txt, source } = self;
        api::Filter { service, instance, version, status, tags: tag, txt, source, ..api::Filter::default() }
    }
}

/// Reads `key=value`; a key alone has the empty value.
pub(super) fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err("an attribute needs a key: write key=value".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| format!("give one of {}", Status::ALL.map(Status::as_str).join(", ")))
}

fn source(text: &str) -> Result<Source, String> {
    // The other words of the API are of sources that nothing comes from yet.
    Source::parse(text).ok_or_else(|| "give api or mdns".to_owned())
}

/// `_auth._tcp`
pub(super) fn service_type(instance: &Instance) -> String {
    format!("_{}.{}", instance.service, instance.transport.label())
}

/// Where to connect to, without the final dot, which only DNS wants.
pub(super) fn target(host: &str, port: u16) -> String {
    format!("{}:{port}", host.trim_end_matches('.'))
}

pub(super) fn addresses(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// `path=/login beta`; octets that are no text in base64.
pub(super) fn txt(txt: &Txt) -> String {
    let attribute = |(key, value): &(String, TxtValue)| match value {
        TxtValue::Flag => key.clone(),
        TxtValue::Text(value) => format!("{key}={value}"),
        TxtValue::Base64(value) => format!("{key}=base64:{value}"),
    };
    txt.0.iter().map(attribute).collect::<Vec<_>>().join(" ")
}
