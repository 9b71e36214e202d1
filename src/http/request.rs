//! What a request says: its sender, its path, its preconditions and its body.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, EXPECT, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::api::{Json, Kind, Problem};
use crate::registry::Condition;
use crate::service::{InstanceId, InstanceName, InstanceNameError, Revision, ServiceType, ServiceTypeError};

use super::Edge;
use super::octets::TooMany;
use super::respond::Refused;

/// Octets beyond the limit that are read and thrown away: a client that sends its whole body before it listens is
/// told why it was refused, instead of finding its connection reset.
pub(super) const DISCARDED_MAX: usize = 8 << 20;

/// The address that the request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender(pub(super) IpAddr);

/// Says that the request came over TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverTls;

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Ok(*parts.extensions.get().expect("every connection says who its sender is"))
    }
}

/// A query, in its order and with its repetitions.
pub(super) type Pairs = Vec<(String, String)>;

/// The texts that stand in the path.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(texts)) => Ok(Self(texts)),
            Err(_) => Err(Problem::new(Kind::MalformedRequest, "the path is not percent-encoded UTF-8").into()),
        }
    }
}

/// The identity that the path names: also by names that labels stand in for.
#[derive(Debug)]
pub(super) struct Addressed(pub(super) InstanceId);

/// The identity that the path names, as it will be registered: what stands in for another name is no name for that.
#[derive(Debug)]
pub(super) struct Named(pub(super) InstanceId);

impl<S: Send + Sync> FromRequestParts<S> for Addressed {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let InPath((service_type, instance)) = InPath::<(String, String)>::from_request_parts(parts, state).await?;
        Ok(Self(identity(ServiceType::meant(&service_type, None), InstanceName::meant(&instance))?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let InPath((service_type, instance)) = InPath::<(String, String)>::from_request_parts(parts, state).await?;
        Ok(Self(identity(service_type.parse(), InstanceName::new(&instance))?))
    }
}

fn identity(
    service_type: Result<ServiceType, ServiceTypeError>,
    instance: Result<InstanceName, InstanceNameError>,
) -> Result<InstanceId, Problem> {
    let service_type = service_type
        .map_err(|error| Problem::new(Kind::InvalidService, format!("the service type in the path {error}")))?;
    let instance = instance
        .map_err(|error| Problem::new(Kind::InvalidInstance, format!("the instance name in the path {error}")))?;
    Ok(InstanceId::new(service_type, instance))
}

/// What must hold of the instance before a write (RFC 9110 §13.1).
#[derive(Debug)]
pub(super) struct Precondition(pub(super) Condition);

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Ok(Self(condition_of(&parts.headers)?))
    }
}

/// See [`Precondition`].
pub(super) fn condition_of(headers: &HeaderMap) -> Result<Condition, Problem> {
    let value = |name: HeaderName| match headers.get_all(&name).iter().collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [value] => Ok(Some(value.to_str().unwrap_or_default().trim().to_owned())),
        _ => Err(Problem::new(Kind::MalformedRequest, format!("there are two {name} headers; send one"))),
    };
    match (value(IF_MATCH)?.as_deref(), value(IF_NONE_MATCH)?.as_deref()) {
        (None, None) => Ok(Condition::Always),
        (None, Some("*")) => Ok(Condition::Absent),
        (Some("*"), None) => Ok(Condition::Present),
        (Some(tag), None) if tag.contains(',') => Err(Problem::new(
            Kind::MalformedRequest,
            "If-Match has several entity tags; send the one of the last answer",
        )),
        (Some(tag), None) => {
            // Weak tags never match here (RFC 9110 §13.1.1).
            let (is_weak, tag) = tag.strip_prefix("W/").map_or((false, tag), |tag| (true, tag));
            let Some(text) = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) else {
                let detail = "If-Match is no entity tag; send the one of the last answer, with its quotes";
                return Err(Problem::new(Kind::MalformedRequest, detail));
            };
            let number = text.parse().ok().filter(|_| !is_weak);
            // A tag that is not of our making matches nothing, and no revision is 0.
            Ok(Condition::Revision(number.map_or(Revision(0), Revision)))
        }
        (None, Some(_)) => Err(Problem::new(Kind::MalformedRequest, "If-None-Match takes only * with a write")),
        (Some(_), Some(_)) => {
            Err(Problem::new(Kind::MalformedRequest, "If-Match and If-None-Match cannot both hold; send one of them"))
        }
    }
}

/// The body as JSON, whatever the Content-Type says: `curl -d` calls it a form.
#[derive(Debug)]
pub(super) struct Document(pub(super) Json);

impl FromRequest<Arc<Edge>> for Document {
    type Rejection = Refused;

    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Refused> {
        Ok(Self(Json::parse(&body_of(request, edge).await?).map_err(Problem::from)?))
    }
}

/// The whole body of a request to the API.
pub(super) async fn body_of(request: Request, edge: &Edge) -> Result<Vec<u8>, Problem> {
    let (parts, body) = request.into_parts();
    read_body(&parts.headers, body, edge.config.body_limit, "http.body_limit").await
}

/// The whole body, of at most `limit` octets, which is the limit of `what`.
pub(super) async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
    what: &str,
) -> Result<Vec<u8>, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let announced = usize::try_from(announced.unwrap_or_default()).unwrap_or(usize::MAX);
    let too_large = || {
        let detail = format!("the body is larger than {limit} octets ({what}); send less at a time");
        Problem::new(Kind::BodyTooLarge, detail)
    };
    // Who waits to be told to go on (RFC 9110 §10.1.1) has not sent anything yet.
    if announced > limit && headers.contains_key(EXPECT) {
        return Err(too_large());
    }
    // Grows with what comes, not with what was announced.
    let mut octets = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if TooMany::is_behind(&error) {
                return TooMany.into();
            }
            Problem::new(Kind::MalformedRequest, format!("the body did not arrive whole: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > limit.saturating_add(DISCARDED_MAX) {
            break;
        }
        if length <= limit {
            octets.extend_from_slice(&data);
        }
    }
    if length > limit { Err(too_large()) } else { Ok(octets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preconditions_are_read_and_doubtful_ones_refused() {
        let read = |pairs: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, value.parse().unwrap());
            }
            condition_of(&headers).map_err(|problem| problem.known())
        };
        assert_eq!(read(&[]), Ok(Condition::Always));
        assert_eq!(read(&[(IF_NONE_MATCH, "*")]), Ok(Condition::Absent));
        assert_eq!(read(&[(IF_MATCH, "*")]), Ok(Condition::Present));
        assert_eq!(read(&[(IF_MATCH, "\"17\"")]), Ok(Condition::Revision(Revision(17))));
        for tag in ["W/\"17\"", "\"x\""] {
            assert_eq!(read(&[(IF_MATCH, tag)]), Ok(Condition::Revision(Revision(0))), "{tag}");
        }
        for pairs in [
            &[(IF_NONE_MATCH, "\"17\"")][..],
            &[(IF_MATCH, "\"1\", \"2\"")],
            &[(IF_MATCH, "17")],
            &[(IF_MATCH, "\"")],
            &[(IF_MATCH, "*"), (IF_NONE_MATCH, "*")],
            &[(IF_MATCH, "\"1\""), (IF_MATCH, "\"2\"")],
        ] {
            assert_eq!(read(pairs), Err(Some(Kind::MalformedRequest)), "{pairs:?}");
        }
    }
}
