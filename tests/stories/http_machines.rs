//! Who asks from another machine: everybody may read, and write only where that was allowed.

use std::process::Command;

use crate::support::{Launch, Portolan, run, tool};

/// Not loopback: whoever speaks from it is another machine, as far as the registry can tell.
const ELSEWHERE: &str = "10.9.9.1";

/// A registry on every address of a network namespace of its own, which ends with it.
fn start(arguments: &[&str]) -> Portolan {
    tool("ip");
    tool("unshare");
    let setup = format!("ip link set lo up && ip address add {ELSEWHERE}/32 dev lo && exec \"$@\"");
    Launch::new()
        .under(["unshare", "--net", "sh", "-c", &setup, "sh"])
        .args(["--http", "0.0.0.0:0"])
        .args(arguments.iter().copied())
        .start()
}

/// What curl says to a request to `address` of that namespace: the body and the status.
fn curl(portolan: &Portolan, address: &str, arguments: &[&str]) -> String {
    curl_to(portolan, address, "/v1/heartbeat", arguments)
}

fn curl_to(portolan: &Portolan, address: &str, path: &str, arguments: &[&str]) -> String {
    let url = format!("http://{address}:{}{path}", portolan.http.port());
    let namespace = format!("/proc/{}/ns/net", portolan.pid());
    let mut command: Command = tool("nsenter");
    command.args([&format!("--net={namespace}"), "curl", "--silent", "--write-out", " %{http_code}"]);
    run(command.args(arguments).arg(url))
}

const BODY: [&str; 2] = ["--data", r#"{"service": "auth", "instance": "a1", "port": 8080}"#];

#[test]
fn writes_from_another_machine_are_refused_and_the_setting_is_named() {
    let portolan = start(&[]);
    let refused = curl(&portolan, ELSEWHERE, &BODY);
    assert!(refused.ends_with("403"), "{refused}");
    assert!(refused.contains("/problems/anonymous-write"), "{refused}");
    assert!(refused.contains("http.anonymous_writes = true"), "{refused}");
    let local = curl(&portolan, "127.0.0.1", &BODY);
    assert!(local.ends_with("201"), "{local}");
    let read = curl(&portolan, ELSEWHERE, &["--request", "GET"]);
    assert!(read.ends_with("405"), "reads pass, and this path takes none: {read}");
}

#[test]
fn of_calls_it_is_the_method_that_writes() {
    let portolan = start(&[]);
    let call = |path: &str, method: &str, params: &str| {
        let body = format!(r#"{{"jsonrpc": "2.0", "method": "{method}", "params": {params}, "id": 1}}"#);
        curl_to(&portolan, ELSEWHERE, path, &["--data", &body])
    };
    assert!(call("/rpc", "registry.list", "[]").contains(r#""instances":[]"#));
    assert!(call("/api", "locate_service", r#"["*"]"#).contains(r#""result":[]"#));
    for refused in [
        call("/rpc", "registry.register", r#"["auth", 8080]"#),
        call("/rpc", "registry.deregister", r#"["auth", "a1"]"#),
        call("/api", "ping", r#"["auth", "10.0.0.7", 8080]"#),
    ] {
        assert!(refused.contains(r#""code":-32003"#) && refused.contains("http.anonymous_writes = true"), "{refused}");
        assert!(refused.ends_with("200"), "{refused}");
    }
    let apps = curl_to(&portolan, ELSEWHERE, "/registro/1.0/apps", &["--data", r#"{"name": "auth"}"#]);
    assert!(apps.ends_with("403"), "{apps}");
}

#[test]
fn writes_from_another_machine_are_taken_where_that_is_set_and_its_address_is_served() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[http]\nanonymous_writes = true\n").unwrap();
    let portolan = start(&["--config", file.to_str().unwrap()]);
    let taken = curl(&portolan, ELSEWHERE, &["--data", r#"{"service": "auth", "port": 8080}"#]);
    assert!(taken.ends_with("201"), "{taken}");
    assert!(taken.contains("\"instance\":\"ip-10-9-9-1-8080\""), "{taken}");
    let refused = curl_to(&portolan, ELSEWHERE, "/v1/reload", &["--request", "POST"]);
    assert!(refused.ends_with("403") && !refused.contains("portolan.toml"), "a reload has paths: {refused}");
}
