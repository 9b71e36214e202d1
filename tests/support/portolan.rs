//! The program under test: `portolan serve` on free ports, with a data directory that goes with it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::http::{self, Response};
use super::tools;

/// A start takes milliseconds; a loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running registry; killed when dropped.
#[derive(Debug)]
pub struct Portolan {
    child: Child,
    /// The first address of each kind.
    pub http: SocketAddr,
    pub dns: SocketAddr,
    /// What was printed when it was ready.
    pub ready: Value,
    data_dir: PathBuf,
    log: Arc<Mutex<String>>,
    _temporary: Option<TempDir>,
}

/// How to start one.
#[derive(Debug, Default)]
pub struct Launch {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    prefix: Vec<OsString>,
    data_dir: Option<PathBuf>,
    as_configured: bool,
    with_itself: bool,
}

impl Launch {
    pub fn new() -> Self {
        Self::default()
    }

    /// More arguments of `serve`. Unless they say otherwise it listens on free ports of 127.0.0.1, without mDNS.
    pub fn args<S: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// In its own zones, as it is unless a setting says otherwise.
    pub fn with_itself(self) -> Self {
        Self { with_itself: true, ..self }
    }

    /// With a profile of `config/`, at the addresses that it has: for a test that has a machine of its own.
    pub fn profile(self, name: &str) -> Self {
        let file = format!("{}/config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        Self { as_configured: true, ..self.args(["--config", &file]) }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A directory that outlives the process; without one it gets its own, which goes with it.
    pub fn data_dir(mut self, path: &Path) -> Self {
        self.data_dir = Some(path.to_owned());
        self
    }

    /// A command to run it under, such as `ip netns exec NAME`.
    pub fn under<S: Into<OsString>>(mut self, prefix: impl IntoIterator<Item = S>) -> Self {
        self.prefix.extend(prefix.into_iter().map(Into::into));
        self
    }

    /// Starts it and waits until it is ready; if it ends instead, the test fails with what it said.
    #[track_caller]
    pub fn start(self) -> Portolan {
        match self.try_start() {
            Ok(running) => running,
            Err((status, log)) => panic!("portolan did not start: {status}\n{log}"),
        }
    }

    /// Starts it and waits until it ends before it is ready; gives its status and what it said on standard error.
    #[track_caller]
    pub fn start_in_vain(self) -> (ExitStatus, String) {
        self.try_start().expect_err("it does not start")
    }

    /// Starts it and waits until it is ready or has ended; then its status and what it said on standard error.
    pub fn try_start(self) -> Result<Portolan, (ExitStatus, String)> {
        let temporary = self.data_dir.is_none().then(|| TempDir::new().expect("a temporary directory"));
        let own = || temporary.as_ref().map(|temporary| temporary.path().to_owned());
        let data_dir = self.data_dir.clone().or_else(own).unwrap();
        let mut child = self.command(&data_dir).spawn().expect("the program runs");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let collected = Arc::clone(&log);
        let collector = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *collected.lock().unwrap() += &(line + "\n");
            }
        });
        let (send, receive) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));

        match receive.recv_timeout(PATIENCE) {
            Ok(line) => {
                let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("ready line {line:?}: {e}"));
                let first = |key: &str| {
                    let address = ready[key][0].as_str().and_then(|text| text.parse().ok());
                    address.unwrap_or_else(|| panic!("no {key} address in the ready line {line:?}"))
                };
                let (http, dns) = (first("http"), first("dns"));
                Ok(Portolan { child, http, dns, ready, data_dir, log, _temporary: temporary })
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = child.wait().unwrap();
                collector.join().unwrap();
                let log = log.lock().unwrap().clone();
                Err((status, log))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                panic!("portolan was not ready after {PATIENCE:?}:\n{}", log.lock().unwrap());
            }
        }
    }

    fn command(&self, data_dir: &Path) -> Command {
        let mut words = self.prefix.clone();
        words.push(env!("CARGO_BIN_EXE_portolan").into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["serve", "--json", "--data-dir"]).arg(data_dir);
        let has = |flag: &str| self.arguments.iter().any(|argument| argument == flag);
        for flag in ["--http", "--dns"] {
            if !has(flag) && !self.as_configured {
                command.args([flag, "127.0.0.1:0"]);
            }
        }
        if !has("--mdns") && !has("--no-mdns") {
            command.arg("--no-mdns");
        }
        command.args(self.arguments.iter().filter(|argument| *argument != "--mdns"));
        without_settings(&mut command);
        // Stories count what they register; what the registry says of itself has a story of its own.
        if !self.as_configured && !self.with_itself {
            command.env("PORTOLAN_SELF_REGISTER", "false");
        }
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Portolan {
    /// A fresh registry on free ports without mDNS (pass `--mdns` to have it); `arguments` are those of `serve`.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        Launch::new().args(arguments).start()
    }

    /// The same on a data directory that outlives it.
    #[track_caller]
    pub fn start_in(data_dir: &Path, arguments: &[&str]) -> Self {
        Launch::new().args(arguments).data_dir(data_dir).start()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends a signal by its name: `TERM`, `INT`, `STOP`, `CONT`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        // The shell's own `kill`: the program of that name is not on every machine.
        tools::run(Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]));
    }

    /// SIGTERM, then waits for its end.
    #[track_caller]
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// `kill -9`: it gets no chance to write anything.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let log = &self.log;
        tools::wait_until("the process ends", PATIENCE, || {
            child.try_wait().unwrap_or_else(|error| panic!("{error}\n{}", log.lock().unwrap()))
        })
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        http::request(self.http, "GET", path, &[], "")
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Response {
        http::request(self.http, "POST", path, &[], &body.to_string())
    }

    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        http::request(self.http, method, path, headers, body)
    }

    /// One heartbeat, which succeeds; gives the answer.
    #[track_caller]
    pub fn heartbeat(&self, registration: &Value) -> Value {
        let response = self.post("/v1/heartbeat", registration);
        assert!(matches!(response.status, 200 | 201), "{response:?}");
        response.json()
    }

    /// What dig prints when it asks this registry.
    #[track_caller]
    pub fn dig(&self, arguments: &[&str]) -> String {
        tools::dig(self.dns, arguments)
    }

    /// The command line of the same program, pointed at this registry.
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = cli(arguments);
        command.env("PORTOLAN_URL", format!("http://{}", self.http));
        command
    }
}

impl Drop for Portolan {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- portolan said:\n{}---", self.log());
        }
    }
}

/// The program with these arguments, without settings from the environment of whoever runs the tests.
pub fn cli(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.args(arguments).stdin(Stdio::null());
    without_settings(&mut command);
    command
}

fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTOLAN_") {
            command.env_remove(name);
        }
    }
}
