//! The specification's examples, and what it leaves to be found out.

use super::*;

/// The methods of the specification's examples (§7).
struct Examples;

impl Methods for Examples {
    async fn answer(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let answer = |call: Call| -> Result<Value, Problem> {
            match call.method.as_str() {
                "subtract" => {
                    let named = call.params.named(&["minuend", "subtrahend"])?;
                    let number = |key: &str| {
                        let found = named.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
                        found.unwrap_or(Json::Null).read::<i64>().map_err(Problem::from)
                    };
                    Ok(json!(number("minuend")? - number("subtrahend")?))
                }
                "sum" => {
                    let Params::ByPosition(values) = call.params else { panic!("by position") };
                    let numbers = values.into_iter().map(|value| value.read::<i64>().unwrap());
                    Ok(json!(numbers.sum::<i64>()))
                }
                "get_data" => Ok(json!(["hello", 5])),
                "update" | "notify_hello" | "notify_sum" => Ok(Value::Null),
                _ => Err(call.unknown("")),
            }
        };
        calls.into_iter().map(|call| answer(call).map(Answer::from)).collect()
    }
}

/// The reply, of errors only what the specification shows.
async fn said(text: &str) -> Option<Value> {
    fn shown(mut reply: Value) -> Value {
        if let Some(error) = reply.get_mut("error").and_then(Value::as_object_mut) {
            assert!(error.remove("data").is_some_and(|data| data["detail"].is_string()), "a problem comes along");
        }
        reply
    }
    Some(match dispatch(&Examples, text.as_bytes()).await? {
        Value::Array(replies) => replies.into_iter().map(shown).collect(),
        reply => shown(reply),
    })
}

fn failed(code: i32, message: &str, id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": id})
}

#[tokio::test]
async fn the_examples_of_the_specification_are_answered_as_it_shows() {
    let (invalid, parse) = (failed(-32600, "Invalid Request", &Value::Null), "Parse error");
    let result = |result: Value, id: Value| json!({"jsonrpc": "2.0", "result": result, "id": id});
    for (request, reply) in [
        (r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#, result(json!(19), json!(1))),
        (r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#, result(json!(-19), json!(2))),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
            result(json!(19), json!(3)),
        ),
        (r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#, failed(-32601, "Method not found", &json!("1"))),
        (r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#, failed(-32700, parse, &Value::Null)),
        (r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#, invalid.clone()),
        (
            r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]"#,
            failed(-32700, parse, &Value::Null),
        ),
        ("[]", invalid.clone()),
        ("[1]", json!([invalid])),
        ("[1,2,3]", json!([invalid, invalid, invalid])),
        (
            r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
                {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
                {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
                {"foo": "boo"},
                {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
                {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]"#,
            json!([
                result(json!(7), json!("1")),
                result(json!(19), json!("2")),
                invalid,
                failed(-32601, "Method not found", &json!("5")),
                result(json!(["hello", 5]), json!("9")),
            ]),
        ),
    ] {
        assert_eq!(said(request).await, Some(reply), "{request}");
    }
    for silent in [
        r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#,
        r#"{"jsonrpc": "2.0", "method": "foobar"}"#,
        r#"[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]"#,
    ] {
        assert_eq!(said(silent).await, None, "{silent}");
    }
}

#[tokio::test]
async fn what_is_no_call_is_told_with_its_id_where_that_can_be_read() {
    for (request, id) in [
        (r#"{"jsonrpc": "1.0", "method": "sum", "id": 7}"#, json!(7)),
        (r#"{"method": "sum", "id": "a"}"#, json!("a")),
        (r#"{"jsonrpc": "2.0", "method": "sum", "params": null, "id": 1.5}"#, json!(1.5)),
        (r#"{"jsonrpc": "2.0", "method": "sum", "params": "x", "id": null}"#, Value::Null),
        (r#"{"jsonrpc": "2.0", "method": "sum", "method": "sum", "id": 1}"#, json!(1)),
        (r#"{"jsonrpc": "2.0", "method": "sum", "id": {}}"#, Value::Null),
        (r#"{"jsonrpc": "2.0", "id": 3}"#, json!(3)),
    ] {
        assert_eq!(said(request).await, Some(failed(-32600, "Invalid Request", &id)), "{request}");
    }
    // An id of null is an id: this is no notification.
    let null = said(r#"{"jsonrpc": "2.0", "method": "get_data", "id": null, "more": 1}"#).await.unwrap();
    assert_eq!((&null["id"], &null["result"]), (&Value::Null, &json!(["hello", 5])));
}

#[tokio::test]
async fn a_batch_has_an_end_and_so_have_positions() {
    let batch = |count: usize| vec![r#"{"jsonrpc":"2.0","method":"get_data","id":1}"#; count].join(",");
    let all = said(&format!("[{}]", batch(BATCH_MAX))).await.unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(BATCH_MAX));
    let refused = said(&format!("[{}]", batch(BATCH_MAX + 1))).await.unwrap();
    assert_eq!(refused, failed(-32600, "Invalid Request", &Value::Null));
    let many = said(r#"{"jsonrpc": "2.0", "method": "subtract", "params": [1,2,3], "id": 1}"#).await.unwrap();
    assert_eq!(many, failed(-32602, "Invalid params", &json!(1)));
}

#[test]
fn every_problem_has_a_code_in_the_range_that_is_ours() {
    for &kind in Kind::ALL {
        let (code, standard) = code(&Problem::new(kind, "x"));
        assert!((-32099..=-32000).contains(&code) || standard.is_some(), "{} is {code}", kind.name());
    }
    assert_eq!(code(&Problem::new(Kind::NotRegistered, "x")).0, -32004);
    assert_eq!(code(&Problem::new(Kind::Busy, "x")).0, -32053);
}
