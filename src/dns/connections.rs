//! How many streams there may be, in total and of one client (RFC 7766 §6.2.2).
//!
//! When there are too many, the one that was quiet for longest makes room: so a thousand half-open connections
//! keep nobody out, not even from the same address. In a burst of them the quietest is one that has only just come,
//! perhaps with a question that nobody has read yet. So each has a moment to be heard before it goes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::service::network;

/// How long a stream may stay in any case: long enough on a busy machine to read a question that came along with the
/// connection, and to answer it.
const HEARING: Duration = Duration::from_millis(250);

/// The streams there are.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    all: HashMap<u64, Connection>,
    /// How many there are, with those that were told to close and have not yet.
    here: usize,
    last: u64,
    most: usize,
    most_per_client: usize,
}

#[derive(Debug)]
struct Connection {
    client: IpAddr,
    active: Instant,
    close: CancellationToken,
}

/// May be one of the [`Connections`], until another needs it more; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    connections: Connections,
    number: u64,
    since: Instant,
    /// Cancelled when it is recalled.
    close: CancellationToken,
}

impl Connections {
    pub(super) fn new(most: usize, most_per_client: usize) -> Self {
        Self(Arc::new(Mutex::new(Open { all: HashMap::new(), here: 0, last: 0, most, most_per_client })))
    }

    /// Takes a permit for a client, closing the quietest where there is none left. The permit of one that is told
    /// to close is free at once.
    pub(super) fn take(&self, client: IpAddr, now: Instant) -> Permit {
        let client = network(client);
        let mut open = self.open();
        let of_client = open.all.values().filter(|c| c.client == client).count();
        if of_client >= open.most_per_client {
            open.close_quietest(|c| c.client == client);
        } else if open.all.len() >= open.most {
            open.close_quietest(|_| true);
        }
        open.here += 1;
        open.last += 1;
        let (number, close) = (open.last, CancellationToken::new());
        open.all.insert(number, Connection { client, active: now, close: close.clone() });
        Permit { connections: self.clone(), number, since: now, close }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.open().all.len()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Whoever panicked left the map whole: every change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn close_quietest(&mut self, among: impl Fn(&Connection) -> bool) {
        let quietest = self.all.iter().filter(|(_, c)| among(c)).min_by_key(|(_, c)| c.active).map(|(n, _)| *n);
        if let Some(connection) = quietest.and_then(|number| self.all.remove(&number)) {
            connection.close.cancel();
        }
    }
}

impl Permit {
    /// Waits until another needs it and this client was heard. Where twice as many are here as may be, nobody is
    /// heard any more.
    pub(super) async fn recalled(&self) {
        self.close.cancelled().await;
        let is_crowded = {
            let open = self.connections.open();
            open.here >= open.most.saturating_mul(2)
        };
        if !is_crowded {
            sleep_until((self.since + HEARING).into()).await;
        }
    }

    /// Notes that the client asked something.
    pub(super) fn touch(&self, now: Instant) {
        if let Some(connection) = self.connections.open().all.get_mut(&self.number) {
            connection.active = now;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.here -= 1;
        open.all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_quietest_of_the_client_makes_room() {
        let connections = Connections::new(10, 2);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let other = connections.take(client("192.0.2.2"), at(0));
        let first = connections.take(client("192.0.2.1"), at(1));
        let second = connections.take(client("192.0.2.1"), at(2));
        first.touch(at(3));
        let third = connections.take(client("192.0.2.1"), at(4));
        let closed = [&other, &first, &second, &third].map(|permit| permit.close.is_cancelled());
        assert_eq!(closed, [false, false, true, false]);
    }

    #[test]
    fn the_quietest_of_all_makes_room_when_all_permits_are_taken() {
        let connections = Connections::new(2, 2);
        let start = Instant::now();
        let first = connections.take(client("192.0.2.1"), start);
        drop(connections.take(client("192.0.2.2"), start + Duration::from_secs(1)));
        let third = connections.take(client("192.0.2.3"), start + Duration::from_secs(2));
        assert!(!first.close.is_cancelled(), "a permit was given back");
        let fourth = connections.take(client("192.0.2.4"), start + Duration::from_secs(3));
        assert_eq!([first, third, fourth].map(|permit| permit.close.is_cancelled()), [true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_must_go_is_heard_first_unless_there_are_far_too_many() {
        let start = tokio::time::Instant::now();
        let connections = Connections::new(2, 2);
        let take = |after| connections.take(client("192.0.2.1"), (start + Duration::from_millis(after)).into_std());
        let [first, second, _third] = [take(0), take(1), take(2)];
        first.recalled().await;
        assert_eq!(start.elapsed(), HEARING);
        let _fourth = take(3);
        second.recalled().await;
        assert_eq!(start.elapsed(), HEARING, "the second would have had a millisecond more");
    }
}
