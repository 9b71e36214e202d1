//! What was acknowledged is there afterwards: through `kill -9`, full disks and other people's databases.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Launch, Portolan, tool, wait_until};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that is kept, and may break at any moment.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The status and the body of the answer.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = rest.trim().parse().unwrap();
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body).unwrap()))
    }
}

/// Names and ports of everything listed.
fn listed(portolan: &Portolan) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = portolan.get(&format!("/v1/instances?limit=1000{cursor}")).expect(200).json();
        for instance in page["instances"].as_array().unwrap() {
            all.insert(instance["instance"].as_str().unwrap().to_owned(), instance["port"].as_u64().unwrap());
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

pub(super) fn status(portolan: &Portolan, instance: &str) -> Option<String> {
    let response = portolan.get(&format!("/v1/instances/_auth._tcp/{instance}"));
    (response.status != 404).then(|| response.expect(200).json()["status"].as_str().unwrap().to_owned())
}

pub(super) fn is_served(portolan: &Portolan, instance: &str) -> bool {
    !portolan.dig(&["+short", "SRV", &format!("{instance}._auth._tcp.registry.local")]).is_empty()
}

/// What one client knows: of each name, what was acknowledged (`None`: that it is gone), and what was asked last
/// without an answer.
#[derive(Debug, Default)]
struct Knowledge {
    acknowledged: BTreeMap<String, Option<u64>>,
    asked: Option<(String, Option<u64>)>,
    revision: u64,
}

impl Knowledge {
    /// Registers, changes and deregisters until the registry is gone.
    fn load(&mut self, to: SocketAddr, client: usize, round: usize) {
        let Ok(mut connection) = Client::connect(to) else { return };
        for n in 0.. {
            // Names come back in later rounds: some are changed, and every third is taken away.
            let name = format!("c{client}-{}", (n * 7 + round) % 40);
            let port = u64::try_from(1 + (n + round * 1000) % 60_000).unwrap();
            let remove = n % 3 == 2 && self.acknowledged.get(&name).is_some_and(Option::is_some);
            self.asked = Some((name.clone(), (!remove).then_some(port)));
            let answer = if remove {
                connection.ask("DELETE", &format!("/v1/instances/_auth._tcp/{name}"), "")
            } else {
                let host = format!("c{client}");
                let body = json!({"service": "auth", "instance": name, "host": host, "port": port, "lease": 0});
                connection.ask("POST", "/v1/heartbeat", &body.to_string())
            };
            let Ok((status, body)) = answer else { return };
            assert!((200..300).contains(&status), "{status} {body}");
            if let Ok(body) = serde_json::from_str::<Value>(&body) {
                let revision = body["revision"].as_u64().unwrap_or(self.revision);
                assert!(revision >= self.revision, "revisions went back from {} to {revision}", self.revision);
                self.revision = revision;
            }
            self.acknowledged.insert(name, (!remove).then_some(port));
            self.asked = None;
        }
    }
}

#[test]
fn kill_9_at_any_moment_under_load_loses_nothing_that_was_acknowledged() {
    const ROUNDS: usize = 25;
    const CLIENTS: usize = 4;
    let directory = TempDir::new().unwrap();
    let known: Vec<Mutex<Knowledge>> = (0..CLIENTS).map(|_| Mutex::default()).collect();
    for round in 0..ROUNDS {
        let portolan = Portolan::start_in(directory.path(), &[]);
        let found = listed(&portolan);
        let mut acknowledged = 0;
        for knowledge in &known {
            let mut knowledge = knowledge.lock().unwrap();
            let asked = knowledge.asked.take();
            for (name, expected) in &mut knowledge.acknowledged {
                let found = found.get(name).copied();
                // What was asked and not answered may have happened or not.
                if asked.as_ref().is_some_and(|(n, wanted)| n == name && *wanted == found) {
                    *expected = found;
                }
                assert_eq!(found, *expected, "{name} in round {round}");
            }
            // A name asked for the first time, unanswered, and there.
            if let Some((name, Some(_))) = asked {
                let found = found.get(&name).copied();
                knowledge.acknowledged.entry(name).or_insert(found);
            }
            acknowledged += knowledge.acknowledged.values().flatten().count();
        }
        assert_eq!(found.len(), acknowledged, "nothing is listed that nobody asked for");
        scope(|clients| {
            for (client, knowledge) in known.iter().enumerate() {
                let to = portolan.http;
                clients.spawn(move || knowledge.lock().unwrap().load(to, client, round));
            }
            sleep(Duration::from_millis(20 + RandomState::new().hash_one(round) % 180));
            portolan.kill();
        });
    }
    let answered: usize = known.iter().map(|k| k.lock().unwrap().acknowledged.len()).sum();
    assert!(answered > CLIENTS * 10, "there was load: {answered} names were acknowledged");
}

fn is_answer(line: &str) -> bool {
    line.contains("HTTP/1.1 201") && line.contains("marked-instance")
}

#[test]
fn a_change_is_synced_before_its_answer_is_sent() {
    let directory = TempDir::new().unwrap();
    let trace = directory.path().join("trace");
    tool("strace");
    // -D: the registry is our child and strace its grandchild, so whoever ends one ends both.
    let calls = "trace=pwrite64,pwritev,fsync,fdatasync,write,writev,sendto,sendmsg";
    let strace = ["strace", "-D", "-f", "-y", "-s", "100000", "-e", calls, "-o", trace.to_str().unwrap()];
    let portolan = Launch::new().under(strace).start();
    portolan.heartbeat(&json!({"service": "auth", "instance": "first", "port": 1}));
    portolan.heartbeat(&json!({"service": "auth", "instance": "marked-instance", "port": 1}));
    let lines = wait_until("the answer is in the trace", PATIENCE, || {
        let text = fs::read_to_string(&trace).ok()?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.iter().any(|line| is_answer(line)).then_some(lines)
    });
    let position = |what: &str, from: usize, matches: &dyn Fn(&str) -> bool| {
        let found = lines[from..].iter().position(|line| matches(line));
        from + found.unwrap_or_else(|| panic!("no {what} in the trace:\n{}", lines.join("\n")))
    };
    let written = position("write", 0, &|line| line.contains(".db-wal>") && line.contains("marked-instance"));
    let begun = position("sync", written, &|line| line.contains("sync(") && line.contains(".db-wal>"));
    // Another thread's call may stand between the beginning and the end of one.
    let thread = lines[begun].split(' ').next().unwrap();
    let synced = if lines[begun].contains("unfinished") {
        position("end of the sync", begun, &|line| line.starts_with(thread) && line.contains("sync resumed"))
    } else {
        begun
    };
    assert!(lines[synced].ends_with("= 0"), "{}", lines[synced]);
    let answered = position("answer", 0, &is_answer);
    assert!(synced < answered, "the answer was sent in line {answered}, the sync ended in line {synced}");
}

/// A disk of 2 MB in a mount namespace of its own; it goes with the process that holds it.
struct SmallDisk {
    holder: Child,
    /// Where it is within the namespace.
    directory: TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let directory = TempDir::new().unwrap();
        let script = format!("mount -t tmpfs -o size=2m none '{}' && echo mounted && cat", directory.path().display());
        let mut unshare = tool("unshare");
        unshare.args(["-Urm", "sh", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = unshare.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "a tmpfs could be mounted");
        Self { holder, directory }
    }

    /// A registry with its data on this disk.
    fn start(&self) -> Portolan {
        self.launch().start()
    }

    fn launch(&self) -> Launch {
        tool("nsenter");
        let holder = self.holder.id().to_string();
        let enter = ["nsenter", "-t", &holder, "-U", "-m", "--preserve-credentials"];
        Launch::new().under(enter).data_dir(self.directory.path())
    }

    fn filler(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.directory.path().strip_prefix("/").unwrap()).join("filler")
    }

    /// Writes until not an octet fits.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        let mut block = &[0x55_u8; 4096][..];
        while !block.is_empty() {
            if file.write_all(block).is_err() {
                block = &block[..block.len() / 2];
            }
        }
    }

    fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_full_disk_fails_writes_while_all_else_goes_on_and_heals_without_a_restart() {
    let disk = SmallDisk::mount();
    let portolan = disk.start();
    let registration = |n: usize| json!({"service": "auth", "instance": format!("a{n}"), "port": 1, "lease": "1h"});
    portolan.heartbeat(&registration(0));
    portolan.heartbeat(&json!({"service": "auth", "instance": "brief", "port": 1, "lease": "5s"}));

    disk.fill();
    // There may be room left within the files that the database has already.
    let (n, refused) = (1..5000)
        .map(|n| (n, portolan.post("/v1/heartbeat", &registration(n))))
        .find(|(_, response)| response.status >= 300)
        .expect("a full disk is noticed");
    assert!(refused.status >= 500, "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("no space is left"), "{refused:?}");
    assert_eq!(status(&portolan, &format!("a{n}")), None, "what was refused did not happen");

    assert!(is_served(&portolan, "a0"));
    portolan.heartbeat(&registration(0));
    let ready = portolan.get("/readyz").expect(503).json();
    assert!(ready["detail"].as_str().unwrap().contains("no space is left"), "{ready}");
    wait_until("the dead leave DNS", PATIENCE, || (!is_served(&portolan, "brief")).then_some(()));

    disk.clear();
    wait_until("it is ready again", PATIENCE, || (portolan.get("/readyz").status == 200).then_some(()));
    portolan.heartbeat(&registration(n));
    assert!(is_served(&portolan, &format!("a{n}")));
}

#[test]
fn a_restart_on_a_full_disk_answers_all_the_same() {
    let disk = SmallDisk::mount();
    let portolan = disk.start();
    let registration = json!({"service": "auth", "instance": "a1", "port": 1, "lease": "1h"});
    portolan.heartbeat(&registration);
    disk.fill();
    portolan.kill();
    // Where whoever is here may be anybody.
    let portolan = disk.launch().env("PORTOLAN_HTTP_LOOPBACK_WRITES", "false").start();
    assert!(is_served(&portolan, "a1"));
    let ready = || Some(portolan.get("/readyz")).filter(|ready| ready.status == 503);
    let ready = wait_until("it says so", PATIENCE, ready).json();
    assert_eq!(ready["detail"], "the last change was not saved: the log says why");
    disk.clear();
    wait_until("it is ready", PATIENCE, || (portolan.get("/readyz").status == 200).then_some(()));
}

#[test]
fn a_database_that_is_not_understood_ends_the_start_and_is_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let portolan = Portolan::start_in(directory.path(), &[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 1}));
    assert!(portolan.terminate().success());
    let path = directory.path().join("portolan.db");
    let good = fs::read(&path).unwrap();

    let mut newer = good.clone();
    // The schema version in the header (SQLite's file format, §1.3.15).
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let mut damaged = good.clone();
    let half = damaged.len() / 2;
    damaged[half..].fill(0x5a);
    for (bytes, says) in
        [(newer, "schema version 99"), (damaged, "is damaged"), (b"plain text".repeat(99), "no portolan")]
    {
        fs::write(&path, &bytes).unwrap();
        let (status, log) = Launch::new().data_dir(directory.path()).try_start().unwrap_err();
        assert!(!status.success());
        assert!(log.contains(says) && log.contains("left untouched"), "{log}");
        assert!(fs::read(&path).unwrap() == bytes, "{says}: the file was changed");
    }
    fs::write(&path, good).unwrap();
    assert!(is_served(&Portolan::start_in(directory.path(), &[]), "a1"));
}

#[test]
fn two_registries_on_one_database_are_one_too_many() {
    let directory = TempDir::new().unwrap();
    let first = Portolan::start_in(directory.path(), &[]);
    let (_, log) = Launch::new().data_dir(directory.path()).try_start().unwrap_err();
    assert!(log.contains("in use by another process") && log.contains("--data-dir"), "{log}");
    first.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 1}));
}

#[test]
fn an_empty_database_file_is_told_of_and_one_that_was_just_made_is_not() {
    let data_dir = TempDir::new().unwrap();
    let file = data_dir.path().join("portolan.db");
    for (emptied, times) in [(false, 0), (true, 1)] {
        if emptied {
            fs::write(&file, "").unwrap();
        }
        let mut portolan = Portolan::start_in(data_dir.path(), &[]);
        portolan.signal("TERM");
        portolan.wait();
        wait_until("the stop is logged", PATIENCE, || portolan.log().contains("stopping").then_some(()));
        assert_eq!(portolan.log().matches("is an empty file").count(), times, "{}", portolan.log());
        assert_eq!(portolan.log().matches(file.to_str().unwrap()).count(), times, "{}", portolan.log());
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_refused_with_the_reason() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("directory.db")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("link.db")).unwrap();
    let long = format!("sqlite:{}.db", "x".repeat(300));
    let reasons = [
        ("sqlite:directory.db", "Is a directory"),
        ("sqlite:link.db", "No such file or directory"),
        ("sqlite:/proc/version/portolan.db", "not a directory"),
        (&long, "File name too long"),
    ];
    for (url, reason) in reasons {
        let (status, said) = Launch::new().data_dir(folder.path()).args(["--store", url]).start_in_vain();
        assert!(status.code() == Some(5) && said.contains(reason), "{url}: {said}");
    }
}
