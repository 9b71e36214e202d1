//! Places for requests that last: so many in all, and so many for one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::service::network;

/// Who has a place, by client. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
    per_client: usize,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    client: IpAddr,
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Full {
    ForAll,
    ForClient,
}

impl Places {
    pub(super) fn new(most: usize, per_client: usize) -> Self {
        Self { taken: Arc::default(), most, per_client }
    }

    pub(super) fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let client = network(address);
        let mut taken = self.taken();
        let (all, own) = (taken.values().sum::<usize>(), taken.get(&client).copied().unwrap_or_default());
        if all >= self.most {
            return Err(Full::ForAll);
        }
        if own >= self.per_client {
            return Err(Full::ForClient);
        }
        taken.insert(client, own + 1);
        Ok(Place { places: self.clone(), client })
    }

    /// How many are taken.
    pub(super) fn count(&self) -> usize {
        self.taken().values().sum()
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Whoever panicked left the map whole: every change of it is one call.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get(&self.client) {
            Some(&own) if own > 1 => taken.insert(self.client, own - 1),
            _ => taken.remove(&self.client),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_part_and_all_have_the_whole() {
        let places = Places::new(3, 2);
        let [one, same, other, third] =
            ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let first = places.enter(one).unwrap();
        let _second = places.enter(same).unwrap();
        assert_eq!(places.enter(one).unwrap_err(), Full::ForClient, "one /64 is one client");
        let _third = places.enter(other).unwrap();
        assert_eq!(places.enter(third).unwrap_err(), Full::ForAll);
        drop(first);
        assert_eq!(places.count(), 2);
        places.enter(one).unwrap();
    }
}
