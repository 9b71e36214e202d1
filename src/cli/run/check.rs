//! Whether a command that was started here is ready to serve.

use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::cli::failure::root_cause;

/// From one look to the next.
const INTERVAL: Duration = Duration::from_secs(2);
/// The same before the first that passes: a command that starts is to be found soon.
const INTERVAL_AT_START: Duration = Duration::from_millis(200);
/// How long a look may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Looks in a row that fail before the service does: one may meet a moment without a processor.
const FAILURES: u32 = 3;

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// Whether the port takes a connection.
    Tcp,
    /// Whether this is answered with 2xx.
    Http(Url),
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<Url>()) {
            ("tcp", _) => Ok(Self::Tcp),
            (_, Ok(url)) if url.scheme() == "http" => Ok(Self::Http(url)),
            _ => Err("give tcp or a URL such as http://localhost/health".to_owned()),
        }
    }
}

/// A check of the service on a port of this machine.
#[derive(Debug)]
pub(super) struct Probe {
    check: Check,
    port: u16,
    http: reqwest::Client,
}

impl Probe {
    /// A URL without a port is of `port`.
    pub(super) fn new(mut check: Check, port: u16) -> reqwest::Result<Self> {
        if let Check::Http(url) = &mut check
            && url.port().is_none()
        {
            url.set_port(Some(port)).expect("http URLs have ports");
        }
        // What listens here is asked itself, and where it sends others is not asked in its place.
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build()?;
        Ok(Self { check, port, http })
    }

    /// Returns when the service is ready.
    pub(super) async fn until_passing(&self) {
        while self.look().await.is_err() {
            sleep(INTERVAL_AT_START).await;
        }
    }

    /// Returns when it is not ready any more, with the reason.
    pub(super) async fn until_failing(&self) -> String {
        let mut failures = 0;
        loop {
            sleep(INTERVAL).await;
            match self.look().await {
                Ok(()) => failures = 0,
                Err(_) if failures + 1 < FAILURES => failures += 1,
                Err(reason) => return reason,
            }
        }
    }

    async fn look(&self) -> Result<(), String> {
        let looked = match &self.check {
            Check::Tcp => timeout(TIMEOUT, self.connect()).await,
            Check::Http(url) => timeout(TIMEOUT, self.get(url)).await,
        };
        looked.unwrap_or_else(|_| Err(format!("no answer within {}", humantime::format_duration(TIMEOUT))))
    }

    async fn connect(&self) -> Result<(), String> {
        let connected = TcpStream::connect(("localhost", self.port)).await;
        let stream = connected.map_err(|error| format!("port {}: {error}", self.port))?;
        // Where nobody listens, the system may choose that very port for this end, and connects it with itself.
        let is_itself = stream.local_addr().ok() == stream.peer_addr().ok();
        if is_itself { Err(format!("nobody listens on port {}", self.port)) } else { Ok(()) }
    }

    async fn get(&self, url: &Url) -> Result<(), String> {
        match self.http.get(url.clone()).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("{url} answers {}", response.status())),
            Err(error) => Err(format!("{url}: {}", root_cause(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_of_the_port_of_the_service_unless_it_says_another() {
        let url = |text: &str| match Probe::new(text.parse().unwrap(), 7000).unwrap().check {
            Check::Http(url) => url.to_string(),
            Check::Tcp => "tcp".to_owned(),
        };
        assert_eq!(url("http://localhost/health?x=1"), "http://localhost:7000/health?x=1");
        assert_eq!(url("http://[::1]:8080"), "http://[::1]:8080/");
        assert_eq!(url("tcp"), "tcp");
        for text in ["https://localhost", "localhost:80", "udp", ""] {
            assert!(text.parse::<Check>().is_err(), "{text}");
        }
    }
}
