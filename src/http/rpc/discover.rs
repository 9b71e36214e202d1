//! `rpc.discover`: the methods as an OpenRPC document, for people, and for programs that make clients of it.

use serde_json::{Map, Value, json};

use crate::api::{Heartbeat, Instance, Page, Reloaded};
use crate::http::schemas::{self, define};

use super::methods::{Answered, METHODS, Method, Param};
use super::write::SESSION;

/// The version of OpenRPC that it is written by.
const OPENRPC: &str = "1.3.2";
/// Instances that are as long as the document: it has some thirty thousand octets, and several times that until it is
/// text.
pub(super) const COST: usize = 100;

/// The document.
pub(super) fn document() -> Value {
    let methods: Vec<_> = METHODS.iter().map(method).collect();
    json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "portolan",
            "description": "A service registry that you can dig",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "methods": methods,
        "components": { "schemas": schemas() },
    })
}

fn method(method: &Method) -> Value {
    let Answered { name, description, schema } = &method.result;
    let params: Vec<_> = method.params.iter().map(param).collect();
    json!({
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "either",
        "params": params,
        "result": {"name": name, "description": description, "schema": read(schema)},
    })
}

fn param(param: &Param) -> Value {
    json!({"name": param.name, "required": param.required, "schema": read(param.schema)})
}

fn read(schema: &str) -> Value {
    serde_json::from_str(schema).expect("a schema is JSON; the tests read all of them")
}

/// What is answered, by name.
fn schemas() -> Map<String, Value> {
    let mut generator = schemas::said();
    define::<Heartbeat>(&mut generator);
    define::<Instance>(&mut generator);
    define::<Page>(&mut generator);
    define::<Reloaded>(&mut generator);
    let mut all = schemas::taken(generator);
    for name in ["Heartbeat", "Instance"] {
        let mut held = all[name].clone();
        let lease = held["properties"]["lease"].take();
        held["properties"]["lease"] = json!({ "anyOf": [{ "const": SESSION }, lease] });
        all.insert(format!("{name}OfSession"), held);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_method_is_described_once_with_what_is_needed_in_front() {
        let document = document();
        let methods = document["methods"].as_array().unwrap();
        let names: HashSet<_> = methods.iter().map(|method| method["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), METHODS.len());
        for method in methods {
            let params = method["params"].as_array().unwrap();
            // OpenRPC §Method Object: required parameters come first.
            let needed: Vec<_> = params.iter().map(|param| param["required"] == true).collect();
            assert!(needed.is_sorted_by(|a, b| a >= b), "{method}");
            let names: HashSet<_> = params.iter().map(|param| param["name"].as_str().unwrap()).collect();
            assert_eq!(names.len(), params.len(), "{method}");
        }
    }
}
