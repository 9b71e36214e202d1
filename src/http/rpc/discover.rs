//! `rpc.discover`: the methods as an OpenRPC document, for people, and for programs that make clients of it.

use serde_json::{Value, json};

use super::methods::{METHODS, Method, Param};

/// The version of OpenRPC that it is written by.
const OPENRPC: &str = "1.3.2";
/// Instances that are as long as the document: it has some ten thousand octets, and several times that until it is text.
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
    })
}

fn method(method: &Method) -> Value {
    let (name, description) = method.result;
    let params: Vec<_> = method.params.iter().map(param).collect();
    json!({
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "either",
        "params": params,
        "result": {"name": name, "description": description, "schema": true},
    })
}

fn param(param: &Param) -> Value {
    let schema: Value = serde_json::from_str(param.schema).expect("a schema is JSON; the tests read all of them");
    json!({"name": param.name, "required": param.required, "schema": schema})
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
