//! From a call to what it comes to: understood first, so that writes that follow each other are done together.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{Fault, Filter, Invalid, Json, Kind, Problem};
use crate::http::request::Pairs;
use crate::http::respond::problem_of;
use crate::registry::{Condition, Operation, Refusal};
use crate::service::{InstanceId, Origin};

use super::caller::{Caller, Session};
use super::discover;
use super::message::{Call, Methods, Outcome};
use super::methods::{Does, Method};
use super::params::{Named, known, no_params, pairs};
use super::spent::Spent;
use super::write::Write;

/// A call that was understood.
enum Task {
    Write(Write),
    Update { id: InstanceId, changes: Json, only: Condition },
    Get(InstanceId),
    List(Filter),
    Lookup(Filter),
    WaitFor(Filter),
    Watch(Pairs),
    Unwatch(u64),
    Reload,
    Ping,
    Discover,
}

impl Methods for Caller {
    async fn answer(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let caller = self.renewed().unwrap_or_else(|| self.clone());
        caller.answer_all(calls).await
    }

    fn waits(call: &Call) -> bool {
        Method::of(&call.method).is_some_and(|method| {
            method.does == Does::WaitFor || call.params.say("wait", &method.param_names().collect::<Vec<_>>())
        })
    }
}

impl Caller {
    async fn answer_all(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(calls.len());
        let mut writes = Vec::new();
        let mut spent = Spent::default();
        for call in calls {
            match self.understand(call) {
                Ok(Task::Write(write)) => writes.push(Ok(write)),
                Err(problem) => writes.push(Err(problem)),
                Ok(other) => {
                    self.apply(&mut writes, &mut outcomes).await;
                    let answer = match spent.check() {
                        Ok(()) => self.carry_out(other, &mut spent).await,
                        Err(enough) => Err(enough),
                    };
                    outcomes.push(answer.map(Into::into));
                    // A batch of lists takes its time; others have theirs.
                    tokio::task::consume_budget().await;
                }
            }
        }
        self.apply(&mut writes, &mut outcomes).await;
        outcomes
    }

    fn understand(&self, call: Call) -> Result<Task, Problem> {
        let Some(method) = Method::of(&call.method) else {
            return Err(call.unknown("rpc.discover lists them"));
        };
        if method.does.writes() {
            self.edge.check_write(&self.principal, method.name)?;
        }
        let names: Vec<_> = method.param_names().collect();
        let params = call.params.named(&names)?;
        let query = |params: Vec<_>| {
            known(&params, &names)?;
            pairs(params)
        };
        match method.does {
            Does::Register => Ok(Task::Write(self.register(params, |edge, applied| written(&edge.view(applied)))?)),
            Does::Heartbeat => {
                Ok(Task::Write(self.register(params, |edge, applied| written(&edge.heartbeat_of(applied)))?))
            }
            Does::Renew => {
                let Named { id, .. } = Named::read(params, &names)?;
                let operation = Operation::Renew(id);
                Ok(Task::Write(Write::new(operation, |edge, applied| written(&edge.heartbeat_of(applied)))))
            }
            Does::Deregister => {
                let Named { id, only: condition, .. } = Named::read(params, &names)?;
                let operation = Operation::Deregister { id, origin: Origin::api(), condition };
                Ok(Task::Write(Write::new(operation, |edge, applied| written(&edge.view(applied)))))
            }
            Does::Update => {
                let Named { id, changes, only } = Named::read(params, &names)?;
                let changes = changes.ok_or_else(|| Invalid::new("changes", Fault::Missing))?;
                Ok(Task::Update { id, changes, only })
            }
            Does::Get => Ok(Task::Get(Named::read(params, &names)?.id)),
            Does::List => Ok(Task::List(Filter::from_query(&query(params)?)?)),
            Does::Lookup => Ok(Task::Lookup(of_service(&query(params)?)?)),
            Does::WaitFor => Ok(Task::WaitFor(of_service(&query(params)?)?)),
            Does::Watch => Ok(Task::Watch(query(params)?)),
            Does::Unwatch => {
                known(&params, &names)?;
                Ok(Task::Unwatch(Json::Object(params).read::<Watch>()?.subscription))
            }
            Does::Reload => no_params(&params).map(|()| Task::Reload),
            Does::Ping => no_params(&params).map(|()| Task::Ping),
            Does::Discover => no_params(&params).map(|()| Task::Discover),
        }
    }

    async fn carry_out(&self, task: Task, spent: &mut Spent) -> Result<Value, Problem> {
        match task {
            Task::Update { id, changes, only } => {
                let applied = self.edge.patched(&id, &changes, only, &self.principal).await.map_err(Problem::from)?;
                Ok(written(&self.edge.view(&applied)))
            }
            Task::Get(id) => {
                self.principal.check_read(id.service_type())?;
                spent.shown += 1;
                let state = self.edge.registry.state();
                let slot = state.get(&id).ok_or_else(|| problem_of(&Refusal::Unknown(id.clone())))?;
                Ok(written(&self.edge.show(slot)))
            }
            Task::List(filter) => self.page(filter, spent).await.map(|page| written(&page)),
            Task::Lookup(filter) => self.lookup(filter, spent).await.map(|page| written(&page)),
            Task::WaitFor(filter) => self.wait_for(filter, spent).await.map(|page| written(&page)),
            Task::Watch(query) => Ok(self.watching()?.watches.begin(&self.edge, &self.principal, query)?.into()),
            Task::Unwatch(number) => Ok(self.watching()?.watches.end(number).into()),
            Task::Reload => self.edge.reload(&self.principal).await.map(|reloaded| written(&reloaded)),
            Task::Ping => Ok("pong".into()),
            Task::Discover => {
                spent.shown += discover::COST;
                Ok(discover::document())
            }
            Task::Write(_) => unreachable!("applied with its kind"),
        }
    }

    fn watching(&self) -> Result<&Session, Problem> {
        self.session.as_deref().ok_or_else(|| {
            let detail = "to watch needs a session: call over a WebSocket (/ws), or GET /v1/watch";
            Problem::new(Kind::MalformedRequest, detail)
        })
    }
}

/// What `registry.unwatch` is told.
#[derive(Deserialize)]
struct Watch {
    subscription: u64,
}

fn of_service(query: &Pairs) -> Result<Filter, Problem> {
    let filter = Filter::from_query(query)?;
    if filter.service.is_none() {
        return Err(Invalid::new("service", Fault::Missing).into());
    }
    Ok(filter)
}

fn written(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("our types have texts for keys")
}
