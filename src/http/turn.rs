//! Work that grows with the registry: while others are served, and one request's at a time.
//!
//! Each network has a line of its own, and the first of each line take turns: however many requests one client sends, it
//! holds up another by one. What is done piece by piece, as lists are, comes to its turn for each, behind those of its
//! line.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

use crate::api::{Kind, Problem};
use crate::service::network;

use super::wait;

/// Requests of one client in line, at most: as many as may `wait`, which look before they do, and some more.
const IN_LINE_MAX: usize = wait::WAITERS_PER_CLIENT + 50;
/// Requests in all lines, at most.
const IN_LINES_MAX: usize = 2_000;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn {
    turn: Line,
    /// By network. Whoever is in a line, or has come to its turn, holds it.
    lines: Mutex<HashMap<IpAddr, Line>>,
}

/// The requests of one network, or the first ones of all.
pub(super) type Line = Arc<Queue<()>>;

/// That it is somebody's turn, until this is dropped.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "held, not looked at")] [OwnedMutexGuard<()>; 2]);

impl Turn {
    /// What `work` comes to, when the turn of `client` has come.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        client: IpAddr,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let held = self.come(self.line_up(client)?).await;
        let done = tokio::task::spawn_blocking(move || {
            // Held to the end, also where the client has gone.
            let _held = held;
            work()
        });
        done.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // A runtime that ends begins nothing more.
            Err(_cancelled) => Problem::new(Kind::ShuttingDown, "the registry is shutting down"),
        })
    }

    /// Waits for the turn of a line's next piece, which is to be a small one.
    pub(super) async fn come(&self, line: Line) -> Held {
        let first = line.lock_owned().await;
        Held([Arc::clone(&self.turn).lock_owned().await, first])
    }

    /// That of a client, for who comes piece by piece: so many may as have requests.
    pub(super) fn line(&self, client: IpAddr) -> Line {
        Arc::clone(self.lines().entry(network(client)).or_default())
    }

    fn line_up(&self, client: IpAddr) -> Result<Line, Problem> {
        let busy = |detail: String| Err(Problem::new(Kind::Busy, detail));
        let mut lines = self.lines();
        if lines.values().map(length).sum::<usize>() >= IN_LINES_MAX {
            return busy(format!("{IN_LINES_MAX} requests wait for their turn, which is the limit; ask again later"));
        }
        let line = lines.entry(network(client)).or_default();
        if length(line) >= IN_LINE_MAX {
            let detail = format!(
                "{IN_LINE_MAX} requests from your address wait for their turn, which is the limit; ask again when some \
                 are answered"
            );
            return busy(detail);
        }
        Ok(Arc::clone(line))
    }

    /// Those in which somebody is.
    fn lines(&self) -> MutexGuard<'_, HashMap<IpAddr, Line>> {
        // Whoever panicked left the map whole: every change of it is one call.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| length(line) > 0);
        lines
    }
}

/// How many are in it.
fn length(line: &Line) -> usize {
    Arc::strong_count(line) - 1
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use tokio::runtime::Runtime;
    use tokio::sync::oneshot;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn who_asks_a_server_that_ends_is_told_so() {
        let (turn, runtime) = (Turn::default(), Runtime::new().unwrap());
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _within = handle.enter();
        let taken = pin!(turn.take(HERE, || "done")).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(problem)) = taken else { panic!("{taken:?}") };
        assert_eq!(problem.known(), Some(Kind::ShuttingDown));
    }

    #[tokio::test]
    async fn one_follows_the_other_also_where_the_first_has_gone() {
        let turn = Turn::default();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (finish, may_finish) = std::sync::mpsc::channel();
        let first = turn.take(HERE, move || {
            begun.send(()).unwrap();
            may_finish.recv().unwrap();
        });
        // Its client goes as soon as it is at work.
        tokio::select! {
            biased;
            _ = first => unreachable!("it may not finish yet"),
            begun = tokio::task::spawn_blocking(move || has_begun.recv()) => begun.unwrap().unwrap(),
        }
        let second = turn.take(HERE, || ());
        let mut second = pin!(second);
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(turn.turn.try_lock().is_err(), "the first works on");
        finish.send(()).unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_line_of_one_client_holds_up_another_by_one_and_has_an_end() {
        let turn = Arc::new(Turn::default());
        let done = Arc::new(Mutex::new(Vec::new()));
        let (begun, has_begun) = oneshot::channel();
        let (finish, may_finish) = std::sync::mpsc::channel();
        let queue = |client, name: &'static str| {
            let (turn, done) = (Arc::clone(&turn), Arc::clone(&done));
            tokio::spawn(async move { turn.take(client, move || done.lock().unwrap().push(name)).await })
        };
        let first = tokio::spawn({
            let turn = Arc::clone(&turn);
            async move {
                let work = move || {
                    begun.send(()).unwrap();
                    may_finish.recv().unwrap();
                };
                turn.take(HERE, work).await
            }
        });
        has_begun.await.unwrap();
        let mut queued: Vec<_> = (1..IN_LINE_MAX).map(|_| queue(HERE, "one of many")).collect();
        // On one thread: each gets in line when it first runs, which is in the order they were begun.
        let too_many = queue(HERE, "too many").await.unwrap().unwrap_err();
        assert_eq!(too_many.known(), Some(Kind::Busy));
        assert!(too_many.detail.contains("from your address"), "{too_many:?}");
        queued.push(queue(THERE, "another"));
        tokio::task::yield_now().await;
        finish.send(()).unwrap();
        first.await.unwrap().unwrap();
        for queued in queued {
            queued.await.unwrap().unwrap();
        }
        let done = done.lock().unwrap();
        assert_eq!(done.len(), IN_LINE_MAX);
        // Who was the first of its line came before it.
        assert!(done[..2].contains(&"another"), "{:?}", done.iter().position(|name| *name == "another"));
        assert!(turn.line_up(HERE).is_ok() && turn.lines.lock().unwrap().len() == 1, "lines go with who stood in them");
    }

    #[tokio::test]
    async fn who_comes_piece_by_piece_is_behind_its_line_and_no_other() {
        let turn = Turn::default();
        let (here, there) = (turn.line(HERE), turn.line(THERE));
        let pending = |coming: Pin<&mut _>| Future::poll(coming, &mut Context::from_waker(Waker::noop())).is_pending();
        let held = turn.come(Arc::clone(&here)).await;
        let (mut second, mut third) = (pin!(turn.come(Arc::clone(&here))), pin!(turn.come(here)));
        let mut other = pin!(turn.come(there));
        assert!(pending(second.as_mut()) && pending(third.as_mut()) && pending(other.as_mut()));
        drop(held);
        let held = other.await;
        assert!(pending(second.as_mut()) && pending(third.as_mut()));
        drop(held);
        drop(second.await);
        drop(third.await);
    }
}
