//! What an answer over UDP costs: system calls for batches, and none else.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::tls::{self, Certificate};
use crate::support::{Launch, Portolan, run, tool, wait_until};

/// What the table may have besides: `clock_gettime` where the machine's clock cannot be read without the kernel (the
/// time of a batch is told twice), and what goes on with a call that strace interrupted as it came.
const TOLERATED: [&str; 2] = ["clock_gettime", "restart_syscall"];
/// Asked at once, over and over: they wait for the server together. As many of each kind.
const AT_ONCE: usize = 51;
const TIMES: usize = 60;
/// `_auth._tcp.registry.local SRV`
const QUESTION: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x05_auth\x04_tcp\x08registry\x05local\0\0\x21\0\x01";
/// Octets of a cookie of a client and the one of the server behind it (RFC 9018 §4).
const COOKIE: usize = 24;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// The question with an OPT record that has this cookie.
fn with_cookie(cookie: &[u8]) -> Vec<u8> {
    let length = u8::try_from(cookie.len()).unwrap();
    let mut octets = [QUESTION, b"\0\0\x29\x04\xd0\0\0\0\0\0", &[4 + length, 0, 10, 0, length], cookie].concat();
    octets[11] = 1;
    octets
}

/// The threads that answer over UDP.
fn threads(portolan: &Portolan) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", portolan.pid())).unwrap().map(|task| task.unwrap().path());
    let answering = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "dns-udp\n"));
    answering.map(|task| task.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Sends SIGINT, which `strace` takes as the end of what it counts.
fn interrupt(pid: u32) {
    run(Command::new("sh").args(["-c", &format!("kill -INT {pid}")]));
}

/// How often each system call was made, as `strace -c` has it: `% time, seconds, usecs/call, calls, errors, name`.
fn calls(summary: &str) -> BTreeMap<String, usize> {
    let rows = summary.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let counted = rows.filter_map(|row| Some(((*row.last()?).to_owned(), row.get(3)?.parse().ok()?)));
    counted.filter(|(name, _)| name != "total").collect()
}

/// strace, counting what threads of a program do until it is told to stop.
struct Strace {
    child: Child,
    folder: TempDir,
}

impl Strace {
    /// Follows what `whom` says (`-p` and numbers), and those calls that `which` says; returns when it follows them.
    fn follow(whom: &[String], which: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let child = tool("strace")
            .args(["-c", "-o"])
            .arg(folder.path().join("summary"))
            .args(which)
            .args(whom.iter().flat_map(|whom| ["-p", whom]))
            .stderr(Stdio::from(fs::File::create(&log).unwrap()))
            .spawn()
            .unwrap();
        wait_until("strace follows every thread", Duration::from_secs(20), || {
            (fs::read_to_string(&log).unwrap().matches("attached").count() == whom.len()).then_some(())
        });
        Self { child, folder }
    }

    fn counted(mut self) -> BTreeMap<String, usize> {
        interrupt(self.child.id());
        self.child.wait().unwrap();
        calls(&fs::read_to_string(self.folder.path().join("summary")).unwrap())
    }
}

/// A registry with three instances of `_auth._tcp`, on hosts of their own.
fn start(launch: Launch) -> Portolan {
    let portolan = launch.start();
    for n in 0..3 {
        let (instance, host) = (format!("a{n}"), format!("web{n}"));
        portolan.heartbeat(&json!({
            "service": "auth", "instance": instance, "host": host, "addresses": ["10.0.0.1"], "port": 80, "lease": 0
        }));
    }
    portolan
}

#[test]
fn a_thread_that_answers_over_udp_makes_no_system_call_but_those_for_batches() {
    let portolan = start(Launch::new());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.connect(portolan.dns).unwrap();
    // Plain, with EDNS and a cookie of a client, and with the one that the server made of it.
    let introduced = with_cookie(b"a cookie");
    socket.send(&introduced).unwrap();
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply).unwrap();
    let questions = [QUESTION.to_vec(), introduced, with_cookie(&reply[length - COOKIE..length])];
    assert_eq!(questions.each_ref().map(Vec::len), [QUESTION.len(), QUESTION.len() + 23, QUESTION.len() + 39]);

    let threads = threads(&portolan);
    assert!(!threads.is_empty(), "threads are named");
    let strace = Strace::follow(&threads, &[]);
    for _ in 0..TIMES {
        for question in questions.iter().cycle().take(AT_ONCE) {
            assert_eq!(socket.send(question).unwrap(), question.len());
        }
        let opts = (0..AT_ONCE).map(|_| {
            socket.recv(&mut reply).expect("a reply to each");
            assert_eq!(reply[6..11], [0, 3, 0, 0, 0], "three SRV records");
            assert!(matches!(reply[11], 3 | 4), "their addresses, and an OPT record where there was one");
            usize::from(reply[11] == 4)
        });
        assert_eq!(opts.sum::<usize>(), AT_ONCE * 2 / 3);
    }
    let counted = strace.counted();
    let kinds: Vec<_> = counted.keys().map(String::as_str).filter(|kind| !TOLERATED.contains(kind)).collect();
    assert_eq!(kinds, ["recvmmsg", "sendmmsg"], "{counted:?}");
    let questions = AT_ONCE * TIMES;
    assert!(counted.values().all(|calls| *calls < questions / 2), "{counted:?} for {questions} questions");
}

#[test]
fn item_28_length_and_message_are_one_write() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::in_folder(folder.path());
    certificate.write(&["localhost"]);
    let launch = Launch::new().env("PORTOLAN_DNS_TLS_LISTEN", "127.0.0.1:0");
    let launch = launch.env("PORTOLAN_TLS_CERTIFICATE", certificate.file.to_str().unwrap());
    let portolan = start(launch.env("PORTOLAN_TLS_KEY", certificate.key.to_str().unwrap()));
    let over_tls = portolan.ready["dns_tls"][0].as_str().unwrap().parse().unwrap();
    let streams: [Box<dyn Stream>; 2] = [
        Box::new(TcpStream::connect(portolan.dns).unwrap()),
        Box::new(tls::connect(over_tls, &certificate.file, "dot").unwrap()),
    ];
    for mut stream in streams {
        let mut ask = || {
            tls::send(&mut stream, QUESTION).unwrap();
            assert_eq!(tls::receive(&mut stream).unwrap()[6..12], [0, 3, 0, 0, 0, 3]);
        };
        // What belongs to the handshake has been sent when the first is answered.
        ask();
        let sends = "trace=write,writev,pwritev2,sendto,sendmsg,sendmmsg";
        let strace = Strace::follow(&[portolan.pid().to_string()], &["-f", "-e", sends]);
        (0..AT_ONCE).for_each(|_| ask());
        let mut counted = strace.counted();
        // Threads wake each other by it.
        counted.remove("write");
        assert_eq!(counted.values().sum::<usize>(), AT_ONCE, "{counted:?}");
    }
}
