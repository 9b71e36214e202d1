//! Server-sent events, read as they come.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::Portolan;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What stands between two empty lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Of a comment there is none.
    pub event: Option<String>,
    pub id: Option<String>,
    pub data: Value,
}

/// The answer to one request for events.
#[derive(Debug)]
pub struct Events {
    stream: BufReader<TcpStream>,
    /// Come and not yet read.
    octets: Vec<u8>,
}

impl Events {
    /// Watches, and waits for the head of the answer, which promises events.
    #[track_caller]
    pub fn of(portolan: &Portolan, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(portolan.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET /v1/watch?{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut events = Self { stream: BufReader::new(stream), octets: Vec::new() };
        let head: Vec<_> = std::iter::from_fn(|| Some(events.line()).filter(|line| !line.is_empty())).collect();
        assert_eq!(head[0], "HTTP/1.1 200 OK", "{head:?}");
        for line in ["content-type: text/event-stream", "cache-control: no-store", "transfer-encoding: chunked"] {
            assert!(head.iter().any(|there| there == line), "{line} is not in {head:?}");
        }
        events
    }

    /// Watches from now on: what is changed after this is told.
    #[track_caller]
    pub fn from_now(portolan: &Portolan, query: &str) -> Self {
        let mut events = Self::of(portolan, query, "");
        let first = events.said().expect("where it begins");
        assert!(first.event.is_none() && first.id.is_some(), "{first:?}");
        events
    }

    /// The next event; comments are passed over.
    #[track_caller]
    pub fn event(&mut self) -> Said {
        loop {
            let said = self.said().expect("an event");
            if said.event.is_some() {
                return said;
            }
        }
    }

    /// The next event by its name, the instance that it is about and why.
    #[track_caller]
    pub fn told(&mut self) -> [String; 3] {
        let Said { event, data, .. } = self.event();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        [event.unwrap(), text(&data["instance"]["instance"]), text(&data["cause"])]
    }

    /// Whatever is said next; `None` at a clean end.
    #[track_caller]
    pub fn said(&mut self) -> Option<Said> {
        loop {
            if let Some(end) = self.octets.windows(2).position(|pair| pair == b"\n\n") {
                let said: Vec<u8> = self.octets.drain(..end + 2).collect();
                return Some(read(std::str::from_utf8(&said).unwrap()));
            }
            let length = usize::from_str_radix(&self.line(), 16).expect("the length of a chunk");
            let mut chunk = vec![0; length];
            self.stream.read_exact(&mut chunk).unwrap();
            assert_eq!(self.line(), "");
            if length == 0 {
                assert_eq!(self.octets, b"");
                return None;
            }
            self.octets.extend(chunk);
        }
    }

    /// Whether the connection is closed, after whatever is still said.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("cut off after {line:?}")).to_owned()
    }
}

fn read(text: &str) -> Said {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = field("data").map_or(Value::Null, |data| serde_json::from_str(data).expect("JSON"));
    Said { event: field("event").map(str::to_owned), id: field("id").map(str::to_owned), data }
}
