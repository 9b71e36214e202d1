//! What a check asks of an instance.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::probe::ProbeError;

/// Octets of what is asked for, at most.
pub(crate) const TARGET_MAX: usize = 255;

/// What is done to the port of the instance. Written `tcp`, `/health` or `http://web.example/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inquiry {
    /// A connection is made.
    Tcp,
    /// It is asked over HTTP, and has to answer with 2xx.
    Http {
        /// The host that it is called by; its address and port without one.
        host: Option<Box<str>>,
        /// Path and query.
        path: Box<str>,
    },
}

impl Inquiry {
    /// Reads a path or a URL, and the port that it names. That its host is only what the instance is called by, and
    /// that its port is the instance's, is for whoever knows the instance to see to.
    pub fn http(target: &str) -> Result<(Self, Option<u16>), ProbeError> {
        if target.len() > TARGET_MAX {
            return Err(ProbeError::TargetLength(target.len()));
        }
        if target.starts_with("https://") {
            return Err(ProbeError::Tls);
        }
        let (host, port, path) = match target.strip_prefix("http://") {
            None => (None, None, target),
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                let (host, port) = split_authority(authority).ok_or(ProbeError::Target)?;
                (Some(host.into()), port, path)
            }
        };
        let path = if path.starts_with('/') || host.is_none() { path.to_owned() } else { format!("/{path}") };
        // What else a URL may not have would be sent as it is, and none of it ends the line that it stands in.
        let is_plain = |octet: u8| octet.is_ascii_graphic() && !br##""#<>\^`{|}"##.contains(&octet);
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            return Err(ProbeError::Target);
        }
        Ok((Self::Http { host, path: path.into() }, port))
    }

    /// The address that the host is, where it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Http { host: Some(host), .. } => host.trim_matches(['[', ']']).parse().ok(),
            _ => None,
        }
    }
}

/// Host and port; `None` where they are none, or where there is more.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let bracketed = authority.starts_with('[');
    let (host, port) = match authority.rsplit_once(':').filter(|(host, _)| !bracketed || host.ends_with(']')) {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (authority, None),
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    let is_host = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    is_host.then_some((host, port))
}

impl FromStr for Inquiry {
    type Err = ProbeError;

    /// Takes no port: what is written has none.
    fn from_str(text: &str) -> Result<Self, ProbeError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            target => match Self::http(target)? {
                (inquiry, None) => Ok(inquiry),
                (_, Some(_)) => Err(ProbeError::Target),
            },
        }
    }
}

impl fmt::Display for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Http { host: None, path } => f.write_str(path),
            Self::Http { host: Some(host), path } => write!(f, "http://{host}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path_or_a_url_and_is_written_as_it_is_read() {
        for (text, written, port) in [
            ("/", "/", None),
            ("/health?deep=1&x=%20", "/health?deep=1&x=%20", None),
            ("http://web.example", "http://web.example/", None),
            ("http://web.example:8080?x", "http://web.example/?x", Some(8080)),
            ("http://[::1]:80/h", "http://[::1]/h", Some(80)),
            ("http://10.0.0.1/h", "http://10.0.0.1/h", None),
        ] {
            let (inquiry, named) = Inquiry::http(text).unwrap();
            assert_eq!((inquiry.to_string().as_str(), named), (written, port), "{text}");
            assert_eq!(written.parse(), Ok(inquiry), "{text}");
        }
        assert_eq!("tcp".parse(), Ok(Inquiry::Tcp));
    }

    #[test]
    fn a_target_is_no_way_to_say_something_else() {
        for text in [
            "",
            "health",
            "/a b",
            "/a\r\nHost: x",
            "/a\n",
            "/é",
            "/#a",
            "//\u{7f}",
            "http://",
            "http:///x",
            "http://a@b/",
            "http://a:b@c/",
            "http://a:99999/",
            "http://a b/",
            "http://[::1/",
            "http://[a]/",
            "http://a\r\nX: y/",
            "ftp://a/",
            "HTTP://a/",
        ] {
            assert_eq!(Inquiry::http(text), Err(ProbeError::Target), "{text:?}");
        }
        assert_eq!(Inquiry::http("https://a/"), Err(ProbeError::Tls));
        assert_eq!(Inquiry::http(&format!("/{}", "a".repeat(255))), Err(ProbeError::TargetLength(256)));
    }
}
