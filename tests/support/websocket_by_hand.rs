//! A WebSocket without a library, for what none of them does: to read nothing, to say what is no message, to flood.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The socket after its handshake.
#[derive(Debug)]
pub struct ByHand(pub TcpStream);

impl ByHand {
    #[track_caller]
    pub fn open(to: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut octet = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut octet).unwrap();
            answer.push(octet[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the key of RFC 6455 §1.3: {answer}");
        Self(stream)
    }

    #[track_caller]
    pub fn say(&mut self, text: &str) {
        self.0.write_all(&frame(text)).unwrap();
    }

    /// The next message that is JSON; pings before it are not answered.
    #[track_caller]
    pub fn hear(&mut self) -> Value {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).unwrap();
            let length = match head[1] {
                126 => u64::from(u16::from_be_bytes(self.octets())),
                127 => u64::from_be_bytes(self.octets()),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).unwrap();
            match head[0] {
                0x81 => return serde_json::from_slice(&payload).unwrap(),
                0x89 => {}
                other => panic!("a frame of {other:#x}: {}", String::from_utf8_lossy(&payload)),
            }
        }
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.0.read_exact(&mut octets).unwrap();
        octets
    }
}

/// A text in a frame, masked with zeros (RFC 6455 §5.2).
pub fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0xfe], &length[..], &[0; 4], text.as_bytes()].concat()
}
