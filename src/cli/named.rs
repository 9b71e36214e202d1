//! An instance that is named to a command.

use clap::Args;

use super::Registry;

/// What `deregister` and `history` are about.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// auth, _auth._tcp or @scope/name.
    pub(super) service: String,
    /// Its name, as list shows it.
    pub(super) instance: String,
    #[command(flatten)]
    pub(super) registry: Registry,
    /// Print what there is to say as JSON.
    #[arg(long)]
    pub(super) json: bool,
}
