//! Calls that look: pages of instances, and one as soon as there is one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{Filter, Kind, Page, Problem};
use crate::http::select::Selection;
use crate::http::{listing, pick, wait};

use super::caller::Caller;
use super::spent::Spent;

/// How long to wait for a service, without a wish.
const WAIT: Duration = Duration::from_secs(15);

impl Caller {
    /// What the filter means, after the wait that it has.
    pub(super) async fn page(&self, filter: Filter, spent: &mut Spent) -> Result<Page, Problem> {
        let selection = Arc::new(Selection::new(&filter, &self.principal)?);
        if let Some(time) = filter.wait {
            let longest = wait::longest(&self.edge.config);
            // A batch waits no longer than one call may.
            let time = if time > longest { time } else { time.min(longest.saturating_sub(spent.waited)) };
            let begun = Instant::now();
            let listed = wait::until_listed(&self.edge, &selection, self.principal.sender, time).await;
            spent.waited += begun.elapsed();
            listed?;
        }
        let page = match &filter.pick {
            Some(pick) => pick::one(&self.edge, &selection, pick, &filter, self.principal.sender).await?,
            None => listing::gathered(&self.edge, &self.principal, filter).await?,
        };
        spent.shown += page.instances.len();
        Ok(page)
    }

    /// What is served, the lowest priority first.
    pub(super) async fn lookup(&self, filter: Filter, spent: &mut Spent) -> Result<Page, Problem> {
        let mut page = self.page(Filter { served: Some(true), ..filter }, spent).await?;
        page.instances.sort_by_key(|instance| instance.priority);
        Ok(page)
    }

    /// The same as soon as there is something, which there has to be within the time.
    pub(super) async fn wait_for(&self, filter: Filter, spent: &mut Spent) -> Result<Page, Problem> {
        let time = filter.wait.unwrap_or_else(|| WAIT.min(wait::longest(&self.edge.config)));
        let service = filter.service.clone().unwrap_or_default();
        let page = self.lookup(Filter { wait: Some(time), ..filter }, spent).await?;
        if page.instances.is_empty() {
            let time = humantime::format_duration(time);
            let detail = format!("of {service:?} nothing that was asked for was served within {time}");
            return Err(Problem::new(Kind::NotRegistered, detail));
        }
        Ok(page)
    }
}
