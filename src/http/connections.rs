//! How many connections there may be: in all, and from one client.
//!
//! A client that has its share is refused. Where there are too many in all, the one that was quiet for longest, and has
//! no request in hand, makes room: so a thousand half heads keep nobody out. Where all have one, a client that has more
//! connections than the one that comes gives one up.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Counter;
use crate::service::network;

use super::activity::Activity;
use super::octets::{Octets, Share};

/// How long a connection may stay in any case: long enough on a busy machine to read a request that came along with it.
const HEARING: Duration = Duration::from_millis(250);
/// After so long without room another connection is asked to go: the first one has gone by then, or may not go.
const AGAIN: Duration = Duration::from_millis(300);

/// The connections there are. Clones are of the same.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    total: Arc<Semaphore>,
    octets: Octets,
    open: Arc<Mutex<Open>>,
    per_client: usize,
    refused: Counter,
    recalled: Counter,
}

#[derive(Debug, Default)]
struct Open {
    clients: HashMap<IpAddr, Client>,
    all: HashMap<u64, Connection>,
    last: u64,
}

#[derive(Debug)]
struct Client {
    count: usize,
    share: Share,
}

#[derive(Debug)]
struct Connection {
    client: IpAddr,
    activity: Activity,
    recall: CancellationToken,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    entered: Entered,
    number: u64,
    since: Instant,
    /// Of the connection.
    pub(super) activity: Activity,
    recall: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// A connection of a client that has not more than its share.
#[derive(Debug)]
struct Entered {
    connections: Connections,
    client: IpAddr,
    share: Share,
}

impl Connections {
    pub(super) fn new(total: usize, per_client: usize, octets: Octets) -> Self {
        let total = Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS)));
        let (refused, recalled) = (Counter::default(), Counter::default());
        Self { total, octets, open: Arc::default(), per_client, refused, recalled }
    }

    /// Lets a client in, when there is room, unless it has its share.
    pub(super) async fn enter(&self, address: IpAddr) -> Option<Ticket> {
        let entered = self.count(network(address))?;
        let mut permit = pin!(Arc::clone(&self.total).acquire_owned());
        let permit = loop {
            // A permit that is there is had at once.
            if self.total.available_permits() == 0 {
                self.open().recall(entered.client, &self.recalled);
            }
            if let Ok(permit) = timeout(AGAIN, permit.as_mut()).await {
                break permit.expect("the semaphore is never closed");
            }
        };
        let (activity, recall) = (Activity::new(), CancellationToken::new());
        let mut open = self.open();
        open.last += 1;
        let (number, client) = (open.last, entered.client);
        open.all.insert(number, Connection { client, activity: activity.clone(), recall: recall.clone() });
        drop(open);
        Some(Ticket { entered, number, since: Instant::now(), activity, recall, _permit: permit })
    }

    /// How many there are.
    pub(super) fn open_now(&self) -> usize {
        self.open().all.len()
    }

    /// How many were not let in, since their client had its share.
    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// How many were closed to make room.
    pub(super) fn recalled(&self) -> u64 {
        self.recalled.get()
    }

    fn count(&self, address: IpAddr) -> Option<Entered> {
        let mut open = self.open();
        let client = open.clients.entry(address).or_insert_with(|| Client { count: 0, share: self.octets.share() });
        if client.count >= self.per_client {
            self.refused.inc();
            return None;
        }
        client.count += 1;
        Some(Entered { connections: self.clone(), client: address, share: client.share.clone() })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Whoever panicked left the maps whole: every change of them is one call.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Asks one to go for a connection of `client`, if one has to.
    fn recall(&self, client: IpAddr, recalled: &Counter) {
        let count = |client: &IpAddr| self.clients.get(client).map_or(0, |client| client.count);
        let staying = || self.all.iter().filter(|(_, c)| !c.recall.is_cancelled());
        // Of those that are alike the first that came: it has had most.
        let quiet = |(number, c): &(&u64, &Connection)| (c.activity.since(), **number);
        let idle = staying().filter(|(_, c)| !c.activity.has_request()).min_by_key(quiet);
        let most = staying().max_by_key(|one| (count(&one.1.client), Reverse(quiet(one))));
        let greedy = || most.filter(|(_, most)| count(&most.client) > count(&client));
        if let Some((_, connection)) = idle.or_else(greedy) {
            connection.recall.cancel();
            recalled.inc();
        }
    }
}

impl Ticket {
    /// What bodies of this client count against.
    pub(super) fn share(&self) -> &Share {
        &self.entered.share
    }

    /// Waits until another needs the room, and this one was heard.
    pub(super) async fn recalled(&self) {
        self.recall.cancelled().await;
        sleep_until(self.since + HEARING).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.entered.connections.open().all.remove(&self.number);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if let Some(client) = open.clients.get_mut(&self.client) {
            client.count -= 1;
            if client.count == 0 {
                open.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(total: usize, per_client: usize) -> Connections {
        Connections::new(total, per_client, Octets::new(1))
    }

    async fn enter(connections: &Connections, address: &str) -> Option<Ticket> {
        connections.enter(address.parse().unwrap()).await
    }

    #[tokio::test]
    async fn a_client_has_its_share_and_gets_it_back() {
        let connections = connections(10, 2);
        let first = enter(&connections, "2001:db8::1").await.unwrap();
        let second = enter(&connections, "2001:db8::2").await.unwrap();
        assert!(enter(&connections, "2001:db8::3").await.is_none());
        assert!(enter(&connections, "10.0.0.1").await.is_some());
        assert_eq!((connections.open_now(), connections.refused()), (2, 1));
        drop(first);
        assert!(enter(&connections, "2001:db8::3").await.is_some());
        // What is counted is forgotten with the last connection.
        drop(second);
        assert!(connections.open().clients.is_empty() && connections.open().all.is_empty());
        assert_eq!(connections.total.available_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_quietest_without_a_request_makes_room_and_is_heard_first() {
        let start = Instant::now();
        let connections = connections(3, 3);
        let busy = enter(&connections, "10.0.0.1").await.unwrap();
        let _answering = busy.activity.begin();
        let [quiet, last] = [enter(&connections, "10.0.0.2").await.unwrap(), {
            tokio::time::sleep(Duration::from_millis(1)).await;
            enter(&connections, "10.0.0.3").await.unwrap()
        }];
        let coming = tokio::spawn({
            let connections = connections.clone();
            async move { enter(&connections, "10.0.0.4").await }
        });
        quiet.recalled().await;
        assert_eq!(start.elapsed(), HEARING);
        drop(quiet);
        let _come = coming.await.unwrap().unwrap();
        assert_eq!([&busy, &last].map(|ticket| ticket.recall.is_cancelled()), [false, false]);
        assert_eq!(connections.recalled(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_have_requests_who_has_most_gives_one_up_and_to_itself_none() {
        let connections = connections(3, 3);
        let mut tickets = Vec::new();
        for address in ["10.0.0.1", "10.0.0.2", "10.0.0.2"] {
            tickets.push(enter(&connections, address).await.unwrap());
        }
        let _answering: Vec<_> = tickets.iter().map(|ticket| ticket.activity.begin()).collect();
        let waits = timeout(10 * AGAIN, enter(&connections, "10.0.0.2")).await;
        assert!(waits.is_err() && connections.recalled() == 0);
        let waits = timeout(AGAIN / 2, enter(&connections, "10.0.0.3")).await;
        assert!(waits.is_err());
        assert_eq!(tickets.iter().map(|t| t.recall.is_cancelled()).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(connections.open().clients.len(), 2, "who stopped waiting is not counted");
    }
}
