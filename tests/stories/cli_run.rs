//! `portolan run` starts a command, and its service is in the registry while it runs.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::cli::Said;
use crate::support::{Portolan, cli, tool, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// `portolan run`, running; killed when dropped.
struct Run {
    child: Child,
    /// What the command prints.
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Run {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for the next line.
    #[track_caller]
    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("UTF-8")
    }

    /// A line for the command to read.
    fn type_in(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").expect("it reads");
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    #[track_caller]
    fn ends(&mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        wait_until("run ends", PATIENCE, || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(portolan: &Portolan, flags: &[&str], command: &[&str]) -> Run {
    Run::start(portolan.cli(&[&["run", "web", "--instance", "w"], flags, &["--"], command].concat()))
}

/// The instance, when it is as `is` wants it.
#[track_caller]
fn wait_for_web(portolan: &Portolan, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, PATIENCE, || {
        let answer = portolan.get("/v1/instances/web/w");
        (answer.status == 200).then(|| answer.json()).filter(&is)
    })
}

#[test]
fn a_command_has_a_port_and_is_registered_while_it_runs() {
    let portolan = Portolan::start(&[]);
    let mut run = run(&portolan, &["--tag", "blue"], &["sh", "-c", "printenv PORT; cat"]);
    let port: u16 = run.line().parse().expect("a port");
    assert_ne!(port, 0);
    wait_for_web(&portolan, "it is served", |web| web["served"] == true);
    let found = portolan.dig(&["+short", "SRV", "_blue._sub._web._tcp.registry.local"]);
    assert!(found.starts_with(&format!("0 0 {port} ")), "{found}");
    // Input and output are the command's.
    run.type_in("echoed");
    assert_eq!(run.line(), "echoed");

    assert_eq!(run.ends(), Some(0));
    portolan.get("/v1/instances/web/w").expect(404);
}

#[test]
fn arguments_name_the_port_where_no_shell_does() {
    let portolan = Portolan::start(&[]);
    let mut run = run(&portolan, &["--port", "8123"], &["echo", "--listen=127.0.0.1:$PORT", "${PORT}", "$PORTS"]);
    assert_eq!(run.line(), "--listen=127.0.0.1:8123 8123 $PORTS");
    assert_eq!(run.ends(), Some(0));
}

#[test]
fn run_ends_as_its_command_does() {
    let portolan = Portolan::start(&[]);
    let ends =
        |command: &[&str]| Said::by(portolan.cli(&[&["run", "web", "--port", "80", "--"], command].concat())).code;
    assert_eq!(ends(&["true"]), Some(0));
    assert_eq!(ends(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(ends(&["sh", "-c", "kill -9 $$"]), Some(128 + 9));
    assert_eq!(ends(&["no-such-program"]), Some(127));
    assert_eq!(ends(&["/"]), Some(126));
    let list = portolan.get("/v1/instances").expect(200).json();
    assert_eq!(list["instances"], serde_json::json!([]), "nothing is left");
}

#[test]
fn a_signal_takes_the_service_out_before_it_reaches_the_command() {
    let portolan = Portolan::start(&[]);
    for signal in ["TERM", "INT", "HUP"] {
        let looks = r#"trap '"$PROGRAM" lookup web >/dev/null 2>&1; echo "looked $?"; exit 4' TERM INT
                       echo ready; while :; do sleep 0.05; done"#;
        let mut command = portolan.cli(&["run", "web", "--instance", "w", "--", "sh", "-c", looks]);
        command.env("PROGRAM", env!("CARGO_BIN_EXE_portolan"));
        let mut run = Run::start(command);
        assert_eq!(run.line(), "ready");
        wait_for_web(&portolan, "it is served", |web| web["served"] == true);
        run.signal(signal);
        assert_eq!(run.line(), "looked 1", "nothing was found any more");
        assert_eq!(run.ends(), Some(4));
    }
}

#[test]
fn a_terminal_that_closes_may_say_so_twice() {
    let portolan = Portolan::start(&[]);
    let waits = "trap 'echo told; read line; exit 4' TERM; echo ready; while :; do sleep 0.05; done";
    let mut run = run(&portolan, &[], &["sh", "-c", waits]);
    assert_eq!(run.line(), "ready");
    wait_for_web(&portolan, "it is served", |web| web["served"] == true);
    run.signal("HUP");
    run.signal("HUP");
    assert_eq!(run.line(), "told");
    portolan.get("/v1/instances/web/w").expect(404);
    run.signal("HUP");
    run.type_in("go");
    assert_eq!(run.ends(), Some(4));
}

#[test]
fn who_is_to_outlive_the_terminal_does() {
    let portolan = Portolan::start(&[]);
    // As `nohup` has it.
    let started = r#"trap '' HUP; exec "$@""#;
    let program = portolan.cli(&["run", "web", "--instance", "w", "--", "cat"]);
    let mut command = Command::new("sh");
    command.args(["-c", started, "sh"]).arg(program.get_program()).args(program.get_args());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut run = Run::start(command);
    wait_for_web(&portolan, "it is served", |web| web["served"] == true);
    run.signal("HUP");
    run.type_in("still there");
    assert_eq!(run.line(), "still there");
    assert_eq!(run.ends(), Some(0));
}

#[test]
fn a_service_is_found_only_while_its_check_passes() {
    let portolan = Portolan::start(&[]);
    tool("python3");
    let server = "import os, socket
input()
listening = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))
input()
listening.close()
input()";
    let mut run = run(&portolan, &["--check", "tcp"], &["python3", "-c", server]);
    wait_for_web(&portolan, "it is starting", |web| web["status"] == "starting");
    assert_eq!(portolan.dig(&["+short", "SRV", "_web._tcp.registry.local"]), "");
    run.type_in("listen");
    wait_for_web(&portolan, "it is up", |web| web["status"] == "up");
    assert_ne!(portolan.dig(&["+short", "SRV", "_web._tcp.registry.local"]), "");
    run.type_in("close");
    wait_for_web(&portolan, "it is not ready", |web| web["status"] == "starting");
    run.type_in("end");
    assert_eq!(run.ends(), Some(0));
}

#[test]
fn an_answer_over_http_is_a_check_too() {
    let portolan = Portolan::start(&[]);
    // Any server of HTTP will do: the registry itself, at a port that the URL says.
    let check = |path: &str| format!("http://{}{path}", portolan.http);
    let mut well = run(&portolan, &["--check", &check("/healthz")], &["cat"]);
    wait_for_web(&portolan, "it is up", |web| web["status"] == "up");
    assert_eq!(well.ends(), Some(0));
    let mut ill = run(&portolan, &["--check", &check("/nowhere")], &["cat"]);
    wait_for_web(&portolan, "it is registered", |web| web["status"] == "starting");
    assert_eq!(ill.ends(), Some(0));
}

#[test]
fn a_registry_that_comes_later_is_told_then() {
    let first = Portolan::start(&["--store", "memory:"]);
    let http = first.http.to_string();
    let command = first.cli(&["run", "web", "--instance", "w", "--", "sh", "-c", "echo runs; cat"]);
    first.kill();
    let mut run = Run::start(command);
    assert_eq!(run.line(), "runs", "without a registry");
    let second = Portolan::start(&["--store", "memory:", "--http", &http]);
    wait_for_web(&second, "it is registered", |web| web["status"] == "up");
    assert_eq!(run.ends(), Some(0));
    second.get("/v1/instances/web/w").expect(404);
}

#[test]
fn a_registry_that_forgot_all_is_told_again() {
    let first = Portolan::start(&["--store", "memory:"]);
    let http = first.http.to_string();
    let mut run = run(&first, &["--lease", "5s"], &["cat"]);
    let before = wait_for_web(&first, "it is registered", |web| web["status"] == "up");
    first.kill();
    let second = Portolan::start(&["--store", "memory:", "--http", &http]);
    let after = wait_for_web(&second, "it is registered again", |web| web["status"] == "up");
    assert_eq!(after["port"], before["port"]);
    assert_eq!(run.ends(), Some(0));
    second.get("/v1/instances/web/w").expect(404);
}

#[test]
fn what_the_registry_refuses_does_not_run_on() {
    let portolan = Portolan::start(&[]);
    let refused = Said::by(portolan.cli(&["run", "web", "--tag", "a.b", "--", "sleep", "1000"])).with(3);
    assert!(refused.contains("`tags[0]`") && refused.contains("(422 invalid-tag)"), "{refused}");
    let usage = Said::by(cli(&["run", "a_b", "--", "sleep", "1000"])).with(2);
    assert!(usage.contains("\"a_b\" has '_'"), "{usage}");
}

#[test]
fn a_command_that_ends_is_started_again_where_asked() {
    let portolan = Portolan::start(&[]);
    let mut run = run(&portolan, &["--respawn"], &["sh", "-c", "printenv PORT; exit 1"]);
    let ports = [run.line(), run.line(), run.line()];
    assert!(ports.iter().all(|port| *port == ports[0]), "on the same port: {ports:?}");
    // Just after its start: whether it runs, has ended or is being taken out, one signal is enough, and all is undone.
    run.signal("TERM");
    assert!(matches!(run.ends(), Some(1 | 143)));
    portolan.get("/v1/instances/web/w").expect(404);
}
