//! `portolan browse`: ask any DNS server what it has, the DNS-SD way (RFC 6763 §4, §9).
//!
//! The one command that talks DNS, and so sees what every other program sees: who wonders whether the registry or
//! the DNS is at fault compares it with `portolan lookup`.

mod resolver;
mod walk;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use crate::service::DomainName;

use super::failure::Failure;
use super::filter;
use super::output;
use resolver::Resolver;
use walk::Found;

/// Where name servers listen unless told otherwise.
const DNS_PORT: u16 = 53;
/// Where ours listens unless told otherwise.
const OURS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);

/// Ask a DNS server for the instances of a service type, or of all types; exits with 1 if there are none.
#[derive(Debug, Args)]
pub(super) struct Browse {
    /// auth, _auth._tcp or _blue._sub._auth._tcp; without it, every type that the domain lists.
    #[arg(value_name = "TYPE")]
    service: Option<String>,
    /// The name server, whose port is 53 unless given.
    #[arg(long, value_name = "IP[:PORT]", default_value_t = OURS, value_parser = server)]
    server: SocketAddr,
    /// Where to look.
    #[arg(long, value_name = "ZONE", default_value = "registry.local", value_parser = domain)]
    domain: DomainName,
    /// How long to wait for each answer.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

impl Browse {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut resolver = Resolver::new(self.server, self.timeout);
        let found = match &self.service {
            None => walk::every_type(&mut resolver, &self.domain).await?,
            Some(text) => walk::one_type(&mut resolver, &self.question(text)?).await?,
        };
        if self.json {
            output::json(&found)?;
        }
        if found.is_empty() {
            let (what, domain) = (self.service.as_deref().unwrap_or("service"), self.domain.to_string());
            let domain = domain.trim_end_matches('.');
            return Err(Failure::Nothing(format!("{} knows no {what} in {domain}", self.server)));
        }
        if !self.json {
            let rows: Vec<_> = found.iter().map(row).collect();
            output::table(["SERVICE", "INSTANCE", "TARGET", "ADDRESSES", "PRIORITY", "WEIGHT", "TXT"], &rows)?;
        }
        Ok(())
    }

    /// The name to ask for: `auth` is `_auth._tcp`, and what has a dot is meant as it is written.
    fn question(&self, text: &str) -> Result<DomainName, Failure> {
        let bare = text.strip_prefix('_').unwrap_or(text);
        let text = if bare.contains('.') { text.to_owned() } else { format!("_{bare}._tcp") };
        let front: Result<DomainName, _> = text.parse();
        let whole = front.and_then(|front| DomainName::from_labels(front.labels().chain(self.domain.labels())));
        whole.map_err(|error| Failure::Usage(format!("the type {error}")))
    }
}

fn row(found: &Found) -> [String; 7] {
    [
        found.service.clone(),
        found.instance.clone(),
        filter::target(&found.host, found.port),
        filter::addresses(&found.addresses),
        found.priority.to_string(),
        found.weight.to_string(),
        filter::txt(&found.txt),
    ]
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)));
    address.map_err(|_| "give an IP address and maybe a port: 127.0.0.1:5300, ::1, [::1]:5300".to_owned())
}

fn domain(text: &str) -> Result<DomainName, String> {
    text.parse().map_err(|error| format!("the zone {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        browse: Browse,
    }

    fn parse(arguments: &[&str]) -> Result<Browse, clap::Error> {
        Line::try_parse_from(["browse"].iter().chain(arguments)).map(|line| line.browse)
    }

    #[test]
    fn a_bare_type_is_over_tcp() {
        let browse = parse(&["--domain", "z.test"]).unwrap();
        let name = |text| browse.question(text).unwrap().to_string();
        assert_eq!(name("auth"), "_auth._tcp.z.test.");
        assert_eq!(name("_auth"), "_auth._tcp.z.test.");
        assert_eq!(name("_auth._udp."), "_auth._udp.z.test.");
        assert_eq!(name("_blue._sub._auth._tcp"), "_blue._sub._auth._tcp.z.test.");
        assert!(matches!(browse.question("a..b"), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_server_without_a_port_is_asked_at_53() {
        let server = |text| parse(&["--server", text]).map(|browse| browse.server.to_string());
        assert_eq!(server("10.0.0.1").unwrap(), "10.0.0.1:53");
        assert_eq!(server("::1").unwrap(), "[::1]:53");
        assert_eq!(server("[::1]:5300").unwrap(), "[::1]:5300");
        assert!(server("localhost:53").is_err());
    }
}
