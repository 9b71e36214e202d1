//! DNS over TLS and QUIC: item 32, the limits that hold for it as for TCP (item 28), and certificates that come and go.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::dig::ask;
use crate::support::tls::{self, Certificate};
use crate::support::{Launch, Portolan, python, run, tool, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);
/// `_auth._tcp.registry.local SRV`, with a message ID of 1.
const QUESTION: &[u8] = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x05_auth\x04_tcp\x08registry\x05local\0\0\x21\0\x01";

/// With a certificate for `localhost`, which is in the folder.
fn start(settings: &[(&str, &str)]) -> (Portolan, Certificate, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::in_folder(folder.path());
    certificate.write(&["localhost"]);
    let mut launch = Launch::new()
        .env("PORTOLAN_DNS_TLS_LISTEN", "127.0.0.1:0")
        .env("PORTOLAN_DNS_QUIC_LISTEN", "127.0.0.1:0")
        .env("PORTOLAN_TLS_CERTIFICATE", certificate.file.to_str().unwrap())
        .env("PORTOLAN_TLS_KEY", certificate.key.to_str().unwrap());
    for (name, value) in settings {
        launch = launch.env(name, value);
    }
    let portolan = launch.start();
    portolan.heartbeat(&json!({"service": "auth", "instance": "a1", "port": 80, "addresses": ["10.0.0.1"]}));
    (portolan, certificate, folder)
}

fn listening(portolan: &Portolan, key: &str) -> SocketAddr {
    portolan.ready[key][0].as_str().unwrap().parse().unwrap()
}

/// What kdig says, whether it is satisfied or not.
fn kdig(server: SocketAddr, arguments: &[&str]) -> String {
    let (address, port) = (format!("@{}", server.ip()), server.port().to_string());
    let output = tool("kdig").args([&address, "-p", &port, "+noidn", "+retry=0"]).args(arguments).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn trusting(file: &Path) -> String {
    format!("+tls-ca={}", file.display())
}

#[test]
fn item_32_kdig_asks_over_tls_and_believes_the_certificate() {
    let (portolan, certificate, _folder) = start(&[]);
    let server = listening(&portolan, "dns_tls");
    let ask = |name: &str| {
        let (ca, name) = (trusting(&certificate.file), format!("+tls-hostname={name}"));
        kdig(server, &[&ca, &name, "_auth._tcp.registry.local", "SRV"])
    };
    let text = ask("localhost");
    assert!(text.contains("TLS session (TLS1.3)") && text.contains("status: NOERROR"), "{text}");
    assert!(text.contains("ip-10-0-0-1.registry.local.\t10\tIN\tA\t10.0.0.1"), "{text}");
    assert!(!text.contains("WARNING"), "{text}");
    // A client that wants somebody else gets no answer from us.
    let text = ask("elsewhere.example");
    assert!(!text.contains("status:"), "{text}");
}

#[test]
fn a_reply_over_tls_is_padded_to_a_block_for_who_asks() {
    let (portolan, certificate, _folder) = start(&[]);
    let (server, ca) = (listening(&portolan, "dns_tls"), trusting(&certificate.file));
    let ask =
        |padding: &str| kdig(server, &[&ca, "+tls-hostname=localhost", padding, "_auth._tcp.registry.local", "SRV"]);
    let text = ask("+padding");
    assert!(text.contains("Received 468 B") && text.contains("PADDING: "), "{text}");
    assert!(text.contains("status: NOERROR") && !text.contains("WARNING"), "{text}");
    let text = ask("+nopadding");
    assert!(!text.contains("Received 468 B") && !text.contains("PADDING"), "{text}");
}

#[test]
fn item_28_requests_over_tls_are_pipelined() {
    let (portolan, certificate, _folder) = start(&[]);
    let mut stream = tls::connect(listening(&portolan, "dns_tls"), &certificate.file, "dot").unwrap();
    let mut second = QUESTION.to_vec();
    second[1] = 2;
    stream.write_all(&[tls::framed(QUESTION), tls::framed(&second)].concat()).unwrap();
    let replies = [tls::receive(&mut stream).unwrap(), tls::receive(&mut stream).unwrap()];
    assert_eq!(replies.map(|reply| reply[1]), [1, 2]);
}

/// More than a datagram takes: 800 instances of `_many._tcp`.
fn register_many(portolan: &Portolan) {
    let instance = |n| json!({"service": "many", "instance": format!("i{n}"), "host": format!("h{n}"), "port": n});
    assert_eq!(portolan.post("/v1/heartbeat", &(1..=800).map(instance).collect()).status, 200);
}

#[test]
fn a_large_service_comes_whole_over_tls() {
    let (portolan, certificate, _folder) = start(&[]);
    register_many(&portolan);
    let text = kdig(
        listening(&portolan, "dns_tls"),
        &[&trusting(&certificate.file), "+tls-hostname=localhost", "+bufsize=512", "_many._tcp.registry.local", "SRV"],
    );
    assert!(text.contains("ANSWER: 800;"), "{}", &text[..text.len().min(600)]);
    assert!(!text.contains("qr aa tc"), "nothing is truncated over a stream");
}

#[test]
fn a_tls_handshake_that_stalls_is_cut_off_and_keeps_nobody_waiting() {
    let (portolan, certificate, _folder) = start(&[("PORTOLAN_DNS_TCP_IDLE", "1s")]);
    let server = listening(&portolan, "dns_tls");
    let mut stalled = TcpStream::connect(server).unwrap();
    // The head of a record that promises 512 octets of a handshake.
    stalled.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    let mut stream = tls::connect(server, &certificate.file, "dot").unwrap();
    tls::send(&mut stream, QUESTION).unwrap();
    assert_eq!(tls::receive(&mut stream).unwrap()[..2], [0, 1]);
    stalled.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(stalled.read(&mut [0; 16]).unwrap_or(0), 0, "closed, not answered");
}

#[test]
fn item_28_tcp_and_tls_share_their_places_and_the_quietest_makes_room() {
    let (portolan, certificate, _folder) =
        start(&[("PORTOLAN_DNS_TCP_CONNECTIONS", "3"), ("PORTOLAN_DNS_TCP_CONNECTIONS_PER_CLIENT", "3")]);
    let mut quietest = TcpStream::connect(portolan.dns).unwrap();
    tls::send(&mut quietest, QUESTION).unwrap();
    tls::receive(&mut quietest).unwrap();
    let server = listening(&portolan, "dns_tls");
    let mut others: Vec<_> = (0..3).map(|_| tls::connect(server, &certificate.file, "dot").unwrap()).collect();
    for stream in &mut others {
        tls::send(stream, QUESTION).unwrap();
        assert_eq!(tls::receive(stream).unwrap()[..2], [0, 1]);
    }
    quietest.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(quietest.read(&mut [0; 1]).unwrap_or(0), 0, "closed");
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    let (portolan, certificate, _folder) = start(&[("PORTOLAN_DNS_TCP_IDLE", "1s")]);
    let tcp = TcpStream::connect(portolan.dns).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    let tls = tls::connect(listening(&portolan, "dns_tls"), &certificate.file, "dot").unwrap();
    let requests = tls::framed(QUESTION).repeat(1000);
    let streams: [Box<dyn Write>; 2] = [Box::new(tcp), Box::new(tls)];
    for mut stream in streams {
        // Its requests are taken until the replies have nowhere to go.
        let error = loop {
            match stream.write_all(&requests) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
    assert_eq!(ask(portolan.dns, &["+tcp", "SRV", "_auth._tcp.registry.local"]).status, "NOERROR");
}

#[test]
fn item_32_dnspython_and_aioquic_ask_over_quic() {
    let (portolan, certificate, _folder) = start(&[("PORTOLAN_DNS_TCP_CONNECTIONS", "2")]);
    register_many(&portolan);
    let server = listening(&portolan, "dns_quic");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/quic_peer.py");
    let arguments = [&server.ip().to_string(), &server.port().to_string(), certificate.file.to_str().unwrap()];
    assert_eq!(run(python("aioquic").arg(script).args(arguments)).trim(), "all as it should be");
    assert!(portolan.log().lines().all(|line| !line.contains("quinn")), "{}", portolan.log());
}

#[test]
fn a_replaced_certificate_is_in_the_next_handshake_and_old_connections_stay() {
    let (portolan, certificate, folder) = start(&[]);
    let server = listening(&portolan, "dns_tls");
    let old = folder.path().join("old.pem");
    fs::copy(&certificate.file, &old).unwrap();
    let mut stands = tls::connect(server, &old, "dot").unwrap();
    certificate.write(&["localhost"]);
    let mut next =
        wait_until("the new certificate is shown", PATIENCE, || tls::connect(server, &certificate.file, "dot").ok());
    for stream in [&mut stands, &mut next] {
        tls::send(stream, QUESTION).unwrap();
        assert_eq!(tls::receive(stream).unwrap()[..2], [0, 1]);
    }
    assert!(tls::connect(server, &old, "dot").is_err());
    assert!(portolan.log().contains("the TLS certificate was replaced"), "{}", portolan.log());
}

#[test]
fn a_replaced_certificate_is_in_the_next_handshake_over_https_and_quic_too() {
    let (portolan, certificate, folder) = start(&[("PORTOLAN_HTTP_TLS_LISTEN", "127.0.0.1:0")]);
    let (https, quic) = (listening(&portolan, "http_tls"), listening(&portolan, "dns_quic"));
    let old = folder.path().join("old.pem");
    fs::copy(&certificate.file, &old).unwrap();
    let over_https = |trusted: &Path| tls::connect(https, trusted, "h2").is_ok();
    let over_quic = |trusted: &Path| {
        // `+quic` comes last: those for TLS turn TLS on.
        let words = [&trusting(trusted), "+tls-hostname=localhost", "+quic", "registry.local", "NS"];
        kdig(quic, &words).contains("status: NOERROR")
    };
    assert!(over_https(&old) && over_quic(&old));
    certificate.write(&["localhost"]);
    wait_until("HTTPS shows the new one", PATIENCE, || over_https(&certificate.file).then_some(()));
    wait_until("QUIC shows the new one", PATIENCE, || over_quic(&certificate.file).then_some(()));
    assert!(!over_https(&old) && !over_quic(&old));
}

#[test]
fn a_broken_certificate_keeps_the_old_one_and_says_why_once() {
    let (portolan, certificate, folder) = start(&[]);
    let server = listening(&portolan, "dns_tls");
    let old = folder.path().join("old.pem");
    fs::copy(&certificate.file, &old).unwrap();
    let told = || portolan.log().matches("was not replaced").count();
    fs::write(&certificate.file, "-----BEGIN CERTIFICATE-----\nhalf of it").unwrap();
    wait_until("it says so", PATIENCE, || (told() == 1).then_some(()));
    assert!(portolan.log().contains(certificate.file.to_str().unwrap()), "{}", portolan.log());
    assert!(tls::connect(server, &old, "dot").is_ok());
    // A key of another certificate is no better; both together are.
    let other = Certificate::in_folder(&folder.path().join("other"));
    fs::create_dir(folder.path().join("other")).unwrap();
    other.write(&["localhost"]);
    fs::copy(&other.file, &certificate.file).unwrap();
    wait_until("it says so", PATIENCE, || (told() == 2).then_some(()));
    assert!(portolan.log().contains("is not that of the first certificate in"), "{}", portolan.log());
    assert!(tls::connect(server, &old, "dot").is_ok());
    fs::copy(&other.key, &certificate.key).unwrap();
    wait_until("the new one is shown", PATIENCE, || tls::connect(server, &other.file, "dot").ok().map(drop));
    assert_eq!(told(), 2, "{}", portolan.log());
}

#[test]
fn a_certificate_for_a_trial_is_told_at_start_and_outlives_it() {
    let data_dir = tempfile::tempdir().unwrap();
    let launch = || {
        let listen = ("PORTOLAN_DNS_TLS_LISTEN", "127.0.0.1:0");
        Launch::new().data_dir(data_dir.path()).env(listen.0, listen.1).env("PORTOLAN_TLS_SELF_SIGNED", "true").start()
    };
    let pin_of = |portolan: &Portolan| portolan.ready["tls_pin"].as_str().unwrap().to_owned();
    let first = launch();
    let pin = pin_of(&first);
    first.terminate();
    let second = launch();
    assert_eq!(pin_of(&second), pin);
    let server = listening(&second, "dns_tls");
    let text = kdig(server, &[&format!("+tls-pin={pin}"), "registry.local", "NS"]);
    assert!(text.contains("status: NOERROR"), "{text}");
    let file = trusting(&data_dir.path().join("self-signed.pem"));
    for name in ["localhost", "ns.registry.local"] {
        let text = kdig(server, &[&file, &format!("+tls-hostname={name}"), "registry.local", "NS"]);
        assert!(text.contains("status: NOERROR"), "{name}: {text}");
    }
}

#[test]
fn a_listener_without_a_certificate_is_refused_with_both_remedies() {
    let (status, log) = Launch::new().env("PORTOLAN_DNS_TLS_LISTEN", "127.0.0.1:0").start_in_vain();
    assert_eq!(status.code(), Some(2));
    for part in ["dns.tls_listen", "tls.certificate", "tls.key", "tls.self_signed = true"] {
        assert!(log.contains(part), "{log}");
    }
}

#[test]
fn a_certificate_that_is_no_file_or_has_no_end_is_refused_and_holds_up_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let [pipe, much] = ["pipe", "long.pem"].map(|name| folder.path().join(name));
    run(tool("mkfifo").arg(&pipe));
    fs::File::create(&much).unwrap().set_len((1 << 20) + 1).unwrap();
    for (path, what) in [
        (&*pipe, "is no regular file"),
        (folder.path(), "is no regular file"),
        (Path::new("/dev/zero"), "is no regular file"),
        (&*much, "has more than 1 MiB"),
    ] {
        let path = path.to_str().unwrap();
        let launch = Launch::new().env("PORTOLAN_TLS_CERTIFICATE", path).env("PORTOLAN_TLS_KEY", path);
        let (status, log) = launch.env("PORTOLAN_DNS_TLS_LISTEN", "127.0.0.1:0").start_in_vain();
        assert_eq!(status.code(), Some(5), "{log}");
        for part in [path, what, "tls.certificate", "1 MiB", "PEM"] {
            assert!(log.contains(part), "{log}");
        }
    }
}
