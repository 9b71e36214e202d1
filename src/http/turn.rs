//! Work that grows with the registry: while others are served, and one request's at a time.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::api::{Kind, Problem};

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// What `work` comes to, when its turn has come.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.0).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            // Held to the end, also where the client has gone.
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // A runtime that ends begins nothing more.
            Err(_cancelled) => Problem::new(Kind::ShuttingDown, "the registry is shutting down"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::runtime::Runtime;

    use super::*;

    #[test]
    fn who_asks_a_server_that_ends_is_told_so() {
        let (turn, runtime) = (Turn::default(), Runtime::new().unwrap());
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _within = handle.enter();
        let taken = pin!(turn.take(|| "done")).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(problem)) = taken else { panic!("{taken:?}") };
        assert_eq!(problem.known(), Some(Kind::ShuttingDown));
    }

    #[tokio::test]
    async fn one_follows_the_other_also_where_the_first_has_gone() {
        let turn = Turn::default();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (finish, may_finish) = std::sync::mpsc::channel();
        let first = turn.take(move || {
            begun.send(()).unwrap();
            may_finish.recv().unwrap();
        });
        // Its client goes as soon as it is at work.
        tokio::select! {
            biased;
            _ = first => unreachable!("it may not finish yet"),
            begun = tokio::task::spawn_blocking(move || has_begun.recv()) => begun.unwrap().unwrap(),
        }
        let second = turn.take(|| ());
        let mut second = pin!(second);
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(turn.0.try_lock().is_err(), "the first works on");
        finish.send(()).unwrap();
        second.await.unwrap();
    }
}
