//! Who learns from the examples: they run as they are.

use std::io::{BufRead, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::support::{Portolan, run, tool, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// An example of this package, which `cargo test` builds beside the program.
#[track_caller]
fn example(name: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_portolan")).with_file_name("examples").join(name);
    assert!(program.is_file(), "{} is missing: cargo build --examples", program.display());
    Command::new(program)
}

/// Ends with the test, however that ends.
struct Running(Child);

impl Running {
    /// Starts `command`; gives the lines that it prints, too.
    fn start(command: &mut Command) -> (Self, impl Iterator<Item = String> + use<>) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (Self(child), lines.map(Result::unwrap))
    }

    fn terminate(&mut self) -> ExitStatus {
        run(Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]));
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn register_announces_and_lookup_finds_until_it_is_stopped() {
    let portolan = Portolan::start(&[]);
    let url = format!("http://{}", portolan.http);

    let (mut register, mut said) = Running::start(example("register").arg(&url));
    let first = said.next().unwrap();
    assert!(first.contains("hello service"), "{first}");
    let found = run(example("lookup").args(["he*", &url]));
    assert_eq!(found, "my\\032example._hello._tcp.registry.local.: ip-127-0-0-1.registry.local.:8080\n");

    assert!(register.terminate().success());
    assert_eq!(said.next().unwrap(), "and now it is none");
    assert_eq!(run(example("lookup").args(["he*", &url])), "");
}

#[test]
fn register_takes_signals_before_it_says_that_it_is_there() {
    let portolan = Portolan::start(&[]);
    let (reader, full) = full_pipe();
    let mut command = example("register");
    command.arg(format!("http://{}", portolan.http)).stdout(OwnedFd::from(full));
    let mut register = Running(command.spawn().unwrap());
    drop(command);
    // It waits for a reader of its first line.
    wait_until("SIGTERM is caught", PATIENCE, || catches_sigterm(register.0.id()).then_some(()));
    let reading = std::thread::spawn(|| std::io::read_to_string(reader).unwrap());
    assert!(register.terminate().success());
    assert!(reading.join().unwrap().ends_with("and now it is none\n"));
    portolan.get("/v1/instances/hello/my%20example").expect(404);
}

/// Whoever writes to the second end waits until the first is read.
fn full_pipe() -> (UnixStream, UnixStream) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    (reader, writer)
}

fn catches_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask of signals");
    u64::from_str_radix(caught.trim(), 16).unwrap() & 1 << (15 - 1) != 0
}

#[test]
fn embed_runs_a_registry_that_its_own_dig_command_can_ask() {
    let (mut embed, mut said) = Running::start(&mut example("embed"));
    let command = said.next().unwrap();
    let mut words = command.split(' ');
    let answer = run(tool(words.next().unwrap()).arg("+short").args(words));
    assert_eq!(answer, "0 0 8080 ip-127-0-0-1.registry.local.\n");
    assert!(embed.terminate().success());
    assert_eq!(said.next().unwrap(), "stopped");
}
