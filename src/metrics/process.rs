//! What the system says of the process, by the names that every Prometheus library uses.

use std::fmt;
use std::time::Duration;

use procfs::process::{LimitValue, Process, Stat};

use super::page::Page;

/// What the process has used and has.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// CPU time, its own and the system's for it.
    pub cpu: Duration,
    /// Octets that are in RAM.
    pub memory: u64,
}

impl Usage {
    /// Until now; `None` where the system does not tell, as without a `/proc`.
    pub fn now() -> Option<Self> {
        Some(Self::of(&Process::myself().ok()?.stat().ok()?))
    }

    fn of(stat: &Stat) -> Self {
        Self { cpu: since(stat.utime + stat.stime), memory: stat.rss * procfs::page_size() }
    }
}

fn since(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / procfs::ticks_per_second())
}

/// Writes `process_…`; nothing where the system does not tell, as without a `/proc`.
pub(super) fn report(page: &mut Page<'_>) -> fmt::Result {
    let alone = |value| [([], value)];
    let Ok(process) = Process::myself() else { return Ok(()) };
    if let Ok(stat) = process.stat() {
        let used = Usage::of(&stat);
        let cpu = alone(used.cpu.as_secs_f64());
        page.counter("process_cpu_seconds", "CPU time of the process, its own and the system's for it", cpu)?;
        if let Ok(booted) = procfs::boot_time_secs() {
            let started = (Duration::from_secs(booted) + since(stat.starttime)).as_secs_f64();
            page.gauge("process_start_time_seconds", "When the process began, in Unix time", alone(started))?;
        }
        page.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM", [([], used.memory)])?;
        page.gauge("process_virtual_memory_bytes", "Memory of the process, mapped", [([], stat.vsize)])?;
    }
    if let Ok(open) = process.fd_count() {
        page.gauge("process_open_fds", "File descriptors that are open", [([], open)])?;
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        page.gauge("process_max_fds", "File descriptors that may be open", [([], most)])?;
    }
    Ok(())
}
