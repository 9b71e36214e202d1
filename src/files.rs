//! Services that stand in files: for what does not register itself.
//!
//! ```text
//! kernel ─→ Watch ─┐
//! SIGHUP, HTTP ────┴→ places (what is there) ─→ read (text → registrations) ─→ Ledger ─→ Registry
//! ```
//!
//! `[[service]]` tables stand in the file of settings and in `services.d/*.toml` beside it, `[[backend]]` tables in the
//! file of the Plexus registry. Each file is an origin of its own, and the registry is told what a file holds, no more:
//! what comes into it is added, what changes is changed, what goes is taken away. A file with a mistake changes
//! nothing, from its first line to its last: what it held before stays, and the mistake is told by line. So does one
//! that became empty, for a while: it may be about to be written.
//!
//! The kernel says when to look. Every few seconds there is a look in any case, since there are file systems that say
//! nothing, and directories that come later.
//!
//! Road not taken: to watch each file. Editors write a new one beside it and move it into its place, and mounted
//! secrets change by a symbolic link above them.

mod following;
mod ledger;
mod places;
mod read;
mod watch;
mod written;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use crate::api::{FileFault, Reloaded, Terms};
use crate::metrics::Metrics;
use crate::registry::Registry;

use following::Following;
use ledger::Ledger;
use places::Places;
use written::Written;

pub use read::{Wrong, count_in_settings, line_at};

/// Reloads that may wait; the next ones wait for a place.
const QUEUE: usize = 16;

/// `[files]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The directory whose `*.toml` files hold services. A relative path is beside the file of settings, or below the
    /// data directory where there is none. Empty: none.
    pub dir: PathBuf,
    /// A file of the Plexus registry, whose `[[backend]]` tables are services. `~/` is the home directory. Empty: none.
    pub backends: PathBuf,
    /// The file of settings, which may hold services as well. Whoever read it says so.
    #[serde(skip)]
    pub settings: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self { dir: "services.d".into(), backends: PathBuf::new(), settings: PathBuf::new() }
    }
}

/// Set up, not yet running.
#[derive(Debug)]
pub struct Files {
    places: Places,
    calls: mpsc::Receiver<oneshot::Sender<Reloaded>>,
    reloads: Reloads,
}

/// A handle on the room while it runs: cheap to clone.
#[derive(Debug, Clone)]
pub struct Reloads {
    calls: mpsc::Sender<oneshot::Sender<Reloaded>>,
    faults: Arc<ArcSwap<Vec<FileFault>>>,
}

/// Reads all settings again, with the text of their file: those that differ from what the server runs with, or why they
/// are refused.
pub struct Reread(Box<Reading>);

type Reading = dyn Fn(&str) -> Result<Vec<String>, FileFault> + Send + Sync;

/// What registrations from files are held to, and where what names no address is.
#[derive(Debug, Clone)]
struct Ground {
    terms: Terms,
    here: IpAddr,
}

impl Files {
    /// Looks at nothing yet; a directory that is not there may come.
    pub fn bind(config: &Config, data_dir: &Path) -> Self {
        let (sender, calls) = mpsc::channel(QUEUE);
        let reloads = Reloads { calls: sender, faults: Arc::default() };
        Self { places: Places::new(config, data_dir), calls, reloads }
    }

    /// For whoever may ask for a reload.
    pub fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// Names its metrics.
    pub fn name_metrics(&self, metrics: &mut Metrics) {
        let faults = Arc::clone(&self.reloads.faults);
        metrics.collect(move |page| {
            let help = "Mistakes in files of services, each of which keeps its file from being taken in";
            page.gauge("file_faults", help, [([], faults.load().len() as u64)])
        });
    }

    /// Runs until `stop`. What names no address is `here`; settings are looked at by `reread`.
    pub async fn run(self, registry: Registry, terms: Terms, here: IpAddr, reread: Reread, stop: CancellationToken) {
        let Self { places, calls, reloads } = self;
        let ground = Arc::new(Ground { terms, here });
        let (places, reread) = (Arc::new(places), Arc::new(reread));
        let (ledger, written, restart, faults) = (Ledger::default(), Written::default(), Vec::new(), reloads.faults);
        let following = Following { places, ground, reread, registry, ledger, written, restart, faults };
        // Or the queue would never be closed.
        drop(reloads.calls);
        stop.run_until_cancelled(following.follow(calls)).instrument(info_span!("files")).await.unwrap_or_default();
    }
}

impl Reread {
    /// By `read`.
    pub fn new(read: impl Fn(&str) -> Result<Vec<String>, FileFault> + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }
}

impl Default for Reread {
    /// Settings that come from no file never differ.
    fn default() -> Self {
        Self::new(|_| Ok(Vec::new()))
    }
}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

impl Reloads {
    /// Reads all files again, changed or not; `None` where the server is about to end.
    pub async fn reload(&self) -> Option<Reloaded> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(answer).await.ok()?;
        answered.await.ok()
    }

    /// What is wrong with files now.
    pub fn faults(&self) -> Arc<Vec<FileFault>> {
        self.faults.load_full()
    }
}
