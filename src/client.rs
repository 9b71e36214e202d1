//! The client library: announce a service and keep it announced, or ask what is there.
//!
//! ```no_run
//! use portolan::api;
//! use portolan::client::Client;
//!
//! # async fn announce() -> Result<(), portolan::client::Error> {
//! let client = Client::new("http://localhost:8420")?;
//! let registration = client.register(api::Registration::new("auth", 8080)).await?;
//! // … serve; the lease is renewed meanwhile …
//! registration.deregister().await
//! # }
//! ```
//!
//! [`Client`] is one request per call. [`Registration`] keeps an instance registered for as long as it lives, over
//! failures and restarts of the registry, and [`Watch`] tells what changes over the same. Who only wants to find a service needs none of this, but a resolver.
//!
//! Road not taken: TLS here. It comes with the server's.

mod registration;
mod watch;

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::api::{
    self, Explanation, Filter, Heartbeat, History, Instance, Kind, Outcome, Page, Pick, Position, Problem, Reloaded,
    Service, Services, StatusWish,
};

pub use registration::{Registration, Standing};
pub use watch::Watch;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take; the server's own limit is the same.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one request waits for a match; who waits longer asks again. The server's limit is nine tenths of its
/// `http.request_timeout`, which is seldom set this low.
const WAIT_STEP: Duration = Duration::from_secs(10);

/// A registry to talk to. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// `Bearer TOKEN`, which no output has.
    authorization: Option<HeaderValue>,
    /// How long a request may take.
    patience: Duration,
}

/// Why a call failed, by what can be done.
#[derive(Debug, Error)]
pub enum Error {
    /// Correct the URL.
    #[error("{url:?} is no URL of a registry such as http://localhost:8420: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Correct the token.
    #[error("the token is none: it has characters that no token has, or nothing at all")]
    Token,
    /// Try again later: there was no answer, and what was asked may or may not have been done.
    #[error("the registry at {url} does not answer; is it running there?")]
    Unreachable {
        /// Where.
        url: Url,
        /// How it failed.
        source: reqwest::Error,
    },
    /// Do as the problem says; [`Kind::is_temporary`] tells whether trying again may help.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// Look at what is running there: it does not answer as a registry does.
    #[error("what answers at {url} is no portolan registry: {reason}")]
    Foreign {
        /// Where.
        url: Url,
        /// What it said.
        reason: String,
    },
}

impl Error {
    /// The kind of problem that the registry answered with.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Refused(problem) => problem.known(),
            _ => None,
        }
    }
}

impl Client {
    /// A client of the registry at `url`, such as `http://localhost:8420`. Does not connect yet.
    pub fn new(url: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Url { url: url.to_owned(), reason };
        let base: Url = url.parse().map_err(|error| refuse(format!("{error}")))?;
        if base.scheme() != "http" {
            return Err(refuse(format!("the scheme is {:?}; only http is spoken", base.scheme())));
        }
        let http = connections().build().map_err(|error| refuse(error.to_string()))?;
        Ok(Self { http, base, authorization: None, patience: REQUEST_TIMEOUT })
    }

    /// The same, showing a token with each request. Over plain HTTP whoever is on the way reads it.
    pub fn with_token(self, token: &str) -> Result<Self, Error> {
        let is_token = !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic());
        let value = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_token);
        let mut authorization = value.ok_or(Error::Token)?;
        authorization.set_sensitive(true);
        Ok(Self { authorization: Some(authorization), ..self })
    }

    /// The same, but no request takes longer than `patience`.
    fn within(&self, patience: Duration) -> Self {
        Self { patience: patience.min(self.patience), ..self.clone() }
    }

    /// Leaves its connections to its clones: later requests make new ones.
    fn reconnect(&mut self) {
        // It has been built of the same before; should that fail now, the old ones may still do.
        if let Ok(http) = connections().build() {
            self.http = http;
        }
    }

    /// Registers an instance and keeps it registered until the handle is dropped.
    ///
    /// Fails where the first registration does: who waits for a registry to come up calls it again.
    pub async fn register(&self, registration: api::Registration) -> Result<Registration, Error> {
        Registration::start(self.clone(), registration).await
    }

    /// Registers or renews once: whoever calls this renews by calling again.
    pub async fn heartbeat(&self, registration: &api::Registration) -> Result<Heartbeat, Error> {
        self.call(self.request(Method::POST, &["v1", "heartbeat"]).json(registration)).await
    }

    /// Registers or renews up to [`api::BATCH_MAX`] instances; each has its own outcome, in order.
    pub async fn heartbeats(&self, registrations: &[api::Registration]) -> Result<Vec<Outcome>, Error> {
        self.call(self.request(Method::POST, &["v1", "heartbeat"]).json(registrations)).await
    }

    /// Renews the lease; `None` where there is nothing to renew: register.
    pub async fn renew(&self, service: &str, instance: &str) -> Result<Option<Heartbeat>, Error> {
        known(self.call(self.request(Method::POST, &["v1", "instances", service, instance, "renew"])).await)
    }

    /// One instance, `None` where it is not listed.
    pub async fn get(&self, service: &str, instance: &str) -> Result<Option<Instance>, Error> {
        known(self.call(self.request(Method::GET, &["v1", "instances", service, instance])).await)
    }

    /// When an instance came, went and changed its status lately, also of one that is gone; `None` where nothing is
    /// known of it.
    pub async fn history(&self, service: &str, instance: &str) -> Result<Option<History>, Error> {
        known(self.call(self.request(Method::GET, &["v1", "instances", service, instance, "history"])).await)
    }

    /// Deregisters; `false` where there was nothing to deregister.
    pub async fn deregister(&self, service: &str, instance: &str) -> Result<bool, Error> {
        let request = self.request(Method::DELETE, &["v1", "instances", service, instance]);
        Ok(known(self.send(request).await)?.is_some())
    }

    /// Sets an operator's status; `None` where the API holds no such instance.
    pub async fn set_status(
        &self,
        service: &str,
        instance: &str,
        wish: &StatusWish,
    ) -> Result<Option<Instance>, Error> {
        let request = self.request(Method::PUT, &["v1", "instances", service, instance, "status"]);
        known(self.call(request.json(wish)).await)
    }

    /// The instances of `service` that are served, from every page: of a name, a glob, or one of them with a range of
    /// versions, such as `couchdb@3.x`.
    pub async fn lookup(&self, service: &str) -> Result<Vec<Instance>, Error> {
        self.list(served(service)).await
    }

    /// One of those that [`Client::lookup`] gives, `None` where there is none.
    pub async fn pick(&self, service: &str, pick: Pick) -> Result<Option<Instance>, Error> {
        let filter = Filter { pick: Some(pick), ..served(service) };
        Ok(self.page(&filter).await?.instances.pop())
    }

    /// What [`Client::lookup`] gives as soon as it gives something; nothing where there is nothing within `time`.
    pub async fn wait_for(&self, service: &str, time: Duration) -> Result<Vec<Instance>, Error> {
        self.wait(served(service), time).await
    }

    /// What [`Client::list`] gives as soon as it gives something; nothing where there is nothing within `time`, which
    /// may be longer than a request may take.
    pub async fn wait(&self, filter: Filter, time: Duration) -> Result<Vec<Instance>, Error> {
        let began = Instant::now();
        loop {
            let left = time.saturating_sub(began.elapsed());
            let instances = self.list(Filter { wait: Some(left.min(WAIT_STEP)), ..filter.clone() }).await?;
            if !instances.is_empty() || left <= WAIT_STEP {
                return Ok(instances);
            }
        }
    }

    /// Every instance that `filter` matches, from every page that follows its cursor.
    pub async fn list(&self, mut filter: Filter) -> Result<Vec<Instance>, Error> {
        if filter.pick.is_none() {
            filter.limit = filter.limit.or(Some(api::LIMIT_MAX));
        }
        let mut instances = Vec::new();
        loop {
            let page = self.page(&filter).await?;
            // There was something: the rest is not waited for.
            filter.wait = None;
            instances.extend(page.instances);
            match page.cursor {
                Some(cursor) => filter.cursor = Some(cursor),
                None => return Ok(instances),
            }
        }
    }

    /// One page.
    pub async fn page(&self, filter: &Filter) -> Result<Page, Error> {
        self.call(self.request(Method::GET, &["v1", "instances"]).query(&filter.to_query())).await
    }

    /// Watches the instances that `filter` matches, after `since`, or without it from now on. To know what is there and
    /// all that becomes of it, watch, then list, then take the events, as [`Watch`] shows.
    pub async fn watch(&self, filter: &Filter, since: Option<Position>) -> Result<Watch, Error> {
        Watch::start(self.clone(), filter, since).await
    }

    /// Every service type that has listed instances, or is declared.
    pub async fn services(&self) -> Result<Vec<Service>, Error> {
        let mut query = vec![("limit", api::LIMIT_MAX.to_string())];
        let mut services = Vec::new();
        loop {
            let page: Services = self.call(self.request(Method::GET, &["v1", "services"]).query(&query)).await?;
            services.extend(page.services);
            let Some(cursor) = page.cursor else { return Ok(services) };
            query.truncate(1);
            query.push(("cursor", cursor.to_string()));
        }
    }

    /// What DNS would answer to a question, and why. `name` is a whole name, `rtype` a record type such as `SRV`;
    /// without one it is the type that one would ask for first.
    pub async fn explain(&self, name: &str, rtype: Option<&str>) -> Result<Explanation, Error> {
        let query: Vec<_> = [("name", name)].into_iter().chain(rtype.map(|rtype| ("type", rtype))).collect();
        self.call(self.request(Method::GET, &["v1", "explain"]).query(&query)).await
    }

    /// Has the files of services read again; the registry does that only for clients on its own machine.
    pub async fn reload(&self) -> Result<Reloaded, Error> {
        self.call(self.request(Method::POST, &["v1", "reload"])).await
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.authorized(self.http.request(method, self.url(path))).timeout(self.patience)
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Escapes whatever an instance name may hold, slashes included.
        url.path_segments_mut().expect("http URLs have paths").pop_if_empty().extend(path);
        url
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let octets = self.send(request).await?.bytes().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_slice(&octets).map_err(|error| self.foreign(error.to_string()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let octets = response.bytes().await.map_err(|source| self.unreachable(source))?;
        match serde_json::from_slice::<Problem>(&octets) {
            Ok(problem) => Err(Error::Refused(Box::new(problem))),
            Err(_) => Err(self.foreign(format!("it answers {}", describe(status)))),
        }
    }

    fn unreachable(&self, source: reqwest::Error) -> Error {
        Error::Unreachable { url: self.base.clone(), source }
    }

    fn foreign(&self, reason: String) -> Error {
        Error::Foreign { url: self.base.clone(), reason }
    }
}

/// What programs look for.
fn served(service: &str) -> Filter {
    Filter { service: Some(service.to_owned()), served: Some(true), ..Filter::default() }
}

/// No connection yet, but what makes and keeps them.
fn connections() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // A registry is near; a proxy from the environment would be asked for localhost, too.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

/// Turns the one problem that is an answer into `None`.
fn known<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == Some(Kind::NotRegistered) => Ok(None),
        Err(error) => Err(error),
    }
}

fn describe(status: StatusCode) -> String {
    format!("status {status} without a problem document")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_refused_with_the_reason() {
        for (url, says) in [("localhost", "relative URL"), ("ftp://x", "only http"), ("https://x", "only http")] {
            let error = Client::new(url).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_token_goes_along_and_is_never_printed() {
        let client = Client::new("http://h:1").unwrap().with_token("portolan_secret").unwrap();
        let request = client.request(Method::GET, &["v1"]).build().unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer portolan_secret");
        assert!(!format!("{client:?} {request:?}").contains("portolan_secret"));
        for token in ["", "a b", "a\nb", "é"] {
            assert!(matches!(Client::new("http://h:1").unwrap().with_token(token), Err(Error::Token)), "{token:?}");
        }
    }

    #[test]
    fn names_are_escaped_and_a_base_may_have_a_path() {
        let client = Client::new("http://h:1/registry/").unwrap();
        let request = client.request(Method::GET, &["v1", "instances", "_a._tcp", "a/b c?%é"]).build().unwrap();
        assert_eq!(request.url().path(), "/registry/v1/instances/_a._tcp/a%2Fb%20c%3F%25%C3%A9");
    }
}
