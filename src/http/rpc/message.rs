//! The envelopes of JSON-RPC 2.0: calls that come in, replies that go out, batches of both.
//!
//! To the letter of the specification, whose sections are cited; where it leaves something open, it says so here.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::api::{BATCH_MAX, Json, Kind, Problem};
use crate::http::respond::excerpt;

/// A call, read but not yet understood (§4).
#[derive(Debug)]
pub(in crate::http) struct Call {
    /// What the reply is to carry; a notification has none (§4.1).
    id: Option<Value>,
    pub(in crate::http) method: String,
    pub(in crate::http) params: Params,
}

/// What a call says besides its method (§4.2).
#[derive(Debug)]
pub(in crate::http) enum Params {
    None,
    ByPosition(Vec<Json>),
    ByName(Vec<(String, Json)>),
}

/// What a call comes to.
pub(in crate::http) type Outcome = Result<Answer, Problem>;

/// What a method says.
#[derive(Debug, Default)]
pub(in crate::http) struct Answer {
    pub(in crate::http) result: Value,
    /// Notifications that follow the reply, for who has one, and a way to be told.
    pub(in crate::http) then: Vec<Value>,
}

impl From<Value> for Answer {
    fn from(result: Value) -> Self {
        Self { result, then: Vec::new() }
    }
}

/// Who has methods.
pub(in crate::http) trait Methods: Sync {
    /// One outcome for each call, in order.
    fn answer(&self, calls: Vec<Call>) -> impl Future<Output = Vec<Outcome>> + Send;

    /// Whether every reply has both `result` and `error`, one of them null. The specification wants exactly one (§5).
    const BOTH: bool = false;

    /// Whether the outcome may be long in coming, and calls that follow need not wait for it.
    fn waits(_: &Call) -> bool {
        false
    }
}

/// What came in, a call or a batch of them.
#[derive(Debug)]
pub(in crate::http) struct Document {
    /// In the place of a call that is none, the reply to it.
    items: Vec<Result<Call, Value>>,
    is_batch: bool,
}

/// What is said to a document.
#[derive(Debug, Default)]
pub(in crate::http) struct Said {
    /// `None` where nothing may be said: to notifications (§4.1), alone or in a batch (§6).
    pub(in crate::http) reply: Option<Value>,
    pub(in crate::http) then: Vec<Value>,
}

impl Document {
    /// Else the reply to what is none.
    pub(in crate::http) fn read<M: Methods>(octets: &[u8]) -> Result<Self, Value> {
        let (items, is_batch) = match Json::parse(octets).map_err(|malformed| refusal::<M>(malformed.into()))? {
            Json::Array(items) if items.is_empty() => return Err(refusal::<M>(invalid("the batch is empty"))),
            Json::Array(items) if items.len() > BATCH_MAX => {
                let detail = format!("the batch has {} calls; at most {BATCH_MAX} are allowed", items.len());
                return Err(refusal::<M>(invalid(detail)));
            }
            Json::Array(items) => (items, true),
            item => (vec![item], false),
        };
        Ok(Self { items: items.into_iter().map(Call::read::<M>).collect(), is_batch })
    }

    /// Whether it is a call that [waits](Methods::waits). A batch is done in order, and so waits as a whole.
    pub(in crate::http) fn waits<M: Methods>(&self) -> bool {
        !self.is_batch && matches!(&self.items[..], [Ok(call)] if M::waits(call))
    }

    /// What is said to a call that stands alone, and is not done.
    pub(in crate::http) fn refuse<M: Methods>(mut self, problem: Problem) -> Said {
        let reply = match self.items.pop() {
            Some(Ok(Call { id: Some(id), .. })) => Some(reply::<M>(id, Err(problem))),
            Some(Err(refusal)) => Some(refusal),
            _ => None,
        };
        Said { reply, then: Vec::new() }
    }

    pub(in crate::http) async fn answer<M: Methods>(self, methods: &M) -> Said {
        let mut calls = Vec::with_capacity(self.items.len());
        let mut expected = Vec::with_capacity(self.items.len());
        for item in self.items {
            expected.push(item.map(|mut call| {
                let id = call.id.take();
                calls.push(call);
                id
            }));
        }
        let mut outcomes = methods.answer(calls).await.into_iter();
        let (mut replies, mut then) = (Vec::with_capacity(expected.len()), Vec::new());
        for expected in expected {
            match expected {
                Ok(id) => {
                    let outcome = outcomes.next().expect("one outcome for each call");
                    let Some(id) = id else { continue };
                    let outcome = outcome.map(|answer| {
                        then.extend(answer.then);
                        answer.result
                    });
                    replies.push(reply::<M>(id, outcome));
                }
                Err(refusal) => replies.push(refusal),
            }
        }
        let is_silent = replies.is_empty();
        let reply = if self.is_batch { (!is_silent).then_some(Value::Array(replies)) } else { replies.pop() };
        Said { reply, then }
    }
}

/// The reply to a document over a transport that tells nothing but replies.
pub(in crate::http) async fn dispatch<M: Methods>(methods: &M, octets: &[u8]) -> Option<Value> {
    match Document::read::<M>(octets) {
        Ok(document) => document.answer(methods).await.reply,
        Err(reply) => Some(reply),
    }
}

/// The reply to what was no call at all, whose id nobody knows (§5).
pub(in crate::http) fn refusal<M: Methods>(problem: Problem) -> Value {
    reply::<M>(Value::Null, Err(problem))
}

impl Call {
    /// Else the reply, which has the id where that much could be read (§5).
    fn read<M: Methods>(item: Json) -> Result<Self, Value> {
        let Json::Object(members) = item else { return Err(refusal::<M>(invalid("a call is an object"))) };
        let (mut version, mut method, mut params, mut id) = (None, None, None, None);
        let mut twice = false;
        for (key, value) in members {
            let place = match key.as_str() {
                "jsonrpc" => &mut version,
                "method" => &mut method,
                "params" => &mut params,
                "id" => &mut id,
                // Not mentioned in §4, and sent by some.
                _ => continue,
            };
            twice |= place.replace(value).is_some();
        }
        let id = id.map(read_id).transpose().map_err(refusal::<M>)?;
        let refuse = |why: &str| Err(reply::<M>(id.clone().unwrap_or_default(), Err(invalid(why))));
        if twice {
            return refuse("a member is there twice");
        }
        if version != Some(Json::Text("2.0".to_owned())) {
            return refuse("`jsonrpc` has to be \"2.0\"");
        }
        let Some(Json::Text(method)) = method else { return refuse("`method` has to be a text") };
        let params = match params {
            None => Params::None,
            Some(Json::Array(values)) => Params::ByPosition(values),
            Some(Json::Object(members)) => Params::ByName(members),
            Some(_) => return refuse("`params` has to be an array or an object, or left out"),
        };
        Ok(Self { id, method, params })
    }

    /// What is said to a method that is not there.
    pub(in crate::http) fn unknown(&self, how_to_list: &str) -> Problem {
        let detail = format!("there is no method {:?}; {how_to_list}", excerpt(&self.method));
        Problem::new(Kind::NoSuchMethod, detail)
    }
}

impl Params {
    /// Whether it says something of `name`, where positions have these names.
    pub(in crate::http) fn say(&self, name: &str, names: &[&str]) -> bool {
        let said = match self {
            Self::None => None,
            Self::ByName(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            Self::ByPosition(values) => names.iter().position(|&known| known == name).and_then(|at| values.get(at)),
        };
        said.is_some_and(|value| *value != Json::Null)
    }

    /// The same by name, where positions have these names; null in a position is as good as nothing.
    pub(in crate::http) fn named(self, names: &[&str]) -> Result<Vec<(String, Json)>, Problem> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::ByName(members) => Ok(members),
            Self::ByPosition(values) if values.len() > names.len() => {
                let detail = format!("there are {} params; the method takes {}", values.len(), names.len());
                Err(Problem::new(Kind::TooMany, detail))
            }
            Self::ByPosition(values) => {
                let pairs = names.iter().map(|&name| name.to_owned()).zip(values);
                Ok(pairs.filter(|(_, value)| *value != Json::Null).collect())
            }
        }
    }
}

/// A text, a number or null (§4).
fn read_id(id: Json) -> Result<Value, Problem> {
    match id {
        Json::Null => Ok(Value::Null),
        Json::Number(number) => Ok(Value::Number(number)),
        Json::Text(text) => Ok(Value::String(text)),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => Err(invalid("`id` has to be a text, a number or null")),
    }
}

fn invalid(why: impl Into<Box<str>>) -> Problem {
    Problem::new(Kind::InvalidCall, why)
}

/// The reply to a call (§5).
pub(super) fn reply<M: Methods>(id: Value, outcome: Result<Value, Problem>) -> Value {
    let mut reply = Map::new();
    reply.insert("jsonrpc".to_owned(), json!("2.0"));
    let (result, error) = match outcome {
        Ok(result) => (Some(result), None),
        Err(problem) => (None, Some(error(&problem))),
    };
    for (key, value) in [("result", result), ("error", error)] {
        if M::BOTH || value.is_some() {
            reply.insert(key.to_owned(), value.unwrap_or_default());
        }
    }
    reply.insert("id".to_owned(), id);
    Value::Object(reply)
}

/// An error with its problem (§5.1).
fn error(problem: &Problem) -> Value {
    let (code, standard) = code(problem);
    let message = standard.unwrap_or(&problem.title);
    json!({"code": code, "message": message, "data": problem})
}

/// The code, and the message where the specification has one. Our own are the status of HTTP: -32004 for 404,
/// -32053 for 503.
fn code(problem: &Problem) -> (i32, Option<&'static str>) {
    let status = i32::from(problem.status);
    match (problem.known(), status) {
        (Some(Kind::MalformedJson), _) => (-32700, Some("Parse error")),
        (Some(Kind::InvalidCall), _) => (-32600, Some("Invalid Request")),
        (Some(Kind::NoSuchMethod), _) => (-32601, Some("Method not found")),
        (_, 400 | 422) => (-32602, Some("Invalid params")),
        (_, 401..=449) => (-32000 - (status - 400), None),
        (_, 501..=549) => (-32050 - (status - 500), None),
        _ => (-32603, Some("Internal error")),
    }
}
