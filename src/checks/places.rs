//! How many checks are under way at once: of all, and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Places for checks. Who waits for a place of its address holds none that others could have.
#[derive(Debug)]
pub(super) struct Places {
    all: Semaphore,
    most: usize,
    per_address: usize,
    /// Those that are checked, or waited for, now.
    addresses: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
    waiting: AtomicUsize,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_address: OwnedSemaphorePermit,
    /// Last, when the permit of the address is given back.
    _stay: Stay<'a>,
}

/// Somebody waits for an address, or checks it.
#[derive(Debug)]
struct Stay<'a> {
    places: &'a Places,
    address: IpAddr,
    of_address: Option<Arc<Semaphore>>,
}

/// Somebody waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Places {
    pub(super) fn new(most: usize, per_address: usize) -> Self {
        let (addresses, waiting) = (Mutex::default(), AtomicUsize::new(0));
        Self { all: Semaphore::new(most), most, per_address, addresses, waiting }
    }

    /// Waits for a place to check `address`.
    pub(super) async fn take(&self, address: IpAddr) -> Place<'_> {
        let _waiting = Waiting::begin(&self.waiting);
        let of_address = {
            let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(addresses.entry(address).or_insert_with(|| Arc::new(Semaphore::new(self.per_address))))
        };
        let stay = Stay { places: self, address, of_address: Some(Arc::clone(&of_address)) };
        let of_address = of_address.acquire_owned().await.expect("it is never closed");
        let of_all = self.all.acquire().await.expect("it is never closed");
        Place { _of_all: of_all, _of_address: of_address, _stay: stay }
    }

    /// Checks that are under way.
    pub(super) fn taken(&self) -> usize {
        self.most - self.all.available_permits()
    }

    /// Checks that are due and wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.of_address = None;
        let mut addresses = self.places.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.get(&self.address).is_some_and(|others| Arc::strong_count(others) == 1) {
            addresses.remove(&self.address);
        }
    }
}

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// What `future` gives without waiting.
    async fn at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn one_address_takes_its_share_and_all_take_no_more_than_there_is() {
        let places = Places::new(3, 2);
        let [a, b, c] = [1, 2, 3].map(|n| IpAddr::from([10, 0, 0, n]));
        let first = places.take(a).await;
        let _second = places.take(a).await;
        let mut third = pin!(places.take(a));
        assert!(at_once(&mut third).await.is_none(), "two to one address");
        let other = places.take(b).await;
        let mut another = pin!(places.take(c));
        assert!(at_once(&mut another).await.is_none(), "three in all");
        assert_eq!((places.taken(), places.waiting()), (3, 2));
        drop(first);
        assert!(at_once(&mut another).await.is_some(), "a place that is free goes to who waited for that alone");
        drop(other);
        assert!(at_once(&mut third).await.is_some());
    }

    #[tokio::test]
    async fn what_nobody_checks_any_more_is_forgotten() {
        let places = Places::new(1, 1);
        let [a, b] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        let place = places.take(a).await;
        {
            let mut given_up = Box::pin(places.take(b));
            assert!(at_once(&mut given_up).await.is_none());
            assert_eq!(places.addresses.lock().unwrap().len(), 2);
        }
        drop(place);
        assert_eq!((places.addresses.lock().unwrap().len(), places.taken(), places.waiting()), (0, 0, 0));
    }
}
