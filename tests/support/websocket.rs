//! A WebSocket of a library that is not ours, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::tools;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open WebSocket; dropped, its process is killed, and the connection breaks off without a word.
#[derive(Debug)]
pub struct WebSocket {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl WebSocket {
    #[track_caller]
    pub fn open(to: SocketAddr, path: &str) -> Self {
        Self::open_with(to, path, None)
    }

    /// The same, showing a token.
    #[track_caller]
    pub fn open_with(to: SocketAddr, path: &str, token: Option<&str>) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/websocket_peer.py");
        let mut command = tools::python("websockets");
        command.args([script, &format!("ws://{to}{path}")]).args(token).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python runs");
        let (send, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let stdin = child.stdin.take().unwrap();
        let socket = Self { child, stdin, lines };
        assert_eq!(socket.hear_line(), "open");
        socket
    }

    /// Sends a text, or what a line that begins with `!` tells the peer to do.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        writeln!(self.stdin, "{text}").expect("the peer runs");
    }

    /// Calls a method and gives the reply.
    #[track_caller]
    pub fn call(&mut self, call: &Value) -> Value {
        self.say(&call.to_string());
        self.hear()
    }

    #[track_caller]
    pub fn hear(&self) -> Value {
        let line = self.hear_line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line:?}"))
    }

    #[track_caller]
    pub fn hear_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("something is heard")
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
