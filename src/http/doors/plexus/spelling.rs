//! The spellings of a method. The dotted one (`registry.list`) is answered with a result; the others (`registry_list`,
//! `registry-hub.call`) with a subscription, whose items follow at once and end.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::api::{Json, Kind, Problem};
use crate::http::rpc::{Answer, Call, Outcome, Params, Spent, take};

use super::Hub;
use super::verb::Verb;

/// What the registry is called among hubs.
const HUB: &str = "registry-hub";

/// What a client wants, by its spelling.
enum Asked {
    Result(Verb),
    Subscription(Verb),
    /// The same with the method in the params.
    Call,
    Info,
    /// All have ended.
    Unsubscribe,
}

impl Asked {
    fn of(method: &str) -> Option<Self> {
        if let Some(name) = method.strip_prefix("registry.") {
            return Verb::of(name).map(Self::Result);
        }
        let asked = match method.strip_suffix("_unsub").unwrap_or(method) {
            "_info" => Self::Info,
            "registry-hub.call" | "registry-hub_call" => Self::Call,
            other => Self::Subscription(Verb::of(other.strip_prefix("registry_")?)?),
        };
        Some(if method.ends_with("_unsub") { Self::Unsubscribe } else { asked })
    }
}

impl Hub {
    /// Answers a call in its spelling.
    pub(super) async fn obey(&self, call: Call, spent: &mut Spent) -> Outcome {
        let Some(asked) = Asked::of(&call.method) else {
            return Err(call.unknown("the methods are registry.register, list, get, update, delete, ping and reload"));
        };
        let Call { method, params, .. } = call;
        match asked {
            Asked::Result(verb) => self.content(verb, params, spent).await.map(Answer::from),
            Asked::Subscription(verb) => {
                let content = self.content(verb, params, spent).await;
                Ok(self.told(&method, &format!("registry.{}", verb.name), content))
            }
            Asked::Call => {
                let (dotted, content) = match called(params) {
                    Ok((dotted, inner)) => match Asked::of(&dotted) {
                        Some(Asked::Result(verb)) => (dotted, self.content(verb, inner, spent).await),
                        _ => (dotted, Err(Problem::new(Kind::NoSuchMethod, "there is no such method of the registry"))),
                    },
                    Err(problem) => (String::new(), Err(problem)),
                };
                Ok(self.told(&method, &dotted, content))
            }
            Asked::Info => {
                let info = json!({"backend": HUB, "version": env!("CARGO_PKG_VERSION")});
                Ok(self.told(&method, &method, Ok(info)))
            }
            Asked::Unsubscribe => Ok(Value::Bool(true).into()),
        }
    }

    /// A subscription with all its items: also what fails is one, since its clients look for no other error.
    fn told(&self, method: &str, content_type: &str, content: Result<Value, Problem>) -> Answer {
        let number = self.subscriptions.fetch_add(1, Ordering::Relaxed) + 1;
        let items = match content {
            Ok(content) => vec![item(content_type, &content), done()],
            Err(problem) => vec![failed(&problem)],
        };
        let notification = |item| {
            let params = json!({"subscription": number, "result": item});
            json!({"jsonrpc": "2.0", "method": method, "params": params})
        };
        Answer { result: number.into(), then: items.into_iter().map(notification).collect() }
    }
}

/// The method that is called, dotted, and its params.
fn called(params: Params) -> Result<(String, Params), Problem> {
    let mut params = params.named(&["method", "params"])?;
    let inner = match take(&mut params, "params")?.unwrap_or(Json::Null) {
        Json::Null => Params::None,
        Json::Array(values) => Params::ByPosition(values),
        Json::Object(members) => Params::ByName(members),
        _ => return Err(Problem::new(Kind::WrongType, "`params` is neither an array nor an object")),
    };
    let Some(Json::Text(called)) = take(&mut params, "method")? else {
        return Err(Problem::new(Kind::MissingField, "`method` is missing, or no text"));
    };
    Ok((if called.contains('.') { called } else { format!("registry.{called}") }, inner))
}

fn item(content_type: &str, content: &Value) -> Value {
    json!({"type": "data", "metadata": metadata(), "content_type": content_type, "content": content})
}

fn done() -> Value {
    json!({"type": "done", "metadata": metadata()})
}

/// It is the last item, too.
fn failed(problem: &Problem) -> Value {
    let (code, recoverable) = problem.known().map_or(("unknown", false), |kind| (kind.name(), kind.is_temporary()));
    json!({"type": "error", "metadata": metadata(), "message": problem.detail, "code": code, "recoverable": recoverable})
}

fn metadata() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // The methods change with the version alone.
    json!({"provenance": [HUB, "registry"], "plexus_hash": env!("CARGO_PKG_VERSION"), "timestamp": now})
}
