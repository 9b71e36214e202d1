//! Whether anything happens on a connection, whichever version of HTTP it speaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Of one connection; clones are of the same one.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<watch::Sender<State>>);

#[derive(Debug, Clone, Copy)]
struct State {
    /// Requests that are being answered: of HTTP/1.1 one at a time, of HTTP/2 many.
    answering: usize,
    /// Answers that are being taken.
    taking: usize,
    /// When something happened last.
    since: Instant,
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
        Self(Arc::new(watch::Sender::new(State { answering: 0, taking: 0, since: Instant::now() })))
    }

    /// The head of a request has come.
    pub(super) fn begin(&self) -> Answering {
        self.change(|state| state.answering += 1);
        Answering(self.clone())
    }

    /// There is an answer to be taken.
    pub(super) fn begin_to_take(&self) -> Taking {
        self.change(|state| state.taking += 1);
        Taking(self.clone())
    }

    /// Whether a request is in hand: it is being answered, or its answer is being taken.
    pub(super) fn has_request(&self) -> bool {
        let state = self.0.borrow();
        state.answering > 0 || state.taking > 0
    }

    /// When something happened last.
    pub(super) fn since(&self) -> Instant {
        self.0.borrow().since
    }

    pub(super) fn is_answering(&self) -> bool {
        self.0.borrow().answering > 0
    }

    /// Waits until nothing is being answered and nothing has happened for so long.
    pub(super) async fn quiet(&self, idle: Duration) {
        let mut state = self.0.subscribe();
        loop {
            let State { answering, since, .. } = *state.borrow_and_update();
            if answering > 0 {
                // The sender is `self`: it is there.
                let _ = state.changed().await;
            } else if timeout_at(since + idle, state.changed()).await.is_err() {
                return;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.send_modify(|state| {
            change(state);
            state.since = Instant::now();
        });
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.change(|state| state.answering -= 1);
    }
}

impl Taking {
    /// The client has taken something.
    pub(super) fn touch(&self) {
        self.0.change(|_| {});
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.0.change(|state| state.taking -= 1);
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
