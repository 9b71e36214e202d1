//! The signals that end a program, and the one that does not end `serve`.

use std::convert::Infallible;
use std::fs;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tracing::info;

use crate::files::Reloads;
use crate::http::AccessLog;

/// SIGTERM and SIGINT, caught from now on, and SIGHUP where that ends the program.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    /// Of a program that outlives its terminal.
    pub(super) fn catch() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hang_up: None })
    }

    /// Of a program that ends with its terminal, unless whoever started it has it ignore that, as `nohup` does.
    pub(super) fn catch_all() -> io::Result<Self> {
        let hang_up = SignalKind::hangup();
        let hang_up = if is_ignored(hang_up) { None } else { Some(signal(hang_up)?) };
        Ok(Self { hang_up, ..Self::catch()? })
    }

    /// Name and number of the next one. SIGHUP is the first or none: a terminal that closes sends it twice at times, from its
    /// shell and from the kernel, and nobody is in a hurry then.
    pub(super) async fn next(&mut self) -> (&'static str, u8) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        let next = tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 15),
            _ = self.interrupt.recv() => ("SIGINT", 2),
            _ = hang_up => ("SIGHUP", 1),
        };
        // It stays caught, and does nothing.
        self.hang_up = None;
        next
    }
}

/// Whether the process was started to ignore it: of this the kernel tells as a mask (`SigIgn` of `proc_pid_status(5)`).
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (kind.as_raw_value() - 1) & 1 == 1
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

    /// Has the access log begun anew, and the files read again, at each, for ever. What came of it is logged there.
    ///
    /// Files may lie on a disk that hangs: then they are read once more when that is over, however often it was asked for,
    /// and the log is begun anew all the same.
    pub(super) async fn outlive(mut self, reloads: Reloads, access_log: Option<AccessLog>) -> Infallible {
        // It keeps one, not how many.
        let asked = Notify::new();
        let read = async {
            loop {
                asked.notified().await;
                reloads.reload().await;
            }
        };
        let hear = async {
            while self.0.recv().await.is_some() {
                info!("SIGHUP: going on; files are read again");
                if let Some(access_log) = &access_log {
                    access_log.reopen();
                }
                asked.notify_one();
            }
            std::future::pending().await
        };
        tokio::select! {
            never = read => never,
            never = hear => never,
        }
    }
}
