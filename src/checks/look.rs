//! One check: whether an instance takes a connection, or answers over it.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::service::Inquiry;

/// Octets of the head of an answer, at most; it is the least that hyper takes. What follows is not read.
const HEAD_MAX: usize = 8 * 1024;
/// Who asks.
const AGENT: &str = concat!("portolan/", env!("CARGO_PKG_VERSION"), " (check)");

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// For people.
    pub(super) reason: String,
}

/// For metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There was no connection.
    Connection,
    /// The time was over.
    Timeout,
    /// It answers with another status than 2xx.
    Status,
    /// It does not answer in HTTP.
    Protocol,
}

impl Kind {
    pub(super) const ALL: [(Self, &str); 4] = [
        (Self::Connection, "no-connection"),
        (Self::Timeout, "timeout"),
        (Self::Status, "status"),
        (Self::Protocol, "protocol"),
    ];

    fn because(self, reason: impl Into<String>) -> Failure {
        Failure { kind: self, reason: reason.into() }
    }
}

/// Does what `inquiry` says within `limit`.
pub(super) async fn look(inquiry: &Inquiry, at: SocketAddr, limit: Duration) -> Result<(), Failure> {
    let looked = timeout(limit, async {
        let stream = connect(at).await.map_err(|error| Kind::Connection.because(plain(&error)))?;
        match inquiry {
            Inquiry::Tcp => Ok(()),
            Inquiry::Http { host, path } => ask(stream, &called(host.as_deref(), at), path).await,
        }
    });
    let late = || Kind::Timeout.because(format!("did not answer within {}", humantime::format_duration(limit)));
    let looked = looked.await.unwrap_or_else(|_| Err(late()));
    looked.map_err(|Failure { kind, reason }| kind.because(format!("{at} {reason}")))
}

async fn connect(at: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(at).await?;
    // Where nobody listens on a port of this machine, the system may choose that very port for this end, and connects
    // it with itself.
    if stream.local_addr()? == stream.peer_addr()? { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(stream) }
}

async fn ask(stream: TcpStream, host: &str, path: &str) -> Result<(), Failure> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream)).await.map_err(|e| unspoken(&e))?;
    let request = Request::get(path).header(HOST, host).header(USER_AGENT, AGENT).header(CONNECTION, "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| Kind::Protocol.because(error.to_string()))?;
    let (mut answer, connection) = (pin!(sender.send_request(request)), pin!(connection));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // Its end says less than what it leaves behind.
        _ = connection => answer.await,
    };
    match answer.map_err(|error| unspoken(&error))?.status() {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => {
            Err(Kind::Status.because(format!("answers {status}, and redirects are not followed")))
        }
        status => Err(Kind::Status.because(format!("answers {status}"))),
    }
}

/// By which host it is called: by its address, unless it is to be another.
fn called(host: Option<&str>, at: SocketAddr) -> String {
    match (host, at.port()) {
        (Some(host), 80) => host.to_owned(),
        (Some(host), port) => format!("{host}:{port}"),
        (None, _) => at.to_string(),
    }
}

fn unspoken(error: &hyper::Error) -> Failure {
    Kind::Protocol.because(if error.is_parse_too_large() {
        format!("answers with a head of more than {HEAD_MAX} octets")
    } else if error.is_parse() {
        "does not answer in HTTP".to_owned()
    } else {
        "hung up without an answer".to_owned()
    })
}

/// Without the number of the system.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refuses the connection".to_owned(),
        io::ErrorKind::ConnectionReset => "resets the connection".to_owned(),
        io::ErrorKind::HostUnreachable => "is unreachable".to_owned(),
        io::ErrorKind::NetworkUnreachable => "is in a network that is unreachable".to_owned(),
        _ => format!("cannot be reached: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// What a look says of a server that answers with `says` and then waits, its address left out, and what that was
    /// asked.
    async fn answered(target: &str, says: &[u8]) -> (Result<(), Failure>, String) {
        let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listening.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listening.accept().await.unwrap();
            let (mut asked, mut octets) = (Vec::new(), [0; 4096]);
            while !asked.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut octets).await.unwrap();
                asked.extend_from_slice(&octets[..read]);
            }
            // Who has read enough may have closed.
            let _ = stream.write_all(says).await;
            let _ = stream.read(&mut octets).await;
            String::from_utf8(asked).unwrap()
        };
        let inquiry = target.parse().unwrap();
        let (result, asked) = tokio::join!(look(&inquiry, at, LIMIT), serve);
        let place = format!("{at} ");
        (result.map_err(|Failure { kind, reason }| kind.because(reason.replacen(&place, "", 1))), asked)
    }

    #[tokio::test]
    async fn it_is_asked_in_one_line_by_the_host_that_it_is_to_be_called_by() {
        let (result, asked) = answered("/health?deep=1", b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(result, Ok(()));
        assert!(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{asked}");
        let (_, asked) = answered("http://web.example/", b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(asked.contains("\r\nhost: web.example:") && asked.contains("user-agent: portolan/"), "{asked}");
    }

    #[tokio::test]
    async fn the_head_decides_and_what_follows_is_not_waited_for() {
        let long = [b"HTTP/1.1 200 OK\r\nx: ", &[b'x'; 2 * HEAD_MAX][..]].concat();
        for (says, result) in [
            (&b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"[..], Ok(())),
            (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Ok(())),
            (b"HTTP/1.1 503 x\r\n\r\n", Err(Kind::Status.because("answers 503 Service Unavailable"))),
            (
                b"HTTP/1.1 302 x\r\nlocation: http://10.0.0.1/\r\n\r\n",
                Err(Kind::Status.because("answers 302 Found, and redirects are not followed")),
            ),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Err(Kind::Protocol.because("does not answer in HTTP"))),
            (&long, Err(Kind::Protocol.because("answers with a head of more than 8192 octets"))),
        ] {
            let (is, _) = answered("/", says).await;
            assert_eq!(is, result, "{}", String::from_utf8_lossy(says));
        }
    }

    #[tokio::test]
    async fn nobody_who_listens_and_nobody_who_speaks_are_told_apart() {
        let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listening.local_addr().unwrap();
        assert_eq!(look(&Inquiry::Tcp, at, LIMIT).await, Ok(()));
        let silent = look(&"/".parse().unwrap(), at, Duration::from_millis(50)).await;
        assert_eq!(silent, Err(Kind::Timeout.because(format!("{at} did not answer within 50ms"))));
        drop(listening);
        assert_eq!(
            look(&Inquiry::Tcp, at, LIMIT).await,
            Err(Kind::Connection.because(format!("{at} refuses the connection")))
        );
    }
}
