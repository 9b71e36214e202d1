//! Who learns from the examples: they run as they are.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Portolan, run};

/// An example of this package, which `cargo test` builds beside the program.
#[track_caller]
fn example(name: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_portolan")).with_file_name("examples").join(name);
    assert!(program.is_file(), "{} is missing: cargo build --examples", program.display());
    Command::new(program)
}

/// Ends with the test, however that ends.
struct Running(Child);

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

    let mut register = Running(example("register").arg(&url).stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(register.0.stdout.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    assert!(first.contains("hello service"), "{first}");
    let found = run(example("lookup").args(["he*", &url]));
    assert_eq!(found, "my\\032example._hello._tcp.registry.local.: ip-127-0-0-1.registry.local.:8080\n");

    run(Command::new("sh").args(["-c", &format!("kill -TERM {}", register.0.id())]));
    assert!(register.0.wait().unwrap().success());
    assert_eq!(said.next().unwrap().unwrap(), "and now it is none");
    assert_eq!(run(example("lookup").args(["he*", &url])), "");
}
