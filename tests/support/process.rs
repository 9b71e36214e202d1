//! What a process takes of the system, as `/proc` says.

use std::fs;
use std::time::Duration;

use super::Portolan;

impl Portolan {
    /// Octets of memory that are resident.
    #[track_caller]
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that ever were.
    #[track_caller]
    pub fn resident_most(&self) -> u64 {
        self.memory("VmHWM:")
    }

    #[track_caller]
    fn memory(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("Linux says it in kB");
        line.trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
    }

    /// Open descriptors.
    #[track_caller]
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count()
    }

    /// What it has had of the processors so far, in its own code and in the kernel's for it.
    #[track_caller]
    pub fn processor_time(&self) -> Duration {
        // Of what user space sees, whatever the kernel's own clock is (proc_pid_stat(5), USER_HZ).
        const TICK: Duration = Duration::from_millis(10);
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it runs");
        // The name, in parentheses, may have spaces; the fields after it are counted from 3, and utime is 14.
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let times = fields.split(' ').skip(14 - 3).take(2);
        times.map(|ticks| TICK * ticks.parse::<u32>().expect("a number")).sum()
    }
}
