//! HTTP/2, and HTTP over TLS: the same API, within the same limits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::https::Https;
use crate::support::{Launch, run, tool};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How a connection of HTTP/2 begins: the preface, and settings that set nothing (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn start(settings: &[(&str, &str)]) -> Https {
    Https::start(settings.iter().fold(Launch::new(), |launch, (name, value)| launch.env(name, value)))
}

/// Whether the server closes the connection before our patience ends.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_to_end(&mut Vec::new()).map_or_else(|error| error.kind() != std::io::ErrorKind::WouldBlock, |_| true)
}

#[test]
fn the_whole_api_is_there_over_tls() {
    let started = start(&[]);
    for (version, number) in [("--http2", " 2 "), ("--http1.1", " 1.1 ")] {
        let (mut curl, url) = started.curl("localhost", "/v1/heartbeat");
        let body = format!(r#"{{"service":"web","instance":"over{}","port":443}}"#, number.trim());
        let shown = run(curl.args([version, "-w", " %{http_version} %{http_code}", "-d", &body, &url]));
        assert!(shown.contains(r#""created":true"#) && shown.ends_with(&format!("{number}201")), "{shown}");
    }
}

#[test]
fn plain_http_2_is_spoken_to_who_begins_with_it() {
    let portolan = start(&[]).portolan;
    let url = format!("http://{}/", portolan.http);
    let shown = run(tool("curl").args(["-sS", "--http2-prior-knowledge", "-w", "%{http_version}", &url]));
    assert!(shown.contains(&format!("curl {url}v1/services")) && shown.ends_with("\n2"), "{shown}");
}

#[test]
fn a_connection_of_http_2_that_asks_nothing_is_closed() {
    let portolan = start(&[("PORTOLAN_HTTP_IDLE_TIMEOUT", "300ms")]).portolan;
    let mut stream = TcpStream::connect(portolan.http).unwrap();
    stream.write_all(PREFACE).unwrap();
    assert!(is_closed(&mut stream));
}

#[test]
fn a_handshake_that_stalls_is_cut_off_and_keeps_nobody_waiting() {
    let started = start(&[("PORTOLAN_HTTP_IDLE_TIMEOUT", "1s")]);
    let mut stalled = TcpStream::connect(started.address).unwrap();
    // The head of a record that promises 512 octets of a handshake.
    stalled.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    let (mut curl, url) = started.curl("localhost", "/healthz");
    assert_eq!(run(curl.arg(url)), "ok\n");
    assert!(is_closed(&mut stalled));
}

#[test]
fn a_page_of_another_site_is_refused_over_tls_as_well() {
    let started = start(&[]);
    let (mut curl, url) = started.curl("localhost", "/v1/heartbeat");
    let shown = run(curl.args(["-H", "Origin: https://evil.example", "-d", r#"{"service":"web","port":1}"#, &url]));
    assert!(shown.contains("/problems/cross-site"), "{shown}");
}
