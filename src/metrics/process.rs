//! What the system says of the process, by the names that every Prometheus library uses.

use std::fmt;
use std::time::Duration;

use procfs::process::{LimitValue, Process};

use super::page::Page;

/// Writes `process_…`; nothing where the system does not tell, as without a `/proc`.
pub(super) fn report(page: &mut Page<'_>) -> fmt::Result {
    let alone = |value| [([], value)];
    let Ok(process) = Process::myself() else { return Ok(()) };
    if let Ok(stat) = process.stat() {
        let since = |ticks: u64| Duration::from_millis(ticks * 1000 / procfs::ticks_per_second());
        let used = since(stat.utime + stat.stime).as_secs_f64();
        page.counter("process_cpu_seconds", "CPU time of the process, its own and the system's for it", alone(used))?;
        if let Ok(booted) = procfs::boot_time_secs() {
            let started = (Duration::from_secs(booted) + since(stat.starttime)).as_secs_f64();
            page.gauge("process_start_time_seconds", "When the process began, in Unix time", alone(started))?;
        }
        let resident = stat.rss * procfs::page_size();
        page.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM", [([], resident)])?;
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
