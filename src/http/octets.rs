//! How many octets of bodies there may be: of requests that are being received, and of answers that are made whole and
//! wait to be taken. In all, and of one client.
//!
//! What goes beyond is refused at once: who waited would hold what has come so far, and so would all others who wait.

use std::error::Error;
use std::iter::successors;
use std::sync::Arc;

use axum::body::Body;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::{Kind, Problem};

use super::metered::metered;

/// Octets of one client's bodies, at most, where `http.body_limit` is not larger.
const CLIENT_MAX: usize = 16 << 20;
/// Clients that may have as much at once.
const CLIENTS: usize = 4;
/// Bodies count in blocks of so many octets. The first one does not count, so that heartbeats go on whatever others
/// send.
const BLOCK: usize = 4 << 10;

/// What all clients share.
#[derive(Debug, Clone)]
pub(super) struct Octets {
    total: Arc<Semaphore>,
    client_max: usize,
}

/// What one client has of it; clones are of the same client.
#[derive(Debug, Clone)]
pub(super) struct Share {
    total: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

/// Octets that are given back when this is dropped.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "held, not looked at")] [OwnedSemaphorePermit; 2]);

/// There are too many.
#[derive(Debug, Error)]
#[error("too much is being sent and fetched at once; try again in a moment, with less at a time")]
pub(super) struct TooMany;

impl Octets {
    /// With room for a request of `body_limit` octets.
    pub(super) fn new(body_limit: usize) -> Self {
        let client_max = CLIENT_MAX.max(body_limit);
        Self { total: Arc::new(Semaphore::new(CLIENTS * client_max)), client_max }
    }

    /// For one more client.
    pub(super) fn share(&self) -> Share {
        Share { total: Arc::clone(&self.total), own: Arc::new(Semaphore::new(self.client_max)) }
    }
}

impl Share {
    /// Of a body that is there already, all that counts.
    pub(super) fn hold(&self, octets: u64) -> Result<Option<Held>, TooMany> {
        let counted = counted(usize::try_from(octets).unwrap_or(usize::MAX));
        if counted == 0 { Ok(None) } else { self.take(counted).map(Some) }
    }

    fn take(&self, octets: usize) -> Result<Held, TooMany> {
        let octets = u32::try_from(octets).map_err(|_| TooMany)?;
        let take = |from: &Arc<Semaphore>| Arc::clone(from).try_acquire_many_owned(octets).map_err(|_| TooMany);
        Ok(Held([take(&self.own)?, take(&self.total)?]))
    }
}

fn counted(octets: usize) -> usize {
    octets.div_ceil(BLOCK).saturating_sub(1).saturating_mul(BLOCK)
}

impl TooMany {
    /// Whether it is why a body could not be read.
    pub(super) fn is_behind(error: &(dyn Error + 'static)) -> bool {
        successors(Some(error), |error| (**error).source()).any(<dyn Error>::is::<Self>)
    }
}

impl From<TooMany> for Problem {
    fn from(error: TooMany) -> Self {
        Self::new(Kind::Busy, error.to_string())
    }
}

/// The body of a request, which counts as far as it has come, until it is dropped. Of it `limit` octets are kept, at most.
pub(super) fn received(body: Body, share: Share, limit: usize) -> Body {
    let mut account = Account { share, limit, come: 0, held: Vec::new() };
    metered(body, move |octets| account.count(octets).map_err(axum::Error::new))
}

/// What a body counts.
struct Account {
    share: Share,
    limit: usize,
    come: usize,
    held: Vec<Held>,
}

impl Account {
    fn count(&mut self, octets: usize) -> Result<(), TooMany> {
        let come = self.come.saturating_add(octets);
        let more = counted(come.min(self.limit)) - counted(self.come.min(self.limit));
        self.come = come;
        if more > 0 {
            self.held.push(self.share.take(more)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_and_all_have_the_total() {
        let octets = Octets::new(1);
        let shares: Vec<_> = (0..5).map(|_| octets.share()).collect();
        let largest = (CLIENT_MAX + BLOCK) as u64;
        let mut held: Vec<_> = shares[..4].iter().map(|share| share.hold(largest).unwrap()).collect();
        assert!(shares[0].hold(largest).is_err() && shares[4].hold(largest).is_err());
        assert!(shares[0].hold(BLOCK as u64).unwrap().is_none(), "small ones go on");
        held.pop();
        assert!(shares[4].hold(largest).is_ok(), "what was refused took nothing");
        assert!(shares[4].hold(u64::MAX).is_err());
    }

    #[test]
    fn why_a_body_was_not_read_is_known_behind_other_errors() {
        assert!(TooMany::is_behind(&axum::Error::new(axum::Error::new(TooMany))));
        assert!(!TooMany::is_behind(&axum::Error::new(std::io::Error::other("cut"))));
    }
}
