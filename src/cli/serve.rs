//! `portolan serve`: read the settings, run the server, obey signals.

use std::env;
use std::io;
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::FileFault;
use crate::config::{Config, Setting, Sources};
use crate::server::Server;
use crate::service::DomainName;
use crate::tokens::Keyring;

use super::descriptors;
use super::failure::Failure;
use super::log::Log;
use super::output;
use super::signals::{HangUps, Signals};

/// Run the registry.
///
/// Every setting comes from a flag, else from the environment (PORTOLAN_, the table, the key: `PORTOLAN_ZONE_TTL`;
/// lists by comma), else from the file, else from its default.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// A TOML file of settings; config/default.toml explains them all.
    #[arg(long, value_name = "FILE", env = "PORTOLAN_CONFIG")]
    config: Option<PathBuf>,
    /// Where the database is.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where HTTP listens; may repeat, and port 0 takes a free one [default: 127.0.0.1:8420].
    #[arg(long, value_name = "ADDR")]
    http: Vec<String>,
    /// Where DNS listens, over UDP and TCP; may repeat [default: 127.0.0.1:5300].
    #[arg(long, value_name = "ADDR")]
    dns: Vec<String>,
    /// A zone that serves the instances; may repeat [default: registry.local].
    #[arg(long, value_name = "NAME")]
    zone: Vec<String>,
    /// Where registrations are kept: memory: or sqlite:PATH.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// A file that has a line for each request; a new one of that name is begun at SIGHUP.
    #[arg(long, value_name = "FILE")]
    access_log: Option<String>,
    /// Do not take in what announces itself by multicast DNS.
    #[arg(long)]
    no_mdns: bool,
    /// What is logged: error, warn, info, debug, or by room such as `warn,portolan::dns=debug`.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Print the ready line and the log as JSON.
    #[arg(long)]
    json: bool,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let flags = self.flags();
        let sources = Sources { file: self.config, environment: env::vars_os().collect(), flags };
        let (config, strangers) = sources.clone().load()?;
        let log = Log::start(&config, self.json);
        for name in strangers {
            warn!("the environment has {name}, which is no setting");
        }
        descriptors::allow(&config);
        // Before anything is bound, so that no signal finds its default action.
        let caught = Signals::catch().and_then(|signals| Ok((signals, HangUps::catch()?)));
        let (signals, hang_ups) = caught.map_err(|error| Failure::Start(error.into()))?;
        let server = Server::bind(&config)?;
        let reread = rereading(sources, config.clone(), log, server.tokens());
        let server = server.rereading(reread);
        // The process takes it along when it ends. To free a million instances one by one would take seconds, and
        // whoever stops a service kills it after ten.
        let _unfreed = ManuallyDrop::new(server.registry());
        warn_of_local(&config);
        announce(&config, &server, self.json)?;
        let (stop, reloads, access_log) = (CancellationToken::new(), server.reloads(), server.access_log());
        tokio::select! {
            done = server.run(stop.clone()) => Ok(done?),
            number = obey(signals, &stop) => Err(Failure::Signal(number)),
            never = hang_ups.outlive(reloads, access_log) => match never {},
        }
    }

    fn flags(&self) -> Vec<Setting> {
        let lists = [
            ("--http", ["http", "listen"], &self.http),
            ("--dns", ["dns", "listen"], &self.dns),
            ("--zone", ["zone", "domains"], &self.zone),
        ];
        let texts: [(&str, &[&str], _); 4] = [
            ("--data-dir", &["data_dir"], &self.data_dir),
            ("--store", &["store", "url"], &self.store),
            ("--log", &["log"], &self.log),
            ("--access-log", &["http", "access_log"], &self.access_log),
        ];
        let lists = lists.into_iter().filter(|(.., values)| !values.is_empty());
        let mut flags: Vec<_> = lists.map(|(flag, path, values)| Setting::flag(flag, &path, values.clone())).collect();
        flags.extend(
            texts.into_iter().filter_map(|(flag, path, text)| Some(Setting::flag(flag, path, text.as_deref()?))),
        );
        if self.no_mdns {
            flags.push(Setting::flag("--no-mdns", &["mdns", "ingest"], false));
        }
        flags
    }
}

/// Looks at all settings again: which of them differ from `running` and do not hold at once, as that of the log and the
/// tokens do.
fn rereading(
    sources: Sources,
    running: Config,
    log: Log,
    tokens: Keyring,
) -> impl Fn(&str) -> Result<Vec<String>, FileFault> {
    let file = sources.file.clone().unwrap_or_default();
    move |text| match sources.clone().load_text(text) {
        Ok((config, _)) => {
            log.follow(&config);
            let count = config.token.len();
            if tokens.replace(config.token.clone()) {
                info!("other tokens are good from now on, {count} in all");
            }
            Ok(running.differences(&config).into_iter().filter(|key| key != "log").collect())
        }
        Err(error) => Err(error.in_file(&file)),
    }
}

/// Cancels `stop` at the first signal; gives the number of the second.
async fn obey(mut signals: Signals, stop: &CancellationToken) -> u8 {
    let (name, _) = signals.next().await;
    info!("{name}: stopping; a second signal ends me at once");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    signals.next().await.1
}

/// Stub resolvers send names in `.local` to multicast (RFC 6762 §22.1), and who does not know that searches long.
fn warn_of_local(config: &Config) {
    let is_local = |zone: &&DomainName| zone.labels().last().is_some_and(|l| l.eq_ignore_ascii_case(b"local"));
    if let Some(zone) = config.zone.domains.iter().find(is_local).map(without_root) {
        warn!(
            "many stub resolvers send names in .local to multicast and never ask for {zone}: if programs do not find \
             what dig finds, add a zone such as registry.internal to zone.domains (--zone)"
        );
    }
}

/// Where a program on this machine reaches what listens on `address`.
fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// As people write it.
fn without_root(zone: &DomainName) -> String {
    zone.to_string().trim_end_matches('.').to_owned()
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Where else DNS is, each with a comma in front.
fn encrypted(server: &Server) -> String {
    let transports = [(server.dns_tls_addresses(), "TLS"), (server.dns_quic_addresses(), "QUIC")].into_iter();
    let listening = transports.filter(|(addresses, _)| !addresses.is_empty());
    listening
        .fold(String::new(), |text, (addresses, transport)| text + &format!(", {} ({transport})", list(&addresses)))
}

/// The ready line for programs.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    version: &'static str,
    pid: u32,
    http: &'a [SocketAddr],
    /// Empty where it is not asked for, as what follows.
    http_tls: Vec<SocketAddr>,
    rpc: Vec<SocketAddr>,
    dns: &'a [SocketAddr],
    dns_tls: Vec<SocketAddr>,
    dns_quic: Vec<SocketAddr>,
    /// Of the public key that is shown over TLS (RFC 7858 §4.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_pin: Option<String>,
    zones: &'a [DomainName],
    store: &'a str,
}

/// Says on standard output where it listens and what to try first, and tells systemd.
fn announce(config: &Config, server: &Server, json: bool) -> io::Result<()> {
    let (http, dns, zones) = (server.http_addresses(), server.dns_addresses(), &config.zone.domains);
    if json {
        output::json(&Ready {
            event: "ready",
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            http: &http,
            http_tls: server.http_tls_addresses(),
            rpc: server.rpc_addresses(),
            dns: &dns,
            dns_tls: server.dns_tls_addresses(),
            dns_quic: server.dns_quic_addresses(),
            tls_pin: server.tls().pin(),
            zones,
            store: &config.store.url,
        })?;
    } else {
        let plain = http.iter().map(|address| format!("http://{address}"));
        let over_tls = server.http_tls_addresses().into_iter().map(|address| format!("https://{address}"));
        let for_calls = server.rpc_addresses().into_iter().map(|address| format!("ws://{address}"));
        let http_urls: Vec<_> = plain.chain(over_tls).chain(for_calls).collect();
        let zone_texts: Vec<_> = zones.iter().map(without_root).collect();
        output::line(&format!(
            "ready  {}, DNS at {} (UDP and TCP){} for {}",
            http_urls.join(", "),
            list(&dns),
            encrypted(server),
            zone_texts.join(", "),
        ))?;
        if config.tls.self_signed
            && let (Some(file), Some(pin)) = (server.tls().certificate(), server.tls().pin())
        {
            output::line(&format!("trust  {} over TLS, or the pin {pin}", file.display()))?;
        }
        if let (Some(&http), Some(&dns), Some(zone)) = (http.first(), dns.first(), zone_texts.first()) {
            let (http, dns) = (from_here(http), from_here(dns));
            let body = r#"{"service":"auth","instance":"a1","port":8080}"#;
            output::line(&format!("try    curl -X POST http://{http}/v1/heartbeat -d '{body}'"))?;
            output::line(&format!("then   dig @{} -p {} SRV _auth._tcp.{zone}", dns.ip(), dns.port()))?;
        }
    }
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    Ok(())
}
