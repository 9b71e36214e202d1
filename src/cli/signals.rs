//! The two signals that end a program, and the one that does not end `serve`.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::files::Reloads;
use crate::http::AccessLog;

/// SIGTERM and SIGINT, caught from now on.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Name and number of the next one.
    pub(super) async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 15),
            _ = self.interrupt.recv() => ("SIGINT", 2),
        }
    }
}

/// SIGHUP, caught from now on: its default action would end the process with what is queued unwritten.
///
/// A terminal that closes sends it, and is no reason to stop; who sends it by hand is used to daemons that read their
/// files again, as this one does.
#[derive(Debug)]
pub(super) struct HangUps(Signal);

impl HangUps {
    pub(super) fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Has the files read again, and the access log begun anew, at each, for ever. What came of it is logged there.
    pub(super) async fn outlive(mut self, reloads: Reloads, access_log: Option<AccessLog>) -> Infallible {
        while self.0.recv().await.is_some() {
            info!("SIGHUP: going on; files are read again");
            if let Some(access_log) = &access_log {
                access_log.reopen();
            }
            reloads.reload().await;
        }
        std::future::pending().await
    }
}
