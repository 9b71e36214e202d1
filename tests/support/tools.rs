//! Tools of the system, and patience.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// Debian's package of each tool that a story may need; `tests/run` installs them.
const PACKAGES: &[(&str, &str)] = &[
    ("avahi-browse", "avahi-utils"),
    ("avahi-daemon", "avahi-daemon"),
    ("avahi-publish", "avahi-utils"),
    ("curl", "curl"),
    ("dbus-daemon", "dbus-daemon"),
    ("dig", "bind9-dnsutils"),
    ("ip", "iproute2"),
    ("kdig", "knot-dnsutils"),
    ("knotd", "knot"),
    ("named", "bind9"),
    ("node", "nodejs"),
    ("nsd", "nsd"),
    ("nsenter", "util-linux"),
    ("promtool", "prometheus"),
    ("strace", "strace"),
    ("taskset", "util-linux"),
    ("unshare", "util-linux"),
];

/// A command for `program`, which is there: else the test fails and says how to install it.
#[track_caller]
pub fn tool(program: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Daemons live in sbin, which is not on everybody's path.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    let Some(found) = found else {
        let package = PACKAGES.iter().find(|(tool, _)| *tool == program).map_or(program, |(_, package)| package);
        panic!("this test needs `{program}`: apt-get install --no-install-recommends {package} (tests/run does so)");
    };
    Command::new(found)
}

/// A command for the Python that `tests/run` gave the peers that the tests need, of which `package` is one.
#[track_caller]
pub fn python(package: &str) -> Command {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-python/bin/python");
    assert!(
        std::path::Path::new(python).is_file(),
        "this test needs {package}: python3 -m venv target/test-python && \
         target/test-python/bin/pip install {package} (tests/run does so)"
    );
    Command::new(python)
}

/// A command for the websocat that `tests/run` made.
#[track_caller]
pub fn websocat() -> Command {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-rust/bin/websocat");
    assert!(
        std::path::Path::new(program).is_file(),
        "this test needs websocat: cargo install --locked --no-default-features --root target/test-rust \
         websocat@4.0.0-alpha3 (tests/run does so)"
    );
    Command::new(program)
}

/// A command for Node.js with the packages that `tests/run` installed.
#[track_caller]
pub fn node() -> Command {
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-node/node_modules");
    assert!(
        std::path::Path::new(packages).is_dir(),
        "this test needs schemas of OpenRPC: npm install --prefix target/test-node @open-rpc/meta-schema@1.14.9 \
         @json-schema-tools/meta-schema@1.8.0 (tests/run does so)"
    );
    let mut command = tool("node");
    command.env("NODE_PATH", packages);
    command
}

/// What `command` prints, if it succeeds; else the test fails with all it said.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}{complaints}", output.status);
    text
}

/// What dig prints when it asks `server`; options come before the question, as dig has it.
#[track_caller]
pub fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let (address, port) = (format!("@{}", server.ip()), server.port().to_string());
    // IDN conversion would change what is asked when dig writes to a terminal or the locale is UTF-8.
    let fixed = [address.as_str(), "-p", &port, "+noidnin", "+noidnout", "+timeout=5", "+tries=2"];
    run(tool("dig").args(fixed).args(arguments))
}

/// Waits until `condition` gives something, asking often; after `patience` the test fails with `what`.
#[track_caller]
pub fn wait_until<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < patience, "waited {patience:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
