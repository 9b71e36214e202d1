//! Who asks: from where, and with which token (RFC 6750).
//!
//! Other schemes than `Bearer` are no business of ours: a proxy in front may have asked for a password and pass it on.
//! Over a path or a query no token is taken, since those stand in logs.

use std::borrow::Borrow;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use crate::api::{Kind, Problem};
use crate::service::ServiceType;
use crate::tokens::{Grant, Keyring};

use super::respond::Refused;

/// Octets of a token, at most; ours have 52.
const TOKEN_MAX: usize = 256;

/// Whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Principal {
    /// The address that the request came from.
    pub(super) sender: IpAddr,
    /// What they may do.
    pub(super) grant: Grant,
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Ok(parts.extensions.get::<Self>().expect("the guard has let everybody in who is here").clone())
    }
}

impl Principal {
    /// Who sent these headers from there.
    pub(super) fn of(headers: &HeaderMap, sender: IpAddr, keyring: &Keyring) -> Result<Self, Problem> {
        let grant = match shown(headers)? {
            None => keyring.anonymous(),
            Some(token) => keyring.grant(token).ok_or_else(|| {
                let why = "nobody knows this token; show one whose hash is in a [[token]] of the registry's settings";
                Problem::new(Kind::InvalidToken, why)
            })?,
        };
        Ok(Self { sender, grant })
    }

    /// Whether they are on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.sender.to_canonical().is_loopback()
    }

    /// Whether they may see instances of a service.
    pub(super) fn check_read(&self, service_type: &ServiceType) -> Result<(), Problem> {
        if self.grant.may_read(service_type) {
            return Ok(());
        }
        Err(match self.grant.name() {
            None => Problem::new(
                Kind::TokenNeeded,
                format!("{service_type} is shown to tokens alone; send Authorization: Bearer with one for it"),
            ),
            Some(name) => Problem::new(
                Kind::OutOfScope,
                format!("the token {name:?} may not see {service_type}; show one with that in its `read` or `write`"),
            ),
        })
    }

    /// Whether they may see instances of a service over one of these transports at least.
    pub(super) fn check_read_any<T: Borrow<ServiceType>>(
        &self,
        service_types: impl IntoIterator<Item = T>,
    ) -> Result<(), Problem> {
        let mut checked = service_types.into_iter().map(|of| self.check_read(of.borrow()));
        let first = checked.next().unwrap_or(Ok(()));
        first.or_else(|problem| if checked.any(|other| other.is_ok()) { Ok(()) } else { Err(problem) })
    }
}

/// The token that comes along, if any does.
fn shown(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let refuse = |why: &str| Err(Problem::new(Kind::InvalidToken, why));
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next().map(HeaderValue::as_bytes) else { return Ok(None) };
    if values.next().is_some() {
        return refuse("there are two Authorization headers; send one");
    }
    let scheme = value.split(|octet| *octet == b' ').next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    match std::str::from_utf8(value[scheme.len()..].trim_ascii()) {
        Ok(token) if (1..=TOKEN_MAX).contains(&token.len()) && token.bytes().all(is_of_token) => Ok(Some(token)),
        _ => refuse("the Authorization header has no token behind Bearer; send `Authorization: Bearer TOKEN`"),
    }
}

/// Of `b64token` (RFC 6750 §2.1).
fn is_of_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_and_what_is_none_is_refused() {
        let read = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            shown(&headers).map(|token| token.map(str::to_owned)).map_err(|problem| problem.known())
        };
        assert_eq!(read(&[b"Bearer portolan_a-b_c=="]), Ok(Some("portolan_a-b_c==".to_owned())));
        assert_eq!(read(&[b"bearer  x"]), Ok(Some("x".to_owned())));
        assert_eq!((read(&[]), read(&[b"Basic YTpi"]), read(&[b""])), (Ok(None), Ok(None), Ok(None)));
        let long = [b"Bearer ".to_vec(), vec![b'a'; TOKEN_MAX + 1]].concat();
        for values in
            [&[&b"Bearer"[..]][..], &[b"Bearer "], &[b"Bearer a b"], &[b"Bearer \xff"], &[b"Bearer a,b"], &[&long]]
        {
            assert_eq!(read(values), Err(Some(Kind::InvalidToken)), "{values:?}");
        }
        assert_eq!(read(&[b"Bearer a", b"Bearer a"]), Err(Some(Kind::InvalidToken)));
    }
}
