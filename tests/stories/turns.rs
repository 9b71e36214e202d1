//! Who has the registry look at all that it lists, or write much of it: each client has its turn, however many requests
//! another sends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::support::{Launch, Portolan, from_elsewhere, wait_until};

/// More than a debug build takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than may be in line.
const FLOOD: usize = 450;

fn look() -> String {
    let call = json!({"jsonrpc": "2.0", "method": "locate_service", "params": ["nobody*"], "id": 1}).to_string();
    format!(
        "POST /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    )
}

/// What has been said until now.
fn heard(connection: &TcpStream) -> String {
    let mut octets = [0; 4096];
    let length = match connection.peek(&mut octets) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        length => length.unwrap(),
    };
    String::from_utf8(octets[..length].to_vec()).unwrap()
}

/// A registry with many instances.
fn with_a_crowd() -> Portolan {
    let portolan = Launch::new().env("PORTOLAN_HTTP_CONNECTIONS_PER_CLIENT", "500").start();
    for from in (0..20_000).step_by(1000) {
        let item = |n: u16| json!({"service": "crowd", "instance": format!("c{n}"), "port": 80, "host": "10.0.0.1"});
        portolan.post("/v1/heartbeat", &json!((from..from + 1000).map(item).collect::<Vec<_>>())).expect(200);
    }
    portolan
}

/// So many connections that each ask for it.
fn flood(portolan: &Portolan, count: usize, request: &str) -> Vec<TcpStream> {
    let ask = |_| {
        let mut connection = TcpStream::connect(portolan.http).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        connection.set_nonblocking(true).unwrap();
        connection
    };
    (0..count).map(ask).collect()
}

#[test]
fn a_flood_of_lists_from_one_address_holds_up_another_by_one_piece_for_each_of_its_own() {
    let portolan = with_a_crowd();
    // Looks at as many as a page may, which is a score of turns, and has nothing to write.
    let list = "GET /v1/instances?tag=nobody HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let flood = flood(&portolan, 200, list);
    let mut other = from_elsewhere(portolan.http);
    other.write_all(list.as_bytes()).unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    let before = flood.iter().filter(|connection| !heard(connection).is_empty()).count();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"cursor\":"), "{answer}");
    assert!(before < 100, "{before} of the flood came before it");
}

#[test]
fn a_flood_of_looks_from_one_address_holds_up_another_by_one() {
    let portolan = with_a_crowd();
    let flood = flood(&portolan, FLOOD, &look());
    let refused = wait_until("more than may be in line", PATIENCE, || {
        flood.iter().map(heard).find(|heard| heard.contains("/problems/busy"))
    });
    assert!(refused.starts_with("HTTP/1.1 200 ") && refused.contains("\"result\":null"), "{refused}");
    assert!(refused.contains("requests from your address wait for their turn, which is the limit"), "{refused}");
    let looked = || flood.iter().filter(|connection| heard(connection).contains("\"result\":[]")).count();
    let before = looked();
    let mut other = from_elsewhere(portolan.http);
    other.write_all(look().as_bytes()).unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    let meanwhile = looked() - before;
    assert!(answer.contains("\"result\":[]"), "{answer}");
    assert!(meanwhile < 30, "{meanwhile} of the flood came before it");
}
