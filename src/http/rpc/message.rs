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
pub(in crate::http) type Outcome = Result<Value, Problem>;

/// Who has methods.
pub(in crate::http) trait Methods: Sync {
    /// One outcome for each call, in order.
    fn answer(&self, calls: Vec<Call>) -> impl Future<Output = Vec<Outcome>> + Send;

    /// Whether every reply has both `result` and `error`, one of them null. The specification wants exactly one (§5).
    const BOTH: bool = false;
}

/// The reply to a document, `None` where nothing may be said: to notifications (§4.1), alone or in a batch (§6).
pub(in crate::http) async fn dispatch<M: Methods>(methods: &M, octets: &[u8]) -> Option<Value> {
    let items = match Json::parse(octets) {
        Err(malformed) => return Some(refusal::<M>(malformed.into())),
        Ok(Json::Array(items)) if items.is_empty() => return Some(refusal::<M>(invalid("the batch is empty"))),
        Ok(Json::Array(items)) if items.len() > BATCH_MAX => {
            let detail = format!("the batch has {} calls; at most {BATCH_MAX} are allowed", items.len());
            return Some(refusal::<M>(invalid(detail)));
        }
        Ok(Json::Array(items)) => items,
        Ok(item) => return answer(methods, vec![item]).await.pop(),
    };
    let replies = answer(methods, items).await;
    (!replies.is_empty()).then_some(Value::Array(replies))
}

/// The reply to what was no call at all, whose id nobody knows (§5).
pub(in crate::http) fn refusal<M: Methods>(problem: Problem) -> Value {
    reply::<M>(Value::Null, Err(problem))
}

async fn answer<M: Methods>(methods: &M, items: Vec<Json>) -> Vec<Value> {
    let mut calls = Vec::with_capacity(items.len());
    // In the place of a call that is none, the reply to it.
    let mut expected = Vec::with_capacity(items.len());
    for item in items {
        match Call::read::<M>(item) {
            Ok(mut call) => {
                expected.push(Ok(call.id.take()));
                calls.push(call);
            }
            Err(reply) => expected.push(Err(reply)),
        }
    }
    let mut outcomes = methods.answer(calls).await.into_iter();
    let replies = expected.into_iter().filter_map(|expected| match expected {
        Ok(id) => {
            let outcome = outcomes.next().expect("one outcome for each call");
            id.map(|id| reply::<M>(id, outcome))
        }
        Err(refusal) => Some(refusal),
    });
    replies.collect()
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

fn reply<M: Methods>(id: Value, outcome: Outcome) -> Value {
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
