//! `portolan register` stands beside a service: it registers, renews, comes back, and takes the service out as it ends.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cli::{Said, say, say_json};
use crate::support::{Portolan, cli, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// `portolan register`, running; killed when dropped.
struct Registering {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Registering {
    fn start(portolan: &Portolan, arguments: &[&str]) -> Self {
        Self::spawn(portolan.cli(&[&["register"], arguments].concat()))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for the next line.
    #[track_caller]
    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("UTF-8")
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    #[track_caller]
    fn stop(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.ends()
    }

    #[track_caller]
    fn ends(&mut self) -> Option<i32> {
        wait_until("register ends", PATIENCE, || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Registering {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn register_keeps_a_service_in_dns_until_it_is_told_to_end() {
    let portolan = Portolan::start(&[]);
    for signal in ["TERM", "INT"] {
        let details = ["--instance", "Main Auth", "--txt", "path=/login", "--txt", "beta", "--tag", "blue"];
        let mut register = Registering::start(&portolan, &[&["auth", "--port", "8080"], &details[..]].concat());
        assert_eq!(
            register.line(),
            r"registered: Main\032Auth._auth._tcp.registry.local (up, lease 1m); Ctrl-C deregisters"
        );
        assert!(portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]).starts_with("0 0 8080 "));
        let txt = portolan.dig(&["+short", "TXT", r"Main\032Auth._auth._tcp.registry.local"]);
        assert_eq!(txt, "\"path=/login\" \"beta\"\n");
        assert_ne!(portolan.dig(&["+short", "PTR", "_blue._sub._auth._tcp.registry.local"]), "");

        assert_eq!(register.stop(signal), Some(0), "{signal}");
        assert_eq!(portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]), "", "{signal}");
        portolan.get("/v1/instances/auth/Main%20Auth").expect(404);
    }
}

#[test]
fn register_renews_a_lease_that_would_have_lapsed() {
    let portolan = Portolan::start(&[]);
    let mut register =
        Registering::start(&portolan, &["auth", "--port", "1", "--instance", "a", "--lease", "5", "--json"]);
    let parse = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let first = parse(register.line());
    assert_eq!((&first["created"], &first["lease"]), (&json!(true), &json!(5)));
    // Each line is a renewal: the fourth comes after the lease of the first has ended.
    let later = (0..4).map(|_| parse(register.line())).next_back().unwrap();
    assert_eq!((&later["created"], &later["status"]), (&json!(false), &json!("up")));
    assert!(later["expires_at"].as_str() > first["expires_at"].as_str(), "{first} {later}");
}

#[test]
fn register_comes_back_to_a_registry_that_was_killed_and_forgot() {
    let first = Portolan::start(&["--store", "memory:"]);
    let http = first.http.to_string();
    let mut register = Registering::start(&first, &["auth", "--port", "1", "--instance", "a", "--lease", "5"]);
    assert!(register.line().starts_with("registered: a._auth._tcp.registry.local "));
    first.kill();

    let second = Portolan::start(&["--store", "memory:", "--http", &http]);
    assert!(register.line().starts_with("registered again: a._auth._tcp.registry.local "));
    assert_eq!(say_json(&second, &["lookup", "auth"])[0]["instance"], "a");
    assert_eq!(register.stop("TERM"), Some(0));
    say(&second, &["lookup", "auth"]).with(1);
}

#[test]
fn register_ends_soon_while_the_registry_does_not_answer() {
    let silent = listener();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for (signal, code) in [("TERM", 128 + 15), ("INT", 128 + 2)] {
        let mut register =
            Registering::spawn(cli(&["register", "auth", "--port", "1", "--instance", "a", "--url", &url]));
        let _asked = request_on(&silent);
        let began = Instant::now();
        assert_eq!(register.stop(signal), Some(code), "SIG{signal}");
        assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
        let complaint = std::io::read_to_string(register.child.stderr.take().unwrap()).unwrap();
        assert!(complaint.contains("before the registry answered"), "{complaint}");
        // The request to deregister, which was not answered either.
        drop(connection_to(&silent));
    }
}

#[test]
fn register_deregisters_what_the_registry_has_not_confirmed() {
    let portolan = Portolan::start(&[]);
    let lossy = listener();
    let url = format!("http://{}", lossy.local_addr().unwrap());
    let arguments = ["register", "auth", "--port", "1", "--transport", "udp", "--instance", "a b", "--url", &url];
    let mut register = Registering::spawn(cli(&arguments));
    let (_asked, request) = request_on(&lossy);
    // What was asked is done, but the answer is lost.
    let mut to_registry = TcpStream::connect(portolan.http).unwrap();
    to_registry.write_all(&request).unwrap();
    let registered = || (say(&portolan, &["lookup", "_auth._udp"]).code == Some(0)).then_some(());
    wait_until("it is registered", PATIENCE, registered);

    let http = portolan.http;
    let second = std::thread::spawn(move || {
        let (mut client, request) = request_on(&lossy);
        client.write_all(&answer_of(http, &request)).unwrap();
    });
    assert_eq!(register.stop("TERM"), Some(0));
    second.join().unwrap();
    portolan.get("/v1/instances/_auth._udp/a%20b").expect(404);
}

#[test]
fn a_terminal_that_closes_may_say_so_twice() {
    let portolan = Portolan::start(&[]);
    let between = listener();
    let url = format!("http://{}", between.local_addr().unwrap());
    let arguments = ["register", "auth", "--port", "1", "--instance", "a", "--url", &url];
    let mut register = Registering::spawn(cli(&arguments));
    let (mut client, request) = request_on(&between);
    client.write_all(&answer_of(portolan.http, &request)).unwrap();
    assert!(register.line().starts_with("registered: a._auth._tcp.registry.local "));
    register.signal("HUP");
    let (mut client, request) = request_on(&between);
    register.signal("HUP");
    client.write_all(&answer_of(portolan.http, &request)).unwrap();
    assert_eq!(register.ends(), Some(0));
    portolan.get("/v1/instances/auth/a").expect(404);
}

/// What a test answers on in place of a registry.
fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The test waits, and not for ever.
    listener.set_nonblocking(true).unwrap();
    listener
}

/// The next connection.
#[track_caller]
fn connection_to(listener: &TcpListener) -> TcpStream {
    let (stream, _) = wait_until("a connection comes", PATIENCE, || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next connection, and the request on it.
#[track_caller]
fn request_on(listener: &TcpListener) -> (TcpStream, Vec<u8>) {
    let mut stream = connection_to(listener);
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).unwrap();
    request.truncate(length);
    (stream, request)
}

/// What the registry answers to it.
fn answer_of(registry: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(registry).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

#[test]
fn register_says_where_to_look_when_the_registry_is_not_there_or_says_no() {
    let portolan = Portolan::start(&[]);
    let refused = say(&portolan, &["register", "auth", "--port", "1", "--tag", "a.b"]).with(3);
    assert!(refused.contains("`tags[0]`") && refused.contains("(422 invalid-tag)"), "{refused}");
    let dns = format!("http://{}", portolan.dns);
    let other = Said::by(cli(&["register", "auth", "--port", "1", "--url", &dns])).with(4);
    assert!(other.contains("hung up without an answer in HTTP") && other.contains(&dns), "{other}");
    let nowhere = Said::by(cli(&["register", "auth", "--port", "1", "--url", "http://127.0.0.1:1"])).with(4);
    assert!(nowhere.contains("http://127.0.0.1:1/") && nowhere.contains("`portolan serve`"), "{nowhere}");
}
