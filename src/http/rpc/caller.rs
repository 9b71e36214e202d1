//! Whoever calls methods, and what they come to.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::api::{Fault, Filter, Instance, Invalid, Json, Kind, LIMIT_MAX, Page, Problem, unknown_parameter};
use crate::http::Edge;
use crate::http::listing;
use crate::http::respond::problem_of;
use crate::registry::{Applied, Condition, Operation, Refusal};
use crate::service::{InstanceId, Origin, Status};

use super::claims::Session;
use super::discover;
use super::message::{Call, Methods, Outcome};
use super::methods::{Does, METHODS};
use super::params::{Named, no_params, only, pairs, take};

/// Instances that one message is answered with before it is told that this is enough, as many as a page has: a batch
/// of lists would be as long as a client likes, and is not written as it is taken.
const SHOWN_MAX: usize = LIMIT_MAX;
/// The lease of what goes with its session.
const SESSION: &str = "session";

/// Somebody, over one transport.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) edge: &'a Arc<Edge>,
    pub(super) sender: IpAddr,
    /// Over HTTP there is none.
    pub(super) session: Option<&'a Session>,
}

/// A call that was understood.
enum Task {
    Write(Write),
    Update { id: InstanceId, changes: Json, only: Condition },
    Get(InstanceId),
    List(Filter),
    Lookup(Filter),
    Say(Value),
}

/// A call that is one operation. Those that follow each other are applied together: in order, and saved as one.
struct Write {
    operation: Operation,
    answer: fn(&Edge, &Applied) -> Value,
    /// What was claimed for it.
    claimed: Option<InstanceId>,
    /// Whether the lease is the session's.
    of_session: bool,
}

impl Methods for Caller<'_> {
    async fn answer(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(calls.len());
        let mut writes = Vec::new();
        let mut shown = 0;
        for call in calls {
            match self.understand(call) {
                Ok(Task::Write(write)) => writes.push(Ok(write)),
                Err(problem) => writes.push(Err(problem)),
                Ok(other) => {
                    self.apply(&mut writes, &mut outcomes).await;
                    outcomes.push(self.carry_out(other, &mut shown).await);
                    // A batch of lists takes its time; others have theirs.
                    tokio::task::consume_budget().await;
                }
            }
        }
        self.apply(&mut writes, &mut outcomes).await;
        outcomes
    }
}

impl Caller<'_> {
    fn understand(&self, call: Call) -> Result<Task, Problem> {
        let Some(method) = METHODS.iter().find(|method| method.name == call.method) else {
            return Err(call.unknown("rpc.discover lists them"));
        };
        if method.does.writes() {
            self.edge.guard.check_write(self.sender)?;
        }
        let names: Vec<_> = method.params.iter().map(|param| param.name).collect();
        let params = call.params.named(&names)?;
        match method.does {
            Does::Register => self.register(params, |edge, applied| written(&edge.view(applied))),
            Does::Heartbeat => self.register(params, |edge, applied| written(&edge.heartbeat_of(applied))),
            Does::Renew => {
                let Named { id, .. } = Named::read(params, &names)?;
                Ok(write(Operation::Renew(id), |edge, applied| written(&edge.heartbeat_of(applied))))
            }
            Does::Deregister => {
                let Named { id, only: condition, .. } = Named::read(params, &names)?;
                let operation = Operation::Deregister { id, origin: Origin::api(), condition };
                Ok(write(operation, |edge, applied| written(&edge.view(applied))))
            }
            Does::Update => {
                let Named { id, changes, only } = Named::read(params, &names)?;
                let changes = changes.ok_or_else(|| Invalid::new("changes", Fault::Missing))?;
                Ok(Task::Update { id, changes, only })
            }
            Does::Get => Ok(Task::Get(Named::read(params, &names)?.id)),
            Does::List => Ok(Task::List(Filter::from_query(&pairs(params)?)?)),
            Does::Lookup => {
                if let Some((key, _)) = params.iter().find(|(key, _)| key == "status") {
                    return Err(unknown_parameter(key, &names.join(", ")));
                }
                let filter = Filter::from_query(&pairs(params)?)?;
                if filter.service.is_none() {
                    return Err(Invalid::new("service", Fault::Missing).into());
                }
                Ok(Task::Lookup(Filter { status: vec![Status::Up], ..filter }))
            }
            Does::Ping => no_params(&params).map(|()| Task::Say("pong".into())),
            Does::Discover => no_params(&params).map(|()| Task::Say(discover::document())),
        }
    }

    fn register(&self, mut params: Vec<(String, Json)>, answer: fn(&Edge, &Applied) -> Value) -> Result<Task, Problem> {
        let condition = take(&mut params, "only")?.map(only).transpose()?.unwrap_or_default();
        let of_session = params.iter().any(|(key, value)| key == "lease" && *value == Json::Text(SESSION.to_owned()));
        if of_session {
            take(&mut params, "lease")?;
        }
        let operation = self.edge.registering(Json::Object(params), self.sender, None, condition)?;
        let Operation::Register { registration, .. } = &operation else { unreachable!("made as such") };
        let claimed = match self.session {
            Some(session) if of_session => session.claim(&registration.id)?.then(|| registration.id.clone()),
            None if of_session => {
                let detail = "a lease of \"session\" needs a session: register over a WebSocket (/ws)";
                return Err(Problem { field: Some("lease".into()), ..Problem::new(Kind::InvalidLease, detail) });
            }
            _ => {
                self.edge.claims.forget(&registration.id);
                None
            }
        };
        Ok(Task::Write(Write { operation, answer, claimed, of_session }))
    }

    /// Applies what has gathered, if anything has.
    async fn apply(&self, writes: &mut Vec<Result<Write, Problem>>, outcomes: &mut Vec<Outcome>) {
        if writes.is_empty() {
            return;
        }
        let operations = writes.iter().flatten().map(|write| write.operation.clone()).collect();
        let mut results = self.edge.registry.apply(operations).await.into_iter();
        let outcome = |write: Result<Write, Problem>| {
            let write = write?;
            match results.next().unwrap_or(Err(Refusal::Stopped)) {
                Ok(applied) => {
                    let mut answer = (write.answer)(self.edge, &applied);
                    if let Some(members) = answer.as_object_mut().filter(|_| write.of_session) {
                        members.insert("lease".to_owned(), SESSION.into());
                        members.remove("expires_at");
                    }
                    Ok(answer)
                }
                Err(refusal) => {
                    if let (Some(session), Some(id)) = (self.session, &write.claimed) {
                        session.release(id);
                    }
                    Err(problem_of(&refusal))
                }
            }
        };
        outcomes.extend(writes.drain(..).map(outcome));
    }

    async fn carry_out(&self, task: Task, shown: &mut usize) -> Outcome {
        if *shown >= SHOWN_MAX {
            let detail =
                format!("this batch has been answered with {SHOWN_MAX} instances; ask for the rest in another");
            return Err(Problem::new(Kind::TooMany, detail));
        }
        match task {
            Task::Update { id, changes, only } => {
                let applied = self.edge.patched(&id, &changes, only, self.sender).await.map_err(Problem::from)?;
                Ok(written(&self.edge.view(&applied)))
            }
            Task::Get(id) => {
                *shown += 1;
                let state = self.edge.registry.state();
                let slot = state.get(&id).ok_or_else(|| problem_of(&Refusal::Unknown(id.clone())))?;
                Ok(written(&self.edge.show(slot)))
            }
            Task::List(filter) => self.page(filter, shown).await.map(|page| written(&page)),
            Task::Lookup(filter) => {
                let mut page = self.page(filter, shown).await?;
                page.instances.retain(|instance: &Instance| instance.served);
                page.instances.sort_by_key(|instance| instance.priority);
                Ok(written(&page))
            }
            Task::Say(answer) => Ok(answer),
            Task::Write(_) => unreachable!("applied with its kind"),
        }
    }

    async fn page(&self, filter: Filter, shown: &mut usize) -> Result<Page, Problem> {
        let page = listing::gathered(self.edge, filter).await?;
        *shown += page.instances.len();
        Ok(page)
    }
}

fn write(operation: Operation, answer: fn(&Edge, &Applied) -> Value) -> Task {
    Task::Write(Write { operation, answer, claimed: None, of_session: false })
}

fn written(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("our types have texts for keys")
}
