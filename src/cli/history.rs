//! `portolan history`: what became of an instance lately, for people who ask why it was away.

use clap::Args;

use crate::api::Flip;

use super::failure::Failure;
use super::named::Named;
use super::output;

/// Tell when an instance came, went and changed its status, and why; exits with 1 if nothing is known of it.
#[derive(Debug, Args)]
pub(super) struct History {
    #[command(flatten)]
    named: Named,
}

impl History {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Named { service, instance, registry, json } = self.named;
        let Some(history) = registry.client()?.history(&service, &instance).await? else {
            return Err(Failure::Nothing(format!("nothing is known of {instance} of {service}")));
        };
        if json {
            output::json(&history)?;
        } else {
            let rows: Vec<_> = history.flips.iter().map(row).collect();
            output::table(["TIME", "STATUS", "CAUSE", "REASON", "SOURCE"], &rows)?;
        }
        Ok(())
    }
}

fn row(flip: &Flip) -> [String; 5] {
    [
        flip.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        flip.status.map_or_else(|| "gone".to_owned(), |status| status.to_string()),
        flip.cause.as_str().to_owned(),
        flip.reason.clone().unwrap_or_default(),
        flip.source.to_string(),
    ]
}
