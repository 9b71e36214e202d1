//! Whether anything happens on a connection, whichever version of HTTP it speaks.
//!
//! What happens is noted and wakes nobody: who waits for quiet looks again when it could have come at the earliest.
//! Road not taken: a channel that tells of each change. Every request would wake its own connection's task, which has
//! nothing to do then, several times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Of one connection; clones are of the same one.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    /// Requests that are being answered: of HTTP/1.1 one at a time, of HTTP/2 many.
    answering: AtomicUsize,
    /// Answers that are being taken.
    taking: AtomicUsize,
    begun: Instant,
    /// When something happened last, in nanoseconds since it begun.
    since: AtomicU64,
}

/// A request that is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering(Activity);

/// An answer that is being taken until this is dropped.
#[derive(Debug)]
pub(super) struct Taking(Activity);

impl Activity {
    /// Of a connection that begins now.
    pub(super) fn new() -> Self {
        let (answering, taking, since) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        Self(Arc::new(State { answering, taking, begun: Instant::now(), since }))
    }

    /// The head of a request has come.
    pub(super) fn begin(&self) -> Answering {
        self.0.answering.fetch_add(1, Ordering::Relaxed);
        self.touch();
        Answering(self.clone())
    }

    /// There is an answer to be taken, of a request that has just been answered.
    pub(super) fn begin_to_take(&self) -> Taking {
        self.0.taking.fetch_add(1, Ordering::Relaxed);
        Taking(self.clone())
    }

    /// Whether a request is in hand: it is being answered, or its answer is being taken.
    pub(super) fn has_request(&self) -> bool {
        self.is_answering() || self.0.taking.load(Ordering::Acquire) > 0
    }

    /// When something happened last.
    pub(super) fn since(&self) -> Instant {
        self.0.begun + Duration::from_nanos(self.0.since.load(Ordering::Relaxed))
    }

    pub(super) fn is_answering(&self) -> bool {
        self.0.answering.load(Ordering::Acquire) > 0
    }

    /// Waits until nothing is being answered and nothing has happened for so long.
    pub(super) async fn quiet(&self, idle: Duration) {
        loop {
            // What is being answered ends later than now, if only just.
            let since = if self.is_answering() { Instant::now() } else { self.since() };
            if since + idle <= Instant::now() {
                return;
            }
            sleep_until(since + idle).await;
        }
    }

    fn touch(&self) {
        let nanoseconds = u64::try_from(self.0.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.since.store(nanoseconds, Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // First: who sees that nothing is being answered sees since when.
        self.0.touch();
        self.0.0.answering.fetch_sub(1, Ordering::Release);
    }
}

impl Taking {
    /// The client has taken something.
    pub(super) fn touch(&self) {
        self.0.touch();
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.0.touch();
        self.0.0.taking.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn quiet_is_so_long_after_the_last_answer_or_the_last_that_was_taken() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let activity = Activity::new();
        let answering = activity.begin();
        let taking = activity.begin_to_take();
        tokio::spawn(async move {
            tokio::time::sleep(5 * second).await;
            drop(answering);
            tokio::time::sleep(second / 2).await;
            taking.touch();
        });
        activity.quiet(second).await;
        assert_eq!(start.elapsed(), 6 * second + second / 2);
    }
}
