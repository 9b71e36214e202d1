//! How many files may be open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Config;

/// Descriptors beside connections: sockets that listen, the store, what the runtime has.
const OTHER_DESCRIPTORS: u64 = 64;

/// Raises the limit of open files to what the system allows: the usual 1024 is below our limits of connections, and
/// is that low only for programs that use `select`.
pub(super) fn allow(config: &Config) {
    let limits = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    let allowed = if raised.is_ok() { limits.maximum } else { limits.current };
    let needed =
        (config.http.connections + config.dns.tcp_connections + config.checks.concurrency) as u64 + OTHER_DESCRIPTORS;
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        warn!(
            "{allowed} files may be open, and http.connections, dns.tcp_connections and checks.concurrency may need {needed}: raise the \
             limit (ulimit -n, LimitNOFILE=) or lower them"
        );
    }
}
