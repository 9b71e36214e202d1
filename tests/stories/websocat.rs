//! Who types calls into websocat, as the README of the Plexus registry shows, and reads what comes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::support::{Portolan, websocat};

/// A terminal with websocat in it.
struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: BufReader<ChildStdout>,
}

impl Terminal {
    fn open(portolan: &Portolan, path: &str) -> Self {
        let mut command = websocat();
        command.arg(format!("ws://{}{path}", portolan.http)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (keyboard, screen) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, keyboard, screen }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    #[track_caller]
    fn read_line(&mut self) -> Value {
        let mut line = String::new();
        self.screen.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn calls_of_a_plexus_registry_are_answered_line_by_line() {
    let portolan = Portolan::start(&[]);
    let mut terminal = Terminal::open(&portolan, "");
    terminal.type_line(r#"{"jsonrpc":"2.0","id":1,"method":"registry.list","params":{"active_only":true}}"#);
    assert_eq!(terminal.read_line()["result"], json!({"type": "backends", "backends": []}));
    terminal.type_line(
        r#"{"jsonrpc":"2.0","id":2,"method":"registry.register","params":{"name":"test","host":"127.0.0.1","port":8888}}"#,
    );
    assert_eq!(terminal.read_line()["result"]["backend"]["name"], "test");
    terminal.type_line("oops");
    assert_eq!(terminal.read_line()["error"]["code"], -32700);
    portolan.get("/v1/instances/test/test").expect(200);
}

#[test]
fn changes_scroll_by_and_what_is_typed_holds_as_long_as_it_runs() {
    let portolan = Portolan::start(&[]);
    let mut terminal = Terminal::open(&portolan, "/ws");
    terminal.type_line(r#"{"jsonrpc":"2.0","id":1,"method":"registry.watch","params":["auth"]}"#);
    assert_eq!(terminal.read_line()["result"], 1);
    let mut other = Terminal::open(&portolan, "/ws");
    other.type_line(
        r#"{"jsonrpc":"2.0","id":1,"method":"registry.register","params":{"service":"auth","instance":"a1","port":80,"lease":"session"}}"#,
    );
    assert_eq!(other.read_line()["result"]["lease"], "session");
    assert_eq!(terminal.read_line()["params"]["result"]["event"], "added");
    drop(other);
    assert_eq!(terminal.read_line()["params"]["result"]["event"], "removed");
}
