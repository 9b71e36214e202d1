//! `portolan explain`: why DNS answers a question as it does, for people who expected something else.

use clap::Args;
use jiff::Timestamp;

use crate::api::{Candidate, Explanation, Size};

use super::Registry;
use super::failure::Failure;
use super::output;

/// Show what DNS answers to a question, and why: what is in the answer, what is not, TTL and sizes; exits with 1 if
/// there is no record.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A whole name, such as _auth._tcp.registry.local, or that of a service.
    name: String,
    /// A record type, such as SRV; without one, the type that one would ask for first.
    #[arg(value_name = "TYPE")]
    rtype: Option<String>,
    #[command(flatten)]
    registry: Registry,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let explanation = self.registry.client()?.explain(&self.name, self.rtype.as_deref()).await?;
        if self.json {
            output::json(&explanation)?;
        } else {
            print(&explanation)?;
        }
        let Explanation { reply, .. } = &explanation;
        if reply.records.is_empty() {
            return Err(Failure::Nothing(format!("{} {} has no records: {}", reply.name, reply.rtype, reply.code)));
        }
        Ok(())
    }
}

fn print(explanation: &Explanation) -> Result<(), Failure> {
    let Explanation { reply, instances, answered, left_out, not_shown } = explanation;
    let mut facts = vec![
        ["question".to_owned(), format!("{} {}", reply.name, reply.rtype)],
        ["zone".to_owned(), reply.zone.clone().unwrap_or_else(|| "none of ours".to_owned())],
        ["rule".to_owned(), reply.rule.clone()],
        ["code".to_owned(), reply.code.clone()],
    ];
    if let (Some(ttl), Some(from)) = (reply.ttl, &reply.ttl_from) {
        facts.push(["TTL".to_owned(), format!("{ttl} s, from {from}")]);
    }
    if let Some(remark) = &reply.remark {
        facts.push(["remark".to_owned(), remark.clone()]);
    }
    let hidden = if *not_shown == 0 { String::new() } else { format!(", {not_shown} of these not shown") };
    facts.push(["instances".to_owned(), format!("{answered} in the answer, {left_out} left out{hidden}")]);
    output::table(["ABOUT", ""], &facts)?;
    for record in &reply.records {
        output::line(record)?;
    }
    output::table(["TRANSPORT", "OCTETS", "LIMIT", "ANSWERS", "ADDITIONALS", "TRUNCATED"], &rows(&reply.sizes, size))?;
    if !instances.is_empty() {
        let now = Timestamp::now();
        let rows = rows(instances, |candidate| row(candidate, now));
        output::table(["INSTANCE", "SOURCE", "STATUS", "ANSWERED", "WHY"], &rows)?;
    }
    Ok(())
}

fn rows<T, const N: usize>(of: &[T], row: impl Fn(&T) -> [String; N]) -> Vec<[String; N]> {
    of.iter().map(row).collect()
}

fn size(size: &Size) -> [String; 6] {
    let Size { transport, limit, octets, answers, additionals, truncated } = size;
    let truncated = if *truncated { "yes: TC sends the client to TCP" } else { "no" };
    [
        transport.clone(),
        octets.to_string(),
        limit.to_string(),
        answers.to_string(),
        additionals.to_string(),
        truncated.into(),
    ]
}

fn row(candidate: &Candidate, now: Timestamp) -> [String; 5] {
    let ago =
        |since: Timestamp| (now - since).total(jiff::Unit::Second).map_or(String::new(), |s| format!(", {s:.0} s ago"));
    let reason = candidate.reason.clone().unwrap_or_default() + &candidate.since.map(ago).unwrap_or_default();
    let answered = if candidate.answered { "yes" } else { "no" };
    [
        candidate.name.clone(),
        candidate.source.to_string(),
        candidate.status.as_str().to_owned(),
        answered.to_owned(),
        reason,
    ]
}
