//! The rooms at work, and how they end: run, drain.
//!
//! Each has a task; one that ends unasked ends all, since a registry that answers DNS but takes no heartbeats would
//! slowly tell lies. The writer has a runtime of its own, with one thread that has nothing else to do: however much
//! work strangers make for the others, leases end in time, and heartbeats are applied. Draining goes against the flow: intake stops first and DNS last, since readers outlive writers.
//!
//! Roads not taken: strangers' work on a runtime of its own, since there is some in every other room, and whoever
//! embeds a server may have more on the one that it is run in; and to trust that all of it gives way often enough,
//! since one loop that does not holds up all leases.

use std::time::Duration;

use thiserror::Error;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long requests in flight may take after the stop. The three graces add up to 9 s, within the 10 s after which
/// `docker stop` kills.
const INTAKE_GRACE: Duration = Duration::from_secs(5);
/// How long the writer may take for what is queued: thousands of commits, or one on a disk that hangs.
const WRITER_GRACE: Duration = Duration::from_secs(3);
/// How long DNS may take for the questions at hand.
const DNS_GRACE: Duration = Duration::from_secs(1);

/// All rooms at work.
#[derive(Debug)]
pub(super) struct Rooms {
    pub(super) writer: Room,
    pub(super) dns: Room,
    pub(super) http: Room,
    pub(super) mdns: Room,
    pub(super) checks: Room,
    pub(super) files: Room,
    pub(super) own: Room,
    pub(super) tls: Room,
}

/// One room at work.
#[derive(Debug)]
pub(super) struct Room {
    name: &'static str,
    stop: CancellationToken,
    /// `None` once its end was seen: a task is not awaited twice.
    task: Option<JoinHandle<()>>,
    /// Where it has one for itself.
    runtime: Option<Runtime>,
}

/// Why it ended otherwise than by being told to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// A room ended by itself: a defect, whose message was logged.
    #[error("{0} ended unexpectedly; all else was stopped")]
    Ended(&'static str),
    /// What was queued was not written in time; nobody was told that it was.
    #[error("{0} did not finish within {grace}", grace = humantime::format_duration(*.1))]
    Late(&'static str, Duration),
}

impl Rooms {
    /// Waits for `stop`, or the first that ends unasked, and closes all in order.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Fault> {
        let ended = tokio::select! {
            () = stop.cancelled() => None,
            name = self.writer.ended() => Some(name),
            name = self.dns.ended() => Some(name),
            name = self.http.ended() => Some(name),
            name = self.mdns.ended() => Some(name),
            name = self.checks.ended() => Some(name),
            name = self.files.ended() => Some(name),
            name = self.own.ended() => Some(name),
            name = self.tls.ended() => Some(name),
        };
        info!("stopping: no new requests are taken, those at hand are answered");
        // What the intake does not finish was promised to nobody: that is no fault.
        let intake = tokio::join!(
            self.http.close(INTAKE_GRACE),
            self.mdns.close(INTAKE_GRACE),
            self.checks.close(INTAKE_GRACE),
            self.files.close(INTAKE_GRACE),
            self.own.close(INTAKE_GRACE),
            self.tls.close(INTAKE_GRACE),
        );
        let intake = <[_; 6]>::from(intake).into_iter().try_for_each(|closed| match closed {
            Err(late @ Fault::Late(..)) => {
                warn!("{late}; it was cut off");
                Ok(())
            }
            other => other,
        });
        let written = self.writer.close(WRITER_GRACE).await;
        let answered = self.dns.close(DNS_GRACE).await;
        match ended {
            Some(name) => Err(Fault::Ended(name)),
            None => written.and(intake).and(answered),
        }
    }
}

impl Room {
    /// Starts it; its parent is [`Rooms`], which closes it, or aborts it by being dropped.
    pub(super) fn open<F>(name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::open_on(&Handle::current(), name, run)
    }

    /// The same on a thread and with timers of its own, which no other can hold up.
    pub(super) fn open_apart<F>(name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_time().build();
        let runtime = runtime.expect("timers alone take nothing from the system");
        let mut room = Self::open_on(runtime.handle(), name, run);
        room.runtime = Some(runtime);
        room
    }

    fn open_on<F>(runtime: &Handle, name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = Some(runtime.spawn(run(stop.clone())));
        Self { name, stop, task, runtime: None }
    }

    /// Its name when it ends, by itself or in a panic, which the panic hook has told of.
    async fn ended(&mut self) -> &'static str {
        match &mut self.task {
            Some(task) => drop(task.await),
            None => std::future::pending().await,
        }
        self.task = None;
        self.name
    }

    /// Asks it to finish, and waits no longer than `grace`.
    async fn close(&mut self, grace: Duration) -> Result<(), Fault> {
        self.stop.cancel();
        let Some(task) = &mut self.task else { return Ok(()) };
        match tokio::time::timeout(grace, task).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_panic)) => Err(Fault::Ended(self.name)),
            Err(_elapsed) => Err(Fault::Late(self.name, grace)),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(runtime) = self.runtime.take() {
            // Dropped it would wait for its thread, which nobody may within another runtime.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Longer than a thread takes to start on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A room that waits for its stop and then writes its name down.
    fn waiting(name: &'static str, closed: &Arc<Mutex<Vec<&'static str>>>) -> Room {
        let closed = Arc::clone(closed);
        Room::open(name, |stop| async move {
            stop.cancelled().await;
            closed.lock().unwrap().push(name);
        })
    }

    fn rooms(closed: &Arc<Mutex<Vec<&'static str>>>) -> Rooms {
        Rooms {
            writer: waiting("the writer", closed),
            dns: waiting("DNS", closed),
            http: waiting("HTTP", closed),
            mdns: waiting("mDNS", closed),
            checks: waiting("checks", closed),
            files: waiting("files", closed),
            own: waiting("self", closed),
            tls: waiting("TLS", closed),
        }
    }

    #[tokio::test]
    async fn intake_closes_first_and_dns_last() {
        let closed = Arc::default();
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(rooms(&closed).run(stop).await, Ok(()));
        let mut order = closed.lock().unwrap().clone();
        order[..6].sort_unstable();
        assert_eq!(order, ["HTTP", "TLS", "checks", "files", "mDNS", "self", "the writer", "DNS"]);
    }

    #[tokio::test]
    async fn a_room_that_ends_by_itself_ends_all_in_order() {
        let closed = Arc::default();
        let mut rooms = rooms(&closed);
        rooms.dns = Room::open("DNS", |_| async { panic!("a defect") });
        assert_eq!(rooms.run(CancellationToken::new()).await, Err(Fault::Ended("DNS")));
        assert_eq!(closed.lock().unwrap().last(), Some(&"the writer"), "what was queued is still written");
    }

    #[tokio::test]
    async fn a_room_that_fails_while_it_finishes_is_a_fault() {
        let failing = |name| {
            Room::open(name, |stop| async move {
                stop.cancelled().await;
                panic!("a defect");
            })
        };
        let stop = CancellationToken::new();
        stop.cancel();
        let mut first = rooms(&Arc::default());
        first.writer = failing("the writer");
        assert_eq!(first.run(stop.clone()).await, Err(Fault::Ended("the writer")));
        let mut second = rooms(&Arc::default());
        second.http = failing("HTTP");
        assert_eq!(second.run(stop).await, Err(Fault::Ended("HTTP")));
    }

    #[tokio::test]
    async fn a_room_apart_goes_on_while_the_others_hold_up_their_runtime() {
        let (tell, told) = mpsc::channel();
        let mut room = Room::open_apart("the writer", |stop| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tell.send("by a timer").unwrap();
            stop.cancelled().await;
        });
        // This is the one thread of the test's runtime.
        assert_eq!(told.recv_timeout(PATIENCE), Ok("by a timer"));
        assert_eq!(room.close(WRITER_GRACE).await, Ok(()));
    }

    #[tokio::test]
    async fn a_room_apart_ends_with_its_server_and_its_defects_end_all() {
        let (alive, ended) = mpsc::channel::<()>();
        drop(Room::open_apart("the writer", |_| async move {
            std::future::pending::<()>().await;
            drop(alive);
        }));
        assert_eq!(ended.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        let mut rooms = rooms(&Arc::default());
        rooms.writer = Room::open_apart("the writer", |_| async { panic!("a defect") });
        assert_eq!(rooms.run(CancellationToken::new()).await, Err(Fault::Ended("the writer")));
    }

    #[tokio::test(start_paused = true)]
    async fn intake_that_hangs_is_cut_off_and_a_writer_that_hangs_is_a_fault() {
        let hanging = |name| Room::open(name, |_| std::future::pending());
        let stop = CancellationToken::new();
        stop.cancel();
        let mut first = rooms(&Arc::default());
        first.http = hanging("HTTP");
        assert_eq!(first.run(stop.clone()).await, Ok(()));
        let mut second = rooms(&Arc::default());
        second.writer = hanging("the writer");
        assert_eq!(second.run(stop).await, Err(Fault::Late("the writer", WRITER_GRACE)));
    }
}
