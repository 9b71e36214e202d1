//! HTTP/2 by hand (RFC 9113), for clients that do not behave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const WINDOW_UPDATE: u8 = 8;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection.
#[derive(Debug)]
pub struct Http2(TcpStream);

/// What came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn ends_stream(&self) -> bool {
        self.kind == RST_STREAM || matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

impl Http2 {
    /// Connects and says these settings.
    #[track_caller]
    pub fn connect(to: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(to).unwrap_or_else(|error| panic!("connect to {to}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self(stream);
        connection.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let pairs = settings.iter().flat_map(|(key, value)| [&key.to_be_bytes()[..], &value.to_be_bytes()].concat());
        connection.send(&frame(SETTINGS, 0, 0, &pairs.collect::<Vec<_>>()));
        connection
    }

    /// What [`frame`] and [`head`] made.
    #[track_caller]
    pub fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    /// The same to who may have closed the connection, as to resets without end (CVE-2023-44487).
    pub fn try_send(&mut self, octets: &[u8]) {
        let _closed = self.0.write_all(octets);
    }

    /// The next frame; `None` once the connection is closed.
    #[track_caller]
    pub fn next(&mut self) -> Option<Frame> {
        let mut start = [0; 9];
        self.0.read_exact(&mut start).ok()?;
        let number = |octets: &[u8]| octets.iter().fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet));
        let mut payload = vec![0; number(&start[..3]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame { kind: start[3], flags: start[4], stream: number(&start[5..]) & (u32::MAX >> 1), payload })
    }

    /// Waits for so many heads of answers.
    #[track_caller]
    pub fn wait_for_heads(&mut self, count: usize) {
        let mut seen = 0;
        while seen < count {
            let frame = self.next().unwrap_or_else(|| panic!("closed after {seen} of {count} heads"));
            seen += usize::from(frame.kind == HEADERS);
        }
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request, or the head of one to which a body belongs.
pub fn head(stream: u32, method: &str, path: &str, has_body: bool) -> Vec<u8> {
    // Literals without indexing, with names and values as they are (RFC 7541 §6.2.2).
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    let fields = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)];
    let fields = fields.map(|(name, value)| [vec![0], text(name), text(value)].concat()).concat();
    frame(HEADERS, END_HEADERS | if has_body { 0 } else { END_STREAM }, stream, &fields)
}
