//! Machines on links of their own: network namespaces, joined by veth pairs.
//!
//! [`Net::enter`] moves the calling thread into a fresh network namespace, so that what it opens or starts from then
//! on is there: sockets, `dig`, portolan. [`Net::host`] puts a machine on a new link to it, with mount points of its
//! own, so that each can have an avahi. Works for root and under `unshare -Urnm`; no packet leaves the namespaces.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use super::{run, tool, wait_until};

/// A namespace that lives as long as this.
#[derive(Debug)]
struct Holder(Process);

/// A program in a namespace, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<String>>,
}

/// The test's own machine, which its thread is in.
#[derive(Debug)]
pub struct Net {
    _holder: Holder,
    hosts: Cell<u8>,
}

/// A machine at the other end of a link.
#[derive(Debug)]
pub struct Host {
    holder: Holder,
    /// Our end of the link.
    pub link: String,
    number: u8,
}

impl Net {
    /// Moves this thread to a machine with nothing but loopback.
    #[track_caller]
    pub fn enter() -> Self {
        let holder = Holder::new();
        holder.enter();
        Self { _holder: holder, hosts: Cell::new(0) }
    }

    /// A machine on a link of its own: the first is at `10.9.1.2` and `fd09:1::2` on `link1`, where we are .1 and `::1`.
    #[track_caller]
    pub fn host(&self) -> Host {
        let number = self.hosts.get() + 1;
        self.hosts.set(number);
        let host = Host { holder: Holder::new(), link: format!("link{number}"), number };
        host.connect();
        host
    }
}

impl Holder {
    #[track_caller]
    fn new() -> Self {
        // /run is where avahi keeps its lock.
        let script = "ip link set lo up && mount -t tmpfs tmpfs /run && echo ready && exec cat";
        let mut command = tool("unshare");
        command.args(["--net", "--mount", "sh", "-c", script]);
        let process = Process::start(&mut command);
        process.wait_for("ready");
        Self(process)
    }

    fn pid(&self) -> u32 {
        self.0.child.id()
    }

    /// Moves the calling thread there.
    fn enter(&self) {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.pid())).expect("it runs");
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("needs root, or tests/run, which goes where it is root");
    }
}

impl Host {
    /// Plugs the cable in (again).
    #[track_caller]
    pub fn connect(&self) {
        let Self { link, number, .. } = self;
        let pid = self.holder.pid().to_string();
        ip(&["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", &pid]);
        // Without waiting for duplicate address detection: there are two of us.
        for (address, flag) in [(format!("10.9.{number}.1/24"), None), (format!("fd09:{number}::1/64"), Some("nodad"))]
        {
            ip(&["address", "add", &address, "dev", link].into_iter().chain(flag).collect::<Vec<_>>());
        }
        ip(&["link", "set", link, "up"]);
        self.run(&format!(
            "ip address add 10.9.{number}.2/24 dev eth0 && ip address add fd09:{number}::2/64 dev eth0 nodad \
             && ip link set eth0 up && ip route add 224.0.0.0/4 dev eth0"
        ));
    }

    /// Has our end of the link send packets of so many octets at most.
    #[track_caller]
    pub fn narrow(&self, octets: u16) {
        ip(&["link", "set", &self.link, "mtu", &octets.to_string()]);
    }

    /// Pulls the cable out for good.
    #[track_caller]
    pub fn disconnect(&self) {
        ip(&["link", "delete", &self.link]);
    }

    /// A command on that machine.
    #[track_caller]
    pub fn command(&self, program: &str) -> Command {
        let mut command = tool("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--net", "--mount"]);
        command.arg(tool(program).get_program());
        command
    }

    /// Runs a shell script on that machine.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        run(self.command("sh").args(["-ec", script]))
    }

    /// Runs `work` on a thread of that machine.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.holder.enter();
                work()
            });
            there.join().expect("what runs there does not panic")
        })
    }

    /// Starts avahi-daemon, which is `NAME.local` and announces `services`: each a `<service-group>` body.
    #[track_caller]
    pub fn avahi(&self, name: &str, services: &[&str]) -> Avahi<'_> {
        self.run(&format!(
            "test -e /run/services || {{ mkdir /run/services && mount --bind /run/services /etc/avahi/services; }}
             # It looks up its user although it stays the one who starts it, which is the only one there may be.
             sed 's/^avahi:x:[0-9]*:[0-9]*/avahi:x:0:0/' /etc/passwd > /run/passwd
             sed 's/^avahi:x:[0-9]*/avahi:x:0/' /etc/group > /run/group
             mount --bind /run/passwd /etc/passwd && mount --bind /run/group /etc/group
             printf '[server]\\nhost-name={name}\\nallow-interfaces=eth0\\nenable-dbus=no\\n' > /run/avahi.conf
             printf '[publish]\\npublish-hinfo=no\\npublish-workstation=no\\n' >> /run/avahi.conf"
        ));
        for (number, service) in services.iter().enumerate() {
            let group = format!("<service-group>{service}</service-group>");
            let file = format!("/run/services/{number}.service");
            let mut write = Process::start(self.command("tee").arg(&file));
            write.tell(&group);
            write.hang_up();
        }
        let options = ["-f", "/run/avahi.conf", "--no-drop-root", "--no-chroot", "--no-rlimits", "--no-proc-title"];
        let daemon = Process::start(self.command("avahi-daemon").args(options));
        daemon.wait_for("Server startup complete");
        Avahi { host: self, daemon }
    }

    /// Starts python-zeroconf with `announcement` as `zeroconf_announce.py` reads it.
    #[track_caller]
    pub fn zeroconf(&self, announcement: &Value) -> Process {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = folder.join("target/test-python/bin/python");
        assert!(
            python.is_file(),
            "this test needs python-zeroconf: python3 -m venv target/test-python && \
             target/test-python/bin/pip install zeroconf (tests/run does so)"
        );
        let mut command = tool("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--net", "--mount"]).arg(python);
        command.arg(folder.join("tests/support/zeroconf_announce.py")).arg(announcement.to_string());
        let process = Process::start(&mut command);
        process.wait_for("announced");
        process
    }

    /// The machine's IPv4 address.
    pub fn ipv4(&self) -> String {
        format!("10.9.{}.2", self.number)
    }

    /// The machine's IPv6 address, the way it is written.
    pub fn ipv6(&self) -> String {
        format!("fd09:{}::2", self.number)
    }
}

/// avahi-daemon on a host.
#[derive(Debug)]
pub struct Avahi<'a> {
    host: &'a Host,
    daemon: Process,
}

impl Avahi<'_> {
    /// Waits until it has announced what it has to.
    #[track_caller]
    pub fn established(&self, service: &str) {
        self.daemon.wait_for(&format!("Service \"{service}\" (/etc/avahi/services/"));
    }

    /// Takes back the service at `index`, with a goodbye.
    #[track_caller]
    pub fn withdraw(&self, index: usize) {
        self.host.run(&format!("rm /run/services/{index}.service && kill -HUP {}", self.daemon.child.id()));
    }
}

impl Process {
    /// Starts `command`, whose words are collected from both its outputs.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().expect("piped"), &said);
        collect(child.stderr.take().expect("piped"), &said);
        let stdin = child.stdin.take();
        Self { child, stdin, said }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Whether it has not ended: what has ended, and is not waited for, has no files.
    pub fn is_running(&self) -> bool {
        std::path::Path::new(&format!("/proc/{}/fd/0", self.child.id())).exists()
    }

    /// Waits until it has said `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let heard = || self.said().contains(text).then_some(());
        wait_until(&format!("a process says {text:?}"), Duration::from_secs(20), || {
            heard().or_else(|| {
                let gone = !self.is_running();
                assert!(!gone || self.said().contains(text), "it ended and said:\n{}", self.said());
                None
            })
        });
    }

    /// Writes a line to it.
    #[track_caller]
    pub fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("not hung up"), "{line}").expect("it listens");
    }

    /// Closes its standard input and waits for its end.
    #[track_caller]
    pub fn hang_up(&mut self) {
        self.stdin = None;
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "{status}: {}", self.said.lock().unwrap());
    }

    /// `kill -9`: no goodbye.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- a process said:\n{}---", self.said.lock().unwrap());
        }
    }
}

fn collect(from: impl std::io::Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            *into.lock().unwrap() += &(line + "\n");
        }
    });
}

#[track_caller]
fn ip(arguments: &[&str]) {
    run(tool("ip").args(arguments));
}
