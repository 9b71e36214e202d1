//! The log, on standard error: standard output is for what was asked for.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};

use tracing::info;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::config::Config;

/// A log that has begun, and may go on louder or quieter.
pub(super) struct Log {
    put: Box<dyn Fn(EnvFilter) + Send + Sync>,
    /// As the setting has it.
    filter: Mutex<String>,
}

impl Log {
    /// Begins it. Where nobody reads it any more, as when the terminal was closed, a line is lost and nothing is said of
    /// that: saying it there would be a panic.
    pub(super) fn start(config: &Config, json: bool) -> Self {
        let colours = io::stderr().is_terminal();
        let log = tracing_subscriber::fmt()
            .with_env_filter(config.log_filter())
            .with_writer(io::stderr)
            .with_ansi(colours)
            .log_internal_errors(false);
        let put = if json {
            let log = log.json().with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            putting(handle)
        } else {
            let log = log.with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            putting(handle)
        };
        Self { put, filter: Mutex::new(config.log.clone()) }
    }

    /// Goes on as `config` has it.
    pub(super) fn follow(&self, config: &Config) {
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        if *filter != config.log {
            filter.clone_from(&config.log);
            (self.put)(config.log_filter());
            info!("the log goes on with {:?}", config.log);
        }
    }
}

fn putting<S: 'static>(handle: Handle<EnvFilter, S>) -> Box<dyn Fn(EnvFilter) + Send + Sync> {
    Box::new(move |filter| {
        // It fails where the log has ended, and then there is nothing to filter.
        let _ = handle.reload(filter);
    })
}
