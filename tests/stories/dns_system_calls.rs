//! What an answer over UDP costs: system calls for batches, and none else.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{Portolan, run, tool, wait_until};

/// Asked at once, over and over: they wait for the server together.
const AT_ONCE: usize = 50;
const TIMES: usize = 60;

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

#[test]
fn a_thread_that_answers_over_udp_makes_no_system_call_but_those_for_batches() {
    let portolan = Portolan::start(&[]);
    for n in 0..3 {
        let (instance, host) = (format!("a{n}"), format!("web{n}"));
        portolan.heartbeat(&json!({
            "service": "auth", "instance": instance, "host": host, "addresses": ["10.0.0.1"], "port": 80, "lease": 0
        }));
    }
    let folder = tempfile::tempdir().unwrap();
    let (summary, log) = (folder.path().join("summary"), folder.path().join("log"));
    let threads = threads(&portolan);
    assert!(!threads.is_empty(), "threads are named");
    let mut strace = tool("strace")
        .args(["-c", "-o"])
        .arg(&summary)
        .args(threads.iter().flat_map(|thread| ["-p", thread]))
        .stderr(Stdio::from(fs::File::create(&log).unwrap()))
        .spawn()
        .unwrap();
    wait_until("strace follows every thread", Duration::from_secs(20), || {
        (fs::read_to_string(&log).unwrap().matches("attached").count() == threads.len()).then_some(())
    });

    let question = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x05_auth\x04_tcp\x08registry\x05local\0\0\x21\0\x01";
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.connect(portolan.dns).unwrap();
    for _ in 0..TIMES {
        (0..AT_ONCE).for_each(|_| assert_eq!(socket.send(question).unwrap(), question.len()));
        for _ in 0..AT_ONCE {
            let mut reply = [0; 512];
            socket.recv(&mut reply).expect("a reply to each");
            assert_eq!(reply[6..12], [0, 3, 0, 0, 0, 3], "three SRV records and their addresses");
        }
    }

    interrupt(strace.id());
    strace.wait().unwrap();
    let counted = calls(&fs::read_to_string(&summary).unwrap());
    let kinds: Vec<&str> = counted.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["recvmmsg", "sendmmsg"], "{counted:?}");
    let questions = AT_ONCE * TIMES;
    assert!(counted.values().all(|calls| *calls < questions / 2), "{counted:?} for {questions} questions");
}
