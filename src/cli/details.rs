//! What may be said of a service beside its name and its port, by `register` and `run`.

use clap::Args;

use crate::api::{self, LeaseWish, Txt, TxtValue};
use crate::service::Transport;

/// What is registered; all of it has defaults.
#[derive(Debug, Clone, Args)]
pub(super) struct Details {
    /// tcp or udp, where the service does not say it [default: tcp].
    #[arg(long, value_parser = transport)]
    transport: Option<Transport>,
    /// 1 to 63 octets of text [default: from host and port].
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// A label of the zone, a foreign name with a dot, or an address [default: from the address].
    #[arg(long)]
    host: Option<String>,
    /// Where the host is; may repeat [default: the address that the registry sees].
    #[arg(long, value_name = "IP")]
    address: Vec<String>,
    /// Lower is tried first [default: 0].
    #[arg(long)]
    priority: Option<u16>,
    /// The share among equal priorities [default: 0].
    #[arg(long)]
    weight: Option<u16>,
    /// An attribute; may repeat. KEY alone is a flag, KEY= has an empty value.
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    txt: Vec<(String, TxtValue)>,
    /// A subtype; may repeat.
    #[arg(long)]
    subtype: Vec<String>,
    /// A tag, which is a subtype as well; may repeat.
    #[arg(long)]
    tag: Vec<String>,
    /// An exact semantic version, which makes the subtypes _v3, _v3-2 and _v3-2-2.
    #[arg(long = "service-version", value_name = "VERSION")]
    version: Option<String>,
    /// What is spoken on the port, such as wss.
    #[arg(long)]
    protocol: Option<String>,
    /// Where on the port, such as /login.
    #[arg(long)]
    path: Option<String>,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
    /// Text for programs that group instances.
    #[arg(long)]
    namespace: Option<String>,
    /// How long it holds if this program dies: 90 or 90s; 0 for until deregistered [default: the registry's].
    #[arg(long, value_name = "DURATION")]
    lease: Option<String>,
}

impl Details {
    /// Where it is given.
    pub(super) fn transport(&self) -> Option<Transport> {
        self.transport
    }

    pub(super) fn registration(self, service: String, port: u16) -> api::Registration {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        api::Registration {
            service: Some(service),
            transport: self.transport,
            instance: self.instance,
            host: self.host,
            addresses: some(self.address),
            port,
            priority: self.priority,
            weight: self.weight,
            txt: (!self.txt.is_empty()).then_some(Txt(self.txt)),
            subtypes: some(self.subtype),
            tags: some(self.tag),
            version: self.version,
            protocol: self.protocol,
            path: self.path,
            description: self.description,
            namespace: self.namespace,
            lease: self.lease.map(LeaseWish::Text),
            check: None,
            status: None,
        }
    }
}

fn transport(text: &str) -> Result<Transport, String> {
    Transport::from_label(format!("_{text}").as_bytes()).ok_or_else(|| "give tcp or udp".to_owned())
}

fn attribute(text: &str) -> Result<(String, TxtValue), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("an attribute needs a key: write key=value".to_owned()),
        Some((key, value)) => Ok((key.to_owned(), TxtValue::Text(value.to_owned()))),
        None => Ok((text.to_owned(), TxtValue::Flag)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_may_lack_a_value_but_not_a_key() {
        assert_eq!(attribute("k=v=w"), Ok(("k".into(), TxtValue::Text("v=w".into()))));
        assert_eq!(attribute("k"), Ok(("k".into(), TxtValue::Flag)));
        assert!(attribute("=v").is_err());
    }
}
