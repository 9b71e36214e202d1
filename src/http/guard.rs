//! Who may ask: not a web page of another site, and for writes not another machine without a token.
//!
//! A registry at localhost is within reach of every page that a browser on the machine shows. Pages cannot help but
//! tell where they come from (`Origin`, `Sec-Fetch-Site`); one that has pointed its own name at 127.0.0.1 (DNS
//! rebinding) passes as the same site, but betrays itself by that name in `Host`. Over TLS it gets no further than the
//! certificate, which is not for that name: there, names are the certificate's matter.
//!
//! Which requests write the table of routes says; of calls (JSON-RPC) it is a matter of their method, and who answers
//! them asks here.
//!
//! What a token is for is not looked at here, but where it is known which service is meant: the registry is told who
//! asks for a change, and a selection who is to see it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};

use crate::api::{Kind, Problem};
use crate::service::DomainName;
use crate::tokens::Keyring;

use super::manner::Writes;
use super::principal::Principal;
use super::request::OverTls;
use super::respond::excerpt;
use super::{Config, Edge};

/// The rules.
#[derive(Debug)]
pub(super) struct Guard {
    /// In lower case.
    hosts: HashSet<String>,
    zones: Arc<[DomainName]>,
    tokens: Keyring,
    loopback_writes: bool,
    anonymous_writes: bool,
}

impl Edge {
    /// Whose `request` it is, if it may pass.
    pub(super) fn check(&self, request: &Request, sender: IpAddr, writes: Writes) -> Result<Principal, Problem> {
        self.guard.check(request, sender, writes).inspect_err(|problem| {
            let what = format!("{} {}", excerpt(request.method().as_str()), excerpt(request.uri().path()));
            self.audit.turned_away(sender, &what, problem);
        })
    }

    /// Whether who calls a method that writes may write at all.
    pub(super) fn check_write(&self, principal: &Principal, method: &str) -> Result<(), Problem> {
        let checked = self.guard.check_write(principal);
        checked.inspect_err(|problem| self.audit.turned_away(principal.sender, method, problem))
    }
}

impl Guard {
    pub(super) fn new(config: &Config, zones: &Arc<[DomainName]>, tokens: Keyring) -> Self {
        let own = gethostname::gethostname().to_string_lossy().to_ascii_lowercase();
        let short = own.split('.').next().unwrap_or_default().to_owned();
        let mut hosts: HashSet<String> = config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        // The name that mDNS gives the machine (RFC 6762 §3) is nobody else's on the link, either.
        hosts.extend(["localhost".to_owned(), format!("{short}.local"), short, own]);
        let Config { loopback_writes, anonymous_writes, .. } = *config;
        Self { hosts, zones: Arc::clone(zones), tokens, loopback_writes, anonymous_writes }
    }

    fn check(&self, request: &Request, sender: IpAddr, writes: Writes) -> Result<Principal, Problem> {
        let host = addressed(request)?;
        if let Some(host) = &host
            && request.extensions().get::<OverTls>().is_none()
        {
            self.check_host(host)?;
        }
        check_site(request.headers(), host.as_ref())?;
        let principal = Principal::of(request.headers(), sender, &self.tokens)?;
        if writes.is_said_by(request.method()) {
            self.check_write(&principal)?;
        }
        Ok(principal)
    }

    /// Whether they may write at all.
    fn check_write(&self, principal: &Principal) -> Result<(), Problem> {
        let may_without = self.anonymous_writes || (self.loopback_writes && principal.is_here());
        if may_without || principal.grant.name().is_some() {
            return Ok(());
        }
        let sender = principal.sender;
        if !self.tokens.is_empty() {
            let detail =
                format!("writes from {sender} take a token; send Authorization: Bearer with one that may write");
            return Err(Problem::new(Kind::TokenNeeded, detail));
        }
        let detail = if principal.is_here() {
            "http.loopback_writes is false, and there is no token in the settings; make one with `portolan token new`"
                .to_owned()
        } else {
            format!(
                "{sender} is another machine, and writes from other machines are refused; make a token with `portolan \
                 token new`, or to allow them all, set http.anonymous_writes = true"
            )
        };
        Err(Problem::new(Kind::AnonymousWrite, detail))
    }

    /// What `principal`, who has been here for a while, may do by now; `None` where the token is one no more.
    pub(super) fn renewed(&self, principal: &Principal) -> Option<Principal> {
        Some(Principal { grant: self.tokens.renewed(&principal.grant)?, ..*principal })
    }

    /// Whether nothing has become of tokens since `principal` came.
    pub(super) fn is_current(&self, principal: &Principal) -> bool {
        self.tokens.is_current(&principal.grant)
    }

    fn check_host(&self, authority: &Authority) -> Result<(), Problem> {
        let host = authority.host();
        // Most often it is one of these, and needs no copy.
        if host == "localhost" || host.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let bare = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
        let is_ours = bare.parse::<IpAddr>().is_ok()
            || self.hosts.contains(&bare)
            // Browsers keep the whole of .localhost on the machine (RFC 6761 §6.3).
            || bare.ends_with(".localhost")
            || bare.parse::<DomainName>().is_ok_and(|n| self.zones.iter().any(|z| n.labels_below(z).is_some()));
        if is_ours {
            return Ok(());
        }
        let detail = format!("{bare:?} is not known as a name of this registry; if it is one, add it to http.hosts");
        Err(Problem::new(Kind::UnknownHost, detail))
    }
}

/// The authority that the request is addressed to (RFC 9112 §3.2, §3.3). Only HTTP/1.0 may leave it out, and no
/// browser does.
fn addressed(request: &Request) -> Result<Option<Authority>, Problem> {
    let refuse = |why: &str| Err(Problem::new(Kind::MalformedRequest, why));
    let mut values = request.headers().get_all(HOST).iter();
    let authority = match (values.next(), values.next()) {
        (Some(_), Some(_)) => return refuse("there are two Host headers; send one"),
        (None, _) if request.version() < Version::HTTP_11 => None,
        (None, _) => return refuse("there is no Host header; send one"),
        (Some(value), None) => match Authority::try_from(value.as_bytes()) {
            Ok(authority) => Some(authority),
            Err(_) => return refuse("the Host header is no host name with an optional port"),
        },
    };
    Ok(request.uri().authority().cloned().or(authority))
}

fn check_site(headers: &HeaderMap, host: Option<&Authority>) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::new(Kind::CrossSite, detail));
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let same = origin
            .split_once("://")
            .is_some_and(|(_, authority)| host.is_some_and(|host| host.as_str().eq_ignore_ascii_case(authority)));
        if !same {
            return refuse(format!("the page that asks is of {:?}, not of this registry", excerpt(&origin)));
        }
    }
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return refuse("the browser says that the page that asks is of another site".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const LOCAL: &str = "127.0.0.1";

    fn ask(anonymous_writes: bool, sender: &str, method: &str, headers: &[(&str, &str)]) -> Result<(), Option<Kind>> {
        let config = Config { anonymous_writes, hosts: vec!["Registry.Example.org".into()], ..Config::default() };
        let guard = Guard::new(&config, &["registry.local".parse().unwrap()].into(), Keyring::default());
        let mut request = axum::http::Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        guard.check(&request, sender.parse().unwrap(), Writes::ByMethod).map(drop).map_err(|problem| problem.known())
    }

    #[test]
    fn a_name_that_is_not_the_registrys_is_refused() {
        let own = gethostname::gethostname().into_string().unwrap();
        for host in [
            "localhost:8420",
            "LOCALHOST",
            "127.0.0.1:80",
            "[::1]:8420",
            "192.168.1.5",
            "a.localhost",
            "web.registry.local",
            "registry.local.",
            "registry.example.org",
            &own,
        ] {
            assert_eq!(ask(false, LOCAL, "GET", &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "xregistry.local", "localhost.evil.example"] {
            assert_eq!(ask(false, LOCAL, "GET", &[("host", host)]), Err(Some(Kind::UnknownHost)), "{host}");
        }
        for headers in [&[][..], &[("host", "localhost"), ("host", "localhost")], &[("host", "a b")]] {
            assert_eq!(ask(false, LOCAL, "GET", headers), Err(Some(Kind::MalformedRequest)), "{headers:?}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let with =
            |header: (&'static str, &'static str)| ask(false, LOCAL, "POST", &[("host", "localhost:8420"), header]);
        assert_eq!(with(("origin", "http://localhost:8420")), Ok(()));
        assert_eq!(with(("sec-fetch-site", "same-origin")), Ok(()));
        assert_eq!(with(("sec-fetch-site", "none")), Ok(()));
        for header in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:3000"),
            ("origin", "localhost:8420"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert_eq!(with(header), Err(Some(Kind::CrossSite)), "{header:?}");
        }
    }

    #[test]
    fn another_machine_reads_and_writes_only_where_that_is_allowed() {
        let host = [("host", "10.0.0.1:8420")];
        assert_eq!(ask(false, "10.0.0.7", "GET", &host), Ok(()));
        assert_eq!(ask(false, "10.0.0.7", "POST", &host), Err(Some(Kind::AnonymousWrite)));
        assert_eq!(ask(true, "10.0.0.7", "DELETE", &host), Ok(()));
        assert_eq!(ask(false, "::ffff:127.0.0.1", "POST", &host), Ok(()));
    }
}
