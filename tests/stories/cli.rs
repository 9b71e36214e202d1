//! The command line, as people and scripts use it: tables and JSON, exit codes, and what strangers' names do to it.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Portolan, cli, tool, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    pub(super) fn by(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        let text = |octets| String::from_utf8(octets).expect("UTF-8");
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Standard output, if it ended well.
    #[track_caller]
    pub(super) fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Standard error, if it ended with that code.
    #[track_caller]
    pub(super) fn with(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.err
    }
}

#[track_caller]
pub(super) fn say(portolan: &Portolan, arguments: &[&str]) -> Said {
    Said::by(portolan.cli(arguments))
}

#[track_caller]
pub(super) fn say_json(portolan: &Portolan, arguments: &[&str]) -> Value {
    let text = say(portolan, &[arguments, &["--json"]].concat()).well();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

#[test]
fn deregister_takes_away_what_is_there_and_says_when_nothing_is() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a/b c", "port": 1}));
    assert_eq!(say(&portolan, &["deregister", "_auth._tcp", "A/B c"]).well(), "deregistered A/B c of _auth._tcp\n");
    assert_eq!(portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]), "");

    let again = say(&portolan, &["deregister", "auth", "a/b c", "--json"]);
    assert_eq!(again.out, "{\"deregistered\":false}\n");
    assert!(again.with(1).contains("is not registered"));
}

#[test]
fn list_shows_every_state_and_lookup_only_what_is_served() {
    let portolan = Portolan::start(&[]);
    let up = json!({"service": "auth", "instance": "a1", "port": 1, "host": "web", "txt": {"path": "/login"},
                    "tags": ["blue"], "lease": 0});
    portolan.heartbeat(&up);
    portolan.heartbeat(&json!({"service": "audit", "instance": "b2", "port": 22, "host": "web", "status": "starting",
                               "lease": 0}));
    assert_eq!(
        say(&portolan, &["list"]).well(),
        "SERVICE      INSTANCE  STATUS    TARGET                 ADDRESSES  LEASE  SOURCE\n\
         _audit._tcp  b2        starting  web.registry.local:22  127.0.0.1  none   api\n\
         _auth._tcp   a1        up        web.registry.local:1   127.0.0.1  none   api\n"
    );
    assert_eq!(
        say(&portolan, &["lookup", "au*"]).well(),
        "SERVICE     INSTANCE  TARGET                ADDRESSES  PRIORITY  WEIGHT  TXT\n\
         _auth._tcp  a1        web.registry.local:1  127.0.0.1  0         0       path=/login\n"
    );

    let names = |arguments: &[&str]| {
        let found = say_json(&portolan, arguments);
        found.as_array().unwrap().iter().map(|i| i["instance"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["list"]), ["b2", "a1"]);
    assert_eq!(names(&["lookup", "au*"]), ["a1"]);
    let conditions: [&[&str]; 6] = [
        &["auth"],
        &["au*", "--status", "up"],
        &["--instance", "a?"],
        &["--tag", "blue"],
        &["--txt", "path=/login"],
        &["--source", "api", "--status", "up", "--status", "down"],
    ];
    for condition in conditions {
        assert_eq!(names(&[&["list"], condition].concat()), ["a1"], "{condition:?}");
    }
    let unknown = say(&portolan, &["list", "--source", "dhcp"]).with(2);
    assert!(unknown.contains("api or mdns"), "only what instances come from: {unknown}");
}

#[test]
fn scripts_are_told_by_the_exit_code() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 1}));
    let dns = portolan.dns.to_string();
    let cases: [(i32, &[&str]); 12] = [
        (0, &["lookup", "auth"]),
        (0, &["browse", "auth", "--server", &dns]),
        (1, &["lookup", "ghost"]),
        (1, &["list", "--status", "down"]),
        (1, &["browse", "ghost", "--server", &dns]),
        (2, &["list", "--status", "dead"]),
        (2, &["register", "auth", "--port", "0"]),
        (2, &["list", "--url", "ftp://localhost"]),
        (3, &["list", &"x".repeat(300)]),
        (3, &["browse", "--domain", "example.org", "--server", &dns]),
        (4, &["list", "--url", "http://127.0.0.1:1"]),
        (4, &["browse", "--server", "127.0.0.1:1"]),
    ];
    for (code, arguments) in cases {
        let said = say(&portolan, arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert_eq!(said.out.is_empty(), code != 0, "{arguments:?}: {said:?}");
        assert_eq!(said.err.is_empty(), code == 0, "{arguments:?}: {said:?}");
    }
    let nothing = say(&portolan, &["lookup", "ghost", "--json"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(1), "[]\n"));
}

#[test]
fn a_name_from_the_network_cannot_drive_the_terminal() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "bank\u{202e}moc\u{200b}", "port": 1,
                               "txt": {"k": "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{9b}1m"}}));
    let dns = portolan.dns.to_string();
    let commands: [&[&str]; 3] = [&["list"], &["lookup", "auth"], &["browse", "--server", &dns]];
    for command in commands {
        let table = say(&portolan, command).well();
        let wild = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}');
        assert_eq!(table.chars().find(wild), None, "{table:?}");
        assert_eq!(table.lines().count(), 2, "{table:?}");
        assert!(table.contains(r"bank\u{202e}moc\u{200b}"), "{table}");

        let json = say(&portolan, &[command, &["--json"]].concat()).well();
        assert_eq!(json.chars().find(wild), None, "{json:?}");
        let found: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(found[0]["instance"], "bank\u{202e}moc\u{200b}", "it is the same text");
        assert_eq!(found[0]["txt"]["k"], "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{9b}1m", "it is the same text");
    }
    let complaint = say(&portolan, &["lookup", "\u{1b}[2J"]);
    assert!(!complaint.err.contains('\u{1b}'), "{complaint:?}");
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure_and_a_full_disk_is_one() {
    let portolan = Portolan::start(&[]);
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 1}));
    for arguments in [&["list"][..], &["list", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = portolan.cli(arguments);
        command.stdout(writer);
        let said = Said::by(command);
        assert!(said.code == Some(0) && said.err.is_empty(), "{arguments:?}: {said:?}");
    }
    let mut command = portolan.cli(&["list"]);
    command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    assert!(Said::by(command).with(6).contains("standard output"));
}

#[test]
fn browse_follows_every_type_and_takes_the_long_way_when_an_answer_is_cut() {
    let portolan = Portolan::start(&[]);
    let many: Vec<_> = (0..80)
        .map(
            |n| json!({"service": "web", "instance": format!("Web {n:02}.x"), "port": 80, "txt": {"n": n.to_string()}}),
        )
        .collect();
    portolan.post("/v1/heartbeat", &json!(many)).expect(200);
    portolan.heartbeat(&json!({"service": "_auth._udp", "instance": "a1", "port": 1, "tags": ["blue"],
                               "priority": 3, "weight": 4, "addresses": ["10.0.0.7", "fd00::7"]}));
    let dns = portolan.dns.to_string();
    let cut = portolan.dig(&["+ignore", "PTR", "_web._tcp.registry.local"]);
    assert!(cut.contains("flags: qr aa tc"), "the answer does not fit a datagram: {cut}");

    let browse = |arguments: &[&str]| say_json(&portolan, &[&["browse", "--server", &dns], arguments].concat());
    let all = browse(&[]);
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 81);
    assert_eq!(
        all[0],
        json!({"service": "_auth._udp", "instance": "a1", "name": "a1._auth._udp.registry.local.",
               "host": "ip-10-0-0-7.registry.local.", "port": 1, "priority": 3, "weight": 4,
               "addresses": ["10.0.0.7", "fd00::7"], "txt": {}})
    );
    assert_eq!(all[80]["instance"], "Web 79.x");
    assert_eq!(all[80]["name"], r"Web\03279\.x._web._tcp.registry.local.");
    assert_eq!(all[80]["txt"], json!({"n": "79"}));
    assert_eq!(browse(&["_blue._sub._auth._udp"]).as_array().unwrap().len(), 1);
    assert_eq!(browse(&["w*"]).as_array().unwrap().len(), 80);
}

#[test]
fn browse_asks_a_foreign_server_for_all_that_it_does_not_send_along() {
    let nsd = Nsd::start(
        "services.test",
        r"@ 60 SOA ns host 1 60 60 60 60
          @ NS ns
          ns A 127.0.0.1
          _services._dns-sd._udp PTR _ipp._tcp
          _ipp._tcp PTR copy\032room\.2._ipp._tcp
          _ipp._tcp PTR Gone._ipp._tcp
          copy\032room\.2._ipp._tcp SRV 1 2 631 printer
          copy\032room\.2._ipp._tcp TXT txtvers=1 duplex
          printer A 192.0.2.1
          printer AAAA 2001:db8::1",
    );
    let server = nsd.address.to_string();
    let browse = Said::by(cli(&["browse", "--server", &server, "--domain", "services.test"]));
    assert_eq!(
        browse.well(),
        "SERVICE    INSTANCE     TARGET                     ADDRESSES              PRIORITY  WEIGHT  TXT\n\
         _ipp._tcp  copy room.2  printer.services.test:631  192.0.2.1 2001:db8::1  1         2       txtvers=1 duplex\n"
    );
}

#[test]
fn browse_does_not_wait_for_ever_nor_believe_what_it_did_not_ask() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let liar = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        // An answer, but to another id: what is known blind.
        buffer[0] ^= 0xff;
        buffer[2] |= 0x80;
        server.send_to(&buffer[..length], from).unwrap();
        server
    });
    let browse = Said::by(cli(&["browse", "--server", &address.to_string(), "--timeout", "300ms"]));
    let complaint = browse.with(4);
    assert!(complaint.contains(&address.to_string()) && complaint.contains("--server"), "{complaint}");
    liar.join().unwrap();
}

/// NSD with one zone; killed when dropped.
struct Nsd {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Nsd {
    fn start(zone: &str, records: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            path.display().to_string()
        };
        // NSD takes no port 0: one that was free a moment ago.
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let lines: Vec<_> = records.lines().map(str::trim).collect();
        let zone_file = file("zone", &format!("$ORIGIN {zone}.\n$TTL 60\n{}\n", lines.join("\n")));
        let here = folder.path().display();
        let settings = file(
            "nsd.conf",
            &format!(
                "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{here}\"\n \
                 pidfile: \"\"\n xfrdfile: \"{here}/xfrd\"\n xfrdir: \"{here}\"\n zonelistfile: \"{here}/list\"\n \
                 database: \"\"\nremote-control:\n control-enable: no\n\
                 zone:\n name: {zone}\n zonefile: \"{zone_file}\"\n",
                port = address.port()
            ),
        );
        let mut nsd = tool("nsd");
        let child = nsd.args(["-d", "-c", &settings]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let running = Self { child, address, _folder: folder };
        wait_until("NSD answers", PATIENCE, || {
            let port = address.port().to_string();
            let mut dig = tool("dig");
            let asked = dig.args(["@127.0.0.1", "-p", &port, "+short", "+time=1", "+tries=1", "SOA", zone]).output();
            asked.ok().filter(|output| output.status.success() && !output.stdout.is_empty())
        });
        running
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
