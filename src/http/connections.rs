//! How many connections there may be: in all, and from one client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Counter;
use crate::service::network;

/// The count. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    total: Arc<Semaphore>,
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_client: usize,
    refused: Counter,
}

/// Room for one connection, not yet taken by a client.
pub(super) struct Room {
    connections: Connections,
    _permit: OwnedSemaphorePermit,
}

/// A connection that is counted until this is dropped.
pub(super) struct Ticket {
    client: IpAddr,
    room: Room,
}

impl Connections {
    pub(super) fn new(total: usize, per_client: usize) -> Self {
        let total = Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS)));
        Self { total, clients: Arc::default(), per_client, refused: Counter::default() }
    }

    /// Waits for room.
    pub(super) async fn room(&self) -> Room {
        let permit = Arc::clone(&self.total).acquire_owned().await.expect("the semaphore is never closed");
        Room { connections: self.clone(), _permit: permit }
    }

    /// How many there are.
    pub(super) fn open(&self) -> usize {
        self.clients().values().sum()
    }

    /// How many were not let in, since their client had its share.
    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Gives the room to a client, unless it has taken enough.
    pub(super) fn enter(self, address: IpAddr) -> Option<Ticket> {
        let client = network(address);
        {
            let mut clients = self.connections.clients();
            let count = clients.entry(client).or_default();
            if *count >= self.connections.per_client {
                self.connections.refused.inc();
                return None;
            }
            *count += 1;
        }
        Some(Ticket { client, room: self })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.room.connections.clients().entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_has_its_share_and_gets_it_back() {
        let connections = Connections::new(10, 2);
        let enter = async |address: &str| connections.room().await.enter(address.parse().unwrap());
        let first = enter("2001:db8::1").await.unwrap();
        let second = enter("2001:db8::2").await.unwrap();
        assert!(enter("2001:db8::3").await.is_none());
        assert!(enter("10.0.0.1").await.is_some());
        assert_eq!((connections.open(), connections.refused()), (2, 1));
        drop(first);
        assert!(enter("2001:db8::3").await.is_some());
        // What is counted is forgotten with the last connection.
        drop(second);
        assert!(connections.clients().is_empty());
        assert_eq!(connections.total.available_permits(), 10);
    }
}
