//! `wait=`: an answer as soon as there is something to answer with.
//!
//! Who waits is told of changes by the registry and looks at those alone, not at all that is listed. It looks no
//! more often than every few milliseconds, so that a thousand who wait do not burden those who register.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{sleep, timeout};

use crate::api::{Kind, Problem, invalid_parameter};
use crate::service::{Change, InstanceId};

use super::pick::look;
use super::places::Places;
use super::select::Selection;
use super::{Config, Edge};

/// Requests that wait, at most.
const WAITERS_MAX: usize = 1_000;
/// Requests of one client that wait, at most.
pub(super) const WAITERS_PER_CLIENT: usize = 250;
/// From one look at changes to the next.
const PACE: Duration = Duration::from_millis(10);

/// For all requests that wait.
pub(super) fn places() -> Places {
    Places::new(WAITERS_MAX, WAITERS_PER_CLIENT)
}

/// What came since the last look.
enum News {
    /// These changed.
    Of(BTreeSet<InstanceId>),
    /// More than anybody kept.
    Missed,
}

/// How long a request may wait: its answer takes its time as well.
pub(super) fn longest(config: &Config) -> Duration {
    config.request_timeout / 10 * 9
}

/// Returns when something that is meant is listed, or when `time` has passed.
pub(super) async fn until_listed(
    edge: &Arc<Edge>,
    selection: &Arc<Selection>,
    sender: IpAddr,
    time: Duration,
) -> Result<(), Problem> {
    let longest = longest(&edge.config);
    if time > longest {
        let limit = humantime::format_duration(edge.config.request_timeout);
        let longest = humantime::format_duration(longest);
        let why = format!("is too long; at most {longest} is allowed, as http.request_timeout is {limit}");
        return Err(invalid_parameter("wait", &why));
    }
    if time.is_zero() {
        return Ok(());
    }
    // Of a large service the first look already waits, for its turn.
    let busy =
        |_| Problem::new(Kind::Busy, "too many requests wait already; ask again a little later, or without wait");
    let _place = edge.waiters.enter(sender).map_err(busy)?;
    // Before the first look, so that no change falls between.
    let mut changes = edge.registry.subscribe();
    if is_listed(edge, selection, sender).await? {
        return Ok(());
    }
    tokio::select! {
        found = timeout(time, until_changed(edge, selection, sender, &mut changes)) => found.unwrap_or(Ok(())),
        () = edge.stop.cancelled() => Err(Problem::new(Kind::ShuttingDown, "the registry is shutting down")),
    }
}

async fn until_changed(
    edge: &Arc<Edge>,
    selection: &Arc<Selection>,
    sender: IpAddr,
    changes: &mut Receiver<Arc<[Change]>>,
) -> Result<(), Problem> {
    loop {
        let found = match next(changes).await {
            News::Of(ids) => {
                let state = edge.registry.state();
                ids.iter().filter_map(|id| state.get(id)).any(|slot| selection.matches(slot.effective()))
            }
            News::Missed => is_listed(edge, selection, sender).await?,
        };
        if found {
            return Ok(());
        }
        sleep(PACE).await;
    }
}

async fn is_listed(edge: &Arc<Edge>, selection: &Arc<Selection>, sender: IpAddr) -> Result<bool, Problem> {
    look(edge, selection, sender, |_, state, selection| {
        selection.candidates(state, None).any(|(_, slot)| selection.matches(slot.effective()))
    })
    .await
}

/// Waits for changes and takes all that there are.
async fn next(changes: &mut Receiver<Arc<[Change]>>) -> News {
    let mut ids = BTreeSet::new();
    let mut batch = match changes.recv().await {
        Ok(batch) => batch,
        Err(RecvError::Lagged(_)) => return News::Missed,
        // The registry has stopped, and says so to others.
        Err(RecvError::Closed) => std::future::pending().await,
    };
    loop {
        ids.extend(batch.iter().filter(|change| change.after.is_some()).map(|change| change.id.clone()));
        batch = match changes.try_recv() {
            Ok(batch) => batch,
            Err(TryRecvError::Lagged(_)) => return News::Missed,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return News::Of(ids),
        };
    }
}
