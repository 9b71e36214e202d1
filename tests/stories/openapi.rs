//! Who writes a client, or looks what there is: the document is true, and a page shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::tokens::Tokens;
use crate::support::{Launch, Portolan, python};

/// Cases of one operation in one phase: some three thousand in all.
const EXAMPLES: &str = "15";
/// What is answered without end, and so is not for a program that waits for ends.
const ENDLESS: [&str; 2] = ["/v1/watch", "/ws"];

fn document(portolan: &Portolan) -> Value {
    let response = portolan.get("/openapi.json").expect(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    response.json()
}

/// Path and methods in upper case, of all that the document has.
fn documented(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[test]
fn every_route_is_documented_with_its_methods_and_nothing_else_is() {
    let portolan = Portolan::start(&[]);
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http.rs")).unwrap();
    let routes = source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap().to_owned());
    // What a path takes, it says to who asks with a method that nothing takes.
    let allowed = |path: &str| {
        let known = path.replace("{type}", "_auth._tcp").replace(['{', '}'], "");
        let response = portolan.request("BREW", &known, &[], "").expect(405);
        let allowed = response.header("allow").unwrap();
        // HEAD comes with GET.
        allowed.split(',').filter(|method| *method != "HEAD").map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let routes: BTreeMap<_, _> = routes.map(|path| (path.clone(), allowed(&path))).collect();
    assert!(routes.len() > 20, "{routes:?}");
    assert_eq!(documented(&document(&portolan)), routes);
}

#[test]
fn the_document_holds_together_and_speaks_of_this_registry() {
    let portolan = Launch::new().env("PORTOLAN_LEASE_SHORTEST", "3s").start();
    let text = portolan.get("/openapi.json").body;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["openapi"], "3.1.1");
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}: {operation}");
            let tag = &operation["tags"][0];
            assert!(document["tags"].as_array().unwrap().iter().any(|known| known["name"] == *tag), "{path}: {tag}");
        }
    }
    let references = text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut count = 0;
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("all is in here");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        count += 1;
    }
    assert!(count > 100, "{count}");
    assert_eq!(document.pointer("/components/schemas/Lease/anyOf/0/anyOf/1/minimum").unwrap().as_f64(), Some(3.0));
    assert!(!text.contains("[`"), "a description has a reference of Rust's");
}

#[test]
fn what_schemathesis_makes_up_is_answered_as_the_document_says() {
    let tokens = Tokens::new("log = \"warn\"\n[store]\nurl = \"memory:\"\n[http]\nloopback_writes = false\n");
    let operator = tokens.add("operator", "admin = true");
    let portolan = tokens.start();
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
    let mut command = python("schemathesis");
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(support.join("schemathesis.toml"));
    command.args(["run", &format!("http://{}/openapi.json", portolan.http)]);
    // The same cases each time: others would find something by chance, and on somebody else's change.
    command.args(["--checks", "all", "--max-examples", EXAMPLES, "--generation-deterministic", "--no-color"]);
    command.args(["--header", &operator.header()]);
    for path in ENDLESS {
        command.args(["--exclude-path", path]);
    }
    command.env("PYTHONPATH", &support).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(portolan.data_dir());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let operations = documented(&document(&portolan)).values().map(BTreeSet::len).sum::<usize>();
    // It has read the document itself.
    let tested = operations - ENDLESS.len() - 1;
    assert!(said.contains(&format!("Tested: {tested}\n")), "{said}");
    assert!(!portolan.log().contains("panicked"));
}

#[test]
fn a_page_shows_the_document_and_loads_nothing_from_elsewhere() {
    let portolan = Portolan::start(&[]);
    let page = portolan.get("/docs").expect(200);
    let policy = page.header("content-security-policy").unwrap();
    let directives: Vec<_> = policy.split("; ").collect();
    for directive in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"] {
        assert!(directives.contains(&directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    // What the policy forbids is not there, or the page would be broken.
    let has_handlers = page.body.split_whitespace().any(|word| word.starts_with("on") && word.contains('='));
    assert!(!page.body.contains("<style") && !page.body.contains(" style=") && !has_handlers, "{}", page.body);
    assert!(page.body.matches("<script").count() == page.body.matches("<script src=\"/").count());
    let loaded: Vec<_> = ["src=\"", "rel=\"stylesheet\" href=\""]
        .iter()
        .flat_map(|mark| page.body.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap()))
        .collect();
    assert_eq!(loaded.len(), 2, "{}", page.body);
    for path in loaded {
        let file = portolan.get(path).expect(200);
        assert!(!file.body.contains("://") && !file.body.contains("innerHTML"), "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    }
}
