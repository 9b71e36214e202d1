//! Authorities that others wrote, on free ports of 127.0.0.1: NSD, Knot and BIND serve what zone files say.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::netns::Process;
use super::wire::{Name, Query, Reply, SOA};
use super::{tool, wait_until};

/// Both load a few hundred records in no time; a loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Free ports tried: another program may take one between our look at it and the server's.
const PORTS_TRIED: usize = 5;

/// Names and zone files.
pub type Zones<'z> = &'z [(Name, String)];

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Authority {
    pub name: &'static str,
    pub address: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

/// NSD, without the response rate limit that it has by default.
#[track_caller]
pub fn nsd(zones: Zones<'_>) -> Authority {
    start("nsd", zones, |port, directory, zones| {
        let configuration = format!(
            "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n server-count: 1\n database: \"\"\n \
             rrl-ratelimit: 0\n ipv4-edns-size: 1232\n tcp-query-count: 0\n tcp-timeout: 600\n \
             zonesdir: \"{0}\"\n pidfile: \"{0}/pid\"\n xfrdfile: \"{0}/xfrd\"\n zonelistfile: \"{0}/zones\"\n \
             xfrdir: \"{0}\"\nremote-control:\n control-enable: no\n{zones}",
            directory.display()
        );
        fs::write(directory.join("configuration"), configuration).unwrap();
        let mut nsd = tool("nsd");
        nsd.arg("-d").arg("-c").arg(directory.join("configuration"));
        nsd
    })
}

/// Knot.
#[track_caller]
pub fn knot(zones: Zones<'_>) -> Authority {
    start("knotd", zones, |port, directory, zones| {
        let configuration = format!(
            "server:\n rundir: \"{0}\"\n listen: 127.0.0.1@{port}\n udp-max-payload: 1232\n \
             tcp-idle-timeout: 600\ndatabase:\n storage: \"{0}\"\ntemplate:\n - id: default\n   storage: \"{0}\"\n   \
             journal-content: none\n{zones}",
            directory.display()
        );
        fs::write(directory.join("configuration"), configuration).unwrap();
        let mut knot = tool("knotd");
        knot.arg("-c").arg(directory.join("configuration"));
        knot
    })
}

/// NSD, Knot and BIND, which sign cookies with this secret. Knot and BIND answer BADCOOKIE to whoever shows one that is
/// not.
#[track_caller]
pub fn signing_cookies(secret: &str, zones: Zones<'_>) -> [Authority; 3] {
    let nsd = start("nsd", zones, |port, directory, zones| {
        let configuration = format!(
            "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n server-count: 1\n database: \"\"\n \
             answer-cookie: yes\n cookie-secret: {secret}\n zonesdir: \"{0}\"\n pidfile: \"{0}/pid\"\n \
             xfrdfile: \"{0}/xfrd\"\n zonelistfile: \"{0}/zones\"\n xfrdir: \"{0}\"\nremote-control:\n \
             control-enable: no\n{zones}",
            directory.display()
        );
        fs::write(directory.join("configuration"), configuration).unwrap();
        let mut nsd = tool("nsd");
        nsd.arg("-d").arg("-c").arg(directory.join("configuration"));
        nsd
    });
    let knot = start("knotd", zones, |port, directory, zones| {
        let configuration = format!(
            "server:\n rundir: \"{0}\"\n listen: 127.0.0.1@{port}\ndatabase:\n storage: \"{0}\"\n\
             mod-cookies:\n - id: shared\n   secret: 0x{secret}\n   badcookie-slip: 1\n\
             template:\n - id: default\n   storage: \"{0}\"\n   journal-content: none\n   \
             global-module: mod-cookies/shared\n{zones}",
            directory.display()
        );
        fs::write(directory.join("configuration"), configuration).unwrap();
        let mut knot = tool("knotd");
        knot.arg("-c").arg(directory.join("configuration"));
        knot
    });
    let bind = start("named", zones, |port, directory, zones| {
        let configuration = format!(
            "options {{ directory \"{}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; \
             pid-file none; session-keyfile none; recursion no; cookie-algorithm siphash24; \
             cookie-secret \"{secret}\"; require-server-cookie yes; }};\ncontrols {{ }};\n{zones}",
            directory.display()
        );
        fs::write(directory.join("configuration"), configuration).unwrap();
        let mut named = tool("named");
        named.arg("-g").arg("-c").arg(directory.join("configuration"));
        named
    });
    [nsd, knot, bind]
}

/// Starts `program` on a free port and waits until it answers for every zone. `command` writes its configuration, into
/// which go the zones as both servers want them.
#[track_caller]
fn start(program: &'static str, zones: Zones<'_>, command: impl Fn(u16, &Path, &str) -> Command) -> Authority {
    for _ in 0..PORTS_TRIED {
        let directory = TempDir::new().unwrap();
        let mut listed = String::new();
        for (number, (zone, text)) in zones.iter().enumerate() {
            fs::write(directory.path().join(format!("{number}.zone")), text).unwrap();
            let file = format!("\"{number}.zone\"");
            let line = match (program, number) {
                ("nsd", _) => writeln!(listed, "zone:\n name: \"{zone}\"\n zonefile: {file}"),
                ("named", _) => writeln!(listed, "zone \"{zone}\" {{ type primary; file {file}; }};"),
                (_, 0) => writeln!(listed, "zone:\n - domain: \"{zone}\"\n   file: {file}"),
                _ => writeln!(listed, " - domain: \"{zone}\"\n   file: {file}"),
            };
            line.unwrap();
        }
        let port = free_port();
        let process = Process::start(&mut command(port, directory.path(), &listed));
        let address = ([127, 0, 0, 1], port).into();
        if answers(&process, address, zones) {
            return Authority { name: program, address, _process: process, _directory: directory };
        }
    }
    panic!("{program} found no free port in {PORTS_TRIED} tries");
}

/// Whether it answers for all zones; `false` where its port was taken.
#[track_caller]
fn answers(process: &Process, server: SocketAddr, zones: Zones<'_>) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket.connect(server).unwrap();
    let has_soa = |zone: &Name| {
        // Nobody listens there yet: that is told of when the next is sent.
        let _ = socket.send(&Query::new(zone, SOA).octets(1));
        let mut octets = vec![0; 4096];
        let length = socket.recv(&mut octets).ok()?;
        let reply = Reply::read(octets[..length].to_vec()).ok()?;
        (reply.answer.len() == 1).then_some(())
    };
    wait_until("the peer answers for its zones", PATIENCE, || {
        let said = process.said();
        if said.contains("in use") {
            return Some(false);
        }
        assert!(process.is_running(), "the peer ended and said:\n{said}");
        zones.iter().all(|(zone, _)| has_soa(zone).is_some()).then_some(true)
    })
}

/// A port that is free for UDP and TCP alike.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
}
