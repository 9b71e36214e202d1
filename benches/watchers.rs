//! The watchers of `benches/run http`: how long it takes until all who watch are told of a change.
//!
//! `watchers ADDRESS WATCHERS RATE SECONDS` opens so many watches, makes so many changes a second, and notes when each
//! watcher has read the event of each change. Both are done here, so that both times are of one clock: a change's time
//! begins before its request is written, so the sync to disk is in it, and ends when the last octet of its event was
//! read. The first second does not count. A watcher that is not told of every change, each once, is an error.
//!
//! One thread does it all: on its core the events wait for each other, which counts as well.

use std::cell::RefCell;
use std::env;
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep_until, timeout};

/// Connections that changes are sent over, one at a time each: enough that none is late while a disk syncs.
const WRITERS: usize = 50;
/// Instances that change in turn.
const INSTANCES: usize = 1000;
/// After the last change.
const PATIENCE: Duration = Duration::from_secs(10);
/// In an event, what stands before the number of its change.
const NUMBER: &[u8] = b"\"number\":\"";
/// What ends an event (HTML Living Standard §9.2.5).
const END: &[u8] = b"\n\n";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is asked for.
#[derive(Debug, Clone)]
struct Asked {
    address: String,
    watchers: usize,
    rate: usize,
    changes: usize,
}

/// What was noted.
#[derive(Debug)]
struct Notes {
    /// When each change was sent.
    sent: Vec<Option<Instant>>,
    /// How long it took until a watcher was told of a change that counts.
    latencies: Vec<Duration>,
}

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    // `cargo bench` runs every bench, with an option of its own.
    let [address, watchers, rate, seconds] = &arguments[..] else { return Ok(()) };
    let (watchers, rate, seconds) = (watchers.parse()?, rate.parse()?, seconds.parse::<usize>()?);
    let asked = Asked { address: address.clone(), watchers, rate, changes: (1 + seconds) * rate };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(asked))
}

async fn run(asked: Asked) -> Result<()> {
    let notes = Notes { sent: vec![None; asked.changes], latencies: Vec::new() };
    let notes = Rc::new(RefCell::new(notes));
    let mut watching = Vec::new();
    for _ in 0..asked.watchers {
        let stream = open(&asked.address).await?;
        watching.push(spawn_local(watch(stream, asked.clone(), Rc::clone(&notes))));
    }
    let begin = Instant::now();
    let writing: Vec<_> =
        (0..WRITERS).map(|first| spawn_local(write(first, begin, asked.clone(), Rc::clone(&notes)))).collect();
    for writer in writing {
        writer.await?.map_err(|error| format!("a change failed: {error}"))?;
    }
    let took = begin.elapsed();
    for watcher in watching {
        timeout(PATIENCE, watcher).await.map_err(|_| "a watcher was not told of all")??.map_err(|e| e.clone())?;
    }
    report(&asked, took, &mut notes.borrow_mut().latencies);
    Ok(())
}

/// A watch that has begun.
async fn open(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET /v1/watch?service=watched HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut come = Vec::new();
    // Its first words are a comment with the position (README.md).
    while find(&come, b"\nid: ").is_none_or(|at| find(&come[at..], END).is_none()) {
        if stream.read_buf(&mut come).await? == 0 {
            return Err(format!("no watch: {}", String::from_utf8_lossy(&come)).into());
        }
    }
    Ok(stream)
}

/// Until it was told of every change.
async fn watch(mut stream: TcpStream, asked: Asked, notes: Rc<RefCell<Notes>>) -> std::result::Result<(), String> {
    let (mut come, mut told) = (Vec::with_capacity(1 << 16), vec![false; asked.changes]);
    let mut missing = asked.changes;
    while missing > 0 {
        match stream.read_buf(&mut come).await {
            Ok(1..) => {}
            ended => return Err(format!("a watch ended: {ended:?}")),
        }
        let now = Instant::now();
        let mut read = 0;
        while let Some(end) = find(&come[read..], END) {
            let event = &come[read..read + end];
            read += end + END.len();
            let Some(at) = find(event, NUMBER) else { continue };
            let digits = event[at + NUMBER.len()..].iter().take_while(|octet| octet.is_ascii_digit());
            let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
            if std::mem::replace(&mut told[number], true) {
                return Err(format!("told twice of change {number}"));
            }
            missing -= 1;
            let mut notes = notes.borrow_mut();
            let sent = notes.sent[number].ok_or("told of what was not sent")?;
            if number >= asked.rate {
                notes.latencies.push(now - sent);
            }
        }
        come.drain(..read);
    }
    Ok(())
}

/// Makes every `WRITERS`th change when it is due.
async fn write(
    first: usize,
    begin: Instant,
    asked: Asked,
    notes: Rc<RefCell<Notes>>,
) -> std::result::Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(&asked.address).await.map_err(failed)?;
    let mut answer = Vec::new();
    for number in (first..asked.changes).step_by(WRITERS) {
        let due = begin + Duration::from_secs(number as u64) / u32::try_from(asked.rate).expect("a small rate");
        sleep_until(due.into()).await;
        let request = request(&asked.address, number);
        notes.borrow_mut().sent[number] = Some(Instant::now());
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        answer.clear();
        while !is_whole(&answer) {
            if stream.read_buf(&mut answer).await.map_err(failed)? == 0 {
                return Err("the connection was closed".into());
            }
        }
        if !answer.starts_with(b"HTTP/1.1 20") {
            return Err(String::from_utf8_lossy(&answer).into_owned());
        }
    }
    Ok(())
}

fn request(address: &str, number: usize) -> String {
    let instance = number % INSTANCES;
    let body = format!(
        r#"{{"service": "watched", "instance": "node-{instance}", "host": "host-{instance}", "addresses": ["10.255.0.1"],
            "port": 8080, "lease": 3600, "txt": {{"path": "/watched", "number": "{number}"}}}}"#
    );
    format!(
        "POST /v1/heartbeat HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Whether all of an answer has come, which says its length.
fn is_whole(answer: &[u8]) -> bool {
    const LENGTH: &[u8] = b"content-length: ";
    let (Some(head), Some(at)) = (find(answer, b"\r\n\r\n"), find(answer, LENGTH)) else { return false };
    let digits = answer[at + LENGTH.len()..].iter().take_while(|octet| octet.is_ascii_digit());
    answer.len() >= head + 4 + digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|window| window == wanted)
}

#[expect(clippy::print_stdout, reason = "the one line that it is run for")]
fn report(asked: &Asked, took: Duration, latencies: &mut [Duration]) {
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100].as_micros();
    println!(
        r#"{{"changes": {}, "events": {}, "microseconds": {}, "p50_microseconds": {}, "p99_microseconds": {}, "most_microseconds": {}}}"#,
        asked.changes,
        asked.changes * asked.watchers,
        took.as_micros(),
        at(50),
        at(99),
        at(100),
    );
}
