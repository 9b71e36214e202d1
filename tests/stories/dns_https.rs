//! DNS over HTTPS: item 32, with curl and kdig, over HTTP/1.1 and HTTP/2, beside the API and on a port of its own.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::https::Https;
use crate::support::netns::Net;
use crate::support::{Launch, Portolan, Response, request, run, tool};

/// `_auth._tcp.registry.local SRV` with a message ID of 0, as RFC 8484 §4.1 advises, and in base64url.
const QUESTION: &[u8] = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x05_auth\x04_tcp\x08registry\x05local\0\0\x21\0\x01";
const QUESTION_TEXT: &str = "AAABAAABAAAAAAAABV9hdXRoBF90Y3AIcmVnaXN0cnkFbG9jYWwAACEAAQ";

fn start(launch: Launch) -> Https {
    let started = Https::start(launch);
    started.portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 80, "addresses": ["10.0.0.1"]}));
    started
}

/// Whether it is the answer to [`QUESTION`], by header and the first data.
#[track_caller]
fn assert_answered(reply: &[u8]) {
    assert!(reply.starts_with(b"\0\0\x85\0\0\x01\0\x01\0\0\0\x01"), "{}", reply.escape_ascii());
    assert!(reply.windows(4).any(|data| data == [10, 0, 0, 1]), "{}", reply.escape_ascii());
}

/// A file that holds a question, for curl to send.
fn question(folder: &Path) -> String {
    let file = folder.join("question");
    fs::write(&file, QUESTION).unwrap();
    format!("@{}", file.display())
}

#[test]
fn item_32_kdig_asks_over_https_with_get_and_post() {
    let started = start(Launch::new());
    for method in ["+https", "+https-get"] {
        let ca = format!("+tls-ca={}", started.certificate.file.display());
        let port = started.address.port().to_string();
        let server = ["@127.0.0.1", "-p", &port, method, &ca, "+tls-hostname=localhost", "+noidn"];
        let text = run(tool("kdig").args(server).args(["_auth._tcp.registry.local", "SRV"]));
        assert!(text.contains("HTTP session (HTTP/2-"), "{text}");
        assert!(text.contains("status: NOERROR") && text.contains("\tA\t10.0.0.1"), "{text}");
        assert!(!text.contains("WARNING"), "{text}");
    }
}

#[test]
fn item_32_curl_asks_over_https_with_either_version_of_http() {
    let started = start(Launch::new());
    let (question, answer) = (question(started.folder.path()), started.folder.path().join("answer"));
    for version in ["--http1.1", "--http2"] {
        for host in ["localhost", "registry.example"] {
            let (_, url) = started.curl(host, "/dns-query");
            let post = ["-H", "Content-Type: application/dns-message", "--data-binary", &question, &url];
            let get = [&format!("{url}?dns={QUESTION_TEXT}")[..]];
            for request in [&post[..], &get[..]] {
                let (mut curl, _) = started.curl(host, "/dns-query");
                curl.arg(version).args(["-o", answer.to_str().unwrap()]);
                let shown = run(curl
                    .args(["-w", "%{http_version} %{http_code} %{content_type} %header{cache-control}"])
                    .args(request));
                let version = version.trim_start_matches("--http");
                assert_eq!(shown, format!("{version} 200 application/dns-message max-age=10"));
                assert_answered(&fs::read(&answer).unwrap());
            }
        }
    }
}

#[test]
fn item_32_an_answer_is_fresh_for_its_smallest_ttl() {
    let Https { portolan, folder, .. } = start(Launch::new());
    let lease = json!({"service": "short", "instance": "s1", "port": 80, "lease": 6, "addresses": ["10.0.0.2"]});
    portolan.heartbeat(&lease);
    // SRV of `_short`, whose lease bounds its TTL; of `_auth`; of `_none`, which there is not; of another's name.
    for (name, max_age) in [
        ("\x06_short\x04_tcp\x08registry\x05local", "max-age=6"),
        ("\x05_auth\x04_tcp\x08registry\x05local", "max-age=10"),
        ("\x05_none\x04_tcp\x08registry\x05local", "max-age=5"),
        ("\x07example\x03org", "max-age=0"),
    ] {
        let message = folder.path().join("message");
        fs::write(&message, [&QUESTION[..12], name.as_bytes(), b"\0\0\x21\0\x01"].concat()).unwrap();
        let (message, url) = (format!("@{}", message.display()), format!("http://{}/dns-query", portolan.http));
        let shown = run(tool("curl").args(["-sS", "-o", "/dev/null", "-w", "%header{cache-control}"]).args([
            "-H",
            "Content-Type: application/dns-message",
            "--data-binary",
            &message,
            &url,
        ]));
        assert_eq!(shown, max_age, "{name:?}");
    }
}

/// On the plain port.
fn post(portolan: &Portolan, headers: &[(&str, &str)], body: &str) -> Response {
    request(portolan.http, "POST", "/dns-query", headers, body)
}

#[test]
fn what_is_no_dns_request_is_told_why() {
    let portolan = start(Launch::new()).portolan;
    let message = ("Content-Type", "application/dns-message");
    let question = std::str::from_utf8(QUESTION).unwrap();
    for (answer, status, part) in [
        (portolan.get("/dns-query"), 400, "`dns` is missing"),
        (portolan.get("/dns-query?dns=AAAA*"), 400, "no base64url"),
        (portolan.get("/dns-query?dns=AAAA"), 400, "no DNS request"),
        (portolan.get(&format!("/dns-query?dns={}", "A".repeat(6000))), 400, "4096"),
        (post(&portolan, &[message], ""), 400, "no DNS request"),
        (post(&portolan, &[message], &"\0".repeat(5000)), 413, "4096"),
        (post(&portolan, &[("Content-Type", "application/json")], question), 415, "application/dns-message"),
        (post(&portolan, &[], question), 415, "application/dns-message"),
        (portolan.request("PUT", "/dns-query", &[message], question), 405, "does not take PUT"),
        (post(&portolan, &[message, ("Origin", "http://evil.example")], question), 403, "evil.example"),
        (post(&portolan, &[message, ("Host", "evil.example")], question), 403, "http.hosts"),
    ] {
        let answer = answer.expect(status);
        assert!(answer.json()["detail"].as_str().unwrap().contains(part), "{answer:?}");
    }
}

#[test]
fn another_machine_asks_over_https_but_writes_nothing() {
    let net = Net::enter();
    let host = net.host();
    let started = start(Launch::new().args(["--http", "127.0.0.1:0", "--http", "10.9.1.1:0"]));
    let url = format!("http://{}", started.portolan.ready["http"][1].as_str().unwrap());
    let answer = started.folder.path().join("answer");
    let question = question(started.folder.path());
    let shown = run(host.command("curl").args(["-sS", "--max-time", "20", "-w", "%{http_code}"]).args([
        "-o",
        answer.to_str().unwrap(),
        "-H",
        "Content-Type: application/dns-message",
        "--data-binary",
        &question,
        &format!("{url}/dns-query"),
    ]));
    assert_eq!(shown, "200");
    assert_answered(&fs::read(answer).unwrap());
    let heartbeat = ["-d", r#"{"service":"web","port":1}"#, &format!("{url}/v1/heartbeat")];
    let shown = run(host.command("curl").args(["-sS", "--max-time", "20"]).args(heartbeat));
    assert!(shown.contains("anonymous-write"), "{shown}");
}
