//! Pages of metrics.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Portolan, python, wait_until};

/// A page, as Python's library reads it.
#[derive(Debug)]
pub struct Page(pub Vec<Value>);

impl Page {
    #[track_caller]
    pub fn of(portolan: &Portolan) -> Self {
        Self::read("openmetrics", &fetch(portolan, "application/openmetrics-text"))
    }

    /// After so many requests over UDP: what they took is counted last, when some have their replies already. A page
    /// is not one moment, so the one that shows them all is followed by another.
    #[track_caller]
    pub fn after(portolan: &Portolan, requests: f64) -> Self {
        wait_until(&format!("{requests} requests over UDP are counted"), Duration::from_secs(20), || {
            Some(Self::of(portolan).took("udp")).filter(|took| *took >= requests)
        });
        Self::of(portolan)
    }

    #[track_caller]
    pub fn read(format: &str, text: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/openmetrics.py");
        let said = piped(python("prometheus-client").args([script, format]), text);
        Self(serde_json::from_str(&said).expect("JSON"))
    }

    /// The value of a sample; 0 where there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let samples = self.0.iter().flat_map(|family| family["samples"].as_array().unwrap());
        let is_it = |sample: &&Value| sample["name"] == name && sample["labels"] == json!(labels);
        samples.filter(is_it).map(|sample| sample["value"].as_f64().unwrap()).sum()
    }

    pub fn queries(&self, service: &str) -> f64 {
        self.value("portolan_dns_queries_total", &[("service", service)])
    }

    pub fn responses(&self, transport: &str, rcode: &str) -> f64 {
        self.value("portolan_dns_responses_total", &[("transport", transport), ("rcode", rcode)])
    }

    pub fn took(&self, transport: &str) -> f64 {
        self.value("portolan_dns_response_duration_seconds_count", &[("transport", transport)])
    }

    /// Every sample that may only grow, with its labels.
    pub fn counters(&self) -> BTreeMap<String, f64> {
        let families = self.0.iter().filter(|family| family["type"] == "counter" || family["type"] == "histogram");
        let samples = families.flat_map(|family| family["samples"].as_array().unwrap());
        samples.map(|s| (format!("{}{}", s["name"], s["labels"]), s["value"].as_f64().unwrap())).collect()
    }
}

/// The page as it is sent to who accepts this.
#[track_caller]
pub fn fetch(portolan: &Portolan, accept: &str) -> String {
    portolan.request("GET", "/metrics", &[("Accept", accept)], "").expect(200).body
}

/// What a program says that reads `input`, if it succeeds.
#[track_caller]
pub fn piped(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}{complaints}", output.status);
    said.into_owned()
}
