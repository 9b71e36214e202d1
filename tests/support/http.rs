//! HTTP/1.1 by hand, so that a test sees what a stranger's client sees and not what ours makes of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpSocket;

/// Longer than any answer takes on a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The response, if its status is this one; else the test fails and shows what came.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// One request on a connection of its own. `Host` and `Content-Length` are added unless given.
#[track_caller]
pub fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let stream = TcpStream::connect_timeout(&to, PATIENCE).unwrap_or_else(|e| panic!("connect to {to}: {e}"));
    request_over(stream, method, path, headers, body)
}

/// A connection from another address of this machine: for the server, another client.
pub fn from_elsewhere(to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let connected = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    connected.set_nonblocking(false).unwrap();
    connected
}

/// As [`request`], on this connection.
#[track_caller]
pub fn request_over(mut stream: TcpStream, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let to = stream.peer_addr().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = vec![format!("{method} {path} HTTP/1.1\r\nConnection: close")];
    for (name, value) in [("Host", to.to_string()), ("Content-Length", body.len().to_string())] {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            head.push(format!("{name}: {value}"));
        }
    }
    head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let head = head.join("\r\n");
    // A server that has read enough may answer and close before it took all: what it said is what counts.
    let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    assert!(!bytes.is_empty(), "{method} {path} to {to} got no answer: {end:?}");
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Response {
    let cut = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("the end of the headers");
    let head = std::str::from_utf8(&bytes[..cut]).expect("headers in ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = &bytes[cut + 4..];
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { dechunk(body) } else { body.to_vec() };
    Response {
        status: status.expect("a status code"),
        headers,
        body: String::from_utf8(body).expect("a body in UTF-8"),
    }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
        let size = size.expect("a chunk size");
        rest = &rest[line + 2..];
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
    body
}
