//! Calls that are one operation each. Those that follow each other are applied together: in order, and saved as one.

use serde_json::Value;

use crate::api::{Json, Kind, Problem};
use crate::http::Edge;
use crate::http::respond::problem_of;
use crate::registry::{Applied, Operation, Refusal};

use super::caller::Caller;
use super::message::Outcome;
use super::params::{only, take};

/// The lease of what goes with its session.
pub(super) const SESSION: &str = "session";

/// One operation, and how it is answered.
pub(super) struct Write {
    operation: Operation,
    answer: fn(&Edge, &Applied) -> Value,
    /// Whether the lease is the session's.
    of_session: bool,
}

impl Write {
    pub(super) fn new(operation: Operation, answer: fn(&Edge, &Applied) -> Value) -> Self {
        Self { operation, answer, of_session: false }
    }
}

impl Caller {
    pub(super) fn register(
        &self,
        mut params: Vec<(String, Json)>,
        answer: fn(&Edge, &Applied) -> Value,
    ) -> Result<Write, Problem> {
        let condition = take(&mut params, "only")?.map(only).transpose()?.unwrap_or_default();
        let of_session = params.iter().any(|(key, value)| key == "lease" && *value == Json::Text(SESSION.to_owned()));
        if of_session {
            take(&mut params, "lease")?;
            // Said, since with a check there would be none: what a session owned is not to outlive a crash for ever.
            let lease = humantime::format_duration(self.edge.terms.leases.default).to_string();
            params.push(("lease".to_owned(), Json::Text(lease)));
        }
        let operation = self.edge.registering(Json::Object(params).read()?, &self.principal, None, condition)?;
        match &self.session {
            Some(session) if of_session => session.owner.keep_place(operation.id())?,
            None if of_session => {
                let detail = "a lease of \"session\" needs a session: register over a WebSocket (/ws)";
                return Err(Problem { field: Some("lease".into()), ..Problem::new(Kind::InvalidLease, detail) });
            }
            _ => {}
        }
        Ok(Write { operation, answer, of_session })
    }

    /// Applies what has gathered, if anything has.
    pub(super) async fn apply(&self, writes: &mut Vec<Result<Write, Problem>>, outcomes: &mut Vec<Outcome>) {
        if writes.is_empty() {
            return;
        }
        let operations: Vec<_> = writes.iter().flatten().map(|write| write.operation.clone()).collect();
        let _registering = self.edge.claims.registering(&operations).await;
        let mut results = self.edge.change(&self.principal, operations).await.into_iter();
        let outcome = |write: Result<Write, Problem>| {
            let write = write?;
            let owner = self.session.as_ref().map(|session| &session.owner).filter(|_| write.of_session);
            let applied = results.next().unwrap_or(Err(Refusal::Stopped)).map_err(|refusal| {
                owner.inspect(|owner| owner.give_up_place(write.operation.id()));
                problem_of(&refusal)
            })?;
            let mut answer = (write.answer)(&self.edge, &applied);
            match (&write.operation, owner) {
                (Operation::Register { .. }, Some(owner)) => {
                    owner.claim(applied.instance.id());
                    if let Some(members) = answer.as_object_mut() {
                        members.insert("lease".to_owned(), SESSION.into());
                        members.remove("expires_at");
                    }
                }
                (Operation::Register { .. }, _) => self.edge.claims.forget(applied.instance.id()),
                _ => {}
            }
            Ok(answer.into())
        };
        outcomes.extend(writes.drain(..).map(outcome));
    }
}
